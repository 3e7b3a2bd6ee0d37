import { VaultError } from '../model/errors.ts';
import { dropUpload } from './put.ts';
import type { World } from './world.ts';

const DAY_MS = 24 * 3_600_000;
const META_SWEPT = 'uploads-swept-at';

/**
 * Finds and aborts unfinished multipart uploads of ours: those under the vault's prefix that no journal knows and
 * that are older than a day (a lost Index leaves some), and journaled ones whose file is gone. At
 * most once a day; a store that forbids listing uploads is left in peace.
 */
export async function sweepUploads(world: World, signal: AbortSignal): Promise<void> {
  const { index, store, tree, prefix, clock } = world;
  for (const { key, path } of index.journal().all()) {
    if ((await tree.look(path)) === undefined) await dropUpload(world, key, signal);
  }
  const now = clock.now();
  const swept = Number(index.meta(META_SWEPT) ?? Number.NEGATIVE_INFINITY);
  if (now - swept < DAY_MS) return;
  const ours = new Set(
    index
      .journal()
      .all()
      .map((upload) => upload.uploadId),
  );
  try {
    for await (const upload of store.uploads(prefix, { signal })) {
      if (!ours.has(upload.uploadId) && now - upload.initiated > DAY_MS) {
        await store.abortUpload(upload.key, upload.uploadId, { signal });
      }
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
