import type { RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError, asVaultError, goingOn, triedAgain } from '../model/errors.ts';
import type { TransferFacts } from '../model/event.ts';
import type { ModeKind } from '../model/mode.ts';
import { type Action, bytesOf } from '../model/plan.ts';
import type { Receipt } from '../model/receipt.ts';
import type { TransferPhase } from '../model/transfer.ts';
import { Budget } from './budget.ts';
import type { Committer } from './committer.ts';
import { difference } from './detect.ts';
import type { Emitter } from './emitter.ts';
import { memoryOf } from './fetching.ts';
import { reportOf } from './naming.ts';
import { SINGLE_MAX, dropUpload, putFile } from './put.ts';
import { type ReceiveOptions, receive } from './receive.ts';
import { type World, keyIn } from './world.ts';

/** Plaintext and sealed bytes of small files held at a time. Large files hold their own few parts. */
const MEMORY = 64 * 2 ** 20;
const PARTS_IN_FLIGHT = 6 * 8 * 2 ** 20;
const PROGRESS_MS = 100;

type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;

interface CarriedOut {
  readonly result: 'written' | 'removed' | 'unchanged' | 'restored' | 'copied';
  readonly receipt: Receipt | undefined;
}

/** How one attempt at an Action ended, for the engine to draw its conclusions. */
export type Performed =
  | { readonly ended: 'done' | 'nothing' }
  | { readonly ended: 'failed'; readonly error: VaultError };

export interface PerformOptions {
  readonly mode: ModeKind;
  readonly signal: AbortSignal;
  /** Whether a failed Action will be tried again, asked once it failed. */
  readonly again: (action: Action, error: VaultError) => boolean;
  /** It is tried for as long as it takes. */
  readonly patient: boolean;
  /** Attempts made so far, this one included. */
  readonly attempts: (action: Action) => number;
  /** Whether more than one Plan is being carried out, so that one may repeat what the other did. */
  readonly overlapping: () => boolean;
  /** Nothing new may start. */
  readonly stopping: () => boolean;
  /** A path that is to be looked at: a conflict's copy, or a file that is not what it was thought to be. */
  readonly onNews: (path: RelPath) => void;
}

/** Performs Actions: one Transfer each, from its start to the committed Record and the Event. */
export class Performer {
  readonly #world: World;
  readonly #committer: Committer;
  readonly #emitter: Emitter;
  readonly #options: PerformOptions;
  readonly #memory = new Budget(MEMORY);
  #lastId = 0;

  constructor(world: World, committer: Committer, emitter: Emitter, options: PerformOptions) {
    this.#world = world;
    this.#committer = committer;
    this.#emitter = emitter;
    this.#options = options;
  }

  /** `freeSlot` is called as soon as only the Index has to hear of it. */
  async perform(action: Action, freeSlot: () => void = () => undefined): Promise<Performed> {
    if (await this.#isStale(action)) return { ended: 'nothing' };
    if (action.kind === 'forget') {
      await this.#committer.commit({ kind: 'remove', key: action.key });
      return { ended: 'nothing' };
    }
    const release = await this.#memory.take(memoryFor(action));
    if (this.#options.stopping()) {
      release();
      return { ended: 'nothing' };
    }
    const stored = (): void => {
      release();
      freeSlot();
    };
    const facts = this.#factsOf(action);
    const start = this.#world.clock.ticks();
    this.#emitter.emit({ event: 'transfer.start', ...facts });
    try {
      const { result, receipt } = await this.#carryOut(action, facts, stored);
      this.#emitter.emit({
        event: 'transfer.done',
        ...facts,
        result,
        versionId: receipt?.versionId ?? null,
        proof: receipt?.proof ?? null,
        attempts: this.#options.attempts(action),
        ms: Math.round(this.#world.clock.ticks() - start),
      });
      return { ended: 'done' };
    } catch (thrown) {
      return this.#failed(action, facts, start, asVaultError(thrown));
    } finally {
      release();
    }
  }

