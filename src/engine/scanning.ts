import { type NameKey, type RelPath, relPath } from '../model/brands.ts';
import { asVaultError, goingOn, report } from '../model/errors.ts';
import type { Hint } from '../model/hint.ts';
import type { Action } from '../model/plan.ts';
import { sweepDrafts, sweepUploads } from './clean.ts';
import { type CollectedPlan, collectPlan } from './collect.ts';
import type { Emitter } from './emitter.ts';
import { lostSource } from './guard.ts';
import { without } from './left-out.ts';
import { backAmong, bothLookedAt } from './back.ts';
import { Planned, movedOn } from './planned.ts';
import {
  type RoundOptions,
  type RoundSources,
  markListed,
  mustList,
  planAll,
  planHints,
  planRemote,
  roundSources,
} from './rounds.ts';
import type { Runs } from './runs.ts';
import type { Shared } from './shared.ts';
import type { Timetable } from './timetable.ts';
import { type EngineParts, worldOf } from './world.ts';

const ROOT: RelPath = relPath('');

export interface ScanningOptions extends Shared {
  readonly timetable: Timetable;
  readonly runs: Runs;
  /** As in EngineOptions. */
  readonly acceptSource: boolean;
  readonly checkRemote: boolean;
  readonly planned: readonly string[] | undefined;
  readonly inMemory: number | undefined;
  readonly once: boolean;
}

/** Looks at both sides, as a whole or at some paths, and sets the Plans that come of it going. */
export class Scanning {
  readonly #options: ScanningOptions;
  readonly #parts: EngineParts;
  readonly #emitter: Emitter;
  readonly #runs: Runs;
  readonly #planned: Planned | undefined;
  #scanDue = true;
  #scanAlone = false;
  /** The next scan asks about removals that were refused, as the one at the start does. */
  #asks = true;
  /** The first scan follows at once on the look at the start. */
  #scanned = false;
  #bucketDue = false;
  #sweep: Promise<void> | undefined;

  constructor(options: ScanningOptions) {
    const { parts, emitter, runs, planned } = options;
    this.#options = options;
    this.#parts = parts;
    this.#emitter = emitter;
    this.#runs = runs;
    this.#planned = planned === undefined ? undefined : new Planned(planned);
  }

  /** Everything is to be scanned. */
  get scanDue(): boolean {
    return this.#scanDue;
  }

  /** The bucket's listing is to be compared with the Records. */
  get bucketDue(): boolean {
    return this.#bucketDue;
  }

  /** A person wants it. */
  wantScan(): void {
    this.#scanDue = true;
    this.#asks = true;
  }

  /** Objects are to be looked at that no Hint leads to: then all are, and true. */
  wantLooks(): boolean {
    const wanted = this.#runs.looks.some && this.#options.hints.size === 0;
    if (wanted) this.#scanDue = true;
    return wanted;
  }

  wantBucket(): void {
    this.#bucketDue = true;
  }

  /** Everything that was begun here beside the Plans has ended. */
  async settled(): Promise<void> {
    await this.#sweep;
  }

