import type { NameKey } from '../model/brands.ts';
import type { OddityReason } from '../model/entry.ts';
import type { Action, ConsentReason, SkipReason } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';
import { type Removal, isRemoval } from '../model/refused.ts';
import { firstLines } from './lines.ts';
import { braked } from './plan.ts';
import type { Refused } from './refused.ts';
import { sameAction } from './same-action.ts';

/** Removals within this window count together: a mass removal must not pass in small steps. */
const WINDOW_MS = 60_000;

type ManyRemovals = Extract<ConsentReason, { kind: 'many-removals' }>;

/** What comes of removals that are to be done. */
export interface Passed {
  readonly go: readonly Action[];
  /** A person is to be asked. */
  readonly reason?: ManyRemovals;
  /** What is asked about as well: it was refused before. */
  readonly joined?: readonly Removal[];
}

/** Something stands there that could not be looked at: the file is neither gone nor back. */
const UNCLEAR: { readonly [R in OddityReason]: true } = {
  unreadable: true,
  socket: true,
  device: true,
  fifo: true,
  'key-too-long': true,
  'not-utf8': true,
  'name-clash': true,
  'own-name': true,
};
const isUnclear = (reason: SkipReason): boolean => reason in UNCLEAR;

/** A file of other times or another key: says nothing of its object, which may be gone all the same. */
const tellsNothing = (action: Action): boolean =>
  action.kind === 'put' && (action.reason === 'touched' || action.reason === 'other-mode');

/** Holds removals back when there are too many at once, until a person agrees; those they refused until they do. */
export class Brake {
  readonly #clock: Clock;
  readonly #consent: boolean;
  readonly #refused: Refused;
  readonly #held = new Map<NameKey, Removal>();
  /** What was asked last. */
  #asked: ManyRemovals | undefined;
  #question: number;
  #passed: readonly { readonly at: number; readonly count: number }[] = [];
  /** The look that is under way asks about what was refused. */
  #asks = false;
  /** What this look has found again, or could not look at; what is there instead; folders that it could not see into. */
  readonly #seen = new Set<NameKey>();
  readonly #changed = new Set<NameKey>();
  #unseen: string[] = [];

  /** `consent`: given beforehand, everything passes. */
  constructor(clock: Clock, consent: boolean, refused: Refused) {
    this.#clock = clock;
    // No number is that of a question which an engine before this one asked.
    this.#question = clock.now();
    this.#consent = consent;
    this.#refused = refused;
  }

  get holding(): boolean {
    return this.#held.size > 0;
  }

  /** The question that is open; `question` counts up with each. */
  get asked(): ManyRemovals | undefined {
    return this.holding ? this.#asked : undefined;
  }

  /** Removals that a person did not want, and that are still to be done. */
  get declined(): number {
    return this.#refused.count;
  }

