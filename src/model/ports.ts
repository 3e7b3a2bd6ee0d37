/**
 * The ports: what the engine needs of the world, stated by the consumer. Adapters live in `s3`, `local`, `state` and
 * `keys`; fakes and the contract suites in `test/contract`. Every method that waits takes an AbortSignal and
 * rejects with a VaultError of kind `cancelled` when it fires.
 */
import type { VaultError } from './errors.ts';
import type { NameKey, ObjectKey, RelPath } from './brands.ts';
import type { DraftBytes, DraftSubject, GoesOver, InPlace } from './draft.ts';
import type { Entry, Seen } from './entry.ts';
import type { Hint } from './hint.ts';
import type { HistoryBook, HistoryLine } from './history.ts';
import type { LeftOutBook } from './left-out.ts';
import type { RefusedBook } from './refused.ts';
import type { KeyInfo, KeyMaterial } from './keyref.ts';
import type { Receipt } from './receipt.ts';
import type { ServerMode } from './mode.ts';
import type { Record as IndexRecord } from './record.ts';
import type { Secret } from './secret.ts';
import type { WatchState } from './event.ts';

/** User metadata: lower-case names without `x-amz-meta-`, ASCII values. */
export type Metadata = Readonly<{ [name: string]: string }>;

export interface Waits {
  readonly signal?: AbortSignal | undefined;
}

// ---------------------------------------------------------------------------------------------------- object store

/**
 * One bucket under one Mode. Keys are whole keys, prefix included. A write resolves only with proof of the Mode:
 * without it the object (or its new version) is removed again and the call rejects with kind `security`.
 * Transient failures are not retried here beyond what `retrying` adds; errors are VaultErrors by kind.
 */
export interface ObjectStore {
  /** Single-request PUT of at most 5 GiB; in practice what fits in memory. */
  put(key: ObjectKey, body: Uint8Array, metadata: Metadata, options?: WriteOptions): Promise<Receipt>;
  /** Multipart PUT that can go on after a restart; see `MultipartSource` and `UploadJournal`. */
  upload(
    key: ObjectKey,
    source: MultipartSource,
    journal: UploadJournal,
    options?: WriteOptions,
  ): Promise<Receipt>;
  /** Rejects with code `object-missing` where there is none. The body must be read to its end or cancelled. */
  get(key: ObjectKey, options?: ReadOptions): Promise<StoredObject>;
  /** Undefined where there is no such object. */
  head(key: ObjectKey, options?: ReadOptions): Promise<ObjectStat | undefined>;
  /** Pages of at most 1,000, in UTF-8 byte order of keys. */
  list(prefix: string, options?: Waits & { startAfter?: string }): AsyncIterable<readonly ListedObject[]>;
  /**
   * All versions and delete markers under a prefix, in pages of at most 1,000: in the order of keys, of each key the newest
   * first. Without versioning each object is one version, with the id `null`.
   */
  versions(prefix: string, options?: Waits): AsyncIterable<readonly ListedVersion[]>;
  /**
   * Removing what is not there succeeds. In a versioned bucket without `versionId` this adds a delete marker. With `ifMatch`
   * an object with another ETag stays, and the call rejects with code `precondition`.
   */
  remove(key: ObjectKey, options?: Waits & { versionId?: string; ifMatch?: string }): Promise<void>;
  /**
   * What the store does with conditions of writes: AWS keeps them; another store is tried with an object of its own under the
   * prefix, removed again, or taken at what is `known` of it. Where they are not kept, this adapter looks at the object before
   * and after a write: that finds other writers but for those of the same moment; with versions these, too.
   */
  conditions(prefix: string, options?: Waits & { known?: Partial<Conditions> }): Promise<Conditions>;
  /** Anyone's unfinished ones. `stillForMs`: only those begun, and last added to, so long ago by the store's own clock. */
  uploads(prefix: string, options?: Waits & { stillForMs?: number }): AsyncIterable<PendingUpload>;
  abortUpload(key: ObjectKey, uploadId: string, options?: Waits): Promise<void>;
  /** One cheap request that answers whether bucket and credentials work. */
  reach(options?: Waits): Promise<void>;
  /** Frees connections. No other call may follow. */
  close(): Promise<void>;
}

/** `refused`: a request with a condition fails whatever the condition. */
export type ConditionSupport = 'kept' | 'ignored' | 'refused';

