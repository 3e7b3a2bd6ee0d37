/** Counts, bytes, requests and cost of a rekey that has not been done. */
import { aboutDollars } from '../model/cost.ts';
import { formatBytes, plural } from '../model/display.ts';
import type { Mode } from '../model/mode.ts';
import type { RekeyTotals } from '../vaults/rekey.ts';

/** Amazon S3 in us-east-1, Standard, dollars (aws.amazon.com/s3/pricing, 2026): writes, reads, and bytes to the Internet. */
const WRITE = 0.005 / 1_000;
const READ = 0.0004 / 1_000;
const OUT = 0.09 / 1e9;
const KMS = 0.03 / 10_000;
const PART = 8 * 2 ** 20;

/** Requests for each object or version: looks before and after, and the write itself. */
const READS = 4;
/** With all versions each is looked at once more under both protections, and the list of them is asked twice. */
const READS_MORE = 3;
const LISTS_MORE = 2;

export interface Estimate {
  /** Not yet under the new protection. */
  readonly objects: number;
  /** As many as objects, or all their versions. */
  readonly versions: number;
  readonly already: number;
  /** As stored. */
  readonly bytes: number;
  /** Bytes that come here and go back; 0 where the store does all by itself. */
  readonly through: number;
  readonly requests: number;
  readonly kmsRequests: number;
  readonly dollars: number;
}

const isKms = (mode: Mode): boolean =>
  mode.kind === 'sse-kms' || mode.kind === 'dsse-kms' || (mode.kind === 'client' && mode.key.kind === 'kms');

export function estimate(from: Mode, to: Mode, totals: RekeyTotals, allVersions: boolean): Estimate {
  const { objects, versions, bytes, already, asked } = totals;
  const inStore = (from.kind === 'client') === (to.kind === 'client');
  const reads = versions * (allVersions ? READS + READS_MORE : READS) + asked;
  const parts = inStore ? 0 : Math.floor(bytes / PART);
  const lists = allVersions ? objects * LISTS_MORE : 0;
  const writes = versions + parts + lists;
  const removals = allVersions ? versions : 0;
  const kmsRequests = [from, to].filter(isKms).length * 2 * versions;
  const through = inStore ? 0 : bytes;
  const dollars = reads * READ + writes * WRITE + kmsRequests * KMS + through * OUT;
  return {
    objects,
    versions,
    already,
    bytes,
    through,
    requests: reads + writes + removals,
    kmsRequests,
    dollars: Math.ceil(dollars * 1e6) / 1e6,
  };
}

/** The same in two lines for people. */
export function estimateLines(from: Mode, to: Mode, given: Estimate): readonly string[] {
  const { objects, versions, already, bytes, through, requests, kmsRequests, dollars } = given;
  const rewraps = from.kind === 'client' && to.kind === 'client';
  const inside = rewraps ? 'only the wrapping of the data keys changes' : 'encrypted anew inside the store';
  const how =
    through > 0 || (from.kind === 'client') !== (to.kind === 'client') ? 'fetched, and sent again' : inside;
  const count =
    versions === objects
      ? plural(objects, 'object')
      : `${plural(versions, 'version')} of ${plural(objects, 'object')}`;
  const done = already > 0 ? `; ${already} done before` : '';
  const kms = kmsRequests > 0 ? ` and ${kmsRequests} of KMS` : '';
  const where =
    how === inside
      ? '; more where the store cannot do it by itself: then all bytes go through this machine'
      : '';
  return [
    `${count}, ${formatBytes(bytes)} as stored: ${how}${done}`,
    `about ${requests} requests${kms}, ${aboutDollars(dollars)} on Amazon S3 (us-east-1, Standard)${where}`,
  ];
}
