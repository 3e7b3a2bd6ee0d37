import { VaultError } from '../model/errors.ts';
import { dropUpload } from './put.ts';
import type { World } from './world.ts';

const DAY_MS = 24 * 3_600_000;
/** An upload that nobody added to for so long is taken for one that nobody goes on with. */
const STILL_MS = 7 * DAY_MS;
const META_SWEPT = 'uploads-swept-at';

/**
 * Aborts journaled uploads whose file is gone, and once a day those under the vault's prefix that no journal here knows: a lost
 * Index leaves some, or a machine that never comes back. Another machine may be at work on them, so they must have been still
 * for a week by the store's clock, whatever this machine's says [SWEEP-1]. A store that forbids looking is left in peace.
 */
export async function sweepUploads(world: World, signal: AbortSignal): Promise<void> {
  const { index, store, tree, prefix, clock, direction } = world;
  for (const { key, path } of index.journal().all()) {
    if ((await tree.look(path)) === undefined) await dropUpload(world, key, signal);
  }
  // Who only fetches changes nothing there.
  if (direction === 'pull') return;
  const now = clock.now();
  const swept = Number(index.meta(META_SWEPT) ?? Number.NEGATIVE_INFINITY);
  // A clock that was far ahead must not put it off.
  if (Math.abs(now - swept) < DAY_MS) return;
  const ours = new Set(
    index
      .journal()
      .all()
      .map((upload) => upload.uploadId),
  );
  try {
    for await (const { key, uploadId } of store.uploads(prefix, { signal, stillForMs: STILL_MS })) {
      if (key.startsWith(prefix) && !ours.has(uploadId)) await store.abortUpload(key, uploadId, { signal });
    }
  } catch (thrown) {
    if (!(thrown instanceof VaultError && thrown.kind === 'refused')) throw thrown;
  }
  index.setMeta(META_SWEPT, String(now));
}

/**
 * Drafts of interrupted fetches that nobody will go on with: their object is another one by now or gone, or the vault's mode
 * makes others. What the store does not say keeps them.
 */
export async function sweepDrafts(
  { writer, store, sealing, prefix, direction }: World,
  signal: AbortSignal,
): Promise<void> {
  await writer?.sweepDrafts(async ({ key, etag, versionId, tagged }) => {
    if (tagged !== (sealing.keyring !== undefined) || !key.startsWith(prefix)) return false;
    // Nothing comes from there now.
    if (direction === 'push') return true;
    try {
      const stat = await store.head(key, { signal });
      return stat?.etag === etag && stat.versionId === versionId;
    } catch {
      return true;
    }
  });
}
