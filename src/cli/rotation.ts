/** What a rotation goes by, and what becomes of one of its vaults. */
import { EXIT, VaultError, asVaultError } from '../model/errors.ts';
import type { RotateProgress } from '../model/key-desk.ts';
import type { Vault } from '../model/vault.ts';
import type { OpenRekey, RekeyTotals } from '../vaults/rekey.ts';
import type { MovingFlags } from './options.ts';

export interface Rotation {
  readonly name: string;
  readonly next: string;
  readonly users: readonly Vault[];
  readonly onProgress: (progress: RotateProgress) => void;
  readonly signal: AbortSignal;
  readonly moving: MovingFlags;
}

/** What became of one vault. */
export interface Moved {
  readonly done: number;
  readonly failed: number;
  readonly bytes: number;
  readonly begun: boolean;
  readonly exit: number;
  readonly error?: VaultError;
}

const NOTHING = { done: 0, failed: 0, bytes: 0, begun: false } as const;

export function failedToOpen(thrown: unknown): Moved {
  const error = asVaultError(thrown);
  return { ...NOTHING, exit: error.exit, error };
}

export const movedOf = ({ rewrapped, copied, resent, updated }: RekeyTotals): number =>
  rewrapped + copied + resent + updated;

export const interrupted = (begun = true): VaultError =>
  begun
    ? new VaultError(
        'cancelled',
        'interrupted',
        'it was interrupted; every object is under the old key or the new one',
        { hint: 'begin the same rotation again and it goes on' },
      )
    : new VaultError('cancelled', 'interrupted', 'it was interrupted before any object was touched');

export const ABORTED: Moved = { ...NOTHING, exit: EXIT.interrupted, error: interrupted(false) };

const someFailed = (count: number): VaultError =>
  new VaultError('file', 'some-failed', `${count} objects could not be moved`, {
    hint: 'both keys stay needed; begin the same rotation again once the cause is mended',
  });

/** How the rekey of one vault ended. */
export function endOf(
  { begun, totals, fatal }: Pick<OpenRekey['rekey'], 'begun' | 'totals' | 'fatal'>,
  exit: number,
): Moved {
  const { failed, bytes } = totals;
  const moved = { done: movedOf(totals), failed, bytes: begun ? bytes : 0, begun, exit };
  if (exit === EXIT.inStep) return moved;
  const stopped = exit === EXIT.interrupted ? interrupted(begun) : someFailed(failed);
  return { ...moved, error: fatal ?? stopped };
}
