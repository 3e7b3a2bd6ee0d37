import type { NameKey } from '../model/brands.ts';
import { type Action, type PlannedLine, SHOWN_LINES } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import type { Emitter } from './emitter.ts';

/** The queue is said again so long after it changed, however often it does. */
const SAY_EVERY_MS = 500;

/** An Action as people see it. */
export function plannedLine(action: Action): PlannedLine {
  const { kind, path, reason } = action;
  return { kind, path, reason, bytes: bytesOf(action) };
}

function bytesOf(action: Action): number {
  if (action.kind === 'put') return action.local.size;
  return action.kind === 'get' ? action.remote.size : 0;
}

/** The beginning of a list of Actions, for people. */
export const firstLines = (actions: Iterable<Action>): readonly PlannedLine[] => {
  const lines: PlannedLine[] = [];
  for (const action of actions) {
    if (lines.length >= SHOWN_LINES) break;
    lines.push(plannedLine(action));
  }
  return lines;
};

/** Actions that wait for a slot, in the order in which they will get one. */
export class Upcoming {
  readonly #actions = new Map<NameKey, Action>();
  /** Raised ones, the first of them raised first. */
  readonly #front = new Set<NameKey>();
  readonly #clock: Clock;
  readonly #emitter: Pick<Emitter, 'emit'>;
  #saying: (() => void) | undefined;

  constructor(clock: Clock, emitter: Pick<Emitter, 'emit'>) {
    this.#clock = clock;
    this.#emitter = emitter;
  }

  add(action: Action): void {
    this.#actions.set(action.key, action);
    this.#changed();
  }

  get(key: NameKey): Action | undefined {
    return this.#actions.get(key);
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

  /** Nothing is said any more. */
  close(): void {
    this.#saying?.();
  }

  #changed(): void {
    this.#saying ??= this.#clock.after(SAY_EVERY_MS, () => {
      this.#saying = undefined;
      this.#emitter.emit({ event: 'queue', waiting: this.#actions.size, next: firstLines(this.#inOrder()) });
    });
  }

  *#inOrder(): Iterable<Action> {
    for (const key of this.#front) {
      const action = this.#actions.get(key);
      if (action !== undefined) yield action;
    }
    for (const [key, action] of this.#actions) if (!this.#front.has(key)) yield action;
  }
}
