/**
 * A rekey: all objects of a vault, one by one, from one key or mode to another. The Index is its journal: a Record that
 * carries the new fingerprint is done. Killed at any point, each object is under one of the two protections.
 */
import { randomUUID } from 'node:crypto';
import type PQueue from 'p-queue';
import { OWN_FOLDER, type ObjectKey, nameKey, objectKey } from '../model/brands.ts';
import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { EXIT, type VaultError, asVaultError, report } from '../model/errors.ts';
import type { Event, EventBody, TransferFacts } from '../model/event.ts';
import { EMPTY_TOTALS } from '../model/plan.ts';
import type { Clock, Index, ListedObject, Mover } from '../model/ports.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { DEFAULT_TRANSFERS, type Vault } from '../model/vault.ts';
import { Budget, RateLimit } from './budget.ts';
import type { Conversion, Side } from './conversion.ts';
import { type Converted, convertObject } from './convert.ts';
import { describeRekey } from './describe.ts';
import { Emitter } from './emitter.ts';
import { Online } from './online.ts';
import { SINGLE_MAX, dropUpload } from './put.ts';
import { isFinal } from './retries.ts';
import { META_MTIME } from './stats.ts';

export interface RekeyParts {
  readonly vault: Vault;
  readonly from: Side;
  readonly to: Side;
  readonly mover: Mover;
  readonly index: Index;
  readonly clock: Clock;
}

export interface RekeyOptions {
  readonly dryRun: boolean;
  /** Before the first object is touched: whoever reads the configuration now knows of both keys. */
  readonly onBegin: () => Promise<void>;
  /** After the last object: the old key is not needed any more. `versions`: but older object versions may need it. */
  readonly onEnd: (versions: boolean) => Promise<void>;
}

/** What is to be done, or was done. */
export interface RekeyTotals {
  readonly objects: number;
  readonly bytes: number;
  /** Under the new protection already. */
  readonly already: number;
  readonly rewrapped: number;
  readonly copied: number;
  readonly resent: number;
  readonly failed: number;
  /** Bytes that went through this machine. */
  readonly through: number;
}

const PATIENCE_MS = 15_000;
const MEMORY = 64 * 2 ** 20;
const AHEAD = 256;
const CLIMB_AFTER = 32;

