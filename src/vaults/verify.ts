import { systemClock } from '../clock.ts';
import { RateLimit } from '../engine/budget.ts';
import { demandedIn } from '../engine/protected.ts';
import { Verify, type VerifyOptions, type VerifyTotals } from '../engine/verify.ts';
import type { Outcome } from '../model/command.ts';
import { VaultError } from '../model/errors.ts';
import { modeFingerprint } from '../model/mode.ts';
import { DEFAULT_TRANSFERS, type Vault } from '../model/vault.ts';
import { resolveRemote } from '../s3/connect.ts';
import { openMover } from '../s3/mover.ts';
import { openStore } from '../s3/open-store.ts';
import { readIndex } from '../state/open-index.ts';
import { heldOpen } from './hold.ts';
import { type OpenOptions, vaultState } from './options.ts';
import { openKmsPace, throttling } from './kms-pace.ts';
import { keysOf, protect } from './protect.ts';
import { namesOfVault } from './settle-names.ts';
import { type Looked, keepMarks, marksOf } from './verify-marks.ts';

export type { VerifyTotals };

export interface OpenVerify {
  readonly verify: Verify;
  /** Runs to the end, remembers where the next run goes on, frees everything. */
  readonly run: () => Promise<Outcome>;
}

/** Opens a vault for a look at all of it; another process may hold and sync it meanwhile. */
export async function openVerify(
  vault: Vault,
  wanted: VerifyOptions,
  options: OpenOptions,
): Promise<OpenVerify> {
  const clock = options.clock ?? systemClock;
  const folder = vaultState(options.places, vault);
  const index = await readIndex({ folder });
  if (index === undefined) throw noIndex(vault);
  const closing: (() => Promise<void> | void)[] = [() => index.close()];
  const closeAll = async (): Promise<void> => {
    for (const close of closing.splice(0)) await close();
  };
  try {
    const keysFrom = options.keysFrom ?? keysOf(vault, options, clock);
    const opening = { ...options, keysFrom };
    const transfers = vault.rules.transfers ?? DEFAULT_TRANSFERS;
    const resolved = await resolveRemote(vault.remote, options.env);
    closing.push(() => resolved.close());
    const kms = await openKmsPace(vault, vault.mode, resolved, options, clock);
    closing.push(() => kms.close());
    const protecting = await protect(vault.mode, vault, resolved, opening, clock, kms);
    const { protection, sealing, key, wipe } = protecting;
    closing.push(wipe);
    const { names } = await namesOfVault(vault, protecting, opening);
    closing.push(() => names.wipe());
    const pace = kms.store;
    const onThrottle = throttling(kms);
    const own = await resolveRemote(vault.remote, options.env);
    const store = openStore(own, protection, { clock, transfers, onThrottle, pace });
    closing.push(() => store.close());
    const mover = openMover(resolved, protection, protection, {
      clock,
      transfers,
      onThrottle,
      pace: { from: pace, to: pace },
    });
    closing.push(() => mover.close());
    const reader = {
      store,
      mode: vault.mode.kind,
      demanded: demandedIn([vault.mode.kind]),
      keyring: sealing.keyring,
      commitment: 'require',
      download: new RateLimit(clock, vault.rules.limitDownload),
    } as const;
    const looked: Looked = { vault, modeFingerprint: modeFingerprint(vault.mode, key) };
    const verify = new Verify(
      {
        reader,
        mover,
        index,
        marks: await marksOf(folder, looked),
        prefix: vault.remote.prefix,
        receives: vault.direction !== 'push',
        names,
        modeFingerprint: looked.modeFingerprint,
        clock,
        transfers,
      },
      wanted,
    );
    kms.tellTo(verify.announce);
    const work = async (): Promise<Outcome> => {
      const outcome = await verify.run();
      index.close();
      closing.shift();
      await keepMarks(folder, looked, verify.remembered);
      return outcome;
    };
    return { verify, run: () => heldOpen(work, closeAll) };
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
}

const noIndex = ({ root, remote }: Vault): VaultError =>
  new VaultError('usage', 'no-index', `nothing is known here of what was sent from ${root}`, {
    hint: `sync it first: s3vault sync ${root} --once; a restore from s3://${remote.bucket}/${remote.prefix} verifies what it fetches`,
  });
