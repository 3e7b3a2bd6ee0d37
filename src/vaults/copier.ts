/** Copies inside the store, under the protection that a place's objects are written with. */
import { systemClock } from '../clock.ts';
import { VaultError } from '../model/errors.ts';
import type { Mover } from '../model/ports.ts';
import { resolveRemote } from '../s3/connect.ts';
import type { Protection } from '../s3/modes.ts';
import { openMover } from '../s3/mover.ts';
import { openKmsPace, throttling } from './kms-pace.ts';
import { protect } from './protect.ts';
import { type Reading, type ReadingOptions, type Source, openReading } from './reading.ts';

export interface OpenCopier {
  readonly mover: Mover;
  close(): Promise<void>;
}

/** Rejects as `openReading` does: mode sse-c needs its key, the others none. */
export async function openCopier(source: Source, options: ReadingOptions): Promise<OpenCopier> {
  const clock = options.clock ?? systemClock;
  const resolved = await resolveRemote(source.remote, options.env);
  const closers = [() => resolved.close()];
  /** The last that was opened first. */
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  const { vault } = source;
  // Sealed objects are copied as they are: without their key.
  const keyless = (source.mode?.kind ?? vault?.mode.kind) !== 'sse-c';
  try {
    const reading = await openReading(source, { ...options, anyKey: true, keyless });
    closers.push(() => reading.close());
    const own = vault !== undefined && vault.mode.kind === reading.mode ? vault.mode : undefined;
    const kms = own?.kind === 'sse-kms' || own?.kind === 'dsse-kms' ? own : undefined;
    const protection =
      vault !== undefined && kms !== undefined
        ? (await protect(kms, vault, resolved, options, clock)).protection
        : writtenUnder(reading);
    const pace = await openKmsPace({ ...(vault ?? source) }, own, resolved, options, clock);
    closers.push(() => pace.close());
    const mover = openMover(resolved, protection, protection, {
      clock,
      transfers: reading.transfers,
      onThrottle: throttling(pace),
      pace: { from: pace.store, to: pace.store },
    });
    closers.push(() => mover.close());
    return { mover, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** What the place itself says: as objects of other machines' vaults are written. */
function writtenUnder({ mode, protection, description }: Reading): Protection {
  const [key = ''] = description?.keys ?? [];
  switch (mode) {
    case 'client':
      return { mode, key };
    case 'sse-c':
    case 'sse-s3':
      return protection;
    case 'sse-kms':
    case 'dsse-kms':
      if (key !== '') return { mode, keyId: key, context: {} };
      throw new VaultError('usage', 'no-kms-key', 'it is not known under which KMS key this is kept', {
        hint: 'use the folder of the vault instead of its address in S3',
      });
    default:
      return mode satisfies never;
  }
}
