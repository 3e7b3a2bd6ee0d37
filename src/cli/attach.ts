import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { findVault, places, readConfig } from '../config.ts';
import { type DaemonClient, type RemoteVault, connectDaemon } from '../daemon/client.ts';
import { noDaemon } from '../daemon/status-text.ts';
import { safeName } from '../model/display.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { KeyDesk } from '../model/key-desk.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import { type BrokenOff, brokenOffLines, exitWith } from './broken-off.ts';
import { Comeback } from './comeback.ts';
import { desksOf } from './desks.ts';
import type { ScreenFacts } from './screen.ts';
import { screenFacts } from './sync.ts';
import { onTerminal } from './on-terminal.ts';

type ScreenVault = ScreenFacts & { readonly handle: RemoteVault };

/** `s3vault attach [DIR]`: the screen on the daemon's vaults. */
export async function attachCommand(dir: string | undefined): Promise<number> {
  const where = places(process.env);
  const vault = dir === undefined ? undefined : findVault(await readConfig(where), resolve(dir));
  if (dir !== undefined && vault === undefined) {
    throw new VaultError('usage', 'not-registered', `${resolve(dir)} is not a vault`, {
      hint: 's3vault vaults lists those that are',
    });
  }
  if (!onTerminal()) {
    throw new VaultError(
      'usage',
      'no-terminal',
      'the screen needs a terminal, for what it shows and for keys',
      {
        hint: 'without one: s3vault status, s3vault daemon status, both with --json too',
      },
    );
  }
  const client = await connectDaemon(where);
  if (client === undefined) throw noDaemon();
  return attach(client, vault);
}

const loadTui = () => import('../tui/run.tsx');
type Tui = Pick<Awaited<ReturnType<typeof loadTui>>, 'blankStage' | 'runScreen' | 'showWaiting'>;
type Stage = Awaited<ReturnType<Tui['blankStage']>>;

/** What attaching needs; tests give their own. */
export interface AttachWorld {
  readonly clock: Clock;
  readonly connect: (options: Waits) => Promise<AttachedDaemon | undefined>;
  readonly tui: () => Promise<Tui>;
  readonly facts: (vault: Vault) => Promise<ScreenFacts>;
  readonly keyDesk: (store: Vault['keyStore']) => () => Promise<KeyDesk>;
  readonly say: (text: string) => void;
}

/** What of a DaemonClient a screen needs. */
export type AttachedDaemon = Pick<
  DaemonClient,
  'watch' | 'vaults' | 'onChange' | 'status' | 'facts' | 'over' | 'why' | 'close'
>;

function realWorld(): AttachWorld {
  const where = places(process.env);
  return {
    clock: systemClock,
    connect: (options) => connectDaemon(where, systemClock, options),
    tui: loadTui,
    facts: (vault) => screenFacts(vault, where),
    keyDesk: (store) => desksOf(where, {}, store).keyDesk,
    say: (text) => void process.stderr.write(text),
  };
}

/**
 * Shows all vaults, or one, until the user leaves. Where the daemon ends, or gives up a screen that did not read, the next one
 * is waited for on the screen, and shown from where this one was. Closes the client.
 */
export async function attach(
  client: AttachedDaemon,
  only?: Only,
  world: AttachWorld = realWorld(),
): Promise<number> {
  const attached = new Attached(only, world);
  process.on('SIGTERM', attached.leave).on('SIGHUP', attached.leave).on('SIGINT', attached.leave);
  try {
    await attached.follow(client);
  } finally {
    process.off('SIGTERM', attached.leave).off('SIGHUP', attached.leave).off('SIGINT', attached.leave);
    // Before anything is said.
    await attached.close();
    for (const line of attached.broken.flatMap(brokenOffLines)) world.say(`${line}\n`);
  }
  if (attached.nothing) world.say(only === undefined ? NO_VAULTS : without(only, attached.shown));
  return exitWith(attached.broken, EXIT.inStep);
}

/** What is said of one vault that the daemon has no more. Throws where it never had it. */
function without({ root }: Only, shown: boolean): string {
  const name = safeName(root);
  if (shown)
    return `the daemon no longer has the vault ${name}\n  where s3vault vaults still lists it: s3vault daemon reload\n`;
  throw new VaultError('usage', 'not-with-daemon', `the daemon does not have the vault ${name}`, {
    hint: 'have it read its configuration again: s3vault daemon reload',
  });
}

