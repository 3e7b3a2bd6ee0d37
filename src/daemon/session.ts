import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Command } from '../model/command.ts';
import { VaultError, asVaultError, report } from '../model/errors.ts';
import type { HistoryAsk, HistoryWindow } from '../model/history.ts';
import type { Clock } from '../model/ports.ts';
import type { QueueAsk, QueueWindow } from '../model/queue.ts';
import { LineReader } from './lines.ts';
import {
  type DaemonFacts,
  type DaemonStatus,
  MAX_REQUEST,
  type Message,
  type News,
  OLDEST_PROTOCOL,
  PROTOCOL,
  type Reloaded,
  type Request,
  failure,
  idOf,
  parseGreeting,
  parseRequest,
} from './protocol.ts';

/** What a session asks of the daemon. */
export interface Served {
  facts(): DaemonFacts;
  status(): DaemonStatus;
  join(listener: (news: News) => void): { readonly first: readonly News[]; readonly leave: () => void };
  command(vault: string, command: Command): void;
  queue(vault: string, ask: QueueAsk): Promise<QueueWindow>;
  history(vault: string, ask: HistoryAsk): Promise<HistoryWindow>;
  reload(): Promise<Reloaded>;
  lock(): Promise<void>;
  unlock(): Promise<void>;
  release(vault: string): Promise<void>;
  takeBack(vault: string): void;
  /** Begins to end; the answer still goes out. */
  stop(): void;
}

/** How a session ended, for the log. */
export type Parting = 'left' | 'dropped' | 'refused';

export interface SessionOptions {
  readonly served: Served;
  readonly token: string;
  readonly clock: Clock;
  /** Bytes that may wait for a reader before it is dropped. */
  readonly maxWaiting?: number;
  readonly onEnd: (how: Parting) => void;
}

/** Hundreds of frames of news; a reader this far behind does not read. */
const MAX_WAITING = 16 * 2 ** 20;
/** Who connects greets at once. */
const GREETING_MS = 5_000;
const PARTING_MS = 500;

/** One client on the socket, from its greeting to its end. It can slow nobody: what it does not read in time ends it. */
export class Session {
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #reader: LineReader;
  readonly #released: string[] = [];
  readonly #impatient: () => void;
  /** What both speak; undefined before the greeting. */
  #protocol: number | undefined;
  #leave: (() => void) | undefined;
  #waiting: string[] = [];
  #waitingLength = 0;
  /** Bytes of what was known when it began to watch. */
  #first = 0;
  #how: Parting = 'left';

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new LineReader(
      MAX_REQUEST,
      (line) => this.#line(line),
      () => this.#refuse('line-too-long', `a line has more than ${MAX_REQUEST} bytes`),
    );
    this.#impatient = options.clock.after(GREETING_MS, () => this.#refuse('no-greeting', 'nobody greeted'));
    socket.on('data', (chunk) => this.#reader.push(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#ended());
  }

  /** Ends once what was said has been read, or soon. */
  close(): void {
    this.#flush();
    this.#socket.destroySoon();
    this.#options.clock.after(PARTING_MS, () => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #ended(): void {
    this.#reader.end();
    this.#impatient();
    this.#leave?.();
    for (const vault of this.#released.splice(0)) this.#options.served.takeBack(vault);
    this.#options.onEnd(this.#how);
  }

  #line(line: string): void {
    if (this.#protocol === undefined) return this.#greet(line);
    const request = parseRequest(line, this.#protocol);
    if (request !== undefined) {
      void this.#answer(request);
      return;
    }
    const id = idOf(line);
    const error = new VaultError('usage', 'bad-request', 'this is not a request of this protocol', {
      hint: 'client and daemon may be of different versions: s3vault daemon stop, then start it again',
    });
    if (id === undefined) this.#refuse(error.code, error.message);
    else this.#send(failure(id, error));
  }

  #greet(line: string): void {
    const greeting = parseGreeting(line);
    if (greeting === undefined)
      return this.#refuse('bad-greeting', 'this is not a greeting of this protocol');
    if (!isSame(greeting.token, this.#options.token)) {
      return this.#refuse('wrong-token', 'the token is not the one of this daemon');
    }
    if (greeting.protocol < OLDEST_PROTOCOL || greeting.protocol > PROTOCOL) {
      return this.#refuse(
        'other-protocol',
        `the daemon speaks version ${PROTOCOL} of the protocol, the client ${greeting.protocol}`,
        'after an update: s3vault daemon stop, then start it again',
      );
    }
    this.#protocol = greeting.protocol;
    this.#impatient();
    this.#send({ type: 'hello', protocol: greeting.protocol, ...this.#options.served.facts() });
  }

  async #answer(request: Request): Promise<void> {
    try {
      const ok = await this.#obey(request);
      this.#send({ type: 'answer', id: request.id, ok: ok ?? null });
    } catch (thrown) {
      this.#send(failure(request.id, asVaultError(thrown)));
    }
  }

  async #obey(request: Request): Promise<unknown> {
    const { served } = this.#options;
    switch (request.do) {
      case 'status':
        return served.status();
      case 'watch':
        return this.#watch();
      case 'reload':
        return served.reload();
      case 'lock':
        return served.lock();
      case 'unlock':
        return served.unlock();
      case 'stop':
        return served.stop();
      case 'release':
        return this.#release(request.vault);
      case 'take-back':
        return this.#takeBack(request.vault);
      case 'command':
        return served.command(request.vault, request.command);
      case 'queue':
        return served.queue(request.vault, request.ask);
      case 'history':
        return served.history(request.vault, request.ask);
      default:
        return request satisfies never;
    }
  }

  #watch(): void {
    if (this.#leave !== undefined) return;
    const { first, leave } = this.#options.served.join((news) => this.#send(news));
    this.#leave = leave;
    // All that is known of all vaults may be much; a reader is judged by what comes after it.
    this.#first = first.reduce((sum, news) => sum + encoded(news).length, 0);
    for (const news of first) this.#send(news);
  }

  async #release(vault: string): Promise<void> {
    await this.#options.served.release(vault);
    // It may be gone while the vault was being closed.
    if (this.#socket.destroyed) this.#options.served.takeBack(vault);
    else this.#released.push(vault);
  }

  #takeBack(vault: string): void {
    const at = this.#released.indexOf(vault);
    if (at === -1) return;
    this.#released.splice(at, 1);
    this.#options.served.takeBack(vault);
  }

  #refuse(code: string, message: string, hint?: string): void {
    if (this.#socket.destroyed) return;
    this.#how = 'refused';
    this.#reader.end();
    this.#send({
      type: 'refused',
      error: report(new VaultError('usage', code, message, hint === undefined ? {} : { hint })),
    });
    this.close();
  }

  /** Lines of one turn go out together. */
  #send(message: Message): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    const text = encoded(message);
    this.#waiting.push(text);
    this.#waitingLength += text.length;
    const most = this.#first + (this.#options.maxWaiting ?? MAX_WAITING);
    if (this.#socket.writableLength + this.#waitingLength > most) {
      this.#how = 'dropped';
      this.#waiting = [];
      this.#socket.destroy();
    } else if (this.#waiting.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#waitingLength = 0;
    if (text !== '' && !this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.write(text);
  }
}

/** The same news go to all who watch: written once. */
let last: { readonly message: Message; readonly text: string } | undefined;

function encoded(message: Message): string {
  if (last?.message !== message) last = { message, text: `${JSON.stringify(message)}\n` };
  return last.text;
}

function isSame(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