export interface Conditions {
  readonly writes: ConditionSupport;
  /** `If-Match`. */
  readonly removals: ConditionSupport;
  /** `If-None-Match`, to another name; `refused` also where there are no copies. */
  readonly copies: ConditionSupport;
  /** What is written gets a version, and these tell who came between where a condition is not kept. */
  readonly versions: boolean;
  /** With `writes` refused: one over what is there is, also where its `If-Match` fits; one where nothing may be is not. */
  readonly unmet?: true;
  /** Why the object that was tried with stays: removals are refused, say. */
  readonly left?: VaultError;
}

export interface WriteOptions extends Waits {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: '*';
  /** Bytes acknowledged so far. */
  readonly onSent?: (bytes: number) => void;
  /** See `Mover.kept`. */
  readonly kept?: Metadata;
  /**
   * The write takes the place of the only copy there is: where the store does not prove it, the call rejects as always, but
   * what was written is not removed, unless an older version comes back with that.
   */
  readonly sole?: boolean;
}

export interface ReadOptions extends Waits {
  readonly versionId?: string;
  /** First and last byte, both inclusive. */
  readonly range?: { readonly first: number; readonly last: number };
  readonly ifMatch?: string;
}

export interface ObjectStat {
  readonly key: ObjectKey;
  readonly size: number;
  readonly etag: string;
  readonly versionId?: string;
  readonly modified: number;
  readonly metadata: Metadata;
  /** What the answer says of its encryption; `sse-c` only where it names the very key that was asked with. */
  readonly under?: ServerMode;
}