  #failed(action: Action, facts: TransferFacts, start: number, error: VaultError): Performed {
    // Whoever ended the engine knows: nothing went wrong with the file.
    if (error.kind === 'cancelled' && this.#options.stopping()) {
      this.#emitter.emit({ event: 'transfer.stopped', ...facts });
      return { ended: 'failed', error };
    }
    const again = this.#options.again(action, error);
    const said = this.#options.patient ? goingOn : triedAgain;
    this.#emitter.emit({
      event: 'transfer.failed',
      ...facts,
      versionId: null,
      proof: null,
      attempts: this.#options.attempts(action),
      ms: Math.round(this.#world.clock.ticks() - start),
      error: reportOf(again ? said(error) : error, facts),
      again,
    });
    return { ended: 'failed', error };
  }

  /** True where the world has moved on since the Plan was made: it was done already, or must not be done any more. */
  async #isStale(action: Action): Promise<boolean> {
    const { index, modeFingerprint } = this.#world;
    if (action.kind === 'remove-remote' || action.kind === 'forget') return this.#isBack(action);
    if (action.kind !== 'put' || !this.#options.overlapping()) return false;
    const now = index.get(action.key);
    return (
      now?.modeFingerprint === modeFingerprint &&
      now !== undefined &&
      difference(action.local, now) === 'same'
    );
  }

  /** A removal may have waited long, for its turn or for consent: a file that came back keeps its object. */
  async #isBack({ key, path, record }: Of<'remove-remote' | 'forget'>): Promise<boolean> {
    const { index, tree } = this.#world;
    const now = index.get(key);
    return now?.etag !== record.etag || now.path !== path || (await tree.look(path)) !== undefined;
  }

  async #carryOut(action: Action, facts: TransferFacts, stored: () => void): Promise<CarriedOut> {
    const { signal } = this.#options;
    switch (action.kind) {
      case 'put': {
        const { record, receipt, copied } = await putFile(this.#world, action, {
          signal,
          onPhase: this.#progress(facts),
        });
        stored();
        await this.#committer.commit({ kind: 'put', record });
        if (copied === true) return { result: 'copied', receipt };
        return { result: receipt === undefined ? 'unchanged' : 'written', receipt };
      }
      case 'remove-remote':
        return this.#removeRemote(action, stored);
      case 'get':
      case 'conflict':
      case 'remove-local':
        return this.#receive(action, { signal, stored, onPhase: this.#progress(facts) });
      case 'forget':
      case 'skip':
        throw new VaultError('internal', 'no-transfer', `a ${action.kind} is no transfer`);
      default:
        return action satisfies never;
    }
  }

  async #removeRemote({ key, record }: Of<'remove-remote'>, stored: () => void): Promise<CarriedOut> {
    const { signal } = this.#options;
    const { direction, store, renames } = this.#world;
    renames.drop(key);
    await dropUpload(this.#world, key, signal);
    const condition = direction === 'push' ? {} : { ifMatch: record.etag };
    await store.remove(keyIn(this.#world, key), { signal, ...condition });
    stored();
    await this.#committer.commit({ kind: 'remove', key });
    return { result: 'removed', receipt: undefined };
  }

  async #receive(
    action: Of<'get' | 'conflict' | 'remove-local'>,
    options: ReceiveOptions,
  ): Promise<CarriedOut> {
    const { result, change, keptAs, clash, aside, again } = await receive(this.#world, action, options);
    if (change !== undefined) await this.#committer.commit(change);
    if (keptAs !== undefined) this.#tellConflict(action.path, keptAs);
    if (clash !== undefined) this.#tellClash(clash);
    if (aside !== undefined) this.#tellAside(action.path, aside);
    if (again === true) this.#options.onNews(action.path);
    return { result, receipt: undefined };
  }

  #tellClash({ from, to }: { readonly from: RelPath; readonly to: RelPath }): void {
    this.#emitter.emit({
      event: 'warning',
      code: 'conflict',
      path: from,
      message: `${safeName(from)} is a file on one machine and a folder on another; the folder has the name now`,
      hint: `the file is kept as ${safeName(to)}`,
    });
    this.#options.onNews(from);
    this.#options.onNews(to);
  }

  #tellAside(path: RelPath, aside: string): void {
    this.#emitter.emit({
      event: 'warning',
      code: 'kept-aside',
      path,
      message: `${safeName(path)} was removed in the bucket, perhaps before anybody saw what this machine had written`,
      hint: `it is kept as ${safeName(aside)}; remove it there if it is not needed, or move it back`,
    });
  }

  #tellConflict(path: RelPath, keptAs: RelPath): void {
    this.#emitter.emit({
      event: 'warning',
      code: 'conflict',
      path,
      message: `${safeName(path)} was changed here and in the bucket; the one from the bucket has the name now`,
      hint: `the one from here is kept as ${safeName(keptAs)}`,
    });
    this.#options.onNews(keptAs);
  }

  /** Announces phases of transfers that take long enough to be watched. */
  #progress(facts: TransferFacts): (phase: TransferPhase, sent: number) => void {
    let last = Number.NEGATIVE_INFINITY;
    let watched = facts.bytes > SINGLE_MAX;
    let before: TransferPhase | undefined;
    return (phase, sent) => {
      const now = this.#world.clock.ticks();
      // What waits for the upload limit can do so for long, however small it is.
      watched ||= phase === 'queued';
      const goesOn = before === 'queued' && phase !== before;
      if (!watched || (now - last < PROGRESS_MS && !goesOn)) return;
      before = phase;
      last = now;
      this.#emitter.emit({ event: 'transfer.progress', ...facts, phase, sent });
    };
  }

  #factsOf(action: Action): TransferFacts {
    return {
      id: ++this.#lastId,
      path: action.path,
      key: keyIn(this.#world, action.key),
      direction: directionOf(action),
      bytes: bytesOf(action),
      mode: this.#options.mode,
    };
  }
}

function directionOf(action: Action): TransferFacts['direction'] {
  if (action.kind === 'remove-remote' || action.kind === 'remove-local') return action.kind;
  return action.kind === 'get' || action.kind === 'conflict' ? 'down' : 'up';
}

function memoryFor(action: Action): number {
  if (action.kind === 'get' || action.kind === 'conflict') return memoryOf(action.remote);
  if (action.kind !== 'put') return 0;
  return action.local.size <= SINGLE_MAX ? action.local.size * 2 : PARTS_IN_FLIGHT;
}
