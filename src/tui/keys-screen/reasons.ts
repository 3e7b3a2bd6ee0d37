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

/** Stores that s3vault only reads. */
const READ_ONLY: { readonly [store: string]: string | undefined } = {
  command: 'keys come from a command here',
  credentials: "keys come from systemd's credentials here",
};

const HALF = 'this is only the public half of a key';

export const noFilter = ({ row, busy }: KeyContext): string | undefined =>
  row === undefined && busy === undefined ? 'there is nothing to filter' : undefined;

const KMS = 'AWS KMS holds this key and it is never here';

export const noExport = (context: KeyContext): string | undefined =>
  context.row?.kind === 'kms' ? `${KMS}: there is nothing to export` : first(context);

export function noWords(context: KeyContext): string | undefined {
  const { row } = context;
  if (row?.kind === 'kms') return `${KMS}: it has no recovery words`;
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
  if (row?.kind === 'kms') return `${KMS}: switch its rotation on there, or: s3vault rekey DIR --kms-key ID`;
  if (row?.uses.length === 0) return `no vault uses key ${row.name}: there is nothing to move`;
  const elsewhere = READ_ONLY[row?.store ?? ''];
  if (elsewhere !== undefined)
    return `${elsewhere}: make the new one there, then: s3vault rekey DIR --key NAME`;
  return first(context);
}

export function noDelete(context: KeyContext): string | undefined {
  const { row } = context;
  if (row?.kind === 'kms') return `${KMS}: its deletion is scheduled there`;
  const elsewhere = READ_ONLY[row?.store ?? ''];
  return elsewhere === undefined ? first(context) : `${elsewhere}: remove it there`;
}
