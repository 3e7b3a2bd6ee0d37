import type { NameKey } from '../model/brands.ts';
import type { Action, PlannedLine } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { MOST_LINES, findable } from '../model/queue.ts';
import { plannedLine } from './lines.ts';

/** Actions that are looked through at a time: fast enough for a key that waits. */
const TOGETHER = 2_000;
/** What takes longer lets others have their turn. */
const TURN_MS = 8;

/** Some lines of a long list, as far as they fit the filter. */
export interface Slice<Line = PlannedLine> {
  readonly count: number;
  /** Where in it the line stands that was asked for, if it is in it. */
  readonly held?: number;
  lines(from: number, count: number): readonly Line[];
}

/** What is asked of a long list; see QueueAsk and HistoryAsk. */
interface Ask {
  readonly from: number;
  readonly count: number;
  readonly held?: { readonly line: number };
}

interface Window<Line> {
  readonly total: number;
  readonly from: number;
  readonly lines: readonly Line[];
  readonly held?: number;
}

export function* slicesOf(
  actions: Iterable<Action>,
  text: string,
  held: NameKey | undefined,
  hidden: (key: NameKey) => boolean = () => false,
): Iterable<Slice> {
  let fits: Action[] = [];
  let seen = 0;
  for (const action of actions) {
    if (!hidden(action.key) && (text === '' || findable(action).includes(text))) fits.push(action);
    if (++seen % TOGETHER !== 0) continue;
    yield sliceOf(fits, held);
    fits = [];
  }
  yield sliceOf(fits, held);
}

function sliceOf(fits: readonly Action[], held: NameKey | undefined): Slice {
  const at = held === undefined ? -1 : fits.findIndex(({ key }) => key === held);
  return {
    count: fits.length,
    lines: (from, count) => fits.slice(from, from + count).map(plannedLine),
    ...(at === -1 ? {} : { held: at }),
  };
}

/** The window that is asked for. Looks through everything, and lets others have their turn in between. */
export async function windowOver<Line>(
  slices: Iterable<Slice<Line>>,
  ask: Ask,
  clock: Pick<Clock, 'ticks'>,
): Promise<Window<Line>> {
  const all: Slice<Line>[] = [];
  let since = clock.ticks();
  let total = 0;
  let held: number | undefined;
  for (const slice of slices) {
    if (slice.held !== undefined) held ??= total + slice.held;
    total += slice.count;
    all.push(slice);
    if (clock.ticks() - since < TURN_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    since = clock.ticks();
  }
  const moved = held === undefined || ask.held === undefined ? 0 : held - ask.held.line;
  const count = Math.min(ask.count, MOST_LINES);
  const from = Math.max(0, Math.min(ask.from + moved, total - count));
  const lines = linesIn(all, from, count);
  return { total, from, lines, ...(held === undefined ? {} : { held }) };
}

function linesIn<Line>(slices: readonly Slice<Line>[], from: number, count: number): readonly Line[] {
  const lines: Line[] = [];
  let skip = from;
  for (const slice of slices) {
    if (lines.length >= count) break;
    if (skip < slice.count) lines.push(...slice.lines(skip, count - lines.length));
    skip = Math.max(0, skip - slice.count);
  }
  return lines;
}
