/**
 * A rekey: all objects of a vault, one by one, from one key or mode to another. The Index is its journal: a Record that
 * carries the new fingerprint is done. Killed at any point, each object is under one of the two protections.
 */
import type PQueue from 'p-queue';
import { type NameKey, type ObjectKey, nameKey } from '../model/brands.ts';
import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { EXIT, VaultError, asVaultError, report } from '../model/errors.ts';
import type { Event, EventBody, TransferFacts } from '../model/event.ts';
import { EMPTY_TOTALS } from '../model/plan.ts';
import type { Record } from '../model/record.ts';
import type { Waits } from '../model/ports.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { DEFAULT_TRANSFERS } from '../model/vault.ts';
import { clearLeftover, moveHistory } from './all-versions.ts';
import { Budget, RateLimit } from './budget.ts';
import { copyOf } from './chain.ts';
import type { Conversion } from './conversion.ts';
import { type Converted, convertObject } from './convert.ts';
import { describeRekey, meetRekey } from './describe-rekey.ts';
import { Emitter } from './emitter.ts';
import { reportOf } from './naming.ts';
import { Online } from './online.ts';
import { isUnprotected } from './protected.ts';
import { SINGLE_MAX, dropUpload } from './put.ts';
import {
  NOTHING_MOVED,
  type RekeyOptions,
  type RekeyParts,
  type RekeyTotals,
  refuseBlind,
} from './rekey-parts.ts';
import { asksKinds, checkKinds } from './rekey-kinds.ts';
import { type Ground, probe } from './rekey-probe.ts';
import { type Work, hasOlder, works } from './rekey-works.ts';
import { isFinal } from './retries.ts';
import { META_MTIME } from './stats.ts';

const PATIENCE_MS = 15_000;
const MEMORY = 64 * 2 ** 20;
const AHEAD = 256;
const CLIMB_AFTER = 32;
/** Over all objects, at most. */
const PASSES = 4;
/** Codes that are about one object, though they would end a sync. */
const OF_ONE: ReadonlySet<string> = new Set([
  'cannot-open',
  'not-committing',
  'wrong-key',
  'kind-differs',
  'not-protected',
]);

/** One rekey, as any screen sees an engine. `run` never rejects. */
export class Rekey implements EngineHandle {
  readonly #parts: RekeyParts;
  readonly #options: RekeyOptions;
  readonly #emitter: Emitter;
  readonly #abort = new AbortController();
  readonly #online: Online;
  readonly #conversion: Conversion;
  readonly #memory = new Budget(MEMORY);
  readonly #totals = { ...NOTHING_MOVED };
  readonly #end = Promise.withResolvers<Outcome>();
  #queue: PQueue | undefined;
  #stopping = false;
  #interrupted = false;
  #fatal: VaultError | undefined;
  /** Somebody put an object there. */
  #strangers = false;
  #met = false;
  #begun = false;
  #older = false;
  readonly #allVersions: boolean;
  #ground: Ground = { versioned: false, inPlace: false };
  /** Key and version, or ETag, of what no Record says to be done. */
  readonly #done = new Set<string>();
  #successes = 0;
  #lastId = 0;

