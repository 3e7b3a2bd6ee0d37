/** The whole engine in memory: a folder, a bucket, an Index, a clock that stands still until it is driven. */
import { createHash } from 'node:crypto';
import { aesMaterial } from '../../src/crypto/generate.ts';
import { sealedNames } from '../../src/crypto/names.ts';
import { keyringOf } from '../../src/crypto/wrap.ts';
import { Engine, type EngineOptions } from '../../src/engine/engine.ts';
import { type Sealing, clientSealing, serverSealing } from '../../src/engine/sealing.ts';
import { type NameKey, relPath, vaultId } from '../../src/model/brands.ts';
import type { Problem } from '../../src/model/snapshot.ts';
import type { Command, EngineHandle, Outcome } from '../../src/model/command.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Event, EventName } from '../../src/model/event.ts';
import { modeFingerprint } from '../../src/model/mode.ts';
import type { Names, NamesSetting } from '../../src/model/names.ts';
import type {
  Clock,
  FolderWriter,
  Index,
  IndexChange,
  Mover,
  ObjectStore,
  UploadJournal,
  WatchListener,
  Watcher,
} from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';
import type { Direction, Remote, Rules, Vault } from '../../src/model/vault.ts';
import { MemoryBucket, type MemoryStep, memoryStore } from '../../src/s3/memory.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { FakeTree } from '../support/fake-tree.ts';
import { openIndependently } from '../support/independent-open.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const PREFIX = 'docs/';
export const OWN = `${PREFIX}.s3vault/vault.json`;

/** Sealed names, the same for every machine. */
export const sealed = (): Names =>
  sealedNames(new Secret(Buffer.alloc(64, 3)), { id: 'sealed', maxBytes: 1_000, metadataRoom: 1_500 });

/** What the description says where names are sealed; nothing in memory opens it. */
const SEALED: NamesSetting = {
  scheme: 'aes-siv',
  keys: [{ key: 'k', wrap: 'AES/GCM', wrapped: 'AA==' }],
};

export type Of<Name extends EventName> = Extract<Event, { event: Name }>;

/** One run of an engine, as its events tell it. */
export interface Run {
  readonly exit: number;
  readonly events: readonly Event[];
}

export class FakeWatcher implements Watcher {
  listener: WatchListener | undefined;
  closed = false;

