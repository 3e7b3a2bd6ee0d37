/**
 * Compares what the Index remembers with what the bucket holds: one listing, a HEAD for what was written since the last
 * time, and with `deep` a share of the contents, another one each time. Changes nothing in the bucket.
 */
import type PQueue from 'p-queue';
import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { safeName } from '../model/display.ts';
import { EXIT, type VaultError, asVaultError, report } from '../model/errors.ts';
import type { Event, EventBody, TransferFacts } from '../model/event.ts';
import { type NameKey, type ObjectKey, objectKey } from '../model/brands.ts';
import type { Names } from '../model/names.ts';
import type { RemoteEntry } from '../model/plan.ts';
import type { Clock, Index, Mover, ObjectStat } from '../model/ports.ts';
import type { Record } from '../model/record.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { Budget } from './budget.ts';
import { Emitter } from './emitter.ts';
import { type Reader, hasEnvelope, memoryOf, openingOf, plainSize } from './fetching.ts';
import { pathOf, reportOf } from './naming.ts';
import { Online } from './online.ts';
import { marksFolder } from './remote-names.ts';
import { orUnprotected } from './protected.ts';
import { listRemote, pages } from './rounds.ts';
import { type Opened, openAndCompare } from './verify-bytes.ts';
import { DeepShare } from './verify-share.ts';
import { type Finding, compare, mergeKeys } from './verify-compare.ts';
import { judgeExtra } from './verify-extra.ts';
import { asHere, notSealed, unproved } from './verify-refusals.ts';

export interface VerifyParts {
  readonly reader: Omit<Reader, 'reach'>;
  readonly mover: Pick<Mover, 'moved'>;
  readonly index: Pick<Index, 'page' | 'count' | 'get'>;
  /** What the last run gave to be remembered. */
  readonly marks: Remembered;
  readonly prefix: string;
  /** Changes come from the bucket, too: an object of another machine is news. */
  readonly receives: boolean;
  readonly names: Names;
  /** What a Record in step carries. */
  readonly modeFingerprint: string;
  readonly clock: Clock;
  readonly transfers: number;
}

export interface VerifyOptions {
  /** Percent of the objects that are downloaded, opened and compared. */
  readonly deep: number;
  /** Also look at what was looked at before and was not written since. */
  readonly every: boolean;
}

export interface VerifyTotals {
  readonly objects: number;
  readonly missing: number;
  readonly extra: number;
  readonly differing: number;
  readonly unproved: number;
  readonly looked: number;
  readonly opened: number;
  /** Of those opened: there was something here to compare them with. */
  readonly compared: number;
  /** Bytes of plaintext that were opened. */
  readonly bytes: number;
}

/** What is to be remembered for the next time, by name. */
export type Remembered = ReadonlyMap<string, string>;

const PATIENCE_MS = 15_000;
const MEMORY = 128 * 2 ** 20;
/** After `stop`, what is under way may end; then it is called off. */
const STOP_GRACE_MS = 3_000;
const AHEAD = 256;
/** Findings that are looked at once more before they are said; with more than these it is no sync that goes on meanwhile. */
const LOOKED_AGAIN = 1_000;
/** Newest object that was looked at, by the store's clock: what is older has not changed since. */
const LOOKED = 'looked';
const SHARE = 'share';
const NEWS = 'it opens, so it is what another machine wrote; the next s3vault sync DIR fetches it';
const PERHAPS = 'if another machine wrote it, the next s3vault sync DIR fetches it; --deep 100 opens it';

interface Sides {
  readonly record: Record | undefined;
  readonly remote: RemoteEntry | undefined;
}

/** `failed` was told already, or called off; `gone`: removed by a sync since it was listed. */
type HowOpened = Opened['result'] | 'gone' | 'failed';

interface Now extends Sides {
  /** Where the store was asked for the object. */
  readonly stat?: ObjectStat;
}

interface Both {
  readonly record: Record;
  readonly remote: RemoteEntry;
}

interface Wants {
  readonly look: boolean;
  readonly deep: boolean;
}

