import { get } from 'node:https';
import { VaultError } from '../model/errors.ts';
import type { EngineState, Event } from '../model/event.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';

/** Signs of life come no closer together. */
const AT_LEAST_MS = 60_000;
/** And, while all vaults are in step, no further apart; that one was in step counts no longer. */
const AT_MOST_MS = 300_000;
/** From the first look for the address to the last of the answer. */
const ANSWER_MS = 10_000;

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** All vaults, and how each stands now. */
  readonly vaults: () => readonly HeartbeatVault[];
  readonly onTrouble: (message: string, hint: string) => void;
  /** Asks the store of each vault for a sign of life: where nothing changes nothing else would notice that one is gone. */
  readonly reach?: (options: Waits) => Promise<void>;
  /** Rejects where it is not answered with success. */
  readonly ping: (options: Waits) => Promise<void>;
}

export interface HeartbeatVault {
  readonly id: string;
  readonly inStep: boolean;
  /** It is open: what it was a little while ago may count. */
  readonly runs: boolean;
}

/** Nothing is sent in these, whatever comes: that it was in step before says nothing. */
const STILL: ReadonlySet<EngineState> = new Set(['needs-you', 'stopped', 'offline', 'paused']);

/** The address as `--heartbeat-url` takes it. Kind `usage` for anything but https. */
export function heartbeatUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:') return url;
  throw new VaultError('usage', 'heartbeat-url', 'the heartbeat address must begin with https://', {
    hint: 'give the address that a watcher such as Healthchecks shows, with https://; s3vault never speaks plain HTTP',
  });
}

/**
 * Tells a watcher elsewhere that all is well, so that silence is noticed: after every vault has been in step since the
 * last time, within the last five minutes, and again and again while they all are and their stores answer. In step is
 * where `sync --once` would end with 0: a vault that waits for somebody, is paused, offline, locked or lent out, never
 * gets done, or has files that are not protected makes silence.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** When each was in step, in ticks, since the last sign of life. */
  readonly #inStep = new Map<string, number>();
  /** How often one has stopped being well. */
  #lost = 0;
  #resting: (() => void) | undefined;
  #callOff: (() => void) | undefined;
  #troubled = false;
  readonly #closed = new AbortController();

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  hear(event: Event, vault: Vault | undefined): void {
    if (vault === undefined || this.#closed.signal.aborted) return;
    const still = event.event === 'state' && STILL.has(event.state);
    if (still || (event.event === 'idle' && event.short !== undefined)) {
      this.#inStep.delete(vault.id);
      this.#lost++;
      return;
    }
    if (event.event !== 'idle') return;
    this.#inStep.set(vault.id, this.#options.clock.ticks());
    if (this.#resting === undefined) this.#beat();
  }

  /** What is under way is called off. */
  close(): void {
    this.#closed.abort();
    this.#resting?.();
    this.#callOff?.();
  }

  #beat(): void {
    const { clock, vaults } = this.#options;
    const all = vaults();
    const lately = (id: string): boolean =>
      clock.ticks() - (this.#inStep.get(id) ?? Number.NEGATIVE_INFINITY) <= AT_MOST_MS;
    if (all.length === 0 || !all.every(({ id, inStep, runs }) => inStep || (runs && lately(id)))) return;
    this.#inStep.clear();
    this.#callOff?.();
    void this.#ping();
    this.#resting = clock.after(AT_LEAST_MS, () => {
      this.#resting = undefined;
      if (this.#inStep.size > 0) this.#beat();
    });
    this.#steadily();
  }

  #steadily(): void {
    this.#callOff = this.#options.clock.after(AT_MOST_MS, () => {
      this.#beat();
      // Not all were in step: looked at again later, unless the beat has seen to that.
      if (this.#resting === undefined) this.#steadily();
    });
  }

  async #ping(): Promise<void> {
    const { reach, ping } = this.#options;
    const lost = this.#lost;
    const { signal } = this.#closed;
    const got = reach === undefined || (await this.#tried(() => reach({ signal }), WITHHELD));
    // Stores that are slow to answer leave time for much to happen.
    if (!got || signal.aborted || this.#lost !== lost) return;
    const late = new AbortController();
    const callOff = this.#options.clock.after(ANSWER_MS, () => late.abort(new Error('no answer in time')));
    const either = AbortSignal.any([signal, late.signal]);
    if (await this.#tried(() => ping({ signal: either }), NOT_THROUGH)) this.#troubled = false;
    callOff();
  }

  /** What goes wrong is said once, until all is well again. */
  async #tried(work: () => Promise<void>, { what, hint }: Trouble): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      if (this.#troubled || this.#closed.signal.aborted) return false;
      this.#troubled = true;
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      this.#options.onTrouble(`${what}: ${why}`, hint);
      return false;
    }
  }
}

interface Trouble {
  readonly what: string;
  readonly hint: string;
}

const WITHHELD: Trouble = {
  what: 'no heartbeat, for a store does not answer',
  hint: 'check the network, the bucket and the credentials; the heartbeat comes again when it answers',
};
const NOT_THROUGH: Trouble = {
  what: 'the heartbeat did not get through',
  hint: 'check the address and the network; syncing goes on',
};

/** One GET; redirects are not followed. The address may hold a secret path: it is in no error. */
export function pinging(url: URL): (options: Waits) => Promise<void> {
  return ({ signal }) =>
    new Promise((resolve, reject) => {
      const headers = { 'user-agent': 's3vault' };
      const request = get(url, { headers, ...(signal === undefined ? {} : { signal }) }, (answer) => {
        const { statusCode: status = 0 } = answer;
        const good = status >= 200 && status < 300;
        // The status says it all, and what of the rest does not come takes nothing back.
        answer.resume().on('error', () => undefined);
        answer.on('close', () => (good ? resolve() : reject(new Error(`the watcher answered ${status}`))));
      });
      request.on('error', (error) => reject(signal?.aborted === true ? (signal.reason as Error) : error));
    });
}
