/** The other end of the daemon's socket: requests, and its vaults as EngineHandles. */
import { type Socket, connect } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../clock.ts';
import type { Places } from '../config.ts';
import type { Command, EngineHandle, Outcome } from '../model/command.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import { EMPTY_SNAPSHOT, type Snapshot, foldAll } from '../model/snapshot.ts';
import type { HistoryAsk, HistoryWindow } from '../model/history.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { QueueAsk, QueueWindow } from '../model/queue.ts';
import type { Vault } from '../model/vault.ts';
import { type Note, checkSocket, nobodyThere, readNote } from './endpoint.ts';
import { LineReader } from './lines.ts';
import {
  type Asked,
  type DaemonFacts,
  type DaemonStatus,
  MAX_MESSAGE,
  type Message,
  type News,
  OLDEST_PROTOCOL,
  PROTOCOL,
  type Reloaded,
  remade,
  unpacked,
} from './protocol.ts';

/** What needs no work is answered at once by a daemon that lives. */
const ANSWER_MS = 5_000;
/** More, for reading what has come when they are over. */
const READING_MS = 250;
/** Closing vaults, and reading the configuration, may take this long. */
const WORK_MS = 60_000;
/** Opening vaults waits for key stores and commands, each with limits of its own. */
const LIMITS: { readonly [Do in Asked['do']]: number | undefined } = {
  status: ANSWER_MS,
  watch: ANSWER_MS,
  // Whoever watches stays, however busy the machine is.
  command: WORK_MS,
  stop: ANSWER_MS,
  'take-back': ANSWER_MS,
  queue: WORK_MS,
  history: WORK_MS,
  release: WORK_MS,
  reload: WORK_MS,
  lock: WORK_MS,
  unlock: undefined,
};

/**
 * The daemon of this user, or undefined where none runs. Rejects where something else answers, or another version, and
 * with kind `offline` where nothing does, or it is called off.
 */
