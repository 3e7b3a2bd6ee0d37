import type { NameKey } from '../model/brands.ts';
import type { Action } from '../model/plan.ts';
import type { Index, PlanSpool } from '../model/ports.ts';
import { plannedLine } from './lines.ts';
import { type Slice, slicesOf } from './slices.ts';
import { unspooled } from './spooled.ts';

const SPOOL_LINES = 500;
/** Lines of the spool that are looked through at a time. */
const SCAN_LINES = 5_000;

/** The part of a Plan that waits in the Index. */
export interface Spooled {
  readonly spool: PlanSpool;
  readonly index: Pick<Index, 'get'>;
}

/**
 * What one Plan has not given to the queue yet. It is drawn in order; until then a person can look at it, look for a file
 * in it, and take one out.
 */
export class Rest {
  readonly #kept: Map<NameKey, Action>;
  readonly #spooled: Spooled | undefined;
  /** Drawn, and not in the queue yet: Intents are noted for some at a time, and the queue has only so much room. */
  readonly #inHand = new Map<NameKey, Action>();
  /** Those that another one has too: they wait once, as people see it. */
  readonly #twice = new Set<NameKey>();
  readonly #apart = new Set<Promise<void>>();
  /** What is kept came out of the spool: its Record is read again. */
  #spooling = false;
  /** Nothing has to be done before it any more. */
  begun = false;

  constructor(actions: readonly Action[], spooled?: Spooled) {
    this.#kept = new Map(actions.map((action) => [action.key, action]));
    this.#spooled = spooled;
  }

  /** As people see them. */
  get count(): number {
    return this.size - this.#twice.size;
  }

  /** Each of them until the last. What is drawn is in hand until `admit`. */
  *draw(): Iterable<Action> {
    do {
      for (const [key, action] of this.#kept) {
        this.#kept.delete(key);
        const whole = this.#whole(action);
        this.#inHand.set(key, whole);
        yield whole;
      }
    } while (this.#refill());
  }

  /** It goes into the queue now. False where it was taken out meanwhile. */
  admit({ key }: Pick<Action, 'key'>): boolean {
    this.#twice.delete(key);
    return this.#inHand.delete(key);
  }

  get(key: NameKey): Action | undefined {
    return this.#inHand.get(key) ?? this.#look(key, (spool) => spool.get(key));
  }

  /** Out of it for good. */
  take(key: NameKey): Action | undefined {
    const action = this.#inHand.get(key) ?? this.#look(key, (spool) => spool.take(key));
    this.#inHand.delete(key);
    this.#kept.delete(key);
    this.#twice.delete(key);
    return action;
  }

  /** Something that was taken out of it runs by itself: it is not over before that is. */
  runsApart(run: Promise<void>): void {
    this.#apart.add(run);
    void run.finally(() => this.#apart.delete(run));
  }

  async settled(): Promise<void> {
    while (this.#apart.size > 0) await Promise.all(this.#apart);
  }

  /** What came before it has some of them, too. */
  hideThoseOf(other: { has(key: NameKey): boolean; readonly size: number }): void {
    if (other.size === 0) return;
    for (const key of this.#kept.keys()) if (other.has(key)) this.#twice.add(key);
  }

  get size(): number {
    return this.#inHand.size + this.#kept.size + (this.#spooled?.spool.count ?? 0);
  }

  has(key: NameKey): boolean {
    return this.#inHand.has(key) || this.#kept.has(key) || this.#spooled?.spool.get(key) !== undefined;
  }

  /** What fits, in its order, some at a time. */
  *slices(text: string, held: NameKey | undefined): Iterable<Slice> {
    const hidden = (key: NameKey): boolean => this.#twice.has(key);
    yield* slicesOf(this.#inHand.values(), text, held, hidden);
    yield* slicesOf(this.#kept.values(), text, held, hidden);
    if (this.#spooled !== undefined) yield* spoolSlices(this.#spooled.spool, text, held);
  }

  /** What comes first of it, as far as it is in memory. */
  *beginning(): Iterable<Action> {
    for (const action of this.#inHand.values()) if (!this.#twice.has(action.key)) yield action;
    for (const action of this.#kept.values()) if (!this.#twice.has(action.key)) yield action;
  }

  #refill(): boolean {
    const lines = this.#spooled?.spool.shift(SPOOL_LINES) ?? [];
    this.#spooling = true;
    for (const action of lines.map(unspooled)) this.#kept.set(action.key, action);
    return lines.length > 0;
  }

  #look(key: NameKey, line: (spool: PlanSpool) => string | undefined): Action | undefined {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return this.#whole(kept);
    const found = this.#spooled === undefined ? undefined : line(this.#spooled.spool);
    return found === undefined ? undefined : this.#remembered(unspooled(found));
  }

  #whole(action: Action): Action {
    return this.#spooling ? this.#remembered(action) : action;
  }

  #remembered(action: Action): Action {
    const record = this.#spooled?.index.get(action.key);
    return record === undefined ? action : ({ ...action, record } as Action);
  }
}

function* spoolSlices(spool: PlanSpool, text: string, held: NameKey | undefined): Iterable<Slice> {
  for (let after = 0; ; ) {
    const part = spool.scan(after, SCAN_LINES, text, held);
    if (part === undefined) return;
    const lines = (from: number, count: number) =>
      spool.lines(part, text, from, count).map((line) => plannedLine(unspooled(line)));
    yield { count: part.count, lines, ...(part.held === undefined ? {} : { held: part.held }) };
    after = part.last;
  }
}
