/**
 * CopyObject of an object onto itself, and UploadPartCopy where it is too large for one (Amazon S3 API Reference,
 * CopyObject: at most 5 GB; UploadPartCopy).
 */
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Clock, CopyOptions, Metadata, Mover, ObjectStat, Waits } from '../model/ports.ts';
import type { Checksum, Receipt } from '../model/receipt.ts';
import { sharedChecksum, unquoted } from './checksums.ts';
import type { Pace } from '../model/kms.ts';
import { refuseUnmet } from './conditions.ts';
import type { ResolvedRemote } from './connect.ts';
import { complaintOf, failureOf } from './failure.ts';
import { keepTags, keptHeaders, tagHeaders } from './kept.ts';
import {
  type Protection,
  checkProtection,
  copySourceHeaders,
  prove,
  proveEncryption,
  saidUnder,
  writeHeaders,
} from './modes.ts';
import { refuseOvertaken } from './overtaken.ts';
import { type CopySource, type Move, copyParts, copyUnsupported, unsupported } from './part-copy.ts';
import { type RetryPolicy, withRetries } from './retrying.ts';
import { type Headers, encodeKey } from './sign.ts';
import { explain, metadataHeaders, receiptOf, statOf } from './single.ts';
import { type Quirks, type Site, askedOf, headAnswer, quirksOf, versionOf } from './site.ts';
import { chargeFor, throttling } from './throttling.ts';
import { updateEncryption, updates } from './update.ts';
import { Wire, textOf } from './wire.ts';

export interface MoverOptions {
  readonly clock: Clock;
  readonly transfers: number;
  readonly onThrottle?: (error: VaultError) => void;
  /** Wait for what reading and what writing will cost of KMS; undefined: nobody counts. */
  readonly pace?: { readonly from: Pace | undefined; readonly to: Pace | undefined };
  /** Bytes that one CopyObject takes, and bytes of a part above that; smaller ones for tests. */
  readonly largestCopy?: number;
  readonly partSize?: number;
  /** False: the store was seen not to copy; it is not asked for each object again. */
  readonly copies?: boolean | undefined;
  /** What was learned of the store, shared with who learns it. */
  readonly quirks?: Quirks;
}

const LARGEST_COPY = 5 * 2 ** 30;
const PART = 2 ** 30;

/** Opens nothing yet. `close` leaves `resolved` to its owner. */
export function openMover(
  resolved: ResolvedRemote,
  from: Protection,
  to: Protection,
  options: MoverOptions,
): Mover {
  checkProtection(from);
  checkProtection(to);
  const { clock, transfers, onThrottle, largestCopy = LARGEST_COPY, partSize = PART } = options;
  const wire = new Wire(resolved, { clock, connections: transfers });
  const quirks = options.quirks ?? quirksOf(undefined);
  const reading = chargeFor(from, options.pace?.from);
  const writing = chargeFor(to, options.pace?.to);
  const move: Move = {
    from: { remote: resolved, protection: from, quirks, wire: throttling(wire, reading), charge: reading },
    to: {
      remote: resolved,
      protection: to,
      quirks,
      wire: throttling(wire, writing, reading),
      charge: writing,
    },
  };
  const retries: RetryPolicy = { onThrottle };
  const again = <T>(fn: () => Promise<T>, { signal }: Waits): Promise<T> =>
    withRetries(fn, clock, retries, signal);
  return {
    copy: (key, rewrite, waits = {}) => {
      if (options.copies === false) return Promise.reject(copyUnsupported(key));
      const copying = new Copying(move, key, rewrite, waits, { largestCopy, partSize });
      return again(() => copying.attempt(), waits);
    },
    updates: updates(from, to),
    update: (key, waits = {}) => again(() => updateEncryption(move, key, waits), waits),
    moved: (key, waits = {}) => again(() => movedAlready(move.to, key, waits), waits),
    kept: (key, waits = {}) => again(() => keptOf(move.from, key, waits), waits),
    close: () => wire.close(),
  };
}

type Rewrite = Parameters<Mover['copy']>[1];
type Version = Waits & { readonly versionId?: string };

/** One copy, over all its attempts. */
class Copying {
  readonly #move: Move;
  readonly #key: ObjectKey;
  readonly #rewrite: Rewrite;
  readonly #options: CopyOptions;
  readonly #limits: { readonly largestCopy: number; readonly partSize: number };
  /** What an earlier attempt asked for. */
  #asked: { readonly before: Headers; readonly metadata: Metadata } | undefined;

