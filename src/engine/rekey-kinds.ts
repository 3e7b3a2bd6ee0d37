/**
 * Before a rekey into mode `client`, which binds what an object is: do the objects say what this machine saw last [KIND-1]? Asked
 * while a sync may still settle it: once the rekey has begun, no machine syncs before its end.
 */
import { type ObjectKey, nameKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import type { Direction } from '../model/vault.ts';
import { type Conversion, isSealed } from './conversion.ts';
import { refusedRead } from './convert.ts';
import { factsOf } from './facts.ts';
import type { Work } from './rekey-works.ts';
import { type Differing, differs } from './resend.ts';

interface Asking extends Waits {
  readonly direction: Direction;
  /** Requests at a time. */
  readonly transfers: number;
  readonly stopped: () => boolean;
}

/** Only mode `client` binds what an object is; from there it is bound already. */
export const asksKinds = ({ from, to }: Pick<Conversion, 'from' | 'to'>): boolean =>
  from.sealing.keyring === undefined && to.sealing.keyring !== undefined;

/** Rejects with `kind-differs` where an object is another kind than its Record says, in step or not. Nothing is written. */
export async function checkKinds(
  c: Conversion,
  works: AsyncIterable<Work>,
  { direction, transfers, stopped, signal }: Asking,
): Promise<void> {
  if (!asksKinds(c)) return;
  const differing: Differing[] = [];
  let asked: Promise<Differing | undefined>[] = [];
  const answered = async (): Promise<void> => {
    const batch = asked;
    asked = [];
    for (const one of await Promise.all(batch)) if (one !== undefined) differing.push(one);
  };
  for await (const { key } of works) {
    if (stopped()) break;
    asked.push(look(c, key, { signal }));
    if (asked.length >= transfers) await answered();
  }
  await answered();
  const [first] = differing;
  if (first === undefined) return;
  throw new VaultError('security', 'kind-differs', differs(first, differing.length - 1), {
    hint: `nothing was changed; ${WAYS[direction]}`,
  });
}

async function look(c: Conversion, key: ObjectKey, options: Waits): Promise<Differing | undefined> {
  const record = c.index.get(nameKey(c.nameOf(key)));
  if (record === undefined) return undefined;
  // What is not under the old protection says for itself what it is, or why it cannot be read, when its turn comes.
  const stat = await c.from.store.head(key, options).catch(refusedRead);
  if (stat === undefined || isSealed(stat.metadata)) return undefined;
  const { kind } = factsOf(stat);
  return kind === record.kind ? undefined : { key, kind };
}

const SEND =
  'sync first, then run the same command again; if it says the same, make it here what it should be, or touch it (a link: touch -h), and sync, so that it is sent again';
const WAYS: { readonly [direction in Direction]: string } = {
  push: SEND,
  both: SEND,
  pull: 'sync first, then run the same command again; if it says the same, and is right in the bucket, remove it here and sync, so that it comes again; if it is not, send it again from the machine that has it',
};
