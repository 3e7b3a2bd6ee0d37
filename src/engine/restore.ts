/**
 * A restore: the mirror of a sync. A listing (or the versions of a bucket) becomes a Plan of gets, the same schedule runs
 * them, and files become visible one by one, each whole and verified. Run again, it goes on where it was.
 */
import { type NameKey, relPath } from '../model/brands.ts';
import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { safeName } from '../model/display.ts';
import { type ErrorReport, type VaultError, asVaultError, report } from '../model/errors.ts';
import type { Event, EventBody, TransferFacts } from '../model/event.ts';
import { type Action, EMPTY_TOTALS, bytesOf } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { TransferPhase } from '../model/transfer.ts';
import { Budget } from './budget.ts';
import { Emitter } from './emitter.ts';
import { type Reader, memoryOf, plainSize } from './fetching.ts';
import { type Naming, keyOfPath, nameIn, reportOf, shownName } from './naming.ts';
import { noVersions } from '../model/no-versions.ts';
import { Online } from './online.ts';
import { SINGLE_MAX } from './put.ts';
import { type FileWanted, type RestoreWorld, restoreFile } from './restore-file.ts';
import { Failures } from './restore-failures.ts';
import { Schedule } from './schedule.ts';
import { type ListedPlace, type Selected, type Selection, distinct, selectOne } from './selecting.ts';

export interface RestoreParts {
  readonly reader: Omit<Reader, 'reach'>;
  readonly target: RestoreWorld['target'];
  readonly digestOf: RestoreWorld['digestOf'];
  readonly wasLink: RestoreWorld['wasLink'];
  readonly prefix: string;
  /** What is overwritten or removed stays. Asked only for a time. */
  readonly keepsVersions: () => Promise<boolean>;
  /** Where nothing was found: what to say of a place with nothing at all in it. */
  readonly emptyPlace?: () => Promise<ErrorReport | undefined>;
  readonly names: Naming['names'];
  readonly clock: Clock;
  readonly transfers: number;
}

export interface RestoreOptions extends Selection {
  readonly force: boolean;
  /** Links that an older version sent are taken for links, though nothing proves that. */
  readonly oldLinks?: boolean;
  /** Of the one name that is asked for. */
  readonly versionId?: string | undefined;
  /** The file's path below the target, by its name in the bucket; undefined: what the name says. */
  readonly pathOf?: (name: NameKey) => string | undefined;
}

const PATIENCE_MS = 15_000;
const MEMORY = 128 * 2 ** 20;
/** After `stop`, what is under way may end; then it is called off. */
const STOP_GRACE_MS = 3_000;
const PROGRESS_MS = 100;
/** Actions kept in memory; for more, the bucket is listed a second time. */
const IN_MEMORY = 20_000;

const FOREIGN =
  'has a name that does not open with the key of this vault: somebody else wrote it, or moved it';

type Get = Extract<Action, { kind: 'get' }>;

/** One restore, as any screen sees an engine. `run` never rejects. */
export class Restore implements EngineHandle {
  readonly #parts: RestoreParts;
  readonly #options: RestoreOptions;
  readonly #emitter: Emitter;
  readonly #abort = new AbortController();
  readonly #online: Online;
  readonly #world: RestoreWorld;
  readonly #memory = new Budget(MEMORY);
  readonly #failures = new Failures();
  readonly #end = Promise.withResolvers<Outcome>();
  #schedule: Schedule | undefined;
  #kept: Get[] | undefined = [];
  #totals = { files: 0, bytes: 0 };
  /** All that was asked for are files, and there. */
  #exact = true;
  #stopping = false;
  #lastId = 0;

