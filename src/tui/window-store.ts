/** What is known of a long list of the engine: a window around the selected line, asked for anew as one scrolls and it moves. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../model/ports.ts';
import { MOST_LINES } from '../model/queue.ts';

/** Some lines of a list, from `from` on. */
export interface Lines<Line> {
  readonly total: number;
  readonly from: number;
  readonly lines: readonly Line[];
}

export interface Answer<Line> extends Lines<Line> {
  /** Where the line stands that was asked for. */
  readonly held?: number;
}

/** What is looked at. `height`: lines of the list on the screen. */
export interface Look {
  readonly filter: string;
  readonly line: number;
  readonly height: number;
}

export interface WindowOptions<Line, A extends Answer<Line>> {
  /** `held`: the selected line, and where it stood. */
  readonly ask: (
    ask: { readonly filter: string; readonly from: number; readonly count: number },
    held: { readonly line: number; readonly of: Line } | undefined,
  ) => Promise<A>;
  /** The first line is whichever stands first. */
  readonly follows: boolean;
  readonly clock: Pick<Clock, 'after' | 'ticks'>;
  /** Called with each answer, and with how far the selected line has moved in the list since it was asked for. */
  readonly show: (movedBy: number) => void;
}

/** The list moves all the time: it is asked for again so long after an answer, and so many times as long as that took. */
const APART_MS = 500;
const SHARE = 10;

/** Asks for what is looked at, one question at a time. */
export class WindowStore<Line, A extends Answer<Line>> {
  readonly #options: WindowOptions<Line, A>;
  #look: Look | undefined;
  #seen: unknown;
  #answer: (A & { readonly filter: string }) | undefined;
  #asking = false;
  #stale = true;
  #answered: Look | undefined;
  #failed = false;
  #notBefore = Number.NEGATIVE_INFINITY;
  #later: (() => void) | undefined;

  constructor(options: WindowOptions<Line, A>) {
    this.#options = options;
  }

  /** The last answer, while the list is looked at. */
  get answer(): (A & { readonly filter: string }) | undefined {
    return this.#answer;
  }

  /** The last question was not answered. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Called for every frame. `list`: something else each time the list has changed. */
  look(look: Look, list: unknown): void {
    this.#look = look;
    if (list !== this.#seen) this.#stale = true;
    this.#seen = list;
    this.#next();
  }

  /** Something was done to the list: it is asked for at once. */
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

  #next(): void {
    const look = this.#look;
    if (look === undefined || this.#asking) return;
    // Whatever was answered to this very question: more is not to be had.
    const known = covers(this.#answer, look) || isDeepStrictEqual(look, this.#answered);
    if (known && !this.#stale) return;
    const { clock } = this.#options;
    const wait = this.#notBefore - clock.ticks();
    if (wait <= 0 || !(known || this.#failed)) {
      void this.#ask(look);
      return;
    }
    this.#later ??= clock.after(wait, () => {
      this.#later = undefined;
      this.#next();
    });
  }

  async #ask(look: Look): Promise<void> {
    const { clock, show, ask } = this.#options;
    const { filter, line, height } = look;
    this.#asking = true;
    this.#stale = false;
    const held = this.#held(look);
    const started = clock.ticks();
    // More than is seen, so that the next lines are there before they are scrolled to.
    const wanted = {
      filter,
      from: Math.max(0, line - 2 * height),
      count: Math.min(MOST_LINES, 5 * height),
    };
    // Undefined where nobody answers: a vault that does not run says so elsewhere.
    const answer = await answerOf(() => ask(wanted, held));
    this.#asking = false;
    this.#failed = answer === undefined;
    const now = clock.ticks();
    this.#notBefore = now + Math.max(APART_MS, SHARE * (now - started));
    if (this.#look === undefined) return;
    if (answer !== undefined) {
      this.#answer = { ...answer, filter };
      this.#answered = look;
    }
    show(answer?.held === undefined ? 0 : answer.held - line);
    this.#next();
  }

  #held({ filter, line }: Look): { readonly line: number; readonly of: Line } | undefined {
    if (this.#answer?.filter !== filter || (this.#options.follows && line === 0)) return undefined;
    const of = lineAt(this.#answer, line);
    return of === undefined ? undefined : { line, of };
  }
}

async function answerOf<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}

export const lineAt = <Line>({ from, lines }: Pick<Lines<Line>, 'from' | 'lines'>, line: number) =>
  lines[line - from];

/** All that is seen around the line is known. */
function covers(
  answer: (Answer<unknown> & { readonly filter: string }) | undefined,
  { filter, line, height }: Look,
): boolean {
  if (answer?.filter !== filter) return false;
  const { from, lines, total } = answer;
  return from <= Math.max(0, line - height) && from + lines.length >= Math.min(total, line + height);
}