export interface StoredObject {
  readonly stat: ObjectStat;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ListedObject {
  readonly key: ObjectKey;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
}

export interface ListedVersion extends ListedObject {
  /** As `versionId` of reads and removals takes it; `null` for what was written without versioning. */
  readonly versionId: string;
  readonly latest: boolean;
  /** A delete marker: size 0, no ETag. */
  readonly marker: boolean;
}

export interface PendingUpload {
  readonly key: ObjectKey;
  readonly uploadId: string;
  readonly initiated: number;
}

/** The bytes of a multipart upload: `open` yields parts of exactly `partSize` bytes, the last one shorter or equal. */
export interface MultipartSource {
  readonly metadata: Metadata;
  /** Bytes in all, as stored. */
  readonly size: number;
  readonly partSize: number;
  /** Called once. Yields the same bytes as in the interrupted attempt, or throws kind `changed`. */
  open(signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

/**
 * What is remembered of one multipart upload so that it can go on. The digest of a part (SHA-256 of its stored
 * bytes) is journaled *before* the part is sent: bytes that differ from a journaled digest must never be sent, for
 * they would be sealed under the same key and nonce.
 */
export interface UploadJournal {
  /** The upload to go on with, if there is one; after `begun`, the one that was begun. */
  readonly uploadId: string | undefined;
  part(number: number): JournaledPart | undefined;
  /** After CreateMultipartUpload. */
  begun(uploadId: string): void;
  /** Before a part is sent. Durable when it returns. */
  sending(number: number, digest: string): void;
  /** After the store acknowledged the part. `answer`: what Complete needs, and the customer key's MD5 as confirmed. */
  sent(number: number, answer: PartAnswer): void;
  /** The upload ended, one way or the other. */
  ended(): void;
}

export interface JournaledPart {
  readonly digest: string;
  readonly answer?: PartAnswer;
}

export interface PartAnswer {
  readonly etag: string;
  readonly crc32?: string;
  readonly keyMd5?: string;
}

export interface CopyOptions extends Waits {
  readonly versionId?: string;
  /** Another name, for objects that one request copies (5 GiB); larger ones are `copy-unsupported`. */
  readonly to?: ObjectKey;
  /** Nothing may stand there; code `precondition`. */
  readonly ifNoneMatch?: '*';
}

/**
 * Puts stored objects under another protection inside the store: their bytes don't come here. Made for one protection to
 * read under and one to write under.
 */
export interface Mover {
  /**
   * Copies an object onto itself, or to the name `to`, with the metadata that `rewrite` makes of what it has (and is under), and proves the result by asking
   * the store for it. An object that changes meanwhile is left alone (kind `changed`). Codes of its own: `copy-unsupported` (kind
   * `file`): this store does not do it, nothing was changed; `copy-unproved` (kind `file`): it was done, but nothing the store
   * says shows that the bytes are the same; `proof-missing` (kind `security`) as of any write, but nothing is removed.
   */
  copy(
    key: ObjectKey,
    rewrite: (stat: ObjectStat) => Metadata | Promise<Metadata>,
    options?: CopyOptions,
  ): Promise<Receipt>;
  /** True where the two protections are such that S3 can change one to the other in place. */
  readonly updates: boolean;
  /**
   * Changes the encryption of an object, or of one version, in place (`UpdateObjectEncryption`): no new version, same ETag.
   * Proved by asking for it. Code `update-unsupported` (kind `file`) where `updates` is false or the store can't. A store
   * that does not know the operation may take it for a write: never to be sent before it was tried on an object of no value.
   */
  update(key: ObjectKey, options?: Waits & { readonly versionId?: string }): Promise<Receipt>;
  /** The object if the store proves that it is under the protection written under; undefined if not, or if it is gone. */
  moved(key: ObjectKey, options?: Waits & { readonly versionId?: string }): Promise<ObjectStat | undefined>;
  /**
   * What the store keeps of an object beside user metadata, and would lose when it is written anew: content type and the like,
   * storage class, tags, Object Lock. For `WriteOptions.kept`.
   */
  kept(key: ObjectKey, options?: Waits & { readonly versionId?: string }): Promise<Metadata>;
  /** Frees connections. No other call may follow. */
  close(): Promise<void>;
}

// ------------------------------------------------------------------------------------------------------ local files

/** The disk side of one vault. */
export interface FileTree {
  /**
   * Everything under `under` (default: the root) in the order of keys (UTF-8 bytes), in batches; never `.s3vault`,
   * never what the ignore rules leave out. Yields to the event loop between batches.
   */
  walk(options?: Waits & { under?: RelPath }): AsyncIterable<readonly Seen[]>;
  /** One path now; undefined where there is nothing (or it is ignored, or it is a folder). */
  look(path: RelPath): Promise<Seen | undefined>;
  /** True for a folder that exists. */
  isFolder(path: RelPath): Promise<boolean>;
  /** True where the ignore rules, or `--exclude`, leave the path out. */
  ignores(path: RelPath): boolean;
  /** Whole content (a link: its target in UTF-8). Rejects with kind `changed` if it isn't what the Entry says. */
  read(entry: Entry, options?: Waits): Promise<Buffer>;
  /** Content in chunks of exactly `chunkSize`, the last one shorter. Throws kind `changed` as soon as it is noticed. */
  stream(entry: Entry, chunkSize: number, options?: Waits): AsyncIterable<Buffer>;
  /** State of the root and its marker, for the lost-source guard. */
  source(): Promise<SourceState>;
  /** Writes the marker `.s3vault/vault.json`. */
  mark(id: string): Promise<void>;
}

/** Brings what came from the store into one vault's folder: whole, durable and checked, or not at all. */
export interface FolderWriter {
  /** Rejects as `place` would, as far as that shows before `bytes` bytes have come. Changes nothing. */
  check(path: RelPath, over: Entry | undefined, bytes: number): Promise<void>;
  /**
   * A place for the bytes of one file, on the folder's file system and out of sight of scans. With a subject it goes on where
   * an interrupted run was with exactly that.
   */
  begin(subject?: DraftSubject): Promise<IncomingFile>;
  /**
   * Removes the file if it is still the Entry, and the folders that are empty then. Rejects with kind `changed`, and
   * removes nothing, where it is not.
   */
  remove(entry: Entry): Promise<void>;
  /** Gives the file another name, which must be free, if it is still the Entry. */
  move(entry: Entry, to: RelPath): Promise<void>;
  /** As `remove`, but the file goes on in the vault's own folder, out of sight of scans; gives its path there. */
  setAside(entry: Entry): Promise<string>;
  /**
   * Clears away what a killed run left behind, but what can be gone on with. Gives what it may not clear: removed files whose
   * check never ended.
   */
  sweep(): Promise<readonly string[]>;
  /**
   * Removes what can be gone on with and is too old, or what `wants` says no to. Never what is being written, here or by another
   * process.
   */
  sweepDrafts(wants: (subject: DraftSubject) => Promise<boolean>): Promise<void>;
}

/** Bytes on their way to become a file. `place`, `keep` or `discard` ends it. */
export interface IncomingFile extends DraftBytes {
  /**
   * Makes the bytes the file at `path`, durably, and gives it as it stands there. What stands there must be `over` to the
   * last stamp, or nothing where `over` is undefined: else kind `changed`, and nothing has happened. What another program
   * saves there in the very moment is never lost: `changed` as well, or it goes on as `keptAs`. Rejects with kind `file` where
   * the place can't hold it: code `name-clash` (a folder or another spelling stands there), `disk-full`, `unwritable`.
   */
  place(path: RelPath, facts: FileTraits, over: GoesOver | undefined): Promise<InPlace>;
}

export interface FileTraits {
  readonly kind: 'file' | 'link';
  /** Permission bits. */
  readonly permissions: number;
  /** ms since 1970. */
  readonly mtime: number;
}

export type SourceState =
  | { readonly state: 'missing' }
  | { readonly state: 'here'; readonly device: number; readonly markedAs: string | undefined };

/** Watching. Hints are merged and settled by the engine; `onState` also carries what to tell the user. */
export interface Watcher {
  start(listener: WatchListener): Promise<void>;
  close(): Promise<void>;
}

export interface WatchListener {
  hint(hint: Hint): void;
  state(state: WatchState): void;
  warning(code: string, message: string, hint: string): void;
}

// ------------------------------------------------------------------------------------------------------------ Index

/**
 * All Records of one vault, and the journals. One process at a time holds it (else kind `held`). Calls are
 * synchronous and durable when they return.
 */
export interface Index {
  meta(name: string): string | undefined;
  setMeta(name: string, value: string | undefined): void;
  /** A page in the order of keys, after `after`. */
  page(after: NameKey | undefined, limit: number): readonly IndexRecord[];
  /** Records at or under a folder's key, in the order of keys. */
  under(key: NameKey): readonly IndexRecord[];
  get(key: NameKey): IndexRecord | undefined;
  count(): { readonly files: number; readonly bytes: number };
  /** All changes in one transaction; Intents of the same keys end with it. What happened goes along. */
  commit(changes: readonly IndexChange[], history?: readonly HistoryLine[]): void;
  /** What happened, in this run and before: a bounded number of lines. */
  history(): HistoryBook;
  /** Journals of unfinished uploads, for going on and for cleaning. */
  journal(): UploadJournals;
  /** What is about to be sent for the first time. */
  intents(): Intents;
  /** What a person took out of the queue. */
  leftOut(): LeftOutBook;
  /** Removals that a person said no to. */
  refused(): RefusedBook;
  /** Where a Plan too long for memory waits; emptied at start. */
  spool(): PlanSpool;
  close(): void;
}

export type IndexChange =
  | { readonly kind: 'put'; readonly record: IndexRecord }
  | { readonly kind: 'remove'; readonly key: NameKey };

/**
 * Names of objects that may come into being before any Record knows of them: noted before the first byte is sent, gone
 * with the commit. What is left after a crash is looked for in the bucket, or an object could stay there for ever
 * whose file was removed before the next run.
 */
export interface Intents {
  /** Durable when it returns. */
  add(intents: readonly Intent[]): void;
  all(): readonly Intent[];
  remove(key: NameKey): void;
}

export interface Intent {
  readonly key: NameKey;
  readonly path: RelPath;
}

/** What an upload was begun for; the upload goes on only if all of it still holds. */
export interface UploadSubject {
  readonly key: NameKey;
  /** The file as it is named on disk: not every name is in the key's Unicode form. */
  readonly path: RelPath;
  readonly size: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly inode: number;
  readonly partSize: number;
  readonly modeFingerprint: string;
  /** SHA-256 of the plaintext. */
  readonly digest: string;
  /** Metadata sent with Create: holds the wrapped data key and message id, nothing secret. */
  readonly metadata: Metadata;
}

export interface UploadJournals {
  /** The journal of an unfinished upload of this key. */
  find(key: NameKey): (UploadJournal & { readonly subject: UploadSubject }) | undefined;
  /** Starts one, replacing what was there. */
  create(subject: UploadSubject): UploadJournal;
  all(): readonly { readonly key: NameKey; readonly path: RelPath; readonly uploadId: string | undefined }[];
  remove(key: NameKey): void;
}

/** Lines in their order. They can be looked at, looked for and taken out while they wait. */
export interface PlanSpool {
  readonly count: number;
  push(lines: readonly SpoolLine[]): void;
  /** The next lines in order, removed from the spool. */
  shift(limit: number): readonly string[];
  /** The line of a key. */
  get(key: NameKey): string | undefined;
  /** The same, removed from the spool. */
  take(key: NameKey): string | undefined;
  /** Counts what has `text` in at most `limit` lines after `after` (0: from the first); undefined where there are none. */
  scan(after: number, limit: number, text: string, held?: NameKey): SpoolPart | undefined;
  /** Lines of a part that have `text`, `skip` of them left out. */
  lines(part: SpoolPart, text: string, skip: number, limit: number): readonly string[];
  clear(): void;
}

export interface SpoolLine {
  readonly key: NameKey;
  /** What `text` is looked for in. */
  readonly find: string;
  readonly line: string;
}

/** Lines after `after` up to `last`. */
export interface SpoolPart {
  readonly after: number;
  readonly last: number;
  /** How many of them have the text. */
  readonly count: number;
  /** How many of those stand before the line that was asked for, where it is one of them. */
  readonly held?: number;
}

// ------------------------------------------------------------------------------------------------------------- keys

/** Where named keys are kept. The contract suite runs on every implementation. */
export interface KeyStore {
  list(options?: Waits): Promise<readonly KeyInfo[]>;
  /** Rejects with code `key-missing` where there is none, `keychain-…` where the store does not answer. */
  load(name: string, options?: Waits): Promise<KeyMaterial>;
  /** Rejects with code `key-exists` rather than replace one. */
  save(name: string, material: KeyMaterial, created: string, options?: Waits): Promise<KeyInfo>;
  remove(name: string, options?: Waits): Promise<void>;
  /** Wipes and forgets what was opened: the next call opens it anew. Keys that were loaded are their callers'. */
  lock(): void;
}

/** KMS as client-side encryption needs it. Errors: `kms-denied`, `kms-missing`, `kms-disabled`, kind `throttled`. */
export interface Kms {
  generateDataKey(
    keyId: string,
    context: Metadata,
    options?: Waits,
  ): Promise<{ readonly dataKey: Secret; readonly wrapped: Uint8Array }>;
  /** Wraps a data key that exists already; it stays the caller's. */
  encrypt(keyId: string, dataKey: Secret, context: Metadata, options?: Waits): Promise<Uint8Array>;
  decrypt(keyId: string, wrapped: Uint8Array, context: Metadata, options?: Waits): Promise<Secret>;
  /** The key's ARN; resolves aliases. */
  describe(keyId: string, options?: Waits): Promise<string>;
}

/** Wraps and unwraps data keys: the only view of a long-lived key that sealing has. */
export interface Keyring {
  readonly wrap: 'AES/GCM' | 'RSA-OAEP-SHA1' | 'kms+context';
  /** Fingerprint of the wrapping key, or the KMS key id. */
  readonly fingerprint: string;
  /** False for a public RSA key: it seals and cannot open. */
  readonly canOpen: boolean;
  /** A fresh data key of 32 bytes. `name` is bound into the wrapping: `115` for V3. */
  fresh(name: string, options?: Waits): Promise<WrappedDataKey & { readonly dataKey: Secret }>;
  /** For another wrapping of an object's data key, which stays the caller's. */
  wrapAgain(dataKey: Secret, name: string, options?: Waits): Promise<WrappedDataKey>;
  /** Rejects with kind `security` and one message for all causes. */
  unwrap(wrapped: WrappedDataKey, name: string, options?: Waits): Promise<Secret>;
}

export interface WrappedDataKey {
  readonly wrapped: Uint8Array;
  /** KMS encryption context with the reserved pair, or the material description of a raw key. */
  readonly context: Metadata;
}

// ------------------------------------------------------------------------------------------------------------ clock

/** Time and chance, injected so that tests own them. `Date.now` and `setTimeout` are not used elsewhere. */
export interface Clock {
  /** ms since 1970. */
  now(): number;
  /** Monotonic ms. */
  ticks(): number;
  /** Resolves after `ms`; rejects with kind `cancelled` when the signal fires. */
  sleep(ms: number, options?: Waits): Promise<void>;
  /** Calls `fn` after `ms`; the returned function calls it off. Does not keep the process alive. */
  after(ms: number, fn: () => void): () => void;
  /** A number in [0, 1) for jitter; never for secrets. */
  random(): number;
}