  constructor(parts: RestoreParts, options: RestoreOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clock, reader, target, digestOf } = parts;
    const wasLink: RestoreWorld['wasLink'] = (name, etag) =>
      options.oldLinks === true || parts.wasLink(name, etag);
    this.#emitter = new Emitter(clock);
    this.#online = new Online({
      clock,
      store: reader.store,
      signal: this.#abort.signal,
      patienceMs: PATIENCE_MS,
      onOffline: (retryIn) => this.#emitter.emit({ event: 'state', state: 'offline', retryIn }),
      onOnline: () => this.#emitter.emit({ event: 'state', state: 'working' }),
    });
    const reach: Reader['reach'] = (work) => this.#online.reaching(work);
    this.#world = { reader: { ...reader, reach }, target, digestOf, wasLink, force: options.force };
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

  command(command: Command): void {
    if (command.command === 'pause') this.#schedule?.pause();
    else if (command.command === 'resume') this.#schedule?.resume();
    else if (command.command === 'stop') this.#stop();
  }

  #stop(): void {
    if (this.#stopping) this.#abort.abort();
    else this.#parts.clock.after(STOP_GRACE_MS, () => this.#abort.abort());
    this.#stopping = true;
    this.#failures.interrupted();
    this.#schedule?.stop();
  }

  /** A store asks for fewer requests. */
  throttled(error: VaultError): void {
    this.#schedule?.slower();
    const rate = this.#schedule?.pace ?? 1;
    this.#emitter.emit({ event: 'throttle', resource: error.resource ?? 's3', rate, quota: null });
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
    const { exit, failed, skipped } = this.#failures;
    const ms = Math.round(clock.ticks() - started);
    this.#emitter.emit({ event: 'summary', ...this.#totals, failed, skipped, ms, exit });
    this.#end.resolve({ exit });
    return { exit };
  }

  #fail(error: VaultError): void {
    if (this.#failures.fatal !== undefined || error.kind === 'cancelled') return;
    this.#failures.end(error);
    this.#emitter.emit({ event: 'warning', ...report(error) });
    this.#schedule?.stop();
  }

  async #work(): Promise<void> {
    await this.#parts.target.open();
    this.#emitter.emit({ event: 'state', state: 'scanning' });
    await this.#plan();
    if (this.#stopping) return;
    this.#emitter.emit({ event: 'state', state: 'working' });
    this.#schedule = await Schedule.create({
      transfers: this.#parts.transfers,
      run: (action) => (action.kind === 'get' ? this.#one(action) : Promise.resolve()),
      onPace: () => undefined,
    });
    try {
      await this.#schedule.runAll(this.#kept ?? this.#gets(), () => undefined);
    } finally {
      await this.#parts.target.settle();
    }
  }

  // ------------------------------------------------------------------------------------------------------------- the Plan

  async #plan(): Promise<void> {
    const totals = { ...EMPTY_TOTALS };
    await this.#online.reaching(async () => {
      this.#kept = [];
      Object.assign(totals, EMPTY_TOTALS);
      for await (const action of this.#gets()) {
        totals.get++;
        totals.bytes += bytesOf(action);
        if (this.#kept !== undefined && this.#kept.push(action) > IN_MEMORY) this.#kept = undefined;
        if (this.#stopping) break;
      }
    });
    this.#emitter.emit({ event: 'plan', ...totals, getBytes: totals.bytes, skip: this.#failures.skipped });
    if (totals.get + this.#failures.skipped === 0 && !this.#stopping)
      this.#failures.empty(await this.#online.reaching(async () => this.#parts.emptyPlace?.()));
    if (await this.#mayLack()) this.#failures.lacking(noVersions('restored'));
    this.#failures.tell(this.#emitter);
  }

  /** Of that time there may have been more. What stands at exactly the name asked for is that of then. */
  async #mayLack(): Promise<boolean> {
    if (this.#options.at === undefined || this.#exact || this.#stopping) return false;
    return !(await this.#online.reaching(() => this.#parts.keepsVersions()));
  }

  async *#gets(): AsyncIterable<Get> {
    this.#failures.listing();
    this.#exact = true;
    for (const name of distinct(this.#options.paths)) {
      let found = false;
      for await (const selected of this.#select(name)) {
        this.#exact &&= selected.name === name;
        found = true;
        const action = this.#actionFor(selected);
        if (action !== undefined) yield action;
      }
      this.#exact &&= found;
      if (!found) this.#failures.notFound(name, this.#options);
    }
  }

  get #place(): ListedPlace {
    const { reader, prefix, names } = this.#parts;
    return { store: reader.store, prefix, names };
  }

  #select(path: string): AsyncIterable<Selected> {
    const { signal } = this.#abort;
    const { at, versionId } = this.#options;
    return versionId === undefined
      ? selectOne(this.#place, at, path, { signal })
      : this.#version(path, versionId);
  }

  async *#version(path: string, versionId: string): AsyncIterable<Selected> {
    const place = this.#place;
    const { signal } = this.#abort;
    const key = keyOfPath(place, path);
    const stat = await place.store.head(key, { versionId, signal });
    if (stat !== undefined)
      yield { ...stat, ...(await shownName(place, { key, versionId }, { signal })), versionId };
  }

  /** Undefined for a name that cannot stand here, which is noted. */
  #actionFor({ key: listed, name, foreign, etag, size, modified, versionId }: Selected): Get | undefined {
    // As listed: an object of another program need not be in the vault's Unicode form.
    const key = nameIn(this.#parts, listed);
    const path = this.#options.pathOf?.(key) ?? name;
    const fault = foreign === true ? FOREIGN : this.#parts.target.refuses(path);
    if (fault !== undefined) {
      this.#failures.refuse(name, `${safeName(name)} ${fault}`);
      return undefined;
    }
    const version = versionId === undefined ? {} : { versionId };
    return {
      kind: 'get',
      key,
      path: relPath(path),
      reason: 'new',
      remote: { key, etag, size, plain: plainSize(this.#parts.reader.mode, size), modified, ...version },
    };
  }

  // ------------------------------------------------------------------------------------------------------------- doing it

  async #one(action: Get): Promise<void> {
    if (this.#stopping || this.#failures.fatal !== undefined) return;
    const wanted = this.#wantedBy(action);
    const release = await this.#memory.take(memoryOf(wanted));
    const { clock } = this.#parts;
    const facts = this.#factsOf(action, wanted);
    const started = clock.ticks();
    const ended = () => ({ attempts: 1, ms: Math.round(clock.ticks() - started), proof: null });
    if (!this.#stopping) this.#emitter.emit({ event: 'transfer.start', ...facts });
    else return release();
    try {
      const { signal } = this.#abort;
      const { result, bytes, aside } = await restoreFile(this.#world, wanted, {
        signal,
        onPhase: this.#progress(facts),
      });
      const versionId = wanted.versionId ?? null;
      this.#emitter.emit({ event: 'transfer.done', ...facts, bytes, ...ended(), versionId, result });
      if (aside !== undefined) this.#tellAside(action.path, aside);
      this.#failures.succeeded();
      if (result === 'restored') {
        this.#totals.files++;
        this.#totals.bytes += bytes;
      }
      this.#schedule?.succeeded();
    } catch (thrown) {
      this.#failed(facts, asVaultError(thrown), ended());
    } finally {
      release();
    }
  }

  #failed(
    facts: TransferFacts,
    error: VaultError,
    ended: { attempts: number; ms: number; proof: null },
  ): void {
    // What is no file of anybody's needs no word.
    if (error.code === 'instruction-file') {
      this.#emitter.emit({
        event: 'transfer.done',
        ...facts,
        ...ended,
        versionId: null,
        result: 'unchanged',
      });
      return;
    }
    if (error.kind === 'cancelled') return this.#emitter.emit({ event: 'transfer.stopped', ...facts });
    const given = { ...ended, versionId: null, error: reportOf(error, facts), again: false };
    this.#emitter.emit({ event: 'transfer.failed', ...facts, ...given });
    const fatal = this.#failures.note(error);
    if (fatal !== undefined) this.#fail(fatal);
  }

  #tellAside(path: string, aside: string): void {
    this.#emitter.emit({
      event: 'warning',
      code: 'kept-aside',
      path,
      message: `what stood at ${path} is now ${aside}`,
      hint: 'remove it once it is not needed any more',
    });
  }

  #wantedBy({ key: name, path, remote }: Get): FileWanted {
    const { size, versionId } = remote;
    const key = (this.#parts.prefix + name) as FileWanted['key'];
    return { key, name, path, size, ...(versionId === undefined ? {} : { versionId }) };
  }

  #factsOf({ path }: Get, { key, size }: FileWanted): TransferFacts {
    const { mode } = this.#parts.reader;
    return { id: ++this.#lastId, path, key, direction: 'down', bytes: plainSize(mode, size), mode };
  }

  #progress(facts: TransferFacts): (phase: TransferPhase, received: number) => void {
    let last = Number.NEGATIVE_INFINITY;
    return (_, sent) => {
      const now = this.#parts.clock.ticks();
      if (facts.bytes <= SINGLE_MAX || now - last < PROGRESS_MS) return;
      last = now;
      this.#emitter.emit({ event: 'transfer.progress', ...facts, phase: 'sending', sent });
    };
  }
}
