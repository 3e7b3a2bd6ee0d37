/** `s3vault daemon run`: the process around the Daemon, from the lock to the last word. */
import type { Config, Places } from '../config.ts';
import { monotonicMicroseconds, systemClock } from '../clock.ts';
import { asVaultError, report } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import type { Clock } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import { takeDaemonLock } from '../vaults/daemon-lock.ts';
import { collectGarbage } from './collect.ts';
import { Daemon } from './daemon.ts';
import { NeedsYou, desktopNotify } from './desktop.ts';
import { freshToken, removeNote, socketPath, writeNote } from './endpoint.ts';
import { Heartbeat, heartbeatUrl, pinging } from './heartbeat.ts';
import type { DaemonEventBody, DaemonLog } from './log.ts';
import { type MetricsServer, serveMetrics } from './metrics-server.ts';
import { Tally, metricsText } from './metrics.ts';
import { type Notifier, openNotifier, withoutNotify } from './notify.ts';
import { type SocketServer, listenForClients } from './server.ts';
import type { Served } from './session.ts';
import type { Opened } from './slot.ts';
import { statusText } from './status-text.ts';
import { within } from './within.ts';

export interface RunOptions {
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
  readonly log: DaemonLog;
  readonly readConfig: () => Promise<Config>;
  /** `env` is what the vault's own programs may see. */
  readonly open: (vault: Vault, config: Config, env: NodeJS.ProcessEnv) => Promise<Opened>;
  readonly metricsPort?: number;
  readonly heartbeatUrl?: string;
  readonly clock?: Clock;
  /** Where signals come from; the process. */
  readonly signals: Pick<NodeJS.Process, 'on' | 'off'>;
}

export interface Ended {
  /** False: something would not end in time, and is left as it is. It is journaled all the same. */
  readonly inOrder: boolean;
}

/** systemd and people wait ten seconds for an end; what comes after this takes up to one. */
const STOP_LIMIT_MS = 8_000;
/** A vault whose key store hangs must not keep the others from being ready. */
const READY_LIMIT_MS = 20_000;

/** Runs until it is told to stop. Rejects with exit 7 where another daemon runs, and where the configuration can't be read. */
export async function runDaemon(options: RunOptions): Promise<Ended> {
  if (options.heartbeatUrl !== undefined) heartbeatUrl(options.heartbeatUrl);
  const letGo = await takeDaemonLock(options.places);
  try {
    return await new Life(options).run();
  } finally {
    letGo();
  }
}

