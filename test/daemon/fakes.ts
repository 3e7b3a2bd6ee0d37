/** Engines, vaults and daemons without a store behind them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config, Places } from '../../src/config.ts';
import { places } from '../../src/config.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import type { Opened } from '../../src/daemon/slot.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { Command, EngineHandle, Outcome } from '../../src/model/command.ts';
import type { Event, EventBody } from '../../src/model/event.ts';
import type { HistoryAsk, HistoryWindow } from '../../src/model/history.ts';
import type { QueueAsk, QueueWindow } from '../../src/model/queue.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/model/snapshot.ts';
import type { Vault } from '../../src/model/vault.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const NOW = '2026-11-25T10:00:00.000Z';

export const at = (body: EventBody): Event => ({ ...body, time: NOW });

/** An engine that does what the test says, and ends when it is told to. */
export class FakeEngine implements EngineHandle {
  readonly commands: Command[] = [];
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #ended = Promise.withResolvers<Outcome>();
  readonly #broken = Promise.withResolvers<never>();
  readonly ended = this.#ended.promise;
  /** False: it does not end by itself when told to stop. */
  obeys = true;
  /** What it throws at anything but `stop`. */
  refuses: Error | undefined;
  queue?: (ask: QueueAsk) => Promise<QueueWindow>;
  history?: (ask: HistoryAsk) => Promise<HistoryWindow>;

  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  snapshot(): Snapshot {
    return EMPTY_SNAPSHOT;
  }

  command(command: Command): void {
    if (this.refuses !== undefined && command.command !== 'stop') throw this.refuses;
    this.commands.push(command);
    if (command.command === 'stop' && this.obeys) this.end(130);
  }

  emit(body: EventBody): void {
    for (const listener of this.#listeners) listener(at(body));
  }

  /** Its run rejects, which no engine is meant to do. */
  breaks(error: Error): void {
    this.#broken.reject(error);
  }

  end(exit: number): void {
    this.#ended.resolve({ exit });
  }

  opened(): Opened {
    return {
      engine: this,
      run: () => {
        this.emit({ event: 'state', state: 'starting' });
        return Promise.race([this.ended, this.#broken.promise]);
      },
    };
  }
}

export function vault(name: string, over: Partial<Vault> = {}): Vault {
  return {
    id: vaultId(`00000000-0000-4000-8000-${name.padStart(12, '0')}`),
    root: `/files/${name}`,
    remote: { bucket: 'a-bucket', prefix: `${name}/` },
    mode: { kind: 'sse-s3' },
    direction: 'push',
    rules: { removals: false, include: [], exclude: [] },
    ...over,
  };
}

/** A daemon over fake engines; `fails` may make opening a vault fail. */
export class FakeWorld {
  readonly clock = new ManualClock();
  readonly events: { readonly event: Event; readonly vault?: Vault | undefined }[] = [];
  readonly engines = new Map<string, FakeEngine[]>();
  config: Config;
  fails: (vault: Vault) => Error | undefined = () => undefined;
  /** Opening waits for it. */
  gate: Promise<void> | undefined;
  readonly daemon: Daemon;

  constructor(...vaults: readonly Vault[]) {
    this.config = { version: 1, vaults };
    this.daemon = new Daemon({
      clock: this.clock,
      readConfig: async () => this.config,
      open: (one) => this.#open(one),
      onEvent: (event, one) => this.events.push({ event, vault: one }),
    });
  }

  async #open(one: Vault): Promise<Opened> {
    if (this.gate !== undefined) await this.gate;
    const error = this.fails(one);
    if (error !== undefined) throw error;
    const engine = new FakeEngine();
    this.engines.set(one.id, [...(this.engines.get(one.id) ?? []), engine]);
    return engine.opened();
  }

  /** The newest engine of a vault. */
  engine(one: Vault): FakeEngine {
    const engine = this.engines.get(one.id)?.at(-1);
    if (engine === undefined) throw new Error(`${one.root} was never opened`);
    return engine;
  }

  opened(one: Vault): number {
    return this.engines.get(one.id)?.length ?? 0;
  }

  line(one: Vault): ReturnType<Daemon['lines']>[number] {
    const line = this.daemon.lines().find(({ id }) => id === one.id);
    if (line === undefined) throw new Error(`${one.root} is not there`);
    return line;
  }
}

/** A home that is removed afterwards. */
export function tempPlaces(): {
  readonly places: Places;
  readonly folder: string;
  readonly remove: () => void;
} {
  const folder = mkdtempSync(join(tmpdir(), 's3vault-daemon-'));
  return {
    folder,
    places: places({ S3VAULT_HOME: folder }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Lets what is pending run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