  /** What may be removed now. `known` counts the Records before the removals; `reason` is set where some are held. */
  pass(removals: readonly Action[], known: number): Passed {
    const all = removals.filter(isRemoval);
    if (all.length === 0) return { go: [] };
    const now = this.#clock.ticks();
    this.#passed = this.#passed.filter((past) => now - past.at < WINDOW_MS);
    const again = new Set(this.#consent ? [] : all.filter((removal) => this.#waits(removal)));
    const fresh = all.filter((removal) => !again.has(removal));
    const brakes = !this.#consent && (this.#refused.doubtful || this.#brakes(fresh, known));
    if (this.#consent) this.#refused.trust();
    const go = brakes ? [] : fresh;
    if (go.length > 0) this.#passed = [...this.#passed, { at: now, count: go.length }];
    this.#refused.forget(go.map(({ key }) => key));
    if (!brakes && again.size === 0) return { go };
    return { go, ...this.#hold(brakes ? all : again, known) };
  }

  /** It was refused, or a person is asked about that file: also where it has another stamp by now. */
  #waits(removal: Removal): boolean {
    return this.#held.has(removal.key) || this.#refused.has(removal);
  }

  /** Whether these are too many, with those that wait or were refused, and those that went lately. */
  #brakes(fresh: readonly Removal[], known: number): boolean {
    if (fresh.length === 0) return false;
    const lately = this.#passed.reduce((sum, past) => sum + past.count, 0);
    let count = this.#held.size + lately;
    for (const { key } of fresh) if (!this.#held.has(key)) count++;
    for (const { key } of this.#refused.standing()) {
      if (braked(count, known + lately)) return true;
      if (!this.#held.has(key)) count++;
    }
    return braked(count, known + lately);
  }

  #hold(removals: Iterable<Removal>, known: number): Pick<Passed, 'reason' | 'joined'> {
    for (const removal of removals) this.#held.set(removal.key, removal);
    const joined: Removal[] = [];
    for (const removal of this.#refused.standing()) {
      if (this.#held.has(removal.key)) continue;
      this.#held.set(removal.key, removal);
      joined.push(removal);
    }
    const reason = this.#ask(this.nextQuestion(), known);
    return { reason, joined };
  }

  #ask(question: number, known: number): ManyRemovals {
    const first = firstLines(this.#held.values());
    let here = 0;
    for (const { kind } of this.#held.values()) if (kind === 'remove-local') here++;
    const count = { removals: this.#held.size, ...(here === 0 ? {} : { here }) };
    this.#asked = { kind: 'many-removals', question, ...count, of: known, first };
    return this.#asked;
  }

  /** A number for a question that nobody asked before. */
  nextQuestion(): number {
    return ++this.#question;
  }

  /** A look begins. `asks`: about what was refused, too. */
  look(asks = false): void {
    this.#asks = asks;
    this.#seen.clear();
    this.#changed.clear();
    this.#unseen = [];
  }

  /** What a look comes upon. True where nothing is to be done about it before a person agrees. */
  sees(action: Action): boolean {
    const { key } = action;
    if (action.kind === 'skip') {
      if (isUnclear(action.reason) && this.knows(key)) this.#seen.add(key);
      if (action.reason === 'unreadable' && this.knowsAny) this.#unseen.push(action.path);
      return false;
    }
    const held = this.#held.get(key);
    const known = this.#known(key);
    if (known === undefined) return false;
    if (known.kind === 'remove-local' && tellsNothing(action)) {
      this.#seen.add(key);
      return false;
    }
    if (!isRemoval(action) || action.kind !== known.kind) {
      this.#changed.add(key);
      return false;
    }
    this.#seen.add(key);
    const isRefused = this.#refused.has(action);
    if (isRefused) this.#refused.found(action);
    if (held !== undefined && sameAction(held, action)) return true;
    return isRefused && !this.#asks && !this.#consent;
  }

  /** Whether it is asked about, or was refused. */
  knows(key: NameKey): boolean {
    return this.#known(key) !== undefined;
  }

  /** Whether its object was to be removed because its file was gone, and this look has not found that again. */
  awaitsFile(key: NameKey): boolean {
    return this.#known(key)?.kind === 'remove-remote' && !this.#seen.has(key);
  }

  #known(key: NameKey): Pick<Removal, 'kind' | 'path'> | undefined {
    return this.#held.get(key) ?? this.#refused.get(key);
  }

  get knowsAny(): boolean {
    return this.#held.size + this.#refused.size > 0;
  }

  /** A look is done. `keys`: what it would have found if it were still to be removed. Gives what is not asked about any more. */
  looked(keys: Iterable<NameKey>): readonly Removal[] {
    const missed = [...keys].filter((key) => this.#isMissed(key));
    const changed = [...this.#changed];
    this.look();
    this.#refused.missed(missed);
    this.#refused.forget(changed);
    const dropped: Removal[] = [];
    for (const key of [...missed, ...changed]) {
      const held = this.#held.get(key);
      if (held !== undefined) dropped.push(held);
      this.#held.delete(key);
    }
    // Fewer are no other question: a yes is for what was shown.
    if (dropped.length > 0 && this.#asked !== undefined)
      this.#ask(this.#asked.question ?? this.nextQuestion(), this.#asked.of);
    return dropped;
  }

  #isMissed(key: NameKey): boolean {
    if (this.#seen.has(key) || this.#changed.has(key)) return false;
    const path = this.#known(key)?.path;
    if (path === undefined) return false;
    return !this.#unseen.some((folder) => folder === '' || path.startsWith(`${folder}/`));
  }

  /** All that waits or was refused, of one kind or of both. */
  *keys(kind?: Removal['kind']): Iterable<NameKey> {
    for (const [key, held] of this.#held) if (kind === undefined || held.kind === kind) yield key;
    for (const key of this.#refused.keys(kind)) if (!this.#held.has(key)) yield key;
  }

  /** Forgets what is held: a new scan finds it again. */
  reset(): void {
    this.#held.clear();
  }

  /** A person answered what is asked: gives what that was. What they do not want is not done before they do. */
  answered(yes: boolean): readonly Removal[] {
    const held = [...this.#held.values()];
    // A no that could not be kept is none: the question stays.
    if (yes) this.#refused.forget(this.#held.keys());
    else this.#refused.add(held);
    this.#refused.trust();
    this.#held.clear();
    return held;
  }
}