/** One rekey, as any screen sees an engine. `run` never rejects. */
export class Rekey implements EngineHandle {
  readonly #parts: RekeyParts;
  readonly #options: RekeyOptions;
  readonly #emitter: Emitter;
  readonly #abort = new AbortController();
  readonly #online: Online;
  readonly #conversion: Conversion;
  readonly #memory = new Budget(MEMORY);
  readonly #totals = {
    objects: 0,
    bytes: 0,
    already: 0,
    rewrapped: 0,
    copied: 0,
    resent: 0,
    failed: 0,
    through: 0,
  };
  readonly #end = Promise.withResolvers<Outcome>();
  #queue: PQueue | undefined;
  #stopping = false;
  #interrupted = false;
  #fatal: VaultError | undefined;
  #versions = false;
  #successes = 0;
  #lastId = 0;

  constructor(parts: RekeyParts, options: RekeyOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clock, vault, from, to, mover, index } = parts;
    this.#emitter = new Emitter(clock);
    this.#online = new Online({
      clock,
      store: to.store,
      signal: this.#abort.signal,
      patienceMs: PATIENCE_MS,
      onOffline: (retryIn) => this.#emitter.emit({ event: 'state', state: 'offline', retryIn }),
      onOnline: () => this.#emitter.emit({ event: 'state', state: 'working' }),
    });
    const nameOf = (key: ObjectKey): string => key.slice(vault.remote.prefix.length);
    const upload = new RateLimit(clock, vault.rules.limitUpload);
    let said = false;
    const onNoCopy = (error: VaultError): void => {
      if (!said) this.#warn(error);
      said = true;
    };
    this.#conversion = { from, to, mover, index, upload, nameOf, onNoCopy };
  }

  subscribe(listener: (event: Event) => void): () => void {
    return this.#emitter.subscribe(listener);
  }

  snapshot(): Snapshot {
    return this.#emitter.snapshot;
  }

  /** Says what others know of this work. */
  readonly announce = (body: EventBody): void => this.#emitter.emit(body);

  get ended(): Promise<Outcome> {
    return this.#end.promise;
  }

  get totals(): RekeyTotals {
    return this.#totals;
  }

  /** Why it stopped before its end. */
  get fatal(): VaultError | undefined {
    return this.#fatal;
  }

  command(command: Command): void {
    if (command.command === 'pause') this.#queue?.pause();
    else if (command.command === 'resume') this.#queue?.start();
    else if (command.command === 'stop') this.#stop();
  }

  /** A store asks for fewer requests. */
  throttled(error: VaultError): void {
    if (this.#queue === undefined) return;
    this.#successes = 0;
    this.#queue.concurrency = Math.max(1, Math.floor(this.#queue.concurrency / 2));
    const resource = error.resource ?? 's3';
    this.#emitter.emit({ event: 'throttle', resource, rate: this.#queue.concurrency, quota: null });
  }

  async run(): Promise<Outcome> {
    const { clock } = this.#parts;
    const started = clock.ticks();
    try {
      await this.#work();
    } catch (thrown) {
      this.#fail(asVaultError(thrown));
    }
    this.#abort.abort();
    const exit = this.#exit();
    const { rewrapped, copied, resent, bytes, failed } = this.#totals;
    this.#emitter.emit({
      event: 'summary',
      files: this.#options.dryRun ? 0 : rewrapped + copied + resent,
      bytes: this.#options.dryRun ? 0 : bytes,
      failed,
      skipped: 0,
      ms: Math.round(clock.ticks() - started),
      exit,
    });
    this.#end.resolve({ exit });
    return { exit };
  }

  async #work(): Promise<void> {
    const { signal } = this.#abort;
    this.#emitter.emit({ event: 'state', state: 'scanning' });
    await this.#online.reaching(() => this.#count());
    const { objects, bytes } = this.#totals;
    const { dryRun } = this.#options;
    this.#emitter.emit({
      event: 'plan',
      ...EMPTY_TOTALS,
      put: objects,
      bytes,
      ...(dryRun ? { dryRun } : {}),
    });
    if (dryRun || this.#stopping) return;
    await this.#online.reaching(() => this.#probe());
    await this.#online.reaching(() => describeRekey(this.#parts, 'begun', signal));
    await this.#options.onBegin();
    this.#totals.bytes = 0;
    this.#emitter.emit({ event: 'state', state: 'working' });
    await this.#convertAll();
    if (this.#stopping || this.#totals.failed > 0) return;
    await this.#online.reaching(() => describeRekey(this.#parts, 'ended', signal));
    await this.#options.onEnd(this.#versions);
  }

  // ------------------------------------------------------------------------------------------------------- what is to do

  async #count(): Promise<void> {
    Object.assign(this.#totals, { objects: 0, bytes: 0, already: 0 });
    for await (const object of this.#objects()) {
      if (this.#isDone(object)) this.#totals.already++;
      else {
        this.#totals.objects++;
        this.#totals.bytes += object.size;
      }
      if (this.#stopping) return;
    }
  }

  /** All objects of the vault but s3vault's own. */
  async *#objects(): AsyncIterable<ListedObject> {
    const { to, vault } = this.#parts;
    const own = `${vault.remote.prefix}${OWN_FOLDER}/`;
    for await (const page of to.store.list(vault.remote.prefix, { signal: this.#abort.signal })) {
      for (const object of page) if (!object.key.startsWith(own)) yield object;
    }
  }

  #isDone({ key, etag }: ListedObject): boolean {
    const { index, to } = this.#parts;
    const record = index.get(nameKey(this.#conversion.nameOf(key)));
    return record !== undefined && record.etag === etag && record.modeFingerprint === to.fingerprint;
  }

  /**
   * One small object goes the whole way first: a store that does not prove the new protection is found out before
   * anything of the user's is touched.
   */
  async #probe(): Promise<void> {
    const { to, vault } = this.#parts;
    const key = objectKey(`${vault.remote.prefix}${OWN_FOLDER}/probe-${randomUUID()}`);
    const { signal } = this.#abort;
    await to.store.put(
      key,
      Buffer.from('s3vault looks whether this store proves a protection\n'),
      {},
      { signal },
    );
    await to.store.remove(key, { signal });
  }

  // ----------------------------------------------------------------------------------------------------------- doing it

  async #convertAll(): Promise<void> {
    const { default: Queue } = await import('p-queue');
    const queue = new Queue({ concurrency: this.#transfers });
    this.#queue = queue;
    for await (const object of this.#objects()) {
      if (this.#stopping) break;
      if (this.#isDone(object)) continue;
      await queue.onSizeLessThan(AHEAD);
      void queue.add(() => this.#one(object));
    }
    queue.start();
    await queue.onIdle();
  }

  get #transfers(): number {
    return this.#parts.vault.rules.transfers ?? DEFAULT_TRANSFERS;
  }

  async #one(object: ListedObject): Promise<void> {
    if (this.#stopping) return;
    const { signal } = this.#abort;
    const { clock, vault, index } = this.#parts;
    const release = await this.#memory.take(Math.min(object.size, SINGLE_MAX) * 2);
    const facts = this.#factsOf(object);
    const started = clock.ticks();
    this.#emitter.emit({ event: 'transfer.start', ...facts });
    let attempts = 0;
    try {
      const world = { index, store: this.#parts.to.store, prefix: vault.remote.prefix };
      await dropUpload(world, nameKey(facts.path), signal);
      const converted = await this.#online.reaching(() => {
        attempts++;
        return convertObject(this.#conversion, object.key, { signal });
      });
      this.#remember(object, converted);
      const { how: result, receipt, versionId = null, through } = converted;
      this.#totals.through += through;
      if (result === 'unchanged') this.#totals.already++;
      else this.#totals[result]++;
      this.#totals.bytes += object.size;
      const ms = Math.round(clock.ticks() - started);
      const proof = receipt?.proof ?? null;
      this.#emitter.emit({ event: 'transfer.done', ...facts, result, versionId, proof, attempts, ms });
      this.#succeeded();
    } catch (thrown) {
      const error = asVaultError(thrown);
      const ms = Math.round(clock.ticks() - started);
      this.#failed(facts, error, attempts, ms);
    } finally {
      release();
    }
  }

  #factsOf({ key, size }: ListedObject): TransferFacts {
    const path = this.#conversion.nameOf(key);
    const { kind } = this.#parts.to;
    return { id: ++this.#lastId, path, key, direction: 'rekey', bytes: size, mode: kind };
  }

  #failed(facts: TransferFacts, error: VaultError, attempts: number, ms: number): void {
    const given = { versionId: null, proof: null, attempts, ms, error: report(error), again: false } as const;
    this.#emitter.emit({ event: 'transfer.failed', ...facts, ...given });
    this.#totals.failed++;
    // One object that does not open is that object's trouble; all else concerns every one of them.
    if (isFinal(error) && error.code !== 'cannot-open' && error.code !== 'not-committing') this.#fail(error);
    else if (error.kind === 'offline') this.#fail(error);
  }

  #succeeded(): void {
    const queue = this.#queue;
    if (queue === undefined || queue.concurrency >= this.#transfers) return;
    this.#successes++;
    if (this.#successes % CLIMB_AFTER === 0) queue.concurrency++;
  }

  /** The Record follows its object, so that the next sync finds it in step. */
  #remember({ key, etag }: ListedObject, converted: Converted): void {
    const { index, to } = this.#parts;
    if (converted.versionId !== undefined) this.#versions = true;
    const record = index.get(nameKey(this.#conversion.nameOf(key)));
    if (record === undefined) return;
    // After a crash the object is newer than the Record: it is the same file if it says so.
    const mtime = (record.mtime / 1_000).toFixed(6);
    if (record.etag !== etag && converted.metadata[META_MTIME] !== mtime) return;
    const { versionId: _, ...rest } = record;
    const { etag: fresh, versionId, size: storedSize } = converted;
    const version = versionId === undefined ? {} : { versionId };
    const next = { ...rest, etag: fresh, ...version, storedSize, modeFingerprint: to.fingerprint };
    index.commit([{ kind: 'put', record: next }]);
  }

  // ------------------------------------------------------------------------------------------------------------- ending

  #stop(): void {
    if (this.#stopping) this.#abort.abort();
    this.#interrupted = true;
    this.#stopping = true;
    this.#queue?.start();
  }

  #fail(error: VaultError): void {
    if (error.kind === 'cancelled' || this.#fatal !== undefined) return;
    this.#fatal = error;
    this.#stopping = true;
    this.#warn(error);
  }

  #warn(error: VaultError): void {
    this.#emitter.emit({ event: 'warning', ...report(error) });
  }

  #exit(): number {
    if (this.#fatal !== undefined) return this.#fatal.exit;
    if (this.#interrupted) return EXIT.interrupted;
    return this.#totals.failed > 0 ? EXIT.someFailed : EXIT.inStep;
  }
}
