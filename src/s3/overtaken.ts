/**
 * Other writers of the same moment, where conditions may not be kept (all stores but AWS). Where the bucket has versions they
 * tell: right behind what was written must stand what it was based on. If not, it is taken back, so that who came first has
 * the name, and the write fails as a condition that was kept would have made it fail [BOTH-1].
 */
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { ListedVersion, WriteOptions } from '../model/ports.ts';
import { unquoted } from './checksums.ts';
import { refuseUnmet, unmetHere } from './conditions.ts';
import { type Site, askedOf, versionQuery } from './site.ts';
import { newestVersions } from './versions.ts';
import { drain } from './wire.ts';

/** What was written: an object, or the delete marker of a removal, whose ETag is empty. */
export interface Written {
  readonly etag: string;
  readonly versionId?: string | undefined;
}

/**
 * Rejects with code `precondition` where somebody else wrote between what `options` say stood there and `written`. May be
 * called again after a transient failure.
 */
export async function refuseOvertaken(
  site: Site,
  key: ObjectKey,
  written: Written,
  options: WriteOptions,
): Promise<void> {
  const { ifMatch, ifNoneMatch, signal } = options;
  if (site.remote.isAws || (ifMatch === undefined && ifNoneMatch === undefined)) return;
  const { etag, versionId } = written;
  const marker = etag === '';
  if (versionId === undefined && marker) return;
  const behind = versionId === undefined ? 'unknown' : await versionBehind(site, key, versionId, options);
  if (behind === 'unknown') {
    // Without versions all that can be seen is whether somebody came later.
    await refuseUnmet(site, key, { ...(marker ? { ifNoneMatch: '*' as const } : { ifMatch: etag }), signal });
    return;
  }
  const stood = behind === undefined || behind.marker ? undefined : behind.etag;
  if (stood === (ifMatch === undefined ? undefined : unquoted(ifMatch))) return;
  // The very same bytes, or two removals: nothing is lost.
  if (marker ? stood === undefined : stood === etag) return;
  await takeBack(site, key, versionId ?? '', behind?.versionId);
  throw unmetHere(key);
}

/** Undefined: it is the oldest. Unknown: it is not there, or nobody may look. */
async function versionBehind(
  site: Site,
  key: ObjectKey,
  versionId: string,
  { signal }: WriteOptions,
): Promise<ListedVersion | undefined | 'unknown'> {
  try {
    const versions = await newestVersions(site, key, { signal });
    const at = versions.findIndex((version) => version.versionId === versionId);
    return at < 0 ? 'unknown' : versions[at + 1];
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.kind === 'refused') return 'unknown';
    throw thrown;
  }
}

/** Also after an interruption: until then what others wrote is hidden behind it. */
async function takeBack(
  site: Site,
  key: ObjectKey,
  versionId: string,
  theirs: string | undefined,
): Promise<void> {
  try {
    const asked = askedOf(site, 'remove', key);
    await drain(await site.wire.send({ method: 'DELETE', asked, key, query: versionQuery({ versionId }) }));
  } catch (cause) {
    if (!(cause instanceof VaultError) || cause.kind !== 'refused') throw cause;
    const other = theirs === undefined ? 'a removal' : `version ${theirs}`;
    throw new VaultError(
      'file',
      'overtaken',
      `${safeName(key)} was written by somebody else in the same moment, and ${other} is now hidden behind it`,
      {
        cause,
        hint: 's3:DeleteObjectVersion is needed to make room; s3vault versions shows both, and restore --version brings the other one back',
      },
    );
  }
}
