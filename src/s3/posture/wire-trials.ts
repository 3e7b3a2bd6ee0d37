/** Test writes on the wire: what the store lets pass and what it refuses. Nothing of them stays. */
import { randomBytes } from 'node:crypto';
import type { Trial, TrialHow, TrialLeft, Trials } from '../../model/bucket.ts';
import type { ObjectKey } from '../../model/brands.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Pace } from '../../model/kms.ts';
import type { Clock, Waits } from '../../model/ports.ts';
import { Secret } from '../../model/secret.ts';
import { sumHeaders, sumsOf } from '../checksums.ts';
import { inGrace, refuseCalledOff, withinMs } from '../grace.ts';
import { type Protection, customerKeyOf, readHeaders, sdkAnswer, sdkFields, writeHeaders } from '../modes.ts';
import { tryRemovingNothing } from '../probe-clean.ts';
import { mayRetry, withRetries } from '../retrying.ts';
import { carrying } from '../sdk.ts';
import { sdkSend } from '../sdk-failure.ts';
import { type Site, askedOf, headAnswer } from '../site.ts';
import { chargeFor, paying, throttling } from '../throttling.ts';
import { drain } from '../wire.ts';
import { Leavings, awayOf } from './leavings.ts';
import { clearLeftover, leftoversIn } from './leftovers.ts';

const BODY = Buffer.from('s3vault tries what this bucket lets pass; this object can be removed\n');
const KMS_KEY = 'x-amz-server-side-encryption-aws-kms-key-id';
const KEY_BYTES = 32;
/** Tries of a trial in all, where the store fails or asks for patience. */
const ATTEMPTS = 4;

/** A test write under way, and the removal of what it left, go on for so long after the signal. */
const WRITE_GRACE_MS = 3_000;
const REMOVE_GRACE_MS = 5_000;

/** How test writes keep to the quota of KMS. */
export interface TrialPace {
  /** Waits for what a request will cost of KMS. */
  readonly pace: Pace;
  readonly onThrottle: (error: VaultError) => void;
}

/** `close` closes the site's connections. */
export function wireTrials(site: Site, clock: Clock, close: () => Promise<void>, kms?: TrialPace): Trials {
  const stayed = new Map<Leavings, VaultError>();
  const trial = (make: Make) => (key: ObjectKey, how: TrialHow, waits?: Waits) =>
    tryOnce({ site, clock, key, stayed, kms }, how, make, waits);
  const again = <T>(make: () => Promise<T>, { signal }: Waits): Promise<T> =>
    withRetries(make, clock, { attempts: ATTEMPTS }, signal);
  return {
    put: trial(putTrial),
    multipart: trial(multipartTrial),
    unremovable: (key, versions, waits = {}) => unremovable(site, key, versions, waits),
    left: () => withinMs(clock, REMOVE_GRACE_MS, (waits) => removeStayed(stayed, waits)),
    leftovers: (prefix, waits = {}) => leftoversIn(site, clock, prefix, waits),
    clear: (key, waits = {}) =>
      inGrace(clock, REMOVE_GRACE_MS, waits, (lasting) => clearLeftover(site, clock, key, lasting)),
    kmsKeyOf: (key, waits = {}) => kmsKeyOf(site, key, again, waits),
    close,
  };
}

type Make = (site: Site, left: Leavings, waits: Waits) => Promise<Trial>;
/** What could not be removed, and why. */
type Stayed = Map<Leavings, VaultError>;

interface Ground {
  readonly site: Site;
  readonly clock: Clock;
  readonly key: ObjectKey;
  readonly stayed: Stayed;
  readonly kms: TrialPace | undefined;
}

async function tryOnce(ground: Ground, how: TrialHow, make: Make, waits: Waits = {}): Promise<Trial> {
  const { site, clock, kms } = ground;
  const protection = protectionOf(how);
  const charge = chargeFor(protection, kms?.pace);
  const under: Site = { ...site, protection, charge, wire: throttling(site.wire, charge) };
  const policy = { attempts: ATTEMPTS, onThrottle: kms?.onThrottle };
  try {
    return await judged(() =>
      withRetries(() => once(ground, under, make, waits), clock, policy, waits.signal),
    );
  } finally {
    if (protection.mode === 'sse-c') protection.key.wipe();
  }
}

/** What the store says is an outcome, also that it fails time and again; that it can't be reached is none. */
async function judged(make: () => Promise<Trial>): Promise<Trial> {
  try {
    return await make();
  } catch (thrown) {
    const error = asVaultError(thrown);
    const said = error.status !== undefined || mayRetry(error);
    if (!said || error.code === 'trial-left') throw error;
    return { outcome: 'refused', error };
  }
}

/**
 * One try, and what it left is removed again: also where its answer got lost, or the signal fired. Then the answer is still
 * waited for a little, for it says what there is to remove.
 */