class Life {
  readonly #options: RunOptions;
  readonly #clock: Clock;
  readonly #started: string;
  readonly #daemon: Daemon;
  readonly #notifier: Notifier | undefined;
  readonly #tally = new Tally();
  readonly #heartbeat: Heartbeat | undefined;
  readonly #needsYou: NeedsYou | undefined;
  readonly #stop = Promise.withResolvers<void>();
  readonly #again = Promise.withResolvers<void>();
  #stopping = false;
  #ready = false;
  #server: SocketServer | undefined;
  #metrics: MetricsServer | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#started = this.#now();
    const { env, readConfig } = options;
    const childEnv = withoutNotify(env);
    this.#daemon = new Daemon({
      clock: this.#clock,
      readConfig,
      open: (vault, config) => options.open(vault, config, childEnv),
      onEvent: (event, vault) => this.#hear(event, vault),
    });
    this.#notifier = openNotifier({
      env,
      pid: process.pid,
      clock: this.#clock,
      alive: () => this.#daemon.alive,
      onTrouble: (message) =>
        this.#daemon.say({ event: 'warning', code: 'notify', message, hint: 'install the package systemd' }),
    });
    const notify = desktopNotify(childEnv);
    this.#needsYou = notify === undefined ? undefined : new NeedsYou(notify);
    this.#heartbeat = this.#openHeartbeat(options.heartbeatUrl);
  }

  async run(): Promise<Ended> {
    const { places, env, signals, version } = this.#options;
    this.#say({ event: 'daemon', state: 'starting', version, pid: process.pid });
    const onStop = (): void => this.stop();
    const onReload = (): void => void this.#reload().catch(() => undefined);
    signals.on('SIGTERM', onStop).on('SIGINT', onStop).on('SIGHUP', onReload);
    const [path, token] = [socketPath(places, env), freshToken()];
    try {
      this.#server = await listenForClients({
        path,
        token,
        served: this.#served(),
        clock: this.#clock,
        onParting: (state) => state !== 'left' && this.#say({ event: 'client', state }),
      });
      await writeNote(places, { pid: process.pid, socket: path, token });
      await this.#serveMetrics();
      await within(this.#clock, READY_LIMIT_MS, Promise.race([this.#daemon.start(), this.#stop.promise]));
      if (!this.#stopping) this.#becomeReady(path);
      await this.#stop.promise;
      return await this.#end();
    } finally {
      signals.off('SIGTERM', onStop).off('SIGINT', onStop).off('SIGHUP', onReload);
      this.#notifier?.close();
      this.#heartbeat?.close();
      await this.#metrics?.close();
      await this.#server?.close();
      await removeNote(places);
    }
  }

  /** A second time: without waiting for what is under way. */
  stop(): void {
    if (this.#stopping) this.#again.resolve();
    this.#stopping = true;
    this.#stop.resolve();
  }

  #becomeReady(socket: string): void {
    this.#ready = true;
    this.#say({ event: 'daemon', state: 'ready', vaults: this.#daemon.slots.length, socket });
    this.#notifier?.ready();
    this.#sayStatus();
  }

  async #end(): Promise<Ended> {
    this.#say({ event: 'daemon', state: 'stopping' });
    this.#notifier?.stopping();
    const ended = this.#daemon.stop().then(() => true);
    const called = this.#again.promise.then(() => false);
    const inOrder = (await within(this.#clock, STOP_LIMIT_MS, Promise.race([ended, called]))) ?? false;
    if (!inOrder) {
      this.#daemon.say({
        event: 'warning',
        code: 'stop-late',
        message: 'something under way did not end in time and was left',
        hint: 'nothing is lost: it goes on at the next start',
      });
    }
    if (this.#notifier !== undefined) await within(this.#clock, 500, this.#notifier.settled());
    this.#say({ event: 'daemon', state: 'stopped' });
    return { inOrder };
  }

  async #reload(): Promise<Awaited<ReturnType<Daemon['reload']>>> {
    // systemd knows of no reload of what starts still; and it is not ready by being reloaded.
    const notifier = this.#ready ? this.#notifier : undefined;
    notifier?.reloading(monotonicMicroseconds());
    try {
      const reloaded = await this.#daemon.reload();
      this.#say({ event: 'daemon', state: 'reloaded', ...reloaded });
      return reloaded;
    } catch (thrown) {
      const error = asVaultError(thrown);
      this.#daemon.say({ event: 'warning', ...report(error), message: `not reloaded: ${error.message}` });
      throw error;
    } finally {
      notifier?.ready();
      this.#sayStatus();
    }
  }

  #served(): Served {
    const daemon = this.#daemon;
    return {
      facts: () => this.#facts(),
      status: () => ({
        ...this.#facts(),
        locked: daemon.locked,
        memory: process.memoryUsage.rss(),
        clients: this.#server?.clients ?? 0,
        vaults: daemon.lines(),
      }),
      join: (listener) => daemon.join(listener),
      command: (vault, command) => daemon.command(vault, command),
      queue: (vault, ask) => daemon.queue(vault, ask),
      history: (vault, ask) => daemon.history(vault, ask),
      reload: () => this.#reload(),
      lock: async () => {
        await daemon.lock();
        collectGarbage();
        this.#say({ event: 'daemon', state: 'locked' });
      },
      unlock: async () => {
        await daemon.unlock();
        this.#say({ event: 'daemon', state: 'unlocked' });
      },
      release: (vault) => daemon.release(vault),
      takeBack: (vault) => daemon.takeBack(vault),
      stop: () => this.stop(),
    };
  }

  #facts(): { version: string; pid: number; started: string; ready: boolean } {
    const { version } = this.#options;
    return { version, pid: process.pid, started: this.#started, ready: this.#ready };
  }

  #hear(event: Event, vault: Vault | undefined): void {
    this.#options.log(event, vault);
    this.#tally.hear(event, vault);
    this.#heartbeat?.hear(event, vault);
    this.#needsYou?.hear(event, vault);
    if (event.event === 'state' || event.event === 'idle') this.#sayStatus();
  }

  #sayStatus(): void {
    if (this.#ready && !this.#stopping) this.#notifier?.status(statusText(this.#daemon.lines()));
  }

  #say(body: DaemonEventBody): void {
    this.#options.log({ ...body, time: this.#now() });
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }

  #openHeartbeat(url: string | undefined): Heartbeat | undefined {
    if (url === undefined) return undefined;
    return new Heartbeat({
      clock: this.#clock,
      reach: async (how) => void (await Promise.all(this.#daemon.slots.map((slot) => slot.reach(how)))),
      ping: pinging(heartbeatUrl(url)),
      vaults: () =>
        this.#daemon.slots.map(({ vault, phase, inStep }) => ({
          id: vault.id,
          inStep,
          runs: phase === 'running',
        })),
      onTrouble: (message, hint) => this.#daemon.say({ event: 'warning', code: 'heartbeat', message, hint }),
    });
  }

  async #serveMetrics(): Promise<void> {
    const { metricsPort: port, places, version } = this.#options;
    if (port === undefined) return;
    const text = (): string =>
      metricsText({
        version,
        vaults: this.#daemon.lines(),
        tally: this.#tally,
        memory: process.memoryUsage.rss(),
      });
    this.#metrics = await serveMetrics({ port, places, clock: this.#clock, text });
    const { certificate, token } = this.#metrics;
    this.#say({ event: 'daemon', state: 'metrics', port: this.#metrics.port, certificate, token });
  }
}
