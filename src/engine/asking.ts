/** What waits for a person: a first Plan to look at, or removals that are too many at once. */
import { plural } from '../model/display.ts';
import type { Command } from '../model/command.ts';
import type { EngineState } from '../model/event.ts';
import type { Action, ConsentReason } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { Brake } from './brake.ts';
import { type CollectedPlan, moves } from './collect.ts';
import type { Emitter } from './emitter.ts';
import { firstLines } from './lines.ts';
import { notAsked, planChanged } from './refusals.ts';
import type { RunHooks } from './schedule.ts';

/** Removals that a Plan under review begins with, so that they are seen and leave room for the rest. */
const FIRST_REMOVALS = 50;
const DECLINED = 'removals-declined';

export interface AskingOptions {
  readonly clock: Clock;
  readonly emitter: Pick<Emitter, 'emit' | 'cleared'>;
  readonly state: (state: EngineState) => void;
  /** Consent to removals given beforehand. */
  readonly consent: boolean;
  /** The first Plan with something to do waits for a person. */
  readonly review: boolean;
}

/** A Plan with what it is set going with. */
interface Held {
  readonly plan: CollectedPlan;
  readonly known: number;
  readonly hooks: RunHooks;
}

type Question = Exclude<ConsentReason, { kind: 'lost-source' }>;

/** What a person agreed to; a first Plan that they did not agree to is `refused`. */
export type Agreed =
  | { readonly to: 'plan'; readonly held: Held }
  | { readonly to: 'refused' }
  | { readonly to: 'removals'; readonly removals: readonly Action[] };

export class Asking {
  readonly #options: AskingOptions;
  readonly #brake: Brake;
  #review: boolean;
  #held: (Held & { readonly reason: Question }) | undefined;

  constructor(options: AskingOptions) {
    this.#options = options;
    this.#brake = new Brake(options.clock, options.consent);
    this.#review = options.review;
  }

  /** Something waits for a person. */
  get holding(): boolean {
    return this.holdsRemovals || this.reviewing;
  }

  get holdsRemovals(): boolean {
    return this.#brake.holding;
  }

  /** The first Plan waits for a person. */
  get reviewing(): boolean {
    return this.#held !== undefined;
  }

  /** Removals that a person did not want, until a scan finds them again. */
  get declined(): number {
    return this.#brake.declined;
  }

  /** The very same removal waits for an answer. */
  has(action: Action): boolean {
    return this.#brake.has(action);
  }

  /** True where the Plan waits for a person from now on. */
  holds(held: Held): boolean {
    const { plan } = held;
    if (!this.#review || plan.removals.length + moves(plan) === 0) return false;
    const first = firstLines([...plan.removals.slice(0, FIRST_REMOVALS), ...plan.beginning]);
    const question = this.#brake.nextQuestion();
    const reason = { kind: 'plan-review', question, totals: plan.totals, first } as const;
    this.#held = { ...held, reason };
    this.#ask(reason);
    return true;
  }

  /** What may be removed now; where that is too much, a person is asked. */
  pass(removals: readonly Action[], known: number): readonly Action[] {
    const { go, reason } = this.#brake.pass(removals, known);
    if (reason !== undefined) this.#ask(reason);
    return go;
  }

  #ask(reason: ConsentReason): void {
    this.#options.emitter.emit({ event: 'consent', reason });
    this.#options.state('needs-you');
  }

  /** A new scan finds again what waits. */
  reset(): void {
    if (this.declined > 0) this.#options.emitter.cleared([DECLINED], 'warning');
    this.#brake.reset();
    this.drop();
  }

  /** The Plan that waits is not to be answered any more. */
  drop(): void {
    this.#held = undefined;
  }

  /**
   * A person answered. Throws kind `usage` where nothing is asked any more, kind `consent` where the answer is to another
   * question than the one that is open: that one is asked again, and nothing is done.
   */
  answered({ yes, question }: Pick<Extract<Command, { command: 'consent' }>, 'yes' | 'question'>): Agreed {
    const open = this.#held?.reason ?? this.#brake.asked;
    if (open === undefined) throw notAsked();
    const { emitter } = this.#options;
    if (open.question !== question) {
      emitter.emit({ event: 'consent', reason: { ...open, again: true } });
      throw planChanged(open.kind === 'plan-review' ? 'another plan' : plural(open.removals, 'removal'));
    }
    const held = this.#held;
    this.#held = undefined;
    const removals = held === undefined ? this.#brake.answered(yes) : [];
    emitter.emit({ event: 'answered', yes });
    if (held === undefined) {
      if (!yes) this.#tellDeclined();
      return { to: 'removals', removals };
    }
    this.#review = !yes;
    return yes ? { to: 'plan', held } : { to: 'refused' };
  }

  /** What is not done is not in step, and nothing else says so once the question is gone. */
  #tellDeclined(): void {
    this.#options.emitter.emit({
      event: 'warning',
      code: DECLINED,
      message: `${plural(this.declined, 'removal')} ${this.declined === 1 ? 'was' : 'were'} not done: you said no`,
      hint: 'the next scan asks again (s on the screen scans now): agree then, or bring the files back with restore or undelete',
    });
  }
}