  async start(listener: WatchListener): Promise<void> {
    this.listener = listener;
    listener.state('watching');
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** What several machines share, and what sets one apart. */
export interface MachineOptions {
  readonly random?: () => number;
  readonly bucket?: MemoryBucket;
  readonly clock?: ManualClock;
  /** Milliseconds by which this machine's clock is wrong. */
  readonly skew?: number;
  readonly host?: string;
}

export class EngineMachine {
  readonly clock: ManualClock;
  readonly tree: FakeTree;
  readonly bucket: MemoryBucket;
  readonly host: string;
  readonly #skew: number;
  direction: Direction = 'push';
  place: Remote = { bucket: 'bucket', prefix: PREFIX };
  get names(): Names {
    return this.tree.names;
  }

  /** From the start on: the names of its folder and of its bucket. */
  set names(names: Names) {
    this.tree.names = names;
  }

  /** The store of this machine, as the engine gets it. */
  wrap: (store: ObjectStore) => ObjectStore = (store) => store;
  wrapCopier: (copier: Mover) => Mover = (copier) => copier;
  wrapSealing: (sealing: Sealing) => Sealing = (sealing) => sealing;
  /** What was copied inside the store; undefined where this store does not do that. */
  copies: string[] | undefined;
  /** What writes to its folder. */
  writer: (writer: FolderWriter) => FolderWriter = (writer) => writer;
  readonly key = Buffer.alloc(32, 9);
  readonly keyring = keyringOf(aesMaterial(new Secret(this.key)));
  index: Index;
  rules: Rules = { removals: false, include: [], exclude: [], transfers: 4 };
  mode: 'client' | 'sse-s3' | 'sse-c' = 'client';
  /** Called at every step of the store: throw to make it fail. */
  fault: (step: MemoryStep) => void | Promise<void> = () => undefined;
  silent = false;
  removesUnseen = false;
  kmsPaced = false;
  /** Every request since the last `forget`. */
  steps: MemoryStep[] = [];
  /** What was sent under each message id, by part: two different bodies would give both away. */
  readonly #sealed = new Map<string, string>();
  /** What must never be: two bodies under one message id, a Record without its object. */
  readonly violations: string[] = [];

  private constructor(index: Index, options: MachineOptions) {
    this.index = index;
    this.#skew = options.skew ?? 0;
    this.host = options.host ?? 'laptop';
    this.bucket = options.bucket ?? new MemoryBucket();
    this.clock = options.clock ?? new ManualClock(1_700_000_000_000, options.random);
    this.tree = new FakeTree(() => this.clock.now() + this.#skew - 10_000.5);
  }

  static async make(random?: () => number): Promise<EngineMachine> {
    return EngineMachine.with(random === undefined ? {} : { random });
  }

  static async with(options: MachineOptions): Promise<EngineMachine> {
    return new EngineMachine(await memoryIndex(), options);
  }

  /** Its own idea of the time. */
  get #time(): Clock {
    const { clock } = this;
    return {
      now: () => clock.now() + this.#skew,
      ticks: () => clock.ticks(),
      sleep: (ms, waits) => clock.sleep(ms, waits),
      after: (ms, fn) => clock.after(ms, fn),
      random: () => clock.random(),
    };
  }

  get #protection(): Protection {
    if (this.mode === 'client') return { mode: 'client', key: this.keyring.fingerprint };
    return this.mode === 'sse-c' ? { mode: 'sse-c', key: new Secret(this.key) } : { mode: 'sse-s3' };
  }

  get vault(): Vault {
    return {
      id: vaultId('11111111-1111-4111-8111-111111111111'),
      root: '/files',
      remote: this.place,
      ...(this.names.id === 'plain' ? {} : { names: SEALED }),
      mode:
        this.mode === 'client'
          ? { kind: 'client', key: { kind: 'stored', name: 'laptop' } }
          : this.mode === 'sse-c'
            ? { kind: 'sse-c', key: { kind: 'stored', name: 'laptop' } }
            : { kind: 'sse-s3' },
      direction: this.direction,
      rules: this.rules,
    };
  }

  /** `fault` belongs to one process alone; without it the machine's own, as it is at each step. */
  store(fault: EngineMachine['fault'] = (step) => this.fault(step)): ObjectStore {
    return memoryStore({
      clock: this.clock,
      bucket: this.bucket,
      silent: this.silent,
      removesUnseen: this.removesUnseen,
      protection: this.#protection,
      fault: async (step) => {
        if (step.when === 'before') this.steps.push(step);
        if (step.when === 'before') this.#noteSent(step);
        await fault(step);
      },
    });
  }

  /** Copies inside the store, through `fault` like any write. */
  #copier(fault: EngineMachine['fault'] = (step) => this.fault(step)): Mover {
    const store = memoryStore({
      clock: this.clock,
      bucket: this.bucket,
      protection: this.#protection,
      fault,
    });
    return {
      copy: async (key, rewrite, { to = key, ifNoneMatch, signal } = {}) => {
        const found = this.bucket.find(key);
        if (found === undefined) throw new VaultError('changed', 'object-missing', `${key} is gone`);
        const metadata = await rewrite(found.stat);
        const receipt = await store.put(to, found.body, metadata, {
          signal,
          ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
        });
        this.copies?.push(to);
        return receipt;
      },
      updates: false,
      update: async (key) => {
        throw new VaultError('file', 'update-unsupported', `${key} is not changed in place`);
      },
      moved: async () => undefined,
      kept: async () => ({}),
      close: async () => undefined,
    };
  }

