/**
 * An ObjectStore in memory that keeps the whole contract, multipart and versions too: for tests of what stands above it.
 * Faults are scripted through `fault`, before and after each step.
 */
import { createHash } from 'node:crypto';
import { compareUtf8, type ObjectKey, objectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type {
  Clock,
  Conditions,
  ListedObject,
  ListedVersion,
  Metadata,
  MultipartSource,
  ObjectStat,
  ObjectStore,
  PartAnswer,
  PendingUpload,
  ReadOptions,
  StoredObject,
  UploadJournal,
  WriteOptions,
} from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { multipartMd5, unquoted } from './checksums.ts';
import { type Protection, prove, readHeaders, saidUnder, writeHeaders } from './modes.ts';
import type { Headers } from './sign.ts';

export interface MemoryStep {
  readonly operation:
    | 'put'
    | 'create'
    | 'part'
    | 'complete'
    | 'get'
    | 'head'
    | 'list'
    | 'versions'
    | 'remove'
    | 'copy'
    | 'update'
    | 'uploads'
    | 'abort'
    | 'reach';
  /** `before`: the store has not seen the request. `after`: it has done it and its answer gets lost. */
  readonly when: 'before' | 'after';
  /** Key or prefix. */
  readonly key: string;
  readonly part?: number;
  /** What leaves this machine, with a put and with a part; metadata is that of the whole object. */
  readonly body?: Uint8Array;
  readonly metadata?: Metadata;
}

export interface MemoryOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Default: `client` with the key `memory`. */
  readonly protection?: Protection;
  /** Several stores may share one. */
  readonly bucket?: MemoryBucket;
  /** What it throws, or rejects with, is what the call rejects with. */
  readonly fault?: (step: MemoryStep) => void | Promise<void>;
  /** True: writes are accepted and their encryption is not confirmed. */
  readonly silent?: boolean;
  /** Conditions are not kept. */
  readonly unconditional?: boolean;
  /** Those of removals are not. */
  readonly removesUnseen?: boolean;
}

interface Version {
  readonly id: string | undefined;
  /** Of a delete marker; else its object says. */
  readonly modified?: number;
  /** Undefined for a delete marker. */
  readonly stored: Stored | undefined;
}

export interface Stored {
  readonly body: Uint8Array;
  readonly stat: ObjectStat;
  /** What the store says of its encryption. */
  readonly under?: Headers;
  readonly kept?: Metadata;
  /** SSE-C headers that reading needs. */
  readonly needs: Headers;
}

interface Pending {
  readonly key: ObjectKey;
  readonly initiated: number;
  /** When its newest part came; undefined: when it was begun. */
  touched?: number;
  readonly metadata: Metadata;
  readonly parts: Map<number, Uint8Array>;
}

/** What is stored. */
export class MemoryBucket {
  /** Turned off it is suspended: versions that have an id stay. */
  versioned: boolean;
  readonly pending = new Map<string, Pending>();
  readonly #objects = new Map<string, Version[]>();
  #ids = 0;

  constructor(options: { readonly versioned?: boolean } = {}) {
    this.versioned = options.versioned ?? false;
  }

  nextId(): string {
    return `m${++this.#ids}`;
  }