export async function connectDaemon(
  places: Places,
  clock: Clock = systemClock,
  { signal }: Waits = {},
): Promise<DaemonClient | undefined> {
  const note = await readNote(places);
  if (note === undefined) return undefined;
  // An older daemon refuses the newest version; it is asked again, in its own.
  for (let protocol = PROTOCOL; ; protocol--) {
    const client = await reached(note, clock);
    if (client === undefined) return undefined;
    const leave = (): void => client.close();
    signal?.addEventListener('abort', leave, { once: true });
    if (signal?.aborted === true) leave();
    try {
      await client.greet(note.token, protocol);
      return client;
    } catch (thrown) {
      const other = thrown instanceof VaultError && thrown.code === 'other-protocol';
      if (!other || protocol === OLDEST_PROTOCOL) throw thrown;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }
}

async function reached(note: Note, clock: Clock): Promise<DaemonClient | undefined> {
  try {
    await checkSocket(note.socket);
    return new DaemonClient(await connected(note.socket), note.pid, clock);
  } catch (thrown) {
    // Left behind by a daemon that was killed.
    if (nobodyThere(thrown)) return undefined;
    throw thrown;
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: VaultError) => void;
}

export class DaemonClient {
  readonly #socket: Socket;
  readonly #pid: number;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  readonly #vaults = new Map<string, RemoteVault>();
  readonly #onChange = new Set<() => void>();
  #hello: ((facts: DaemonFacts) => void) | undefined;
  #facts: DaemonFacts | undefined;
  #protocol: number = PROTOCOL;
  #refused: VaultError | undefined;
  #asked = 0;
  #close: () => void = () => undefined;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;

  constructor(socket: Socket, pid: number, clock: Clock) {
    this.#socket = socket;
    this.#pid = pid;
    this.#clock = clock;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
    const reader = new LineReader(
      MAX_MESSAGE,
      (line) => this.#line(line),
      () => socket.destroy(),
    );
    socket.on('data', (chunk) => reader.push(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#ended());
  }

  async greet(token: string, protocol: number = PROTOCOL): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<DaemonFacts | undefined>();
    this.#hello = resolve;
    void this.closed.then(() => resolve(undefined));
    this.#socket.write(`${JSON.stringify({ hello: 's3vault', protocol, token })}\n`);
    const late = this.#late(ANSWER_MS);
    this.#facts = await promise;
    late();
    if (this.#facts === undefined) throw this.#gone();
    this.#protocol = protocol;
  }

  get facts(): DaemonFacts {
    if (this.#facts === undefined) throw this.#gone();
    return this.#facts;
  }

  /** The connection is over. */
  get over(): boolean {
    return this.#socket.destroyed;
  }

  /** Why this end hung up, or was hung up on with words. */
  get why(): VaultError | undefined {
    return this.#refused;
  }

  /** After `watch`: all vaults of the daemon. */
  get vaults(): readonly RemoteVault[] {
    return [...this.#vaults.values()];
  }

  /** Called whenever a vault comes, goes, or lies elsewhere or under another mode. */
  onChange(listener: () => void): () => void {
    this.#onChange.add(listener);
    return () => this.#onChange.delete(listener);
  }

  watch(): Promise<unknown> {
    return this.ask({ do: 'watch' });
  }

  async status(): Promise<DaemonStatus> {
    return (await this.ask({ do: 'status' })) as DaemonStatus;
  }

  async reload(): Promise<Reloaded> {
    return (await this.ask({ do: 'reload' })) as Reloaded;
  }

  /** Rejects with what the daemon says, or kind `offline` where it went away. */
  ask(request: Asked): Promise<unknown> {
    const id = ++this.#asked;
    if (this.#socket.destroyed) return Promise.reject(this.#gone());
    this.#socket.write(`${JSON.stringify({ id, ...request })}\n`);
    const limit = LIMITS[request.do];
    const late = limit === undefined ? () => undefined : this.#late(limit);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject })).finally(late);
  }

  /** Hangs up on a daemon that hangs, unless it is called off: whoever waits is told so. */
  #late(ms: number): () => void {
    let callOff = this.#clock.after(ms, () => {
      // This process may have been held up itself: what came meanwhile is read first.
      callOff = this.#clock.after(READING_MS, () => this.#hangUp());
    });
    return () => callOff();
  }

  #hangUp(): void {
    const pid = this.#pid;
    this.#refused = new VaultError(
      'offline',
      'daemon-silent',
      `the daemon (process ${pid}) does not answer`,
      { hint: `what it has done is safe; end it with: kill -9 ${pid}, then start it again` },
    );
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.end();
    // Nothing is waited for: a daemon that hangs must not hold its clients.
    this.#socket.destroySoon();
  }

  #gone(): VaultError {
    if (this.#refused !== undefined) return this.#refused;
    return new VaultError('offline', 'daemon-gone', 'the daemon went away', {
      hint: 'see: s3vault daemon status, and its log',
    });
  }

  #ended(): void {
    for (const { reject } of this.#waiting.values()) reject(this.#gone());
    this.#waiting.clear();
    for (const vault of this.#vaults.values()) this.#lost(vault);
    this.#close();
  }

  /** A screen that stays for something under way must not go on showing the last that was heard. */
  #lost(vault: RemoteVault | undefined): void {
    vault?.hear({ event: 'state', state: 'stopped', time: new Date(this.#clock.now()).toISOString() });
    vault?.end();
  }

  /** What is no message ends the connection, not this process. */
  #line(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch (cause) {
      this.#refused = new VaultError(
        'offline',
        'daemon-garbled',
        'what the daemon says cannot be understood',
        {
          cause,
          hint: 's3vault daemon stop, then start it again',
        },
      );
      this.#socket.destroy();
      return;
    }
    this.#hear(message);
  }

  #hear(message: Message): void {
    switch (message.type) {
      case 'hello':
        this.#hello?.(message);
        return;
      case 'refused':
        this.#refused = remade('usage', message.error);
        return;
      case 'answer': {
        const waiting = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if ('error' in message) waiting?.reject(remade(message.kind, message.error));
        else waiting?.resolve(message.ok);
        return;
      }
      case 'vault':
      case 'event':
      case 'gone':
        this.#news(message);
        return;
      default:
        // A newer daemon of the same protocol may say more.
        message satisfies never;
    }
  }

  #news(news: News): void {
    if (news.type === 'event') {
      this.#vaults.get(news.vault)?.hear(news.event);
      return;
    }
    if (news.type === 'gone') {
      this.#lost(this.#vaults.get(news.vault));
      this.#vaults.delete(news.vault);
    } else if (!this.#changed(news.vault)) return;
    else this.#add(news.vault, unpacked(news.snapshot));
    for (const listener of this.#onChange) listener();
  }

  /** False where the vault is known: its Events go on, only what is said about it may be new. */
  #changed(vault: Vault): boolean {
    const known = this.#vaults.get(vault.id);
    if (known === undefined) return true;
    const same = isDeepStrictEqual([known.vault.remote, known.vault.mode], [vault.remote, vault.mode]);
    known.vault = vault;
    if (!same) this.#lost(known);
    return !same;
  }

  #add(vault: Vault, snapshot: Snapshot): void {
    const command: Ways['command'] = (one, onRefused) => {
      this.ask({ do: 'command', vault: vault.id, command: one } as Asked).catch((thrown: unknown) =>
        onRefused(asVaultError(thrown)),
      );
    };
    const queue = async (ask: QueueAsk): Promise<QueueWindow> =>
      (await this.ask({ do: 'queue', vault: vault.id, ask })) as QueueWindow;
    const history = async (ask: HistoryAsk): Promise<HistoryWindow> =>
      (await this.ask({ do: 'history', vault: vault.id, ask })) as HistoryWindow;
    const ways = { command, ...(this.#protocol < 3 ? {} : { queue, history }) };
    this.#vaults.set(vault.id, new RemoteVault(vault, snapshot, ways));
  }
}

/** What a handle of a vault does elsewhere. */
export interface Ways {
  readonly command: (command: Command, onRefused: (why: VaultError) => void) => void;
  /** Undefined where the daemon is too old for it. */
  readonly queue?: (ask: QueueAsk) => Promise<QueueWindow>;
  readonly history?: (ask: HistoryAsk) => Promise<HistoryWindow>;
  /** Undefined: only this end leaves. */
  readonly stop?: () => void;
}

/**
 * One vault of a Daemon. `stop` only leaves, unless told otherwise: a daemon at the other end of a socket ends by
 * `s3vault daemon stop`.
 */
export class RemoteVault implements EngineHandle {
  /** As it is configured now. */
  vault: Vault;
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #ways: Ways;
  readonly queue?: (ask: QueueAsk) => Promise<QueueWindow>;
  readonly history?: (ask: HistoryAsk) => Promise<HistoryWindow>;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  #unfolded: Event[] = [];
  #end: (outcome: Outcome) => void = () => undefined;
  readonly ended: Promise<Outcome>;

  constructor(vault: Vault, snapshot: Snapshot, ways: Ways) {
    this.vault = vault;
    this.#snapshot = snapshot;
    this.#ways = ways;
    if (ways.queue !== undefined) this.queue = ways.queue;
    if (ways.history !== undefined) this.history = ways.history;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  snapshot(): Snapshot {
    if (this.#unfolded.length > 0) {
      this.#snapshot = foldAll(this.#snapshot, this.#unfolded);
      this.#unfolded = [];
    }
    return this.#snapshot;
  }

  command(command: Command, onRefused: (why: VaultError) => void = () => undefined): void {
    const { stop = () => this.end() } = this.#ways;
    if (command.command === 'stop') stop();
    else this.#ways.command(command, onRefused);
  }

  hear(event: Event): void {
    this.#unfolded.push(event);
    if (this.#unfolded.length >= 1_024) this.snapshot();
    for (const listener of this.#listeners) listener(event);
  }

  end(): void {
    this.#end({ exit: 0 });
  }
}
