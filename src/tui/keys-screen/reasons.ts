/** Why an action does nothing now. */
import type { KeyRow } from '../../model/key-desk.ts';

export interface KeyContext {
  /** The selected key. */
  readonly row: KeyRow | undefined;
  readonly busy: string | undefined;
}

export const oneMoment = ({ busy }: KeyContext): string | undefined =>
  busy === undefined ? undefined : `one moment: ${busy}`;

export const noKey = ({ row }: KeyContext): string | undefined =>
  row === undefined ? 'there is no key here; c creates one, i brings one in' : undefined;

/** Nothing is under way, and there is a key. */
const first = (context: KeyContext): string | undefined => oneMoment(context) ?? noKey(context);

const HALF = 'this is only the public half of a key';

export const noFilter = ({ row, busy }: KeyContext): string | undefined =>
  row === undefined && busy === undefined ? 'there is nothing to filter' : undefined;

export const noExport = first;

export function noWords(context: KeyContext): string | undefined {
  const { row } = context;
  if (row?.kind === 'rsa') return 'an RSA key has no recovery words; e exports it as PEM or age';
  if (row?.kind === 'rsa-public') return `${HALF}: it has no recovery words`;
  return first(context);
}

export function noTest(context: KeyContext): string | undefined {
  const { row } = context;
  if (row?.kind === 'rsa-public') return `${HALF}: it opens nothing; test where the private half is`;
  if (row?.uses.length === 0) return `no vault uses key ${row.name}: there is nothing to open`;
  return first(context);
}

export function noRotation(context: KeyContext): string | undefined {
  const { row } = context;
  if (row?.kind === 'rsa-public') return `${HALF}: it opens nothing; rotate where the private half is`;
  if (row?.uses.length === 0) return `no vault uses key ${row.name}: there is nothing to move`;
  if (row?.store === 'command')
    return 'keys come from a command here: make the new one there, then: s3vault rekey DIR --key NAME';
  return first(context);
}

export const noDelete = (context: KeyContext): string | undefined =>
  context.row?.store === 'command' ? 'keys come from a command here: remove it there' : first(context);