  constructor(parts: RekeyParts, options: RekeyOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#allVersions = options.allVersions ?? false;
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
    const download = new RateLimit(clock, vault.rules.limitDownload);
    const inPlace = (): boolean => this.#ground.inPlace;
    let said = false;
    const onNoCopy = (error: VaultError): void => {
      if (!said) this.#warn(error);
      said = true;
    };
    this.#conversion = { from, to, mover, index, upload, download, nameOf, inPlace, onNoCopy };
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

  /** Whether an object may have been touched, and the bucket says so. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Of a dry run: older versions would stay under the old protection. */
  get older(): boolean {
    return this.#older;
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
    await this.#undo();
    this.#abort.abort();
    const exit = this.#exit();
    const { bytes, failed } = this.#totals;
    this.#emitter.emit({
      event: 'summary',
      files: this.#moved,
      bytes: this.#begun ? bytes : 0,
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
    const { dryRun, meetOnly = false, onMet } = this.#options;
    this.#emitter.emit({ event: 'state', state: 'scanning' });
    refuseBlind(this.#parts.from);
    const resumed = await this.#online.reaching(() => meetRekey(this.#parts, signal));
    if (meetOnly) return;
    if (!dryRun) {
      this.#met = true;
      await onMet?.();
    }
    await this.#online.reaching(() => this.#count(!resumed && asksKinds(this.#conversion)));
    const { objects: put, bytes } = this.#totals;
    const dry = dryRun ? { dryRun } : {};
    this.#emitter.emit({ event: 'plan', ...EMPTY_TOTALS, put, bytes, putBytes: bytes, ...dry });
    if (dryRun && !this.#allVersions) this.#older = await this.#online.reaching(() => this.#hasOlder());
    if (dryRun || this.#stopping) return;
    await this.#online.reaching(() => this.#look());
    if (!resumed) await this.#online.reaching(() => this.#checkKinds());
    if (this.#stopping) return;
    await this.#options.onBegin();
    await this.#parts.keysHold(false);
    this.#begun = true;
    await this.#online.reaching(() => describeRekey(this.#parts, 'begun', signal));
    this.#totals.bytes = 0;
    this.#emitter.emit({ event: 'state', state: 'working' });
    await this.#passes();
    if (this.#stopping || this.#totals.failed > 0) return;
    await this.#online.reaching(() => this.#dropUploads());
    // Asked of every bucket: where versioning is suspended there are older versions, and new ones have no id.
    const versions = !this.#allVersions && (await this.#online.reaching(() => this.#hasOlder()));
    await this.#parts.keysHold(true);
    await this.#online.reaching(() => describeRekey(this.#parts, 'ended', signal));
    await this.#options.onEnd(versions, this.#parts.from.key);
  }

  // ------------------------------------------------------------------------------------------------------- what is to do

  /** `asks`: each object that the Index knows is looked at before the first is touched. */
  async #count(asks: boolean): Promise<void> {
    Object.assign(this.#totals, { objects: 0, versions: 0, bytes: 0, already: 0, asked: 0 });
    for await (const work of this.#works()) {
      const { versions = [work] } = work;
      if (asks && this.#recordOf(work.key) !== undefined) this.#totals.asked++;
      if (this.#isDone(work)) this.#totals.already++;
      else {
        this.#totals.objects++;
        this.#totals.versions += versions.length;
        for (const { size } of versions) this.#totals.bytes += size;
      }
      if (this.#stopping) return;
    }
  }

  /** All objects of the vault but s3vault's own. */
  #works(): AsyncIterable<Work> {
    const { signal } = this.#abort;
    const { to, vault } = this.#parts;
    return works(to.store, vault.remote.prefix, this.#allVersions, { signal });
  }

  #recordOf(key: ObjectKey): Record | undefined {
    return this.#parts.index.get(nameKey(this.#conversion.nameOf(key)));
  }

  #isDone({ key, etag, versions = [] }: Work): boolean {
    const { to } = this.#parts;
    if (this.#done.has(`${key}\n${versions[0]?.versionId ?? etag}`)) return true;
    if (versions.length > 1 || versions[0]?.marker === true) return false;
    const record = this.#recordOf(key);
    return record !== undefined && record.etag === etag && record.modeFingerprint === to.fingerprint;
  }

  /** What the store can do, before anything of the user's is touched. */
  async #look(): Promise<void> {
    const { prefix } = this.#parts.vault.remote;
    const { signal } = this.#abort;
    const warn = (error: VaultError): void => this.#warn(error);
    this.#ground = await probe(this.#conversion, prefix, this.#allVersions, warn, { signal });
    if (!this.#allVersions || this.#ground.versioned || !(await this.#hasOlder())) return;
    throw new VaultError('usage', 'versioning-off', 'the bucket has older versions, and keeps no new ones', {
      hint: 'turn its versioning on again for --all-versions, or leave that out',
    });
  }

  async #checkKinds(): Promise<void> {
    const { direction } = this.#parts.vault;
    const { signal } = this.#abort;
    const asking = { direction, transfers: this.#transfers, stopped: () => this.#stopping, signal };
    await checkKinds(this.#conversion, this.#works(), asking);
  }

  async #hasOlder(): Promise<boolean> {
    const { to, vault } = this.#parts;
    return hasOlder(to.store, vault.remote.prefix, { signal: this.#abort.signal });
  }

  // ----------------------------------------------------------------------------------------------------------- doing it

  /** Until a pass finds nothing more: what another machine wrote meanwhile under the old key is moved as well. */
  async #passes(): Promise<void> {
    for (let pass = 1; ; pass++) {
      const before = this.#moved;
      await this.#pass();
      if (this.#moved === before || this.#stopping || this.#totals.failed > 0) return;
      if (pass < PASSES) continue;
      throw new VaultError('changed', 'others-write', 'objects under the old key keep coming', {
        hint: 'another machine writes with the old key: end it there, then run the same command again',
      });
    }
  }

  get #moved(): number {
    const { rewrapped, copied, resent, updated } = this.#totals;
    return rewrapped + copied + resent + updated;
  }

  async #pass(): Promise<void> {
    const { default: Queue } = await import('p-queue');
    const queue = new Queue({ concurrency: this.#transfers });
    this.#queue = queue;
    for await (const work of this.#works()) {
      if (this.#stopping) break;
      if (this.#isDone(work)) continue;
      await queue.onSizeLessThan(AHEAD);
      void queue.add(() => this.#one(work));
    }
    queue.start();
    await queue.onIdle();
  }

  get #transfers(): number {
    return this.#parts.vault.rules.transfers ?? DEFAULT_TRANSFERS;
  }

  async #one(work: Work): Promise<void> {
    if (this.#stopping) return;
    const { signal } = this.#abort;
    const { clock } = this.#parts;
    const release = await this.#memory.take(Math.min(work.size, SINGLE_MAX) * 2);
    const facts = this.#factsOf(work);
    const started = clock.ticks();
    this.#emitter.emit({ event: 'transfer.start', ...facts });
    let attempts = 0;
    try {
      await dropUpload(this.#unfinished, nameKey(this.#conversion.nameOf(work.key)), signal);
      const converted = await this.#online.reaching(() => {
        attempts++;
        return this.#convert(work, { signal });
      });
      this.#remember(work, converted);
      const { how: result, receipt, versionId = null, through } = converted;
      this.#totals.through += through;
      if (result === 'unchanged') this.#totals.already++;
      else this.#totals[result]++;
      this.#totals.bytes += facts.bytes;
      const ms = Math.round(clock.ticks() - started);
      const proof = receipt?.proof ?? null;
      this.#emitter.emit({ event: 'transfer.done', ...facts, result, versionId, proof, attempts, ms });
      this.#succeeded();
    } catch (thrown) {
      const ms = Math.round(clock.ticks() - started);
      this.#failed(facts, asVaultError(thrown), attempts, ms);
    } finally {
      release();
    }
  }

  async #convert({ key, versions }: Work, options: Waits): Promise<Converted> {
    const histories = { conversion: this.#conversion, onward: this.#parts.onward, clock: this.#parts.clock };
    if (versions !== undefined && this.#ground.versioned) return moveHistory(histories, key, options);
    const converted = await convertObject(this.#conversion, key, options);
    const half = converted.how === 'unchanged' && copyOf(converted.metadata) !== undefined;
    // A run with --all-versions may have been interrupted here, and this not be the newest content.
    if (!half || !(await clearLeftover(histories, key, options))) return converted;
    return convertObject(this.#conversion, key, options);
  }

  #factsOf({ key, size, versions = [] }: Work): TransferFacts {
    const path = this.#pathOf(nameKey(this.#conversion.nameOf(key)));
    const { kind } = this.#parts.to;
    const bytes = versions.length === 0 ? size : versions.reduce((sum, version) => sum + version.size, 0);
    return { id: ++this.#lastId, path, key, direction: 'rekey', bytes, mode: kind };
  }

  /** What the Index or the name says; where neither does, the name itself. */
  #pathOf(name: NameKey): string {
    const { index, names } = this.#parts;
    if (names === undefined) return name;
    const read = names.read(name);
    return index.get(name)?.path ?? (read.kind === 'path' ? read.path : name);
  }

  #failed(facts: TransferFacts, error: VaultError, attempts: number, ms: number): void {
    if (error.kind === 'cancelled') return this.#emitter.emit({ event: 'transfer.stopped', ...facts });
    const given = {
      versionId: null,
      proof: null,
      attempts,
      ms,
      error: reportOf(error, facts),
      again: false,
    } as const;
    this.#emitter.emit({ event: 'transfer.failed', ...facts, ...given });
    this.#totals.failed++;
    this.#strangers ||= isUnprotected(error);
    // One object that does not open is that object's trouble; all else concerns every one of them.
    if (isFinal(error) && !OF_ONE.has(error.code)) this.#fail(error);
    else if (error.kind === 'offline') this.#fail(error);
  }

  #succeeded(): void {
    const queue = this.#queue;
    if (queue === undefined || queue.concurrency >= this.#transfers) return;
    this.#successes++;
    if (this.#successes % CLIMB_AFTER === 0) queue.concurrency++;
  }

  /** The Record follows its object, so that the next sync finds it in step. */
  #remember({ key, etag }: Work, converted: Converted): void {
    const { index, to } = this.#parts;
    const record = index.get(nameKey(this.#conversion.nameOf(key)));
    // After a crash the object is newer than the Record: it is the same file if it says so.
    const known =
      record !== undefined &&
      (record.etag === etag || converted.metadata[META_MTIME] === (record.mtime / 1_000).toFixed(6));
    if (!known || converted.etag === '') {
      this.#done.add(`${key}\n${converted.versionId ?? converted.etag}`);
      return;
    }
    const { versionId: _, ...rest } = record;
    const { etag: fresh, versionId, size: storedSize } = converted;
    const version = versionId === undefined ? {} : { versionId };
    const next = { ...rest, etag: fresh, ...version, storedSize, modeFingerprint: to.fingerprint };
    index.commit([{ kind: 'put', record: next }]);
    if (this.#allVersions) this.#done.add(`${key}\n${versionId ?? fresh}`);
  }

  /** Uploads that were begun under the old key and can't go on under the new one. */
  async #dropUploads(): Promise<void> {
    for (const { key } of this.#parts.index.journal().all())
      await dropUpload(this.#unfinished, key, this.#abort.signal);
  }

  get #unfinished(): Parameters<typeof dropUpload>[0] {
    const { index, to, vault } = this.#parts;
    return { index, store: to.store, prefix: vault.remote.prefix, direction: vault.direction };
  }

  // ------------------------------------------------------------------------------------------------------------- ending

  #stop(): void {
    if (this.#stopping) this.#abort.abort();
    this.#interrupted = true;
    this.#stopping = true;
    this.#queue?.start();
  }

  async #undo(): Promise<void> {
    if (!this.#met || this.#begun) return;
    try {
      await this.#options.onUndone?.();
    } catch (thrown) {
      this.#fail(asVaultError(thrown));
    }
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
    if (this.#strangers) return EXIT.security;
    return this.#totals.failed > 0 ? EXIT.someFailed : EXIT.inStep;
  }
}
