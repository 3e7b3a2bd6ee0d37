/** `sync DIR` where a daemon holds the vault: it does the work, this process shows it. */
import { systemClock } from '../clock.ts';
import type { DaemonClient } from '../daemon/client.ts';
import type { EngineHandle } from '../model/command.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import type { Clock } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import type { EventLog } from './log.ts';
import { printJson, printPlain } from './print.ts';
import type { SyncFlags } from './sync.ts';
import { onTerminal } from './on-terminal.ts';
import { besideOutput } from './stdout.ts';

export async function syncThroughDaemon(
  client: DaemonClient,
  vault: Vault,
  flags: SyncFlags,
  log: EventLog | undefined,
): Promise<number> {
  if (flags.once !== true && flags.json !== true && flags.plain !== true && onTerminal()) {
    const { attach } = await import('./attach.ts');
    return attach(client, vault);
  }
  try {
    await client.watch();
    const handle = client.vaults.find((one) => one.vault.id === vault.id);
    if (handle === undefined) throw goneMeanwhile();
    const watch = new Watch(handle, systemClock);
    if (log !== undefined) watch.subscribe(log);
    if (flags.json === true) printJson(watch, process.stdout);
    else printPlain(watch, process.stdout, process.stderr);
    const stop = (): void => watch.interrupt();
    process.on('SIGINT', stop).on('SIGTERM', stop);
    void handle.ended.then(() => watch.interrupt(EXIT.refused));
    try {
      return await besideOutput(stop, async () => {
        const ending = watch.run(flags.once === true);
        if (flags.once === true) {
          // Its end may come before this answer: a small vault is quickly in step.
          const rescan = client.ask({ do: 'command', vault: vault.id, command: { command: 'rescan' } });
          rescan.catch(() => undefined);
          await Promise.race([rescan, ending]);
        }
        const end = await ending;
        if (end !== 'needs-you') return watch.finish(end);
        const line = (await client.status()).vaults.find(({ id }) => id === vault.id);
        return watch.finish(line === undefined || line.exit === 0 ? EXIT.consent : line.exit);
      });
    } finally {
      process.off('SIGINT', stop).off('SIGTERM', stop);
    }
  } finally {
    client.close();
  }
}

const goneMeanwhile = (): VaultError =>
  new VaultError('usage', 'no-such-vault', 'the daemon has just let go of this vault', { hint: 'try again' });

/** As a run of its own: after so many failures of one file, or so long without the store, it is not waited for. */
const TRIES = 5;
const OFFLINE_PATIENCE_MS = 15_000;

type End = number | 'needs-you';

/** One run of the daemon's engine as this command sees it: counts what a run of its own would count. */
export class Watch implements Pick<EngineHandle, 'subscribe'> {
  readonly #handle: Pick<EngineHandle, 'subscribe' | 'snapshot'>;
  readonly #clock: Clock;
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #started: number;
  readonly #failures = new Map<string, number>();
  readonly #end = Promise.withResolvers<End>();
  #files = 0;
  #bytes = 0;
  #failed = 0;
  #scanned = false;
  #once = false;
  #patience: (() => void) | undefined;
  #leave: () => void;

  constructor(handle: Pick<EngineHandle, 'subscribe' | 'snapshot'>, clock: Clock) {
    this.#handle = handle;
    this.#clock = clock;
    this.#started = clock.ticks();
    this.#leave = handle.subscribe((event) => this.#hear(event));
  }

  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Until everything is in step or cannot be (`once`), or it is interrupted. */
  async run(once: boolean): Promise<End> {
    this.#once = once;
    const { state, consent } = this.#handle.snapshot();
    if (once && state === 'paused') {
      throw new VaultError('consent', 'paused', 'the daemon has paused this vault', {
        hint: 'resume it on the screen, with p: s3vault attach',
      });
    }
    if (once && (state === 'needs-you' || consent !== null)) this.#end.resolve('needs-you');
    if (once && state === 'offline') this.#wait();
    return this.#end.promise;
  }

  interrupt(exit: number = EXIT.interrupted): void {
    this.#end.resolve(exit);
  }

  /** Says the summary; gives the exit code. */
  finish(exit: number): number {
    this.#leave();
    this.#patience?.();
    const summary: Event = {
      event: 'summary',
      time: new Date(this.#clock.now()).toISOString(),
      files: this.#files,
      bytes: this.#bytes,
      failed: this.#failed,
      skipped: this.#handle.snapshot().skipped,
      ms: Math.round(this.#clock.ticks() - this.#started),
      exit,
    };
    for (const listener of this.#listeners) listener(summary);
    return exit;
  }

  #hear(event: Event): void {
    // A run of its own ends where this one would say that it is in step.
    const told = !(this.#once && event.event === 'idle');
    if (told) for (const listener of this.#listeners) listener(event);
    this.#count(event);
    if (this.#once) this.#look(event);
  }

  #count(event: Event): void {
    if (event.event === 'scan' && event.state === 'start') this.#scanned = true;
    if (event.event === 'transfer.done') {
      this.#failures.delete(event.path);
      if (event.result === 'unchanged') return;
      this.#files++;
      this.#bytes += event.result === 'removed' ? 0 : event.bytes;
    }
    if (event.event === 'transfer.failed') {
      if (!event.again) this.#failed++;
      else this.#failures.set(event.path, (this.#failures.get(event.path) ?? 0) + 1);
    }
  }

  #look(event: Event): void {
    // In step after a scan that began when this command had.
    if (event.event === 'idle' && this.#scanned) {
      const known = event.short?.exit ?? EXIT.inStep;
      this.#end.resolve(this.#failed > 0 ? Math.max(known, EXIT.someFailed) : known);
    }
    if (event.event === 'transfer.failed') this.#giveUp();
    if (event.event !== 'state') return;
    this.#patience?.();
    if (event.state === 'offline') this.#wait();
    if (event.state === 'needs-you') this.#end.resolve('needs-you');
  }

  /** The daemon tries for ever; this command does not. */
  #giveUp(): void {
    const stuck = [...this.#failures.values()];
    if (stuck.length === 0 || stuck.some((times) => times < TRIES)) return;
    if (this.#handle.snapshot().active.size > 0) return;
    this.#failed += stuck.length;
    this.#end.resolve(EXIT.someFailed);
  }

  #wait(): void {
    this.#patience = this.#clock.after(OFFLINE_PATIENCE_MS, () => this.#end.resolve(EXIT.refused));
  }
}