  /** The same message id stands for the same data key and nonce: never two different bodies under one. */
  #noteSent({ body, metadata, part = 0, key }: MemoryStep): void {
    if (key === OWN || this.mode !== 'client' || body === undefined) return;
    const message = metadata?.['x-amz-i'];
    const digest = createHash('sha256').update(body).digest('hex');
    const known = this.#sealed.get(`${message} ${part}`);
    if (message === undefined) this.violations.push(`${key}: sent without an envelope`);
    if (known !== undefined && known !== digest) {
      this.violations.push(`${key}: two bodies under one message id, part ${part}`);
    }
    this.#sealed.set(`${message} ${part}`, digest);
  }

  /** Message ids used so far. */
  get messages(): number {
    return new Set([...this.#sealed.keys()].map((key) => key.split(' ')[0])).size;
  }

  forget(): void {
    this.steps = [];
  }

  count(operation: MemoryStep['operation'], key?: string): number {
    return this.steps.filter(
      (step) => step.operation === operation && (key === undefined || step.key === PREFIX + key),
    ).length;
  }

  engine(
    options: Partial<EngineOptions> = {},
    watcher?: Watcher,
    fault?: EngineMachine['fault'],
  ): { engine: Engine; events: Event[] } {
    const keyFingerprint = this.mode === 'client' ? this.keyring.fingerprint : '';
    const engine = new Engine(
      {
        vault: this.vault,
        store: this.wrap(this.store(fault)),
        index: this.index,
        tree: this.tree,
        writer: this.writer(this.tree.writer),
        ...(this.copies === undefined ? {} : { copier: this.wrapCopier(this.#copier(fault)) }),
        host: this.host,
        watcher,
        sealing: this.wrapSealing(this.mode === 'client' ? clientSealing(this.keyring) : serverSealing),
        names: this.names,
        clock: this.#time,
        modeFingerprint: modeFingerprint(this.vault.mode, keyFingerprint),
        keyFingerprint,
        kmsPaced: () => this.kmsPaced,
      },
      { once: true, consent: false, acceptSource: false, checkRemote: false, ...options },
    );
    const events: Event[] = [];
    engine.subscribe((event) => events.push(event));
    return { engine, events };
  }

  /** `sync --once` to its end. */
  async sync(options: Partial<EngineOptions> = {}): Promise<Run> {
    this.clock.advance(5_000);
    const { engine, events } = this.engine(options);
    const { exit } = await this.drive(engine.run());
    checkEvents(events);
    this.checkWrites();
    return { exit, events };
  }

  /** An engine that watches, once everything is in step. */
  async watch(options: Partial<EngineOptions> = {}): Promise<Watching> {
    this.clock.advance(5_000);
    const watcher = new FakeWatcher();
    const { engine, events } = this.engine({ once: false, ...options }, watcher);
    const ended = engine.run();
    const idles = (): number => named(events, 'idle').length;
    await this.until(() => idles() > 0 || engine.snapshot().consent !== null);
    return {
      engine,
      events,
      watcher,
      idles,
      ended,
      hint: (path) => watcher.listener?.hint({ kind: 'path', path: relPath(path) }),
      stop: async () => {
        engine.command({ command: 'stop' });
        const outcome = await this.drive(ended);
        checkEvents(events);
        this.checkWrites();
        return outcome;
      },
    };
  }

  checkWrites(): void {
    if (this.violations.length > 0) throw new Error(this.violations.join('\n'));
  }

  /** Time passes, whatever happens. */
  async wait(ms: number): Promise<void> {
    await this.clock.run(ms, Math.max(20, ms / 400));
  }

  /** A process killed when the step is reached: its store hangs for good, its Index hears nothing more of it. */
  async dieAt(matches: (step: MemoryStep) => boolean, options: Partial<EngineOptions> = {}): Promise<void> {
    this.clock.advance(5_000);
    const { index } = this;
    let dead = false;
    this.index = mortal(index, () => dead);
    const { fault } = this;
    const { engine } = this.engine(options, undefined, (step) => {
      dead ||= matches(step);
      return dead ? new Promise<void>(() => undefined) : fault(step);
    });
    void engine.run();
    await this.until(() => dead);
    this.index = index;
    this.forget();
  }

  /** Moves time on until the promise has settled. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    const state = { over: false };
    const settled = promise.finally(() => {
      state.over = true;
    });
    await this.until(() => state.over);
    return settled;
  }

  /** Moves time on until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; !condition(); turn++) {
      if (turn > 50_000) throw new Error('it never comes to that');
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 4 === 3) this.clock.advance(20);
    }
  }

  /** Plaintext of an object, opened by other code than the product's. */
  plaintext(path: string): Buffer {
    const stored = this.bucket.find(PREFIX + this.names.keyOf(path));
    if (stored === undefined) throw new Error(`no object for ${path}`);
    if (this.mode !== 'client') return Buffer.from(stored.body);
    return openIndependently(this.key, stored.stat.metadata, Buffer.from(stored.body));
  }

  /** Paths in the bucket, the vault's own left out; bare names where they say none. */
  remote(): string[] {
    return this.bucket
      .keys()
      .filter((key) => key !== OWN)
      .map((key) => this.#pathOf(key));
  }

  #pathOf(key: string): string {
    const name = key.slice(PREFIX.length) as NameKey;
    const read = this.names.read(name);
    if (read.kind === 'path') return read.path;
    return this.names.readCut(name, this.bucket.find(key)?.stat.metadata ?? {}) ?? name;
  }

  /** Every file is in the bucket with its bytes, and the Index says the same as the bucket. */
  inStep(): string[] {
    const wrong: string[] = [];
    for (const [path, { content }] of this.tree.files) {
      try {
        if (!this.plaintext(path).equals(content)) wrong.push(`${path}: other bytes`);
      } catch (thrown) {
        wrong.push(`${path}: ${String(thrown)}`);
      }
    }
    for (const { path, key, etag } of this.index.page(undefined, 100_000)) {
      if (this.bucket.find(PREFIX + key)?.stat.etag !== etag)
        wrong.push(`${path}: the Index knows another object`);
    }
    return wrong;
  }
}

export interface Watching {
  readonly engine: Engine;
  readonly events: Event[];
  readonly watcher: FakeWatcher;
  readonly ended: Promise<Outcome>;
  idles(): number;
  hint(path: string): void;
  /** Stops it and holds its events to their rules. */
  stop(): Promise<Outcome>;
}

/** Called before and after each write: returns false where the writer is gone and nothing is written any more. */
type OnWrite = (when: 'before' | 'after', changes?: readonly IndexChange[]) => boolean;

/** An Index whose writer may be gone. */
export function mortal(index: Index, isDead: () => boolean, onWrite: OnWrite = () => true): Index {
  const write = (work: () => void, changes?: readonly IndexChange[]): void => {
    if (isDead() || !onWrite('before', changes)) return;
    work();
    onWrite('after', changes);
  };
  const uploadJournal = <T extends UploadJournal>(journal: T): T => ({
    ...journal,
    get uploadId() {
      return journal.uploadId;
    },
    begun: (id) => write(() => journal.begun(id)),
    sending: (number, digest) => write(() => journal.sending(number, digest)),
    sent: (number, answer) => write(() => journal.sent(number, answer)),
    ended: () => write(() => journal.ended()),
  });
  const journals = index.journal();
  const intents = index.intents();
  return {
    ...index,
    setMeta: (name, value) => write(() => index.setMeta(name, value)),
    commit: (changes, ended) => write(() => index.commit(changes, ended), changes),
    journal: () => ({
      find: (key) => {
        const found = journals.find(key);
        return found === undefined ? undefined : uploadJournal(found);
      },
      create: (subject) => {
        // A dead one's journal is written nowhere; nothing is sent after it either.
        if (isDead() || !onWrite('before')) return uploadJournal(nowhere);
        const made = uploadJournal(journals.create(subject));
        onWrite('after');
        return made;
      },
      all: () => journals.all(),
      remove: (key) => write(() => journals.remove(key)),
    }),
    intents: () => ({
      add: (added) => write(() => intents.add(added)),
      all: () => intents.all(),
      remove: (key) => write(() => intents.remove(key)),
    }),
  };
}

const nowhere: UploadJournal = {
  uploadId: undefined,
  part: () => undefined,
  begun: () => undefined,
  sending: () => undefined,
  sent: () => undefined,
  ended: () => undefined,
};

export function named<Name extends EventName>(events: readonly Event[], name: Name): Of<Name>[] {
  return events.filter((event): event is Of<Name> => event.event === name);
}

/** What every stream of events keeps: starts and ends in pairs, ids once, a plan first, the summary last and once. */
export function checkEvents(events: readonly Event[]): void {
  const open = checkTransfers(events);
  if (events.at(-1)?.event !== 'summary') throw new Error('no summary');
  if (open > 0) throw new Error(`${open} transfers never ended`);
}

const ENDS: readonly EventName[] = ['transfer.done', 'transfer.failed', 'transfer.stopped'];
const isEnd = (event: Event): event is Of<'transfer.done' | 'transfer.failed' | 'transfer.stopped'> =>
  ENDS.includes(event.event);

/** The same while the engine runs, or of one that died; gives the number of transfers under way. */
export function checkTransfers(events: readonly Event[]): number {
  const open = new Set<number>();
  const used = new Set<number>();
  let planned = false;
  for (const [at, event] of events.entries()) {
    if (event.event === 'plan') planned = true;
    if (event.event === 'transfer.start') {
      if (!planned || used.has(event.id)) throw new Error(`bad start of ${event.path}`);
      used.add(event.id);
      open.add(event.id);
    }
    if (isEnd(event) && !open.delete(event.id)) {
      throw new Error(`${event.path} ended without a start`);
    }
    if (event.event === 'summary' && at !== events.length - 1) throw new Error('the summary is not last');
  }
  return open.size;
}

/** The answer to the question that stands there now. */
export function answerTo(engine: Pick<EngineHandle, 'snapshot'>, yes: boolean): Command {
  const { consent } = engine.snapshot();
  const question = consent === null || consent.kind === 'lost-source' ? undefined : consent.question;
  return { command: 'consent', yes, ...(question === undefined ? {} : { question }) };
}

/** What is told of a path, whatever it came from. */
export const problemsOf = (engine: Pick<EngineHandle, 'snapshot'>, path: string): readonly Problem[] =>
  [...engine.snapshot().problems.values()].filter((problem) => problem.path === path);

/** The paths that something is told of. */
export const troubled = (engine: Pick<EngineHandle, 'snapshot'>): readonly string[] =>
  [...engine.snapshot().problems.values()].map(({ path }) => path);
