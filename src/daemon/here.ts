/** All vaults in a process that somebody looks at: the daemon's way of running them, without its socket. */
import type { Config } from '../config.ts';
import type { Command } from '../model/command.ts';
import { type VaultError, asVaultError } from '../model/errors.ts';
import type { Clock } from '../model/ports.ts';
import type { Taken } from '../model/settings-desk.ts';
import { EMPTY_SNAPSHOT } from '../model/snapshot.ts';
import type { Vault } from '../model/vault.ts';
import { RemoteVault } from './client.ts';
import { Daemon } from './daemon.ts';
import type { News, VaultLine } from './protocol.ts';
import type { Opened } from './slot.ts';
import { takenBy } from './taken.ts';

export interface HereOptions {
  readonly clock: Clock;
  readonly readConfig: () => Promise<Config>;
  readonly open: (vault: Vault, config: Config) => Promise<Opened>;
}

/**
 * The registered vaults as handles for one screen. A vault that cannot be opened is one that waits and says why; the
 * others notice nothing. `stop` on any of them ends all, a second one at once.
 */
export class Here {
  readonly vaults: readonly RemoteVault[];
  /** Resolves when every engine has ended. */
  readonly ended: Promise<void>;
  readonly #clock: Clock;
  readonly #daemon: Daemon;
  readonly #leave: () => void;
  readonly #end = Promise.withResolvers<void>();
  #stops = 0;

  constructor(config: Config, options: HereOptions) {
    this.ended = this.#end.promise;
    this.vaults = config.vaults.map(
      (vault) =>
        new RemoteVault(vault, EMPTY_SNAPSHOT, {
          command: (command, onRefused) => this.#obey(vault.id, command, onRefused),
          queue: (ask) => this.#daemon.queue(vault.id, ask),
          history: (ask) => this.#daemon.history(vault.id, ask),
          stop: () => this.stop(),
        }),
    );
    const { clock, readConfig, open } = options;
    this.#clock = clock;
    this.#daemon = new Daemon({ clock, readConfig, open, onEvent: () => undefined });
    this.#leave = this.#daemon.join((news) => this.#hear(news)).leave;
  }

  /** Resolves when each vault was tried once; nobody needs to wait for it. Rejects where the configuration can't be read. */
  start(): Promise<void> {
    return this.#daemon.start();
  }

  /** Vaults whose configuration changed go on under the new one; tells from when on this one does. */
  async reload(id: string): Promise<Taken> {
    await this.#daemon.reload(false);
    const line = this.lines().find((one) => one.id === id);
    // One that waits is opened under the new one, too.
    return line?.phase === 'waiting' ? 'now' : takenBy(line);
  }

  lines(): readonly VaultLine[] {
    return this.#daemon.lines();
  }

  /** Ends all; again: without waiting for what is under way. */
  stop(): void {
    this.#stops++;
    if (this.#stops > 1) {
      for (const { vault } of this.vaults) this.#obey(vault.id, { command: 'stop' }, () => undefined);
      if (this.#daemon.slots.every(({ phase }) => phase !== 'running' && phase !== 'closing')) this.#over();
      return;
    }
    void this.#daemon.stop().then(() => this.#over());
  }

  #over(): void {
    this.#leave();
    for (const vault of this.vaults) vault.end();
    this.#end.resolve();
  }

  #obey(id: string, command: Command, onRefused: (why: VaultError) => void): void {
    try {
      this.#daemon.command(id, command);
    } catch (thrown) {
      onRefused(asVaultError(thrown));
    }
  }

  #hear(news: News): void {
    const id = news.type === 'vault' ? news.vault.id : news.vault;
    const vault = this.vaults.find((one) => one.vault.id === id);
    if (vault === undefined) return;
    if (news.type === 'event') vault.hear(news.event);
    else if (news.type === 'vault') vault.vault = news.vault;
    else {
      // It stays on the screen until that is opened anew, and says why nothing happens to it.
      const time = new Date(this.#clock.now()).toISOString();
      vault.hear({ event: 'warning', ...FORGOTTEN, time });
      vault.hear({ event: 'state', state: 'needs-you', time });
    }
  }
}

const FORGOTTEN = {
  code: 'forgotten',
  message: 's3vault forget was told to forget this vault',
  hint: 'its files and objects are where they were; it is not on the screen the next time',
} as const;
