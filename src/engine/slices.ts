import type { NameKey } from '../model/brands.ts';
import type { Action, PlannedLine } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { type QueueAsk, type QueueWindow, MOST_LINES, findable } from '../model/queue.ts';
import { plannedLine } from './lines.ts';

/** Actions that are looked through at a time: fast enough for a key that waits. */
const TOGETHER = 2_000;
/** What takes longer lets others have their turn. */
const TURN_MS = 8;

/** Some of what waits, as far as it fits the filter. */
export interface Slice {
  readonly count: number;
  /** Where in it the file stands that was asked for, if it is in it. */
  readonly held?: number;
  lines(from: number, count: number): readonly PlannedLine[];
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
export async function windowOver(
  slices: Iterable<Slice>,
  ask: QueueAsk,
  waiting: () => number,
  clock: Pick<Clock, 'ticks'>,
): Promise<QueueWindow> {
  const all: Slice[] = [];
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
  return { total, waiting: waiting(), from, lines, ...(held === undefined ? {} : { held }) };
}

function linesIn(slices: readonly Slice[], from: number, count: number): readonly PlannedLine[] {
  const lines: PlannedLine[] = [];
  let skip = from;
  for (const slice of slices) {
    if (lines.length >= count) break;
    if (skip < slice.count) lines.push(...slice.lines(skip, count - lines.length));
    skip = Math.max(0, skip - slice.count);
  }
  return lines;
}
