import type { Event } from '../model/event.ts';
import {
  type HistoryAsk,
  type HistoryBook,
  type HistoryLine,
  type HistoryWindow,
  findableEnd,
} from '../model/history.ts';
import type { Clock, Index } from '../model/ports.ts';
import { recentOf } from '../model/snapshot.ts';
import { type Slice, windowOver } from './slices.ts';

/** Lines of the Index that are looked through at a time. */
const SCAN_LINES = 5_000;

/**
 * What happened, remembered in the Index. Lines wait for the next commit of the run, which takes them along; what is asked
 * for includes them.
 */
export class History {
  readonly #index: Pick<Index, 'history'>;
  readonly #clock: Clock;
  #last: number | undefined;
  #waiting: HistoryLine[] = [];

  constructor(index: Pick<Index, 'history'>, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
  }

  /** True where it is a line of the history. */
  hear(event: Event): boolean {
    const line = recentOf(event);
    if (line === undefined) return false;
    this.#last = (this.#last ?? this.#index.history().last) + 1;
    this.#waiting.push({ ...line, id: this.#last });
    return true;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** What is to be written now. */
  take(): readonly HistoryLine[] {
    const lines = this.#waiting;
    this.#waiting = [];
    return lines;
  }

  window(ask: HistoryAsk): Promise<HistoryWindow> {
    return windowOver(this.#slices(ask.filter.toLowerCase(), ask.held?.id), ask, this.#clock);
  }

  *#slices(text: string, held: number | undefined): Iterable<Slice<HistoryLine>> {
    const fits = this.#waiting.filter((line) => findableEnd(line).includes(text)).toReversed();
    const at = fits.findIndex(({ id }) => id === held);
    const oldest = this.#waiting[0]?.id;
    yield {
      count: fits.length,
      lines: (from, count) => fits.slice(from, from + count),
      ...(at === -1 ? {} : { held: at }),
    };
    yield* stored(this.#index.history(), oldest ?? Number.MAX_SAFE_INTEGER, text, held);
  }
}

function* stored(
  book: HistoryBook,
  newest: number,
  text: string,
  held: number | undefined,
): Iterable<Slice<HistoryLine>> {
  for (let before = newest; ; ) {
    const part = book.scan(before, SCAN_LINES, text, held);
    if (part === undefined) return;
    const lines = (from: number, count: number) => book.lines(part, text, from, count);
    yield { count: part.count, lines, ...(part.held === undefined ? {} : { held: part.held }) };
    before = part.first;
  }
}