  constructor(
    move: Move,
    key: ObjectKey,
    rewrite: Rewrite,
    options: CopyOptions,
    limits: { readonly largestCopy: number; readonly partSize: number },
  ) {
    this.#move = move;
    this.#key = key;
    this.#rewrite = rewrite;
    this.#options = options;
    this.#limits = limits;
  }

  async attempt(): Promise<Receipt> {
    const earlier = await this.#earlier();
    if (earlier !== undefined) return earlier;
    const { from, to } = this.#move;
    const key = this.#key;
    const { versionId } = this.#options;
    const before = await sourceHead(from, key, this.#options);
    const stat = { ...statOf(key, { headers: before }), ...saidUnder(from.protection, before) };
    const metadata = await this.#rewrite(stat);
    const inParts = stat.size > this.#limits.largestCopy;
    const kept = keptHeaders(before);
    const tags = await tagHeaders(from, key, versionId, before, this.#options);
    const source: CopySource = {
      path: sourcePath(from, key, versionId),
      size: stat.size,
      headers: { 'x-amz-copy-source-if-match': `"${stat.etag}"`, ...copySourceHeaders(from.protection) },
      target: {
        ...kept,
        ...metadataHeaders(metadata),
        ...writeHeaders(to.protection),
      },
      kept: { ...kept, ...tags },
    };
    this.#asked = { before, metadata };
    if (this.#options.to !== undefined)
      return copyTo(
        this.#move,
        this.#options.to,
        source,
        { before, metadata, limits: this.#limits },
        this.#options,
      );
    const made = inParts
      ? await copyParts(this.#move, key, source, this.#limits.partSize, this.#options)
      : await copyWhole(this.#move, key, source, this.#options);
    await keepTags(to, key, made, tags, { signal: this.#options.signal });
    return proveCopy(this.#move, key, made, before, metadata, this.#options);
  }

  /** An earlier attempt may have worked and its answer got lost: then the object is what was asked for. */
  async #earlier(): Promise<Receipt | undefined> {
    const asked = this.#asked;
    if (asked === undefined) return undefined;
    const { to } = this.#move;
    const target = this.#options.to ?? this.#key;
    const found = await movedAlready(to, target, { signal: this.#options.signal });
    if (found === undefined) return undefined;
    const { before, metadata } = asked;
    const { versionId } = found;
    const receipt = await proveCopy(this.#move, target, versionId, before, metadata, this.#options).catch(
      (thrown: unknown) => {
        if (thrown instanceof VaultError && thrown.code === 'precondition') return undefined;
        throw thrown;
      },
    );
    if (receipt !== undefined && this.#options.to !== undefined)
      await refuseOvertaken(to, target, receipt, this.#options);
    return receipt;
  }
}

/** HEAD has no words for a refusal; the first byte of a GET has. */
async function sourceHead(from: Site, key: ObjectKey, options: Version): Promise<Headers> {
  try {
    const before = await headAnswer(from, key, options.versionId, true, options);
    if (before !== undefined) return before;
  } catch (thrown) {
    if (thrown instanceof VaultError && (thrown.status === 400 || thrown.status === 403))
      await explain(from, key, options);
    throw thrown;
  }
  throw gone(key);
}

async function keptOf(from: Site, key: ObjectKey, options: Version): Promise<Metadata> {
  const answer = await sourceHead(from, key, options);
  return { ...keptHeaders(answer), ...(await tagHeaders(from, key, options.versionId, answer, options)) };
}

/**
 * To another name, where nothing may stand if the caller says so. A store that was not seen to keep that condition makes no
 * such copy, or what another machine put there a moment ago would be gone; unless versions tell of that.
 */
async function copyTo(
  move: Move,
  key: ObjectKey,
  source: CopySource,
  {
    before,
    metadata,
    limits,
  }: {
    readonly before: Headers;
    readonly metadata: Metadata;
    readonly limits: { readonly largestCopy: number };
  },
  options: CopyOptions,
): Promise<Receipt> {
  if (source.size > limits.largestCopy) {
    throw new VaultError('file', 'copy-unsupported', `${safeName(key)} is too large for one copy`);
  }
  const { ifNoneMatch, signal } = options;
  const { quirks, remote } = move.to;
  const kept = remote.isAws || quirks.copies === 'kept';
  if (ifNoneMatch !== undefined && !remote.isAws) {
    if (!kept && quirks.versions !== true) throw copyUnsupported(key);
    await refuseUnmet(move.to, key, { ifNoneMatch, signal });
  }
  const condition = ifNoneMatch === undefined || !kept ? {} : { 'if-none-match': ifNoneMatch };
  const conditional = { ...source, headers: { ...source.headers, ...condition } };
  const versionId = await copyWhole(move, key, conditional, options);
  const receipt = await proveCopy(move, key, versionId, before, metadata, options);
  await refuseOvertaken(move.to, key, receipt, options);
  return receipt;
}

function sourcePath({ remote }: Site, key: ObjectKey, versionId: string | undefined): string {
  const path = `/${remote.bucket}/${encodeKey(key)}`;
  return versionId === undefined ? path : `${path}?versionId=${encodeURIComponent(versionId)}`;
}

async function copyWhole(
  { to }: Move,
  key: ObjectKey,
  source: CopySource,
  { signal }: Waits,
): Promise<string | undefined> {
  try {
    const answer = await to.wire.send({
      method: 'PUT',
      asked: askedOf(to, 'write', key),
      key,
      headers: {
        'x-amz-copy-source': source.path,
        'x-amz-metadata-directive': 'REPLACE',
        ...source.headers,
        ...source.target,
      },
      signal,
    });
    const text = await textOf(answer, { signal });
    // The status is sent before the copy is done: a failure can follow in the body.
    if (/<Error>/.test(text)) throw lateFailure(to, key, answer.headers, text);
    return versionOf(answer.headers);
  } catch (thrown) {
    throw unsupported(thrown, key);
  }
}

function lateFailure(site: Site, key: ObjectKey, headers: Headers, text: string): VaultError {
  const { code } = complaintOf(500, headers, text);
  return failureOf(complaintOf(code === 'SlowDown' ? 503 : 500, headers, text), askedOf(site, 'write', key));
}

function gone(key: ObjectKey): VaultError {
  return new VaultError('changed', 'object-missing', `${safeName(key)} is no longer in the store`);
}

/** Asks the store for the object under its new protection: encryption, metadata, size and, where it says them, checksums. */
async function proveCopy(
  { to }: Move,
  key: ObjectKey,
  versionId: string | undefined,
  before: Headers,
  metadata: Metadata,
  options: Waits,
): Promise<Receipt> {
  const after = await headAnswer(to, key, versionId, true, options);
  if (after === undefined) throw gone(key);
  const stat = statOf(key, { headers: after });
  const whole = stat.size === statOf(key, { headers: before }).size;
  if (!whole || Object.entries(metadata).some(([name, value]) => stat.metadata[name] !== value))
    throw new VaultError(
      'changed',
      'precondition',
      `${safeName(key)} was written by somebody else meanwhile`,
    );
  const checksum = sameBytes(before, after);
  if (checksum === undefined && to.protection.mode === 'client') throw unproved(key);
  const proof = prove(to.protection, after, checksum);
  return receiptOf(key, stat.etag, versionId ?? stat.versionId, stat.size, proof);
}

async function movedAlready(to: Site, key: ObjectKey, options: Version): Promise<ObjectStat | undefined> {
  try {
    const headers = await headAnswer(to, key, options.versionId, false, options);
    if (headers === undefined) return undefined;
    proveEncryption(to.protection, headers);
    return statOf(key, { headers });
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    // Another customer key, or none: 400 or 403 without words.
    const other = thrown.kind === 'security' || thrown.status === 400 || thrown.status === 403;
    if (other) return undefined;
    throw thrown;
  }
}

/** An ETag that stayed, or the checksum of the whole object: both are of the bytes. */
function sameBytes(before: Headers, after: Headers): Checksum | undefined {
  const crc32 = before['x-amz-checksum-crc32'];
  const md5 = unquoted(before['etag'] ?? '').toLowerCase();
  return sharedChecksum(after, {
    ...(crc32 === undefined || crc32.includes('-') ? {} : { crc32 }),
    ...(md5 === '' ? {} : { md5 }),
  });
}

function unproved(key: ObjectKey): VaultError {
  return new VaultError(
    'file',
    'copy-unproved',
    `the store says nothing that shows the copy of ${safeName(key)} to be the same bytes`,
    { hint: 'it is fetched, checked and sent again instead' },
  );
}
