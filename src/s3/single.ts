/** Requests of one exchange: put, get, head, remove, reach. */
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Metadata, ObjectStat, ReadOptions, StoredObject, Waits, WriteOptions } from '../model/ports.ts';
import type { Proof, Receipt } from '../model/receipt.ts';
import { countedBody } from './body.ts';
import { type Sums, sharedChecksum, sumHeaders, sumsOf, unquoted } from './checksums.ts';
import { underConditions } from './conditions.ts';
import { prove, readHeaders, saidUnder, writeHeaders } from './modes.ts';
import { refuseOvertaken } from './overtaken.ts';
import type { Headers } from './sign.ts';
import { type Site, askedOf, headAnswer, isDenied, versionOf, versionQuery } from './site.ts';
import { type WireAnswer, drain } from './wire.ts';

const META = 'x-amz-meta-';

export async function putObject(
  site: Site,
  key: ObjectKey,
  body: Uint8Array,
  metadata: Metadata,
  options: WriteOptions,
): Promise<Receipt> {
  const sums = sumsOf(body, site.remote.isAws);
  const headers = {
    ...options.kept,
    ...writeHeaders(site.protection),
    ...sumHeaders(sums),
    ...metadataHeaders(metadata),
  };
  const asked = askedOf(site, 'write', key);
  const answer = await underConditions(site, key, options, (conditions) =>
    site.wire.send({
      method: 'PUT',
      asked,
      key,
      headers: { ...headers, ...conditions },
      body,
      signal: options.signal,
    }),
  );
  await drain(answer);
  options.onSent?.(body.length);
  const versionId = versionOf(answer.headers);
  const proof = await orRemove(site, key, versionId, options, () =>
    proveWrite(site, key, versionId, answer.headers, textSums(sums), options),
  );
  const etag = unquoted(answer.headers['etag'] ?? '');
  await refuseOvertaken(site, key, { etag, versionId }, options);
  return receiptOf(key, etag, versionId, body.length, proof);
}

export function receiptOf(
  key: ObjectKey,
  etag: string,
  versionId: string | undefined,
  size: number,
  proof: Proof,
): Receipt {
  return { key, etag, ...(versionId === undefined ? {} : { versionId }), size, proof };
}

export const textSums = (sums: Sums): { readonly crc32?: string; readonly md5?: string } =>
  'crc32' in sums ? sums : { md5: sums.md5.toString('hex') };

/** The Proof in the answer to a write; where only its checksum is missing, the object itself is asked. */
export async function proveWrite(
  site: Site,
  key: ObjectKey,
  versionId: string | undefined,
  answer: Headers,
  sent: { readonly crc32?: string; readonly md5?: string },
  options: Waits,
): Promise<Proof> {
  const checksum = sharedChecksum(answer, sent);
  if (checksum !== undefined || site.protection.mode !== 'client')
    return prove(site.protection, answer, checksum);
  const stored = await headAnswer(site, key, versionId, true, options).catch(async (thrown: unknown) => {
    // HEAD has no words for its refusal.
    if (isDenied(thrown)) await explain(site, key, options);
    throw thrown;
  });
  return prove(site.protection, answer, stored === undefined ? undefined : sharedChecksum(stored, sent));
}

/**
 * Gives the Proof of what was written. Where there is none, or it may not be looked for, what was written is removed again
 * before that is thrown [PROOF-1].
 */
export async function orRemove<T>(
  site: Site,
  key: ObjectKey,
  versionId: string | undefined,
  { sole = false }: WriteOptions,
  prove: () => Promise<T>,
): Promise<T> {
  try {
    return await prove();
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || !isUnproved(thrown)) throw thrown;
    if (sole && versionId === undefined) throw soleCopy(key, thrown);
    try {
      await removeObject(site, key, versionId === undefined ? {} : { versionId });
    } catch (failed) {
      throw notRemoved(thrown, failed);
    }
    throw thrown;
  }
}

const isUnproved = ({ kind }: VaultError): boolean => kind === 'security' || kind === 'refused';

function soleCopy(key: ObjectKey, proof: VaultError): VaultError {
  return new VaultError(
    'security',
    proof.code,
    `${proof.message}; ${safeName(key)} stays as it was written, for it is the only copy`,
    { hint: proof.hint ?? '', cause: proof },
  );
}

export function notRemoved(proof: VaultError, failed: unknown): VaultError {
  const reason = failed instanceof Error ? failed.message : String(failed);
  return new VaultError(
    'security',
    proof.code,
    `${proof.message}; and what was written could not be removed again: ${reason}`,
    { hint: `remove it by hand; ${proof.hint ?? ''}`.replace(/; $/, ''), cause: failed },
  );
}

export async function getObject(site: Site, key: ObjectKey, options: ReadOptions): Promise<StoredObject> {
  const { range, signal } = options;
  const answer = await site.wire.send({
    method: 'GET',
    asked: askedOf(site, 'read', key),
    key,
    query: versionQuery(options),
    headers: {
      ...readHeaders(site.protection),
      ...(range === undefined ? {} : { range: `bytes=${range.first}-${range.last}` }),
      ...(options.ifMatch === undefined ? {} : { 'if-match': `"${unquoted(options.ifMatch)}"` }),
    },
    signal,
  });
  const length = Number(answer.headers['content-length'] ?? Number.NaN);
  if (!Number.isSafeInteger(length) || (range !== undefined && !isOfRange(answer, range.first))) {
    answer.body.on('error', () => undefined).destroy();
    throw new VaultError(
      'transient',
      'answer',
      `the store's answer for ${safeName(key)} has no length or ignores the range`,
    );
  }
  const said = saidUnder(site.protection, answer.headers);
  return { stat: { ...statOf(key, answer), ...said }, body: countedBody(answer.body, length, signal) };
}

