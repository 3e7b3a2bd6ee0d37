/** A terminal for Ink in a test: full frames out, keys in. */
import { EventEmitter } from 'node:events';
import type { Command, EngineHandle, Outcome } from '../../src/model/command.ts';
import type { VaultError } from '../../src/model/errors.ts';
import type { Event, EventBody } from '../../src/model/event.ts';
import type { HistoryAsk, HistoryWindow } from '../../src/model/history.ts';
import type { QueueAsk, QueueWindow } from '../../src/model/queue.ts';
import { EMPTY_SNAPSHOT, type Snapshot, fold } from '../../src/model/snapshot.ts';
import type { ManualClock } from '../support/manual-clock.ts';

export class FakeStdout extends EventEmitter {
  readonly isTTY = true;
  columns: number;
  rows: number;
  readonly written: string[] = [];

  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string | Uint8Array, ...rest: readonly unknown[]): boolean {
    this.written.push(String(text));
    const done = rest.find((one) => typeof one === 'function') as (() => void) | undefined;
    done?.();
    return true;
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    this.emit('resize');
  }
}

export class FakeStdin extends EventEmitter {
  readonly isTTY = true;
  #waiting: string[] = [];

  press(text: string): void {
    this.#waiting.push(text);
    this.emit('readable');
  }

  read(): string | null {
    return this.#waiting.shift() ?? null;
  }

  setRawMode(): void {}
  setEncoding(): void {}
  ref(): void {}
  unref(): void {}
  resume(): this {
    return this;
  }
  pause(): this {
    return this;
  }
}

/** An engine that does what the test says. */
export class FakeHandle implements EngineHandle {
  readonly commands: Command[] = [];
  readonly ended: Promise<Outcome>;
  end: (outcome: Outcome) => void = () => undefined;
  onCommand: (command: Command) => void = () => undefined;
  queue?: (ask: QueueAsk) => Promise<QueueWindow>;
  history?: (ask: HistoryAsk) => Promise<HistoryWindow>;
  readonly #clock: ManualClock;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  #listeners: ((event: Event) => void)[] = [];

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.push(listener);
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  get listeners(): number {
    return this.#listeners.length;
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** As the other end of a socket refuses: later. */
  refusal: VaultError | undefined;

  command(command: Command, onRefused?: (why: VaultError) => void): void {
    this.commands.push(command);
    this.onCommand(command);
    const { refusal } = this;
    if (refusal !== undefined) queueMicrotask(() => onRefused?.(refusal));
  }

  /** Only the listeners hear of it: what the engine itself would fold does not count in a flood. */
  hear(body: EventBody): void {
    const event: Event = { ...body, time: new Date(this.#clock.now()).toISOString() };
    for (const listener of this.#listeners) listener(event);
  }

  emit(...bodies: readonly EventBody[]): void {
    for (const body of bodies) {
      const event: Event = { ...body, time: new Date(this.#clock.now()).toISOString() };
      this.#snapshot = fold(this.#snapshot, event);
      for (const listener of this.#listeners) listener(event);
    }
  }
}
