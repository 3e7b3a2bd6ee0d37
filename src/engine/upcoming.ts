import type { NameKey } from '../model/brands.ts';
import type { Action } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import type { QueueAsk, QueueWindow } from '../model/queue.ts';
import type { Emitter } from './emitter.ts';
import { firstLines } from './lines.ts';
import type { Rest } from './rest.ts';
import { sameAction } from './same-action.ts';
import { type Slice, slicesOf, windowOver } from './slices.ts';

/** The queue is said again so long after it changed, however often it does. */
const SAY_EVERY_MS = 500;

/**
 * Actions that wait, in the order in which they will get a slot: those in the queue, raised ones first, and behind them what
 * each Plan has not given to it yet. Plans that are carried out at the same time stand one after the other.
 */
export class Upcoming {
  readonly #actions = new Map<NameKey, Action>();
  /** Raised ones, the first of them raised first. */
  readonly #front = new Set<NameKey>();
  readonly #rests = new Set<Rest>();
  readonly #clock: Clock;
  readonly #emitter: Pick<Emitter, 'emit'>;
  #saying: (() => void) | undefined;

  constructor(clock: Clock, emitter: Pick<Emitter, 'emit'>) {
    this.#clock = clock;
    this.#emitter = emitter;
  }

  /** Everything that waits. */
  get waiting(): number {
    let waiting = this.#actions.size;
    for (const rest of this.#rests) waiting += rest.count;
    return waiting;
  }

  add(action: Action): void {
    this.#actions.set(action.key, action);
    this.#changed();
  }

  get(key: NameKey): Action | undefined {
    return this.#actions.get(key) ?? this.restOf(key)?.get(key);
  }

  /** The very same is to be done already, and has not begun. */
  has(action: Action): boolean {
    const known = this.get(action.key);
    return known !== undefined && sameAction(known, action);
  }

  raise(key: NameKey): void {
    if (!this.#actions.has(key)) return;
    this.#front.add(key);
    this.#changed();
  }

  remove(key: NameKey): void {
    this.#front.delete(key);
    if (this.#actions.delete(key)) this.#changed();
  }

  /** Takes a file out wherever it waits. */
  drop(key: NameKey): void {
    this.remove(key);
    for (const rest of this.#rests) if (rest.take(key) !== undefined) this.#changed();
  }

  /** Behind the others; of what an earlier one has too, that one tells. The function takes them away again. */
  join(...rests: readonly Rest[]): () => void {
    const fresh = rests.filter((rest) => !this.#rests.has(rest));
    for (const rest of fresh) {
      rest.hideThoseOf(this.#actions);
      for (const other of this.#rests) rest.hideThoseOf(other);
    }
    for (const rest of fresh) this.#rests.add(rest);
    this.#changed();
    return () => {
      for (const rest of fresh) this.#rests.delete(rest);
      this.#changed();
    };
  }

  /** The one that has it, of those that came first. */
  restOf(key: NameKey): Rest | undefined {
    for (const rest of this.#rests) if (rest.has(key)) return rest;
    return undefined;
  }

  /** `held`: the key of the file that is asked for. */
  async window(ask: QueueAsk, held: NameKey | undefined): Promise<QueueWindow> {
    const window = await windowOver(this.#slices(ask.filter.toLowerCase(), held), ask, this.#clock);
    return { ...window, waiting: this.waiting };
  }

  /** Nothing is said any more. */
  close(): void {
    this.#saying?.();
  }

  #changed(): void {
    this.#saying ??= this.#clock.after(SAY_EVERY_MS, () => {
      this.#saying = undefined;
      this.#emitter.emit({ event: 'queue', waiting: this.waiting, next: firstLines(this.#beginning()) });
    });
  }

  *#slices(text: string, held: NameKey | undefined): Iterable<Slice> {
    yield* slicesOf(this.#inOrder(), text, held);
    for (const rest of this.#rests) yield* rest.slices(text, held);
  }

  *#beginning(): Iterable<Action> {
    yield* this.#inOrder();
    for (const rest of this.#rests) yield* rest.beginning();
  }

  *#inOrder(): Iterable<Action> {
    for (const key of this.#front) {
      const action = this.#actions.get(key);
      if (action !== undefined) yield action;
    }
    for (const [key, action] of this.#actions) if (!this.#front.has(key)) yield action;
  }
}
