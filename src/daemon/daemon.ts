import type { Config } from '../config.ts';
import type { Command } from '../model/command.ts';
import { EXIT, VaultError, asVaultError, report } from '../model/errors.ts';
import type { Event, EventBody } from '../model/event.ts';
import { filesOf, flowOf } from '../model/plan.ts';
import type { HistoryAsk, HistoryWindow } from '../model/history.ts';
import { problemCount, unlisted } from '../model/in-step.ts';
import type { Clock } from '../model/ports.ts';
import type { QueueAsk, QueueWindow } from '../model/queue.ts';
import type { Vault } from '../model/vault.ts';
import { type News, type Reloaded, type VaultLine, packed } from './protocol.ts';
import { type Opened, Slot } from './slot.ts';

export interface DaemonOptions {
  readonly clock: Clock;
  readonly readConfig: () => Promise<Config>;
  readonly open: (vault: Vault, config: Config) => Promise<Opened>;
  /** Hears of everything, vault by vault; what belongs to none comes without. */
  readonly onEvent: (event: Event, vault?: Vault) => void;
}

/**
 * All registered vaults in one process: one engine each, which share nothing. A vault that cannot be opened is a problem
 * of its own and no one else's.
 */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #listeners = new Set<(news: News) => void>();
  readonly #released = new Map<string, number>();
  #config: Config = { version: 1, vaults: [] };
  #locked = false;
  #stopping = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  get locked(): boolean {
    return this.#locked;
  }

  get slots(): readonly Slot[] {
    return [...this.#slots.values()];
  }

  /** False where opening or closing a vault hangs. */
  get alive(): boolean {
    return this.slots.every((slot) => slot.alive);
  }

  /** News from now on; `first` is what came before, as one Snapshot a vault. */
  join(listener: (news: News) => void): { readonly first: readonly News[]; readonly leave: () => void } {
    this.#listeners.add(listener);
    return { first: this.slots.map(introduction), leave: () => this.#listeners.delete(listener) };
  }

  /** Reads the configuration and opens every vault of it. Resolves when each was tried. Rejects where it can't be read. */
  async start(): Promise<void> {
    // A reload may have come before; what is opened then is waited for, too, and by no reload that follows.
    await this.#next(async () => {
      await this.#takeOver();
    });
    await Promise.all(this.slots.map((slot) => slot.tried));
  }

  /**
   * Takes over what changed in the configuration; vaults that run and did not change notice nothing, those that wait are
   * tried; with `asked` also those that wait for a person. Rejects where it can't be read, and then everything stays as
   * it was. Does not wait for vaults to be opened.
   */
  reload(asked = true): Promise<Reloaded> {
    return this.#next(async () => {
      const reloaded = await this.#takeOver();
      // What waits is tried at once: perhaps it was mended.
      void this.#settleAll(asked);
      return reloaded;
    });
  }

  /** Stops all vaults, so that no key is left in memory. Resolves when that is so. */
  lock(): Promise<void> {
    return this.#next(async () => {
      this.#locked = true;
      await this.#settleAll();
    });
  }

  /** Fetches the keys again and goes on. Resolves when every vault was tried. */
  unlock(): Promise<void> {
    return this.#next(async () => {
      this.#locked = false;
      await this.#settleAll();
    });
  }

  /** Lets another process have a vault; resolves when it is free. Counted: each is given back once. */
  async release(id: string): Promise<void> {
    const slot = this.#slot(id);
    this.#released.set(id, (this.#released.get(id) ?? 0) + 1);
    await slot.want(this.#wantedOf(id));
  }

  takeBack(id: string): void {
    const left = (this.#released.get(id) ?? 0) - 1;
    if (left > 0) this.#released.set(id, left);
    else this.#released.delete(id);
    if (left > 0) return;
    // Who had it may have changed its configuration, and died before saying so: it is never opened under an old one.
    this.reload(false).catch((thrown: unknown) =>
      this.say({ event: 'warning', ...report(asVaultError(thrown)) }),
    );
  }

  /** Throws kind `usage` where there is no such vault, or it does not run, and once the daemon ends. */
  command(id: string, command: Command): void {
    if (this.#stopping && command.command !== 'stop')
      throw new VaultError('usage', 'ending', 'syncing is ending', {
        hint: 'nothing is lost; start it again',
      });
    this.#slot(id).command(command);
  }

  /** Rejects with kind `usage` where there is no such vault; where it does not run, nothing waits. */
  async queue(id: string, ask: QueueAsk): Promise<QueueWindow> {
    return this.#slot(id).queue(ask);
  }

  /** Rejects with kind `usage` where there is no such vault, or it does not run. */
  async history(id: string, ask: HistoryAsk): Promise<HistoryWindow> {
    return this.#slot(id).history(ask);
  }

  lines(): readonly VaultLine[] {
    return this.slots.map(lineOf);
  }

  /** Ends all engines; resolves when they have. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.slots.map((slot) => slot.want('gone')));
  }

  /** Says something that belongs to no vault. */
  say(body: EventBody): void {
    this.#options.onEvent({ ...body, time: new Date(this.#options.clock.now()).toISOString() });
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  #next<T>(fn: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(fn);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #takeOver(): Promise<Reloaded> {
    const before = this.#config;
    const now = await this.#options.readConfig();
    this.#config = now;
    const added = now.vaults.filter(({ id }) => !this.#slots.has(id));
    const removed = this.slots.filter(({ vault }) => !now.vaults.some(({ id }) => id === vault.id));
    const changed = now.vaults.filter((vault) => {
      const slot = this.#slots.get(vault.id);
      return slot !== undefined && differs(slot.configured, before, vault, now);
    });
    for (const slot of removed) await this.#remove(slot);
    for (const vault of changed) this.#change(vault);
    for (const vault of added) void this.#add(vault);
    return {
      added: added.map(root),
      removed: removed.map((slot) => root(slot.vault)),
      changed: changed.map(root),
    };
  }

  #settleAll(asked = true): Promise<unknown> {
    const all = this.slots.filter((slot) => asked || !slot.barred);
    return Promise.all(all.map((slot) => slot.want(this.#wantedOf(slot.vault.id))));
  }

  #wantedOf(id: string): 'run' | 'locked' | 'released' | 'gone' {
    if (this.#stopping) return 'gone';
    if (this.#released.has(id)) return 'released';
    return this.#locked ? 'locked' : 'run';
  }

  #slot(id: string): Slot {
    const slot = this.#slots.get(id);
    if (slot !== undefined) return slot;
    throw new VaultError('usage', 'no-such-vault', 'the daemon does not know this vault', {
      hint: 'after a change by hand: s3vault daemon reload',
    });
  }

  #add(vault: Vault): Promise<void> {
    const slot = new Slot(vault, {
      clock: this.#options.clock,
      open: (one) => this.#options.open(one, this.#config),
      onEvent: (one, event) => {
        this.#options.onEvent(event, one);
        this.#tell({ type: 'event', vault: one.id, event });
      },
    });
    this.#slots.set(vault.id, slot);
    this.#tell(introduction(slot));
    return slot.want(this.#wantedOf(vault.id));
  }

  async #remove(slot: Slot): Promise<void> {
    await slot.want('gone');
    this.#slots.delete(slot.vault.id);
    this.#tell({ type: 'gone', vault: slot.vault.id });
  }

  #change(vault: Vault): void {
    const slot = this.#slots.get(vault.id);
    if (slot === undefined) return;
    slot.change(vault).then(
      () => this.#tell(introduction(slot)),
      (thrown: unknown) => this.say({ event: 'warning', ...report(asVaultError(thrown)) }),
    );
  }

  #tell(news: News): void {
    for (const listener of this.#listeners) listener(news);
  }
}

const introduction = ({ vault, snapshot }: Slot): News => ({
  type: 'vault',
  vault,
  snapshot: packed(snapshot),
});

const root = (vault: Vault): string => vault.root;

/** Where keys are is part of it; the commands that fetch them are only needed when a vault is opened. */
function differs(was: Vault, before: Config, is: Vault, now: Config): boolean {
  const whole = (vault: Vault, config: Config): string =>
    JSON.stringify({ ...vault, keyStore: vault.keyStore ?? config.keyStore }, sorted);
  return whole(was, before) !== whole(is, now);
}

/** The order of fields says nothing. */
function sorted(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function lineOf(slot: Slot): VaultLine {
  const { state, failed, problems, active, done, plan, short } = slot.snapshot;
  const why = slot.why ?? (state === 'needs-you' ? [...problems.values()].at(-1) : undefined);
  return {
    id: slot.vault.id,
    root: slot.vault.root,
    phase: slot.phase,
    state,
    paused: slot.paused,
    failed,
    problems: problemCount(slot.snapshot),
    unlisted: unlisted(slot.snapshot),
    inStep: slot.inStep,
    ...(state !== 'idle' || short === null ? {} : { short }),
    unprotected: short?.unprotected ?? 0,
    underWay: active.size,
    done,
    exit: slot.exit === EXIT.inStep && state === 'idle' ? (short?.exit ?? EXIT.inStep) : slot.exit,
    planned: { files: filesOf(plan), bytes: plan.bytes },
    flow: flowOf(plan),
    ...(why === undefined
      ? {}
      : {
          why: {
            code: why.code,
            message: why.message,
            ...(why.hint === undefined ? {} : { hint: why.hint }),
          },
        }),
  };
}