type Only = Pick<Vault, 'id' | 'root'>;

/** For a daemon that has just begun to come to its vaults. */
const UNREADY_WAIT_MS = 250;

const NO_VAULTS =
  'the daemon has no vaults; make one with: s3vault sync DIR --to s3://BUCKET/PREFIX --key NAME\n';

class Attached {
  readonly #only: Only | undefined;
  readonly #world: AttachWorld;
  readonly #left = new AbortController();
  /** The screen's own: where it was left. */
  readonly #memory = {};
  #stage: Stage | undefined;
  #pid = 0;
  /** The daemon has nothing to show. */
  nothing = false;
  /** There was something once. */
  shown = false;
  /** Restores that ended with the screen. */
  readonly broken: BrokenOff[] = [];

  constructor(only: Only | undefined, world: AttachWorld) {
    this.#only = only;
    this.#world = world;
  }

  readonly leave = (): void => this.#left.abort();

  /** From one daemon to the next. Rejects with why none comes. */
  async follow(client: AttachedDaemon): Promise<void> {
    const { clock, connect } = this.#world;
    const { signal } = this.#left;
    const onWaiting = (trouble: VaultError | undefined): Promise<void> => this.#wait(trouble);
    const comeback = new Comeback({ clock, connect, signal, onWaiting });
    let now: AttachedDaemon | undefined = client;
    while (now !== undefined) {
      this.#pid = now.facts.pid;
      const over = await this.#showAll(now).finally(() => now?.close());
      now = over && !signal.aborted ? await comeback.next(now.why) : undefined;
    }
  }

  /** Puts the terminal back. Rejects with what React threw. */
  async close(): Promise<void> {
    this.#stage?.close();
    await this.#stage?.over;
  }

  async #onStage(): Promise<Stage> {
    if (this.#stage !== undefined) return this.#stage;
    const { blankStage } = await this.#world.tui();
    this.#stage = await blankStage();
    // However it ends, there is nothing to be seen any more.
    this.#stage.over.then(this.leave, this.leave);
    return this.#stage;
  }

  async #wait(trouble: VaultError | undefined): Promise<void> {
    const { showWaiting } = await this.#world.tui();
    await showWaiting(await this.#onStage(), { pid: this.#pid, trouble, onQuit: this.leave });
  }

  /** True where the connection is over, and nobody left. */
  async #showAll(client: AttachedDaemon): Promise<boolean> {
    await client.watch().catch((thrown: unknown) => {
      if (!client.over) throw thrown;
    });
    const { signal } = this.#left;
    while (!client.over && !signal.aborted) {
      // Heard from before they are read: what changes meanwhile is shown, too.
      const changed = new AbortController();
      const off = client.onChange(() => changed.abort());
      try {
        const vaults = client.vaults.filter(
          ({ vault }) => this.#only === undefined || vault.id === this.#only.id,
        );
        if (vaults.length > 0) {
          this.shown = true;
          await this.#show(client, vaults, changed.signal);
          if (!changed.signal.aborted) break;
        } else if (!(await client.status().catch(() => client.facts)).ready) {
          await this.#world.clock.sleep(UNREADY_WAIT_MS, { signal }).catch(() => undefined);
        } else if (!changed.signal.aborted && !client.over) {
          this.nothing = true;
          return false;
        }
      } finally {
        off();
      }
    }
    return client.over;
  }

  /** Until the user leaves, the vaults change or all of them end. */
  async #show(client: AttachedDaemon, vaults: readonly RemoteVault[], changed: AbortSignal): Promise<void> {
    const { clock, tui, keyDesk } = this.#world;
    const [{ runScreen }, stage] = [await tui(), await this.#onStage()];
    const shown = await Promise.all(vaults.map((handle) => this.#facts(handle)));
    const [only] = vaults.length === 1 ? vaults : [];
    try {
      await runScreen({
        vaults: shown,
        keyDesk: keyDesk(only?.vault.keyStore),
        clock,
        stage,
        attached: true,
        memory: this.#memory,
        note: `daemon, process ${client.facts.pid}: it goes on when you leave`,
        signal: this.#left.signal,
        changed,
      });
    } finally {
      for (const { browser } of shown) this.broken.push(...((await browser?.close()) ?? []));
    }
  }

  async #facts(handle: RemoteVault): Promise<ScreenVault> {
    const { note: _, ...facts } = await this.#world.facts(handle.vault);
    return { ...facts, handle };
  }
}