  /** Keys that a listing shows, in its order. */
  keys(): readonly string[] {
    return [...this.#objects.keys()].filter((key) => this.find(key) !== undefined).sort(compareUtf8);
  }

  find(key: string, versionId?: string): Stored | undefined {
    const versions = this.#objects.get(key) ?? [];
    const found = versionId === undefined ? versions.at(-1) : versions.find((one) => idOf(one) === versionId);
    return found?.stored;
  }

  /** In the order of keys, of each key the newest first. */
  versions(prefix: string): readonly ListedVersion[] {
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareUtf8);
    return keys.flatMap((key) =>
      (this.#objects.get(key) ?? []).toReversed().map((version, at) => ({
        key: objectKey(key),
        versionId: idOf(version),
        size: version.stored?.stat.size ?? 0,
        etag: version.stored?.stat.etag ?? '',
        modified: version.stored?.stat.modified ?? version.modified ?? 0,
        latest: at === 0,
        marker: version.stored === undefined,
      })),
    );
  }

  add(key: string, version: Version): void {
    const known = this.#objects.get(key) ?? [];
    const stay = this.versioned ? known : known.filter(({ id }) => id !== undefined);
    this.#objects.set(key, [...stay, version]);
  }

  /** In its place among the versions. */
  replace(key: string, versionId: string | undefined, stored: Stored): void {
    const versions = this.#objects.get(key) ?? [];
    this.#objects.set(
      key,
      versions.map((one) => (one.id === versionId ? { ...one, stored } : one)),
    );
  }

  remove(key: string, versionId: string | undefined, modified = 0): void {
    if (versionId !== undefined)
      this.#objects.set(
        key,
        (this.#objects.get(key) ?? []).filter((one) => idOf(one) !== versionId),
      );
    else if (this.versioned) this.add(key, { id: this.nextId(), modified, stored: undefined });
    else if ((this.#objects.get(key) ?? []).some(({ id }) => id !== undefined))
      this.add(key, { id: undefined, modified, stored: undefined });
    else this.#objects.delete(key);
  }
}

const idOf = ({ id }: Version): string => id ?? 'null';

const PAGE = 1_000;

export function memoryStore(options: MemoryOptions): ObjectStore {
  return new MemoryStore(options);
}

class MemoryStore implements ObjectStore {
  readonly #bucket: MemoryBucket;
  readonly #protection: Protection;
  readonly #options: MemoryOptions;

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.#bucket = options.bucket ?? new MemoryBucket();
    this.#protection = options.protection ?? { mode: 'client', key: 'memory' };
  }

  async put(
    key: ObjectKey,
    body: Uint8Array,
    metadata: Metadata,
    options: WriteOptions = {},
  ): Promise<Receipt> {
    const work = (): Receipt => {
      this.#refuseUnmet(key, options);
      const etag = createHash('md5').update(body).digest('hex');
      options.onSent?.(body.length);
      return this.#keep(key, Buffer.from(body), metadata, etag, options);
    };
    return this.#step('put', key, options.signal, work, { body, metadata });
  }

  async upload(
    key: ObjectKey,
    source: MultipartSource,
    journal: UploadJournal,
    options: WriteOptions = {},
  ): Promise<Receipt> {
    if (journal.uploadId === undefined) await this.#create(key, source.metadata, journal, options);
    const uploadId = journal.uploadId ?? '';
    let number = 0;
    let sent = 0;
    for await (const part of source.open(options.signal)) {
      const sending = { part: ++number, body: part, metadata: source.metadata };
      await this.#part(key, uploadId, sending, journal, options);
      sent += part.length;
      options.onSent?.(sent);
    }
    return this.#step('complete', key, options.signal, () => {
      this.#refuseUnmet(key, options);
      const pending = this.#pending(key, uploadId, journal);
      const parts = Array.from({ length: number }, (_, at) => pending.parts.get(at + 1) ?? Buffer.alloc(0));
      this.#bucket.pending.delete(uploadId);
      const receipt = this.#keep(key, Buffer.concat(parts), pending.metadata, etagOf(parts), options);
      journal.ended();
      return receipt;
    });
  }

  async get(key: ObjectKey, options: ReadOptions = {}): Promise<StoredObject> {
    return this.#step('get', key, options.signal, () => {
      const stored = this.#bucket.find(key, options.versionId);
      if (stored === undefined) throw missing(key);
      this.#refuseReading(stored, options);
      const { first, last } = options.range ?? { first: 0, last: stored.body.length - 1 };
      return { stat: this.#statOf(stored), body: chunks(stored.body.subarray(first, last + 1)) };
    });
  }

  async head(key: ObjectKey, options: ReadOptions = {}): Promise<ObjectStat | undefined> {
    return this.#step('head', key, options.signal, () => {
      const stored = this.#bucket.find(key, options.versionId);
      if (stored !== undefined) this.#refuseReading(stored, options);
      return stored && this.#statOf(stored);
    });
  }

  async *list(
    prefix: string,
    options: { signal?: AbortSignal | undefined; startAfter?: string } = {},
  ): AsyncIterable<readonly ListedObject[]> {
    let after = options.startAfter ?? '';
    for (;;) {
      const page = await this.#step('list', prefix, options.signal, () => this.#page(prefix, after));
      if (page.length > 0) yield page;
      if (page.length < PAGE) return;
      after = page.at(-1)?.key ?? '';
    }
  }

  async *versions(
    prefix: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): AsyncIterable<readonly ListedVersion[]> {
    for (let at = 0; ; at += PAGE) {
      const page = await this.#step('versions', prefix, options.signal, () =>
        this.#bucket.versions(prefix).slice(at, at + PAGE),
      );
      if (page.length > 0) yield page;
      if (page.length < PAGE) return;
    }
  }

  async remove(
    key: ObjectKey,
    options: { signal?: AbortSignal | undefined; versionId?: string; ifMatch?: string } = {},
  ): Promise<void> {
    return this.#step('remove', key, options.signal, () => {
      const { ifMatch } = options;
      const asked = ifMatch !== undefined && this.#options.removesUnseen !== true;
      if (asked && this.#bucket.find(key) !== undefined) this.#refuseUnmet(key, { ifMatch });
      this.#bucket.remove(key, options.versionId, this.#options.clock.now());
    });
  }

  async conditions(): Promise<Conditions> {
    const writes = this.#options.unconditional === true ? 'ignored' : 'kept';
    const removals = this.#options.removesUnseen === true ? 'ignored' : writes;
    return { writes, removals, copies: writes, versions: false };
  }

  async *uploads(
    prefix: string,
    options: { signal?: AbortSignal | undefined; stillForMs?: number } = {},
  ): AsyncIterable<PendingUpload> {
    const until = this.#options.clock.now() - (options.stillForMs ?? Number.NEGATIVE_INFINITY);
    const found = await this.#step('uploads', prefix, options.signal, () =>
      [...this.#bucket.pending].filter(
        ([, { key, initiated, touched = initiated }]) => key.startsWith(prefix) && touched <= until,
      ),
    );
    for (const [uploadId, { key, initiated }] of found) yield { key, uploadId, initiated };
  }

  async abortUpload(
    key: ObjectKey,
    uploadId: string,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    return this.#step('abort', key, options.signal, () => {
      this.#bucket.pending.delete(uploadId);
    });
  }

  async reach(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.#step('reach', '', options.signal, () => undefined);
  }

  async close(): Promise<void> {}

  async #step<T>(
    operation: MemoryStep['operation'],
    key: string,
    signal: AbortSignal | undefined,
    work: () => T,
    sent: Pick<MemoryStep, 'part' | 'body' | 'metadata'> = {},
  ): Promise<T> {
    return memoryStep(this.#options, { operation, key, ...sent }, signal, work);
  }

  async #create(
    key: ObjectKey,
    metadata: Metadata,
    journal: UploadJournal,
    { signal }: WriteOptions,
  ): Promise<void> {
    await this.#step('create', key, signal, () => {
      const uploadId = this.#bucket.nextId();
      const pending = {
        key,
        initiated: this.#options.clock.now(),
        metadata,
        parts: new Map<number, Uint8Array>(),
      };
      this.#bucket.pending.set(uploadId, pending);
      journal.begun(uploadId);
    });
  }

  async #part(
    key: ObjectKey,
    uploadId: string,
    sending: { readonly part: number; readonly body: Uint8Array; readonly metadata: Metadata },
    journal: UploadJournal,
    { signal }: WriteOptions,
  ): Promise<void> {
    const { part: number, body } = sending;
    const digest = createHash('sha256').update(body).digest('base64');
    const known = journal.part(number);
    if (known !== undefined && known.digest !== digest) {
      this.#bucket.pending.delete(uploadId);
      journal.ended();
      throw new VaultError(
        'changed',
        'upload-differs',
        `part ${number} of ${key} is not what was sent before`,
      );
    }
    if (known?.answer !== undefined) return;
    if (known === undefined) journal.sending(number, digest);
    const work = (): PartAnswer => {
      const pending = this.#pending(key, uploadId, journal);
      pending.parts.set(number, Buffer.from(body));
      pending.touched = this.#options.clock.now();
      return { etag: `"${createHash('md5').update(body).digest('hex')}"` };
    };
    journal.sent(number, await this.#step('part', key, signal, work, sending));
  }

  #pending(key: ObjectKey, uploadId: string, journal: UploadJournal): Pending {
    const pending = this.#bucket.pending.get(uploadId);
    if (pending !== undefined) return pending;
    journal.ended();
    throw new VaultError(
      'transient',
      'upload-gone',
      `the unfinished upload of ${key} is gone from the store`,
    );
  }

  #keep(
    key: ObjectKey,
    body: Uint8Array,
    metadata: Metadata,
    etag: string,
    { sole = false, kept = {} }: WriteOptions,
  ): Receipt {
    const id = this.#bucket.versioned ? this.#bucket.nextId() : undefined;
    const answer = this.#options.silent === true ? {} : writeHeaders(this.#protection);
    const version = id === undefined ? {} : { versionId: id };
    const stat = { key, size: body.length, etag, ...version, modified: this.#options.clock.now(), metadata };
    this.#bucket.add(key, {
      id,
      stored: { body, stat, under: answer, kept, needs: readHeaders(this.#protection) },
    });
    try {
      const proof = prove(this.#protection, answer, { algorithm: 'md5', value: etag });
      return { key, etag, ...version, size: body.length, proof };
    } catch (thrown) {
      // What cannot be proved does not stay [PROOF-1].
      if (!sole || id !== undefined) this.#bucket.remove(key, id);
      throw thrown;
    }
  }

  #refuseUnmet(key: ObjectKey, { ifMatch, ifNoneMatch }: WriteOptions): void {
    if (this.#options.unconditional === true) return;
    const etag = this.#bucket.find(key)?.stat.etag;
    const unmet =
      (ifNoneMatch !== undefined && etag !== undefined) ||
      (ifMatch !== undefined && etag !== unquoted(ifMatch));
    if (unmet)
      throw new VaultError('changed', 'precondition', `${key} is no longer what it was in the store`);
  }

  #refuseReading({ stat, needs }: Stored, { ifMatch }: ReadOptions): void {
    const key = Object.values(readHeaders(this.#protection)).join();
    const needed = Object.values(needs).join();
    if (key !== needed) {
      const [kind, code] =
        key === '' || needed === ''
          ? (['file', 'other-mode'] as const)
          : (['security', 'wrong-key'] as const);
      throw new VaultError(kind, code, `${stat.key} can't be read with this key`);
    }
    if (this.#options.unconditional === true || ifMatch === undefined) return;
    if (unquoted(ifMatch) !== stat.etag)
      throw new VaultError('changed', 'precondition', `${stat.key} is no longer what it was in the store`);
  }

  #statOf({ stat, under = {} }: Stored): ObjectStat {
    return { ...stat, ...saidUnder(this.#protection, under) };
  }

  #page(prefix: string, after: string): readonly ListedObject[] {
    const keys = this.#bucket.keys().filter((key) => key.startsWith(prefix) && compareUtf8(key, after) > 0);
    return keys.slice(0, PAGE).flatMap((key) => {
      const stat = this.#bucket.find(key)?.stat;
      if (stat === undefined) return [];
      return [{ key: objectKey(key), size: stat.size, etag: stat.etag, modified: stat.modified }];
    });
  }
}

/** One request: the faults before and after it, and what it does. */
export async function memoryStep<T>(
  { fault }: Pick<MemoryOptions, 'fault'>,
  step: Omit<MemoryStep, 'when'>,
  signal: AbortSignal | undefined,
  work: () => T,
): Promise<T> {
  refuseAborted(signal);
  await orAborted(fault?.({ ...step, when: 'before' }), signal);
  refuseAborted(signal);
  const result = work();
  await orAborted(fault?.({ ...step, when: 'after' }), signal);
  return result;
}

const missing = (key: string): VaultError =>
  new VaultError('file', 'object-missing', `${key} is not in the store`);

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new VaultError('cancelled', 'cancelled', 'called off');
}

/** A request that hangs ends with the signal, as on a wire. */
async function orAborted(waiting: void | Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined || waiting === undefined) return waiting;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new VaultError('cancelled', 'cancelled', 'called off'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** One part makes a whole object, as with lib-storage. */
function etagOf(parts: readonly Uint8Array[]): string {
  const md5 = parts.map((part) => createHash('md5').update(part).digest());
  return md5.length > 1 ? multipartMd5(md5) : (md5[0] ?? createHash('md5').digest()).toString('hex');
}

const CHUNK = 65_536;

async function* chunks(body: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < body.length; at += CHUNK) yield body.subarray(at, at + CHUNK);
}
