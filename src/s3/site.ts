/** What the requests of one store share. */
import type { ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Capabilities } from '../model/doctor.ts';
import type { ConditionSupport, Waits } from '../model/ports.ts';
import type { ResolvedRemote } from './connect.ts';
import type { Asked } from './failure.ts';
import { type Protection, readHeaders } from './modes.ts';
import type { Headers } from './sign.ts';
import type { KmsCharge, Sending } from './throttling.ts';
import { drain } from './wire.ts';

export interface Site {
  readonly wire: Sending;
  readonly remote: ResolvedRemote;
  readonly protection: Protection;
  readonly quirks: Quirks;
  /** For requests that do not go over `wire`; undefined: they cost nothing of KMS that is counted. */
  readonly charge: KmsCharge | undefined;
}

/** What was learned of a store while working with it. */
export interface Quirks {
  /** It compares ETags in conditions of writes as text, and its own have no quotes. */
  bareEtags: boolean;
  /** It was seen to refuse requests with conditions: they are not sent, only looked at. */
  refusesConditions?: boolean;
  /** `If-Match` of removals, and `If-None-Match` of copies; undefined: not tried. */
  removals?: ConditionSupport | undefined;
  copies?: ConditionSupport | undefined;
  /** What is written gets a version, and versions may be listed; undefined: not tried. */
  versions?: boolean | undefined;
}

export const quirksOf = (seen: Capabilities | undefined): Quirks => ({
  bareEtags: seen?.bareEtags ?? false,
  refusesConditions: seen?.conditions === 'refused',
  removals: seen?.removeConditions,
  copies: seen?.copyConditions,
  versions: seen?.versioning,
});

export const askedOf = (site: Site, operation: Asked['operation'], key?: string): Asked => ({
  operation,
  bucket: site.remote.bucket,
  mode: site.protection.mode,
  flags: site.remote.flags,
  ...(key === undefined ? {} : { key }),
});

/** Headers of HEAD, checksums asked for; undefined where there is no such object. */
export async function headAnswer(
  site: Site,
  key: ObjectKey,
  versionId: string | undefined,
  checksums: boolean,
  options: Waits,
): Promise<Headers | undefined> {
  try {
    const answer = await site.wire.send({
      method: 'HEAD',
      asked: askedOf(site, 'read', key),
      key,
      query: versionQuery(versionId === undefined ? {} : { versionId }),
      headers: {
        ...readHeaders(site.protection),
        ...(checksums ? { 'x-amz-checksum-mode': 'ENABLED' } : {}),
      },
      signal: options.signal,
    });
    await drain(answer);
    return answer.headers;
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.code === 'object-missing') return undefined;
    throw thrown;
  }
}

/** Who may write need not be allowed to read. */
export const isDenied = (thrown: unknown): boolean =>
  thrown instanceof VaultError && thrown.code === 'access-denied';

/** S3 says `null` for an object of a bucket that has no versions. */
export function versionOf(headers: Headers): string | undefined {
  const versionId = headers['x-amz-version-id'];
  return versionId === undefined || versionId === 'null' || versionId === '' ? undefined : versionId;
}

export const versionQuery = ({ versionId }: { readonly versionId?: string }): Headers =>
  versionId === undefined ? {} : { versionId };
