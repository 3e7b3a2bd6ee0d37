import type { Clock, ObjectStore, Waits } from '../model/ports.ts';
import type { ResolvedRemote } from '../s3/connect.ts';
import { openBucket } from '../s3/posture/open-bucket.ts';

/** Whether what is overwritten or removed under a prefix stays. Who may not ask the bucket can see it by its versions. */
export async function keepsVersions(
  resolved: ResolvedRemote,
  store: Pick<ObjectStore, 'versions'>,
  prefix: string,
  clock: Clock,
  waits: Waits = {},
): Promise<boolean> {
  const bucket = openBucket({ ...resolved, close: () => Promise.resolve() }, clock);
  try {
    const versioning = await bucket.config.versioning(waits);
    if (versioning.state !== 'unknown') return versioning.state === 'set' && versioning.value === 'Enabled';
  } finally {
    await bucket.close();
  }
  for await (const page of store.versions(prefix, waits))
    return page.some(({ versionId }) => versionId !== 'null');
  return false;
}
