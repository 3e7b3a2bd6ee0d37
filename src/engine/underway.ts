/**
 * What a refusal says where the bucket names another mode than the one read in: a rekey of another machine, then, may have moved
 * the object. Only the words change. Whoever may write to the bucket may have written that as well, so no more is opened for it
 * [READ-1].
 */
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import { MODE_KINDS, type ModeKind } from '../model/mode.ts';
import type { Clock, ObjectStore } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import { type VaultDescription, readDescription } from './description.ts';

/** Gives the error to throw in the place of one about the object `key`. */
export type Explain = (key: string, error: VaultError) => Promise<VaultError>;

interface Explained {
  readonly vault: Pick<Vault, 'id' | 'remote'>;
  readonly store: ObjectStore;
  /** The mode read in. */
  readonly mode: ModeKind;
  readonly clock: Pick<Clock, 'ticks'>;
}

/** Refusals that take the object for a stranger's. */
const STRANGE: ReadonlySet<string> = new Set(['not-protected', 'not-sealed']);
/** Milliseconds that one look at the description is good for, however much is refused. */
const LOOK_MS = 30_000;

/** Looks at the description only once something is refused; where it cannot be read the error stays as it is. */
export function explainedBy({ vault, store, mode, clock }: Explained): Explain {
  let last: { readonly ticks: number; readonly found: Promise<VaultDescription | undefined> } | undefined;
  return async (key, error) => {
    if (!STRANGE.has(error.code)) return error;
    const ticks = clock.ticks();
    if (last === undefined || ticks - last.ticks > LOOK_MS)
      last = { ticks, found: readDescription(store, vault.remote.prefix).catch(() => undefined) };
    const found = await last.found;
    return found?.id === vault.id ? explained(found, mode, key, error) : error;
  };
}

function explained(found: VaultDescription, mode: ModeKind, key: string, error: VaultError): VaultError {
  const { mode: from, movingTo } = found;
  const other = MODE_KINDS.find((one) => one !== mode && (one === from || one === movingTo?.mode));
  if (other === undefined) return error;
  const [what, then] =
    movingTo === undefined
      ? [`the vault is kept in mode ${other} by now`, 'forget the folder here and sync it anew']
      : [
          `a rekey from ${safeName(from)} to ${safeName(movingTo.mode)} is under way`,
          'wait until it has ended',
        ];
  const way = other === 'client' || other === 'sse-c' ? `${other} and --key NAME` : other;
  return new VaultError(
    error.kind,
    error.code,
    `${safeName(key)} is not in mode ${mode}: ${what}, so it may be in mode ${other}; or somebody else put it there`,
    {
      hint: `if another machine moved it, ${then}, or read it with --mode ${way}; if none did, somebody who may write to the bucket changed .s3vault/vault.json there`,
    },
  );
}