export class Verify implements EngineHandle {
  readonly #parts: VerifyParts;
  readonly #options: VerifyOptions;
  readonly #emitter: Emitter;
  readonly #abort = new AbortController();
  readonly #reader: Reader;
  readonly #memory = new Budget(MEMORY);
  readonly #share: DeepShare;
  readonly #end = Promise.withResolvers<Outcome>();
  readonly #totals = {
    objects: 0,
    missing: 0,
    extra: 0,
    differing: 0,
    unproved: 0,
    looked: 0,
    opened: 0,
    compared: 0,
    bytes: 0,
  };
  #failed = 0;
  #security = 0;
  #newest = 0;
  #lookedAgain = 0;
  #lastId = 0;
  #stopping = false;
  #fatal: VaultError | undefined;

  constructor(parts: VerifyParts, options: VerifyOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clock, reader, marks } = parts;
    this.#emitter = new Emitter(clock);
    const online = new Online({
      clock,
      store: reader.store,
      signal: this.#abort.signal,
      patienceMs: PATIENCE_MS,
      onOffline: (retryIn) => this.#emitter.emit({ event: 'state', state: 'offline', retryIn }),
      onOnline: () => this.#emitter.emit({ event: 'state', state: 'working' }),
    });
    this.#reader = { ...reader, reach: (work) => online.reaching(work) };
    this.#share = new DeepShare(marks.get(SHARE), options.deep, clock);
  }

  readonly announce = (body: EventBody): void => this.#emitter.emit(body);

  subscribe(listener: (event: Event) => void): () => void {
    return this.#emitter.subscribe(listener);
  }

  snapshot(): Snapshot {
    return this.#emitter.snapshot;
  }

  get ended(): Promise<Outcome> {
    return this.#end.promise;
  }

  get totals(): VerifyTotals {
    return this.#totals;
  }

  /** Empty where the run did not come to its end. */
  get remembered(): Remembered {
    if (this.#fatal !== undefined || this.#stopping) return new Map();
    const remembered = new Map([[SHARE, this.#share.next]]);
    // What is not proved is looked at again.
    if (this.#security === 0 && this.#newest > 0) remembered.set(LOOKED, String(this.#newest));
    return remembered;
  }

  command(command: Command): void {
    if (command.command !== 'stop') return;
    if (this.#stopping) this.#abort.abort();
    else this.#parts.clock.after(STOP_GRACE_MS, () => this.#abort.abort());
    this.#stopping = true;
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
    const { objects: files, bytes } = this.#totals;
    const ms = Math.round(clock.ticks() - started);
    this.#emitter.emit({ event: 'summary', files, bytes, failed: this.#failed, skipped: 0, ms, exit });
    this.#end.resolve({ exit });
    return { exit };
  }

  #exit(): number {
    if (this.#fatal !== undefined) return this.#fatal.exit;
    if (this.#security > 0) return EXIT.security;
    if (this.#stopping) return EXIT.interrupted;
    return this.#failed > 0 ? EXIT.someFailed : EXIT.inStep;
  }

  #fail(error: VaultError): void {
    if (error.kind === 'cancelled' || this.#fatal !== undefined) return;
    this.#fatal = error;
    this.#stopping = true;
    this.#emitter.emit({ event: 'warning', ...report(error) });
  }

  async #work(): Promise<void> {
    const { index, marks, prefix, transfers } = this.#parts;
    const { default: Queue } = await import('p-queue');
    const queue: PQueue = new Queue({ concurrency: transfers });
    const { signal } = this.#abort;
    const { store, mode } = this.#reader;
    const plainOf = (stored: number): number => plainSize(mode, stored);
    const remotes = listRemote({ store, prefix, signal, plainOf });
    const looked = Number(marks.get(LOOKED) ?? Number.NEGATIVE_INFINITY);
    this.#emitter.emit({ event: 'state', state: 'working' });
    for await (const { record, remote } of mergeKeys(pages(index), remotes)) {
      if (this.#stopping) break;
      if (record === undefined && remote !== undefined && marksFolder(remote)) continue;
      this.#totals.objects++;
      const finding = await this.#compare({ record, remote });
      const both = remote !== undefined && record !== undefined;
      if (both) this.#newest = Math.max(this.#newest, remote.modified);
      const look = this.#options.every || finding !== undefined || (both && remote.modified >= looked);
      const deep = record !== undefined && this.#share.holds(record.key);
      if (finding === undefined && !(both && (look || deep))) continue;
      await queue.onSizeLessThan(AHEAD);
      void queue.add(() => this.#one({ record, remote }, finding, { look, deep }));
    }
    await queue.onIdle();
  }

  async #compare({ record, remote }: Sides): Promise<Finding | undefined> {
    const path = record === undefined && remote !== undefined ? await this.#pathOf(remote) : undefined;
    return compare(record, remote, this.#parts.modeFingerprint, path);
  }

  async #pathOf({ key }: RemoteEntry): Promise<string | undefined> {
    const { prefix, names } = this.#parts;
    const { store, reach } = this.#reader;
    const { signal } = this.#abort;
    return reach(() => pathOf({ store, prefix, names }, { key: objectKey(prefix + key) }, { signal }));
  }

  #found({ kind, ...warning }: Finding, opened: boolean): void {
    const elsewhere = kind === 'differing' && this.#parts.receives && warning.code !== 'other-mode';
    if (elsewhere && opened) {
      this.#emitter.emit({ event: 'warning', ...warning, hint: NEWS });
      return;
    }
    this.#totals[kind]++;
    this.#failed++;
    this.#emitter.emit({ event: 'warning', ...warning, ...(elsewhere ? { hint: PERHAPS } : {}) });
  }

  async #extra(finding: Finding, stat: ObjectStat | undefined): Promise<void> {
    const { receives } = this.#parts;
    const extra = { path: finding.path, stat, receives };
    const { hint, news } = await judgeExtra(this.#reader, extra, this.#abort.signal);
    if (!news) {
      this.#found({ ...finding, hint }, false);
      return;
    }
    const { kind: _, ...warning } = finding;
    this.#emitter.emit({ event: 'warning', ...warning, hint });
  }

  // ----------------------------------------------------------------------------------------------------- object by object

  async #one(seen: Sides, found: Finding | undefined, { look, deep }: Wants): Promise<void> {
    const name = seen.record?.key ?? seen.remote?.key;
    if (this.#stopping || name === undefined) return;
    const key = objectKey(this.#parts.prefix + name);
    try {
      const now: Now = found === undefined ? seen : await this.#anew(seen, name, key);
      let finding = found && (await this.#compare(now));
      const { record, remote } = now;
      if (finding?.code === 'extra') {
        await this.#extra(finding, now.stat);
        return;
      }
      const opened =
        deep && record !== undefined && remote !== undefined && finding?.code !== 'other-mode'
          ? await this.#open({ record, remote }, key)
          : undefined;
      // Written again since it was listed, and perhaps by a sync that has its Record by now.
      if (finding === undefined && opened === 'differs')
        finding = await this.#compare(await this.#anew(now, name, key));
      // What fails to open is told as that, what is gone by now not at all; what opens may be another machine's.
      if (finding !== undefined && opened !== 'failed' && opened !== 'gone')
        this.#found(finding, opened !== undefined);
      if (look && opened !== 'failed' && record !== undefined && remote !== undefined)
        await this.#look({ record, remote }, key);
    } catch (thrown) {
      const { record, remote } = seen;
      const error = asVaultError(thrown);
      const { receives } = this.#parts;
      const said = record && remote ? asHere(error, { record, remote, receives }, this.#reader.mode) : error;
      this.#trouble({ key, path: record?.path ?? name }, said);
    }
  }

  /** A sync may go on meanwhile: object and Record as they are now, the object first. */
  async #anew(seen: Sides, name: NameKey, key: ObjectKey): Promise<Now> {
    if (++this.#lookedAgain > LOOKED_AGAIN) return seen;
    const { signal } = this.#abort;
    try {
      const stat = await this.#reader.reach(() => this.#reader.store.head(key, { signal }));
      const remote =
        stat === undefined
          ? undefined
          : { key: name, etag: stat.etag, size: stat.size, modified: stat.modified };
      return { record: this.#parts.index.get(name), remote, ...(stat === undefined ? {} : { stat }) };
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.kind === 'cancelled' || error.kind === 'offline' || error.kind === 'internal') throw error;
      return seen;
    }
  }

  #trouble(object: { readonly key: ObjectKey; readonly path: string }, error: VaultError): void {
    if (!this.#note(error)) return;
    const { path } = object;
    const { message, ...rest } = reportOf(error, object);
    const about = message.includes(safeName(path)) ? message : `${path}: ${message}`;
    this.#emitter.emit({ event: 'warning', path, ...rest, message: about });
  }

  /** Counts it; false where it was told already, or needs no word. */
  #note(error: VaultError): boolean {
    if (error.kind === 'cancelled') return false;
    if (error.kind === 'offline' || error.kind === 'internal' || error.kind === 'refused') {
      this.#fail(error);
      return false;
    }
    this.#failed++;
    if (error.kind !== 'security') this.#totals.differing++;
    else {
      this.#security++;
      this.#totals.unproved++;
    }
    return true;
  }

  /** What the store says of the object: that it is protected as it should be. */
  async #look({ record, remote }: Both, key: ObjectKey): Promise<void> {
    this.#totals.looked++;
    const { mode, store } = this.#reader;
    const { receives } = this.#parts;
    const { signal } = this.#abort;
    if (mode !== 'client') {
      if ((await this.#reader.reach(() => this.#parts.mover.moved(key, { signal }))) !== undefined) return;
      const head = () => this.#reader.reach(() => store.head(key, { signal }));
      const stat = await orUnprotected(this.#reader.demanded, key, head);
      // Removed since it was listed.
      if (stat === undefined) return;
      throw unproved({ record, remote, receives }, mode);
    }
    const stat = await this.#reader.reach(() => store.head(key, { signal }));
    if (stat === undefined) return;
    if (!hasEnvelope(stat.metadata)) throw notSealed({ record, remote, receives });
    // KMS would be asked, and paid, for each of them: that is left to --deep.
    if (this.#reader.keyring?.wrap === 'kms+context') return;
    (await openingOf(this.#reader, stat, { key }, signal))?.wipe();
  }

  /** Downloads, opens, and compares with what was sent. */
  async #open({ record, remote }: Both, key: ObjectKey): Promise<HowOpened> {
    const { size } = remote;
    const release = await this.#memory.take(memoryOf({ size }));
    const { clock } = this.#parts;
    const facts = this.#factsOf(record, key);
    const started = clock.ticks();
    this.#emitter.emit({ event: 'transfer.start', ...facts });
    const ended = () => ({
      versionId: null,
      proof: null,
      attempts: 1,
      ms: Math.round(clock.ticks() - started),
    });
    try {
      const { index } = this.#parts;
      const { signal } = this.#abort;
      const opened = await openAndCompare(this.#reader, index, { record, key, size }, signal);
      this.#totals.opened++;
      if (opened.result !== 'opened') this.#totals.compared++;
      this.#totals.bytes += opened.bytes;
      this.#emitter.emit({ event: 'transfer.done', ...facts, ...ended(), ...opened });
      return opened.result;
    } catch (thrown) {
      const { receives } = this.#parts;
      const error = asHere(asVaultError(thrown), { record, remote, receives }, this.#reader.mode);
      // Removed by a sync since it was listed.
      if (error.code === 'object-missing' && this.#parts.index.get(record.key) === undefined) {
        this.#emitter.emit({ event: 'transfer.done', ...facts, ...ended(), result: 'unchanged' });
        return 'gone';
      }
      if (error.kind === 'cancelled') {
        this.#emitter.emit({ event: 'transfer.stopped', ...facts });
        return 'failed';
      }
      this.#emitter.emit({
        event: 'transfer.failed',
        ...facts,
        ...ended(),
        versionId: null,
        proof: null,
        error: reportOf(error, facts),
        again: false,
      });
      this.#note(error);
      return 'failed';
    } finally {
      release();
    }
  }

  #factsOf({ path, size: bytes }: Record, key: ObjectKey): TransferFacts {
    return { id: ++this.#lastId, path, key, direction: 'down', bytes, mode: this.#reader.mode };
  }
}
