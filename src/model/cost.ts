/** What requests cost at Amazon S3: us-east-1, Standard, dollars (aws.amazon.com/s3/pricing and /kms/pricing, 2026). */
import type { ModeKind } from './mode.ts';
import type { PlanTotals } from './plan.ts';

const WRITE = 0.005 / 1_000;
const READ = 0.0004 / 1_000;
const OUT = 0.09 / 1e9;
const KMS = 0.03 / 10_000;
/** Bytes of a part (`engine/put.ts`); the requests of multipart uploads are estimated with it. */
const PART = 8 * 2 ** 20;

export interface Cost {
  readonly requests: number;
  /** Requests that S3 makes of KMS. */
  readonly kms: number;
  readonly dollars: number;
}

/** What a Plan costs in requests and in bytes that leave the store; removals are free. Storage is not in it. */
export function costOf(totals: PlanTotals, mode: ModeKind): Cost {
  const { put, get, removeRemote, bytes } = totals;
  const all = put + get;
  const written = all === 0 ? 0 : (bytes * put) / all;
  const writes = put + Math.floor(written / PART);
  const kmsMode = mode === 'sse-kms' || mode === 'dsse-kms';
  const kms = kmsMode ? all * (mode === 'dsse-kms' ? 2 : 1) : 0;
  const dollars = writes * WRITE + get * READ + kms * KMS + (bytes - written) * OUT;
  return { requests: writes + get + removeRemote, kms, dollars };
}

/** `about $0.03`; less than a cent is said so. */
export const aboutDollars = (dollars: number): string =>
  dollars === 0 ? '$0' : dollars < 0.01 ? 'less than $0.01' : `about $${dollars.toFixed(2)}`;
