/** What is known of the queue of one vault: a window around the selected line, asked for anew as one scrolls and it moves. */
import { isDeepStrictEqual } from 'node:util';
import { type PlannedLine, filesOf } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { type QueueAsk, type QueueWindow, MOST_LINES } from '../model/queue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { fitting, queueOf } from './lists.ts';

export interface QueueShown {
  /** Lines of the list; `lines` are some of them, from `from` on. */
  readonly total: number;
  readonly from: number;
  readonly lines: readonly PlannedLine[];
  /** Files that wait in all. */
  readonly waiting: number;
  /** The answer is on its way: these are the lines that are known and fit. */
  readonly reading: boolean;
}

/** What is looked at. `height`: lines of the list on the screen. */
export interface QueueLook {
  readonly filter: string;
  readonly line: number;
  readonly height: number;
}

interface Answer extends QueueWindow {
  readonly filter: string;
}

/** The queue moves all the time: it is asked for again so long after an answer, and so many times as long as that took. */
const APART_MS = 500;
const SHARE = 10;

/**
 * Asks for what is looked at, one question at a time. `show` is called with each answer, and with how far the selected file
 * has moved in the list since it was asked for.
 */
export class QueueStore {
  readonly #ask: (ask: QueueAsk) => Promise<QueueWindow>;
  readonly #clock: Pick<Clock, 'after' | 'ticks'>;
  readonly #show: (movedBy: number) => void;
  #look: QueueLook | undefined;
  #seen: unknown;
  #answer: Answer | undefined;
  #asking = false;
  #stale = true;
  #answered: QueueLook | undefined;
  #failed = false;
  #notBefore = Number.NEGATIVE_INFINITY;
  #later: (() => void) | undefined;

  constructor(
    ask: (ask: QueueAsk) => Promise<QueueWindow>,
    clock: Pick<Clock, 'after' | 'ticks'>,
    show: (movedBy: number) => void,
  ) {
    this.#ask = ask;
    this.#clock = clock;
    this.#show = show;
  }

  /** Called for every frame. `queue`: another object each time the queue has changed. */
  look(look: QueueLook, queue: unknown): void {
    this.#look = look;
    if (queue !== this.#seen) this.#stale = true;
    this.#seen = queue;
    this.#next();
  }

  /** Something was done to the queue: it is asked for at once. */
  changed(): void {
    this.#stale = true;
    this.#notBefore = Number.NEGATIVE_INFINITY;
    this.#next();
  }

  /** Nothing is looked at any more. */
  leave(): void {
    this.#look = undefined;
    this.#answer = undefined;
    this.#answered = undefined;
    this.#stale = true;
    this.#later?.();
    this.#later = undefined;
  }

  /** What there is to show for a filter. */
  shown(snapshot: Snapshot, filter: string): QueueShown {
    const answer = this.#answer;
    if (answer?.filter === filter) return { ...answer, reading: false };
    const done = snapshot.state === 'idle' || snapshot.state === 'stopped';
    if (answer === undefined) return { ...fromSnapshot(snapshot, filter), reading: !done };
    const lines = fitting(answer.lines, filter);
    return { total: lines.length, from: 0, lines, waiting: answer.waiting, reading: true };
  }

  #next(): void {
    const look = this.#look;
    if (look === undefined || this.#asking) return;
    // Whatever was answered to this very question: more is not to be had.
    const known = covers(this.#answer, look) || isDeepStrictEqual(look, this.#answered);
    if (known && !this.#stale) return;
    const wait = this.#notBefore - this.#clock.ticks();
    if (wait <= 0 || !(known || this.#failed)) {
      void this.#askFor(look);
      return;
    }
    this.#later ??= this.#clock.after(wait, () => {
      this.#later = undefined;
      this.#next();
    });
  }

  /** Undefined where nobody answers: a vault that does not run says so elsewhere. */
  async #answerTo(ask: QueueAsk): Promise<QueueWindow | undefined> {
    try {
      return await this.#ask(ask);
    } catch {
      return undefined;
    }
  }

  async #askFor(look: QueueLook): Promise<void> {
    const { filter, line, height } = look;
    this.#asking = true;
    this.#stale = false;
    const path = this.#answer?.filter === filter ? lineAt(this.#answer, line)?.path : undefined;
    const held = path === undefined ? {} : { held: { path, line } };
    const started = this.#clock.ticks();
    // More than is seen, so that the next lines are there before they are scrolled to.
    const ask = { filter, from: Math.max(0, line - 2 * height), count: Math.min(MOST_LINES, 5 * height) };
    const answer = await this.#answerTo({ ...ask, ...held });
    this.#asking = false;
    this.#failed = answer === undefined;
    const now = this.#clock.ticks();
    this.#notBefore = now + Math.max(APART_MS, SHARE * (now - started));
    if (this.#look === undefined) return;
    if (answer !== undefined) {
      this.#answer = { ...answer, filter };
      this.#answered = look;
      this.#show(answer.held === undefined ? 0 : answer.held - line);
    }
    this.#next();
  }
}

/** Where the engine cannot be asked, its Events say how the queue begins. */
export function fromSnapshot(snapshot: Snapshot, filter: string): QueueShown {
  const lines = queueOf(snapshot, filter);
  const { plan, done, active, queue } = snapshot;
  const waiting = Math.max(queue.waiting, filesOf(plan) - done.files - active.size, lines.length);
  return { total: lines.length, from: 0, lines, waiting, reading: false };
}

export const lineAt = ({ from, lines }: Pick<QueueShown, 'from' | 'lines'>, line: number) =>
  lines[line - from];

/** All that is seen around the line is known. */
function covers(answer: Answer | undefined, { filter, line, height }: QueueLook): boolean {
  if (answer?.filter !== filter) return false;
  const { from, lines, total } = answer;
  return from <= Math.max(0, line - height) && from + lines.length >= Math.min(total, line + height);
}
