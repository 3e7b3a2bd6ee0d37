import type { NameKey } from '../model/brands.ts';
import type { ConsentReason, Action } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { braked } from './plan.ts';
import { firstLines } from './lines.ts';
import { sameAction } from './same-action.ts';

/** Removals within this window count together: a mass removal must not pass in small steps. */
const WINDOW_MS = 60_000;

type ManyRemovals = Extract<ConsentReason, { kind: 'many-removals' }>;

/** Holds removals back when there are too many at once, until a person agrees. */
export class Brake {
  readonly #clock: Clock;
  readonly #consent: boolean;
  #held: ReadonlyMap<NameKey, Action> = new Map();
  /** What was asked last. */
  #asked: ManyRemovals | undefined;
  #question: number;
  #declined = 0;
  #passed: readonly { readonly at: number; readonly count: number }[] = [];

  /** `consent`: given beforehand, everything passes. */
  constructor(clock: Clock, consent: boolean) {
    this.#clock = clock;
    // No number is that of a question which an engine before this one asked.
    this.#question = clock.now();
    this.#consent = consent;
  }

  get holding(): boolean {
    return this.#held.size > 0;
  }

  /** The question that is open; `question` counts up with each. */
  get asked(): ManyRemovals | undefined {
    return this.holding ? this.#asked : undefined;
  }

  /** The very same removal is held already. */
  has(removal: Action): boolean {
    const held = this.#held.get(removal.key);
    return held !== undefined && sameAction(held, removal);
  }

  /** Removals that a person did not want, until a scan finds them again. */
  get declined(): number {
    return this.#declined;
  }

  /** What may be removed now. `known` counts the Records before the removals; `reason` is set where all are held. */
  pass(removals: readonly Action[], known: number): { go: readonly Action[]; reason?: ConsentReason } {
    if (removals.length === 0) return { go: [] };
    const now = this.#clock.ticks();
    this.#passed = this.#passed.filter((past) => now - past.at < WINDOW_MS);
    const lately = this.#passed.reduce((sum, past) => sum + past.count, 0);
    const held = this.#merged(removals);
    if (!this.#consent && braked(held.size + lately, known + lately)) {
      this.#held = held;
      const first = firstLines(held.values());
      const question = this.nextQuestion();
      const here = [...held.values()].filter(({ kind }) => kind === 'remove-local').length;
      const count = { removals: held.size, ...(here === 0 ? {} : { here }) };
      this.#asked = { kind: 'many-removals', question, ...count, of: known, first };
      return { go: [], reason: this.#asked };
    }
    this.#passed = [...this.#passed, { at: now, count: removals.length }];
    return { go: removals };
  }

  #merged(removals: readonly Action[]): ReadonlyMap<NameKey, Action> {
    const byKey = new Map(this.#held);
    for (const action of removals) byKey.set(action.key, action);
    return byKey;
  }

  /** A number for a question that nobody asked before. */
  nextQuestion(): number {
    return ++this.#question;
  }

  /** Forgets what is held: a new scan finds it again. */
  reset(): void {
    this.#declined = 0;
    this.#held = new Map();
  }

  /** A person answered what is asked. Gives what goes; what they do not want is dropped until a scan finds it again. */
  answered(yes: boolean): readonly Action[] {
    const held = [...this.#held.values()];
    this.#held = new Map();
    this.#declined += yes ? 0 : held.length;
    return yes ? held : [];
  }
}