/** Bytes of another place of the object would otherwise pass for these. */
const isOfRange = ({ status, headers }: Pick<WireAnswer, 'status' | 'headers'>, first: number): boolean =>
  status === 206 && (headers['content-range'] ?? '').startsWith(`bytes ${first}-`);

export async function headObject(
  site: Site,
  key: ObjectKey,
  options: ReadOptions,
): Promise<ObjectStat | undefined> {
  const query = versionQuery(options);
  const headers = {
    ...readHeaders(site.protection),
    ...(options.ifMatch === undefined ? {} : { 'if-match': `"${unquoted(options.ifMatch)}"` }),
  };
  const asked = askedOf(site, 'read', key);
  try {
    const answer = await site.wire.send({
      method: 'HEAD',
      asked,
      key,
      query,
      headers,
      signal: options.signal,
    });
    await drain(answer);
    return { ...statOf(key, answer), ...saidUnder(site.protection, answer.headers) };
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    if (thrown.code === 'object-missing') return undefined;
    // HEAD has no words for its refusal; the first byte of a GET has.
    if (thrown.status === 400 || thrown.status === 403) await explain(site, key, options);
    throw thrown;
  }
}

export async function explain(site: Site, key: ObjectKey, options: ReadOptions): Promise<void> {
  const { versionId, signal } = options;
  const range = { first: 0, last: 0 };
  const stored = await getObject(site, key, {
    range,
    signal,
    ...(versionId === undefined ? {} : { versionId }),
  }).catch((thrown: unknown) => {
    if (thrown instanceof VaultError && thrown.status !== 416) throw thrown;
  });
  await stored?.body[Symbol.asyncIterator]().return?.();
}

/**
 * For `retrying`: whether the object is the one of an earlier try whose answer got lost. Metadata tells, with a checksum
 * where there is one: a sealed object's wrapped key occurs once in the world.
 */
export async function confirmPut(
  site: Site,
  key: ObjectKey,
  body: Uint8Array,
  metadata: Metadata,
  options: WriteOptions,
): Promise<Receipt | undefined> {
  const headers = await headAnswer(site, key, undefined, true, options).catch((thrown: unknown) => {
    if (!isDenied(thrown)) throw thrown;
    return undefined;
  });
  if (headers === undefined || Number(headers['content-length']) !== body.length) return undefined;
  const stored = metadataOf(headers);
  if (Object.entries(metadata).some(([name, value]) => stored[name] !== value)) return undefined;
  const sent = textSums(sumsOf(body, site.remote.isAws));
  const etag = unquoted(headers['etag'] ?? '');
  const versionId = versionOf(headers);
  let receipt: Receipt;
  try {
    const proof = prove(site.protection, headers, sharedChecksum(headers, sent));
    receipt = receiptOf(key, etag, versionId, body.length, proof);
  } catch {
    return undefined;
  }
  await refuseOvertaken(site, key, { etag, versionId }, options);
  return receipt;
}

export async function removeObject(
  site: Site,
  key: ObjectKey,
  { versionId, signal }: Waits & { readonly versionId?: string },
): Promise<void> {
  const asked = askedOf(site, 'remove', key);
  const query = versionQuery(versionId === undefined ? {} : { versionId });
  try {
    await drain(await site.wire.send({ method: 'DELETE', asked, key, query, signal }));
  } catch (thrown) {
    if (!(thrown instanceof VaultError && thrown.code === 'object-missing')) throw thrown;
  }
}

/** Lists nothing: needs no permission beyond what a sync needs, and its refusals have words, unlike HEAD's. */
export async function reachBucket(site: Site, options: Waits): Promise<void> {
  const query = { 'list-type': '2', 'max-keys': '1', prefix: site.remote.prefix };
  const asked = askedOf(site, 'reach');
  await drain(await site.wire.send({ method: 'GET', asked, query, signal: options.signal }));
}

export function statOf(key: ObjectKey, { headers }: Pick<WireAnswer, 'headers'>): ObjectStat {
  const versionId = versionOf(headers);
  const whole = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  return {
    key,
    size: Number(whole ?? headers['content-length'] ?? 0),
    etag: unquoted(headers['etag'] ?? ''),
    ...(versionId === undefined ? {} : { versionId }),
    modified: Date.parse(headers['last-modified'] ?? '') || 0,
    metadata: metadataOf(headers),
  };
}

function metadataOf(headers: Headers): Metadata {
  const found = Object.entries(headers).filter(([name]) => name.startsWith(META));
  return Object.fromEntries(found.map(([name, value]) => [name.slice(META.length), value]));
}

export const metadataHeaders = (metadata: Metadata): Headers =>
  Object.fromEntries(Object.entries(metadata).map(([name, value]) => [META + name, value]));