async function once(
  { site, clock, key, stayed }: Ground,
  under: Site,
  make: Make,
  waits: Waits,
): Promise<Trial> {
  refuseCalledOff(waits);
  const [earlier] = stayed.values();
  if (earlier !== undefined) throw awayOf(earlier) ?? earlier;
  const left = new Leavings(site, clock, key);
  try {
    return await inGrace(clock, WRITE_GRACE_MS, waits, (lasting) => make(under, left, lasting));
  } catch (thrown) {
    left.failed(asVaultError(thrown));
    throw thrown;
  } finally {
    const error = await inGrace(clock, REMOVE_GRACE_MS, waits, (lasting) => left.remove(lasting));
    if (error !== undefined) stayed.set(left, error);
  }
}

async function removeStayed(stayed: Stayed, waits: Waits): Promise<readonly TrialLeft[]> {
  for (const left of stayed.keys()) {
    const error = await left.remove(waits);
    if (error === undefined) stayed.delete(left);
    else stayed.set(left, error);
  }
  return [...stayed].map(([{ key }, error]) => ({ key, error }));
}

async function unremovable(
  site: Site,
  key: ObjectKey,
  versions: readonly ('with' | 'without')[],
  { signal }: Waits,
): Promise<VaultError | undefined> {
  try {
    for (const one of versions) await tryRemovingNothing(site, key, one === 'with', signal);
    return undefined;
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind === 'cancelled') throw error;
    return error;
  }
}

export function protectionOf(how: TrialHow): Protection {
  switch (how.kind) {
    case 'plain':
      return { mode: 'client', key: '' };
    case 'sse-c':
      return { mode: 'sse-c', key: Secret.take(randomBytes(KEY_BYTES)) };
    case 'sse-s3':
      return { mode: 'sse-s3' };
    case 'sse-kms':
    case 'dsse-kms':
      return { mode: how.kind, keyId: how.keyId, context: how.context };
    default:
      return how satisfies never;
  }
}

async function putTrial(site: Site, left: Leavings, waits: Waits): Promise<Trial> {
  const { key } = left;
  const answer = await site.wire.send({
    method: 'PUT',
    asked: askedOf(site, 'write', key),
    key,
    headers: { ...writeHeaders(site.protection), ...sumHeaders(sumsOf(BODY, site.remote.isAws)) },
    body: BODY,
    signal: waits.signal,
  });
  left.wrote(answer.headers['x-amz-version-id']);
  await drain(answer);
  return accepted(answer.headers[KMS_KEY]);
}

const accepted = (kmsKeyId: string | undefined): Trial => ({
  outcome: 'accepted',
  ...(kmsKeyId === undefined ? {} : { kmsKeyId }),
});

async function multipartTrial(site: Site, left: Leavings, waits: Waits): Promise<Trial> {
  const { protection, remote } = site;
  const { key } = left;
  const { CreateMultipartUploadCommand, CompleteMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  const asked = askedOf(site, 'write', key);
  const { bucket: Bucket, isAws } = remote;
  const written = writeHeaders(protection);
  const create = new CreateMultipartUploadCommand({
    Bucket,
    Key: key,
    ...sdkFields(written),
    ...(isAws ? { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } : {}),
  });
  left.uploading();
  const { UploadId, $metadata } = await paying(
    site.charge,
    'create',
    waits,
    () =>
      sdkSend(site, asked, waits.signal, (client, options) =>
        client.send(carrying(create, customerKeyOf(written)), options),
      ),
    sdkAnswer,
  );
  // Where the SDK asked again, an earlier try may have begun an upload whose name nobody heard.
  left.began(UploadId, ($metadata.attempts ?? 1) > 1);
  const part = await site.wire.send({
    method: 'PUT',
    asked,
    key,
    query: { partNumber: '1', uploadId: UploadId ?? '' },
    headers: { ...readHeaders(protection), ...sumHeaders(sumsOf(BODY, isAws)) },
    body: BODY,
    signal: waits.signal,
  });
  await drain(part);
  const complete = new CompleteMultipartUploadCommand({
    Bucket,
    Key: key,
    UploadId,
    MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.headers['etag'] }] },
    ...(isAws ? { ChecksumType: 'FULL_OBJECT' } : {}),
  });
  const output = await paying(
    site.charge,
    'complete',
    waits,
    () =>
      sdkSend(site, asked, waits.signal, (client, options) =>
        client.send(carrying(complete, customerKeyOf(readHeaders(protection))), options),
      ),
    sdkAnswer,
  ).catch(asLost);
  left.wrote(output.VersionId);
  return accepted(output.SSEKMSKeyId);
}

/** Completed by a try whose answer got lost, so that the next one found no upload any more. */
function asLost(thrown: unknown): never {
  const error = asVaultError(thrown);
  if (error.code !== 'upload-gone') throw error;
  throw new VaultError('transient', 'answer-lost', error.message, { cause: error });
}

async function kmsKeyOf(
  site: Site,
  key: ObjectKey,
  again: <T>(make: () => Promise<T>, waits: Waits) => Promise<T>,
  waits: Waits,
): Promise<string | undefined> {
  try {
    return (await again(() => headAnswer(site, key, undefined, false, waits), waits))?.[KMS_KEY];
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind === 'cancelled') throw error;
    return undefined;
  }
}