  /** A large file under way holds no scan back, unless the scan needs the spool, or a listing that nothing runs ahead of. */
  get mayScan(): boolean {
    if (!this.#scanDue || !this.#runs.busy) return this.#scanDue;
    return !this.#scanAlone && !mustList(this.#parts, this.#options.checkRemote);
  }

  /** Everything. */
  async all(): Promise<void> {
    const { index } = this.#parts;
    const { standing, online, skips, acceptSource, checkRemote, state } = this.#options;
    this.#scanDue = false;
    this.#scanAlone = false;
    if (this.#scanned) await standing.look();
    this.#scanned = true;
    const listed = mustList(this.#parts, checkRemote);
    this.#bucketDue = false;
    const asks = this.#asks || this.#runs.brake.holding;
    this.#asks = false;
    this.#runs.forgetHeld();
    state('scanning');
    this.#emitter.emit({ event: 'scan', state: 'start', files: 0 });
    let files = 0;
    let plan: CollectedPlan | undefined;
    const { looks } = this.#runs;
    const looked = listed ? looks.listed(this.#options.hints.size > 0) : [];
    await online.reaching(async () => {
      skips.restart();
      this.#runs.brake.look(asks);
      const onSeen = (seen: number): void => {
        files = seen;
        this.#emitter.emit({ event: 'scan', state: 'progress', files });
      };
      const actions = this.#wanted(planAll(this.#sources({ listed, onSeen })));
      plan = await this.#collect(this.#planned?.exactly(actions) ?? actions);
    });
    this.#emitter.emit({ event: 'scan', state: 'done', files });
    if (plan === undefined) {
      this.#scanDue = true;
      this.#scanAlone = true;
      this.#asks ||= asks;
      return;
    }
    // What comes of it is told with the Plan.
    this.#runs.looked(this.#runs.brake.keys(), { empty: false });
    looks.done(looked);
    const known = index.count().files;
    if (files === 0 && known > 0 && !acceptSource) {
      throw lostSource(this.#parts.vault, { kind: 'lost-source', why: 'empty-root' });
    }
    await this.#checkSides(plan);
    this.#runs.announce(plan);
    skips.report();
    // Marked when all of it is done or known to the Index: a listing that led to nothing is made again.
    this.#runs.start(plan, known, listed ? { onDone: () => markListed(this.#parts) } : {});
    // One at a time, and none that the end would not wait for.
    this.#sweep ??= this.#clean().finally(() => {
      this.#sweep = undefined;
    });
  }

  /** Of what interrupted runs left, each time everything is looked at. */
  async #clean(): Promise<void> {
    const { signal } = this.#options;
    const world = worldOf(this.#parts);
    try {
      await sweepUploads(world, signal);
      await sweepDrafts(world, signal);
    } catch (thrown) {
      const error = asVaultError(thrown);
      const said = this.#options.once ? error : goingOn(error);
      if (error.kind !== 'cancelled') this.#emitter.emit({ event: 'warning', ...report(said) });
    }
  }

  /** What settled Hints point at. */
  async hinted(hints: readonly Hint[]): Promise<void> {
    const all = hints.some((hint) => hint.kind === 'under' && hint.path === ROOT);
    if (all) this.#scanDue = true;
    else if (this.#runs.reviewing) for (const hint of hints) this.#options.hints.add(hint);
    if (all || this.#runs.reviewing) return;
    const remoteOf: RoundOptions['remoteOf'] = (key) => this.#runs.remoteOf(key);
    const { looks } = this.#runs;
    this.#runs.lookingAt(hints);
    const onBoth = bothLookedAt(hints, looks, this.#parts);
    const covered = async (): Promise<readonly NameKey[]> => [
      ...onBoth,
      ...(await backAmong(hints, this.#runs.brake, this.#parts)),
    ];
    await this.#roundSome(covered, () => {
      looks.begin();
      const actions = this.#wanted(planHints(this.#sources({ listed: false, remoteOf, looks }), hints));
      return this.#planned?.only(actions, (path) => this.#options.fail(movedOn([path]))) ?? actions;
    });
  }

  /** What changed in the bucket. */
  async bucket(): Promise<void> {
    this.#bucketDue = false;
    const { standing, timetable } = this.#options;
    await standing.look();
    await timetable.listing(() =>
      this.#roundSome(
        () => this.#runs.brake.keys('remove-local'),
        () => this.#wanted(planRemote(this.#sources({ listed: true }))),
      ),
    );
  }

  /** A round that looks at some paths only. Nothing is told of one that finds nothing. `covered`: see `Runs.looked`. */
  async #roundSome(
    covered: () => Iterable<NameKey> | Promise<Iterable<NameKey>>,
    actions: () => AsyncIterable<Action>,
  ): Promise<void> {
    const { online, skips } = this.#options;
    let plan: CollectedPlan | undefined;
    await online.reaching(async () => {
      this.#runs.brake.look();
      plan = await this.#collect(actions());
    });
    if (plan === undefined) {
      this.#runs.looks.begin();
      this.#scanDue = true;
      return;
    }
    this.#runs.looks.planned();
    this.#runs.looked(await covered(), plan);
    skips.report();
    if (plan.empty) return;
    await this.#checkSides(plan);
    this.#runs.announce(plan);
    this.#runs.start(plan, this.#parts.index.count().files);
  }

  async #checkSides(plan: CollectedPlan): Promise<void> {
    const { get, conflict } = plan.totals;
    if (plan.removals.length + get + conflict > 0) await this.#runs.checkSides(plan.removals);
  }

  #sources(options: Omit<RoundOptions, 'signal'>): RoundSources {
    return roundSources(this.#parts, { ...options, signal: this.#options.signal });
  }

  #wanted(actions: AsyncIterable<Action>): AsyncIterable<Action> {
    return without(actions, this.#runs.passesOver);
  }

  #collect(actions: AsyncIterable<Action>): Promise<CollectedPlan | undefined> {
    const { skips, inMemory } = this.#options;
    return collectPlan(actions, {
      index: this.#parts.index,
      onSkip: (skip) => skips.add(skip),
      spoolTaken: this.#runs.running > 0,
      inMemory,
    });
  }
}
