/** What waits for a person: a first Plan to look at, or removals that are too many at once. */
import type { NameKey } from '../model/brands.ts';
import { plural } from '../model/display.ts';
import type { Command } from '../model/command.ts';
import type { EngineState } from '../model/event.ts';
import type { Action, ConsentReason } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { Brake } from './brake.ts';
import { totalsOf } from './plan.ts';
import { Refused, type RefusedParts } from './refused.ts';
import { type CollectedPlan, moves } from './collect.ts';
import type { Emitter } from './emitter.ts';
import { firstLines } from './lines.ts';
import { notAsked, planChanged } from './refusals.ts';
import type { RunHooks } from './schedule.ts';

/** Removals that a Plan under review begins with, so that they are seen and leave room for the rest. */
const FIRST_REMOVALS = 50;
const DECLINED = 'removals-declined';

export interface AskingOptions {
  readonly parts: RefusedParts;
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
  readonly #refused: Refused;
  readonly brake: Brake;
  /** Removals that a person did not want, as that was told last. */
  #told = 0;
  #review: boolean;
  #held: (Held & { readonly reason: Question }) | undefined;

  constructor(options: AskingOptions) {
    this.#options = options;
    this.#refused = new Refused(options.parts);
    this.brake = new Brake(options.clock, options.consent, this.#refused);
    this.#review = options.review;
  }

  /** What was refused in earlier runs. */
  open(): Promise<void> {
    return this.#refused.open();
  }

  /** What was refused is in the Index; or not, once `signal` fires: then the next run asks about every removal. */
  settled(signal: AbortSignal): Promise<void> {
    return this.#refused.settled(signal);
  }

  /** Something waits for a person. */
  get holding(): boolean {
    return this.holdsRemovals || this.reviewing;
  }

  get holdsRemovals(): boolean {
    return this.brake.holding;
  }

  /** The first Plan waits for a person. */
  get reviewing(): boolean {
    return this.#held !== undefined;
  }

  /** Removals that a person did not want, and that are still to be done. */
  get declined(): number {
    return this.brake.declined;
  }

  /** True where the Plan waits for a person from now on. */
  holds(held: Held): boolean {
    const { plan } = held;
    if (!this.#review || plan.removals.length + moves(plan) === 0) return false;
    const first = firstLines([...plan.removals.slice(0, FIRST_REMOVALS), ...plan.beginning]);
    const question = this.brake.nextQuestion();
    const reason = { kind: 'plan-review', question, totals: plan.totals, first } as const;
    this.#held = { ...held, reason };
    this.#ask(reason);
    return true;
  }

  /** What may be removed now; where that is too much, a person is asked. */
  pass(removals: readonly Action[], known: number): readonly Action[] {
    const { go, reason, joined = [] } = this.brake.pass(removals, known);
    // They are done with it after a yes.
    if (joined.length > 0) this.#options.emitter.emit({ event: 'plan', ...totalsOf(joined), adds: true });
    if (reason !== undefined) this.#ask(reason);
    this.#tellDeclined();
    return go;
  }

  /** A look is done; see `Brake.looked`. What is back is not asked about any more. */
  looked(keys: Iterable<NameKey>): void {
    const before = this.brake.asked;
    const dropped = this.brake.looked(keys);
    if (dropped.length > 0) this.#asksLess(dropped, before);
  }

  /** Nothing else comes of the look. */
  ended(): void {
    this.#tellDeclined();
  }

  #asksLess(dropped: readonly Action[], before: Question | undefined): void {
    const { emitter, state } = this.#options;
    emitter.emit({ event: 'plan.less', ...totalsOf(dropped) });
    const { asked } = this.brake;
    if (asked !== undefined && asked !== before) emitter.emit({ event: 'consent', reason: asked });
    if (asked !== undefined || this.reviewing) return;
    emitter.emit({ event: 'answered', yes: false, over: true });
    state('working');
  }

  #ask(reason: ConsentReason): void {
    this.#options.emitter.emit({ event: 'consent', reason });
    this.#options.state('needs-you');
  }

  /** A new scan finds again what waits. */
  reset(): void {
    this.brake.reset();
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
    const open = this.#held?.reason ?? this.brake.asked;
    if (open === undefined) throw notAsked();
    const { emitter } = this.#options;
    if (open.question !== question) {
      emitter.emit({ event: 'consent', reason: { ...open, again: true } });
      throw planChanged(open.kind === 'plan-review' ? 'another plan' : plural(open.removals, 'removal'));
    }
    const held = this.#held;
    this.#held = undefined;
    const removals = held === undefined ? this.brake.answered(yes) : [];
    emitter.emit({ event: 'answered', yes });
    if (held === undefined) {
      if (!yes) emitter.emit({ event: 'plan.less', ...totalsOf(removals) });
      this.#tellDeclined();
      return { to: 'removals', removals: yes ? removals : [] };
    }
    this.#review = !yes;
    return yes ? { to: 'plan', held } : { to: 'refused' };
  }

  /** What is not done is not in step, and nothing else says so while it is not asked about. */
  #tellDeclined(): void {
    const declined = this.holdsRemovals ? 0 : this.declined;
    if (declined === this.#told) return;
    this.#told = declined;
    const { emitter } = this.#options;
    if (declined === 0) return emitter.cleared([DECLINED], 'warning');
    emitter.emit({
      event: 'warning',
      code: DECLINED,
      message: `${plural(declined, 'removal')} ${declined === 1 ? 'was' : 'were'} not done: you said no`,
      hint: 'nothing removes them before you agree: s on the screen asks again, and so does the next start; or bring the files back with restore or undelete',
    });
  }
}
