import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { type Places, findVault, places, readConfig } from '../config.ts';
import { type DaemonClient, type RemoteVault, connectDaemon } from '../daemon/client.ts';
import { noDaemon } from '../daemon/status-text.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { Vault } from '../model/vault.ts';
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

/** Shows all vaults, or one, until the user leaves or the daemon ends. Closes the client. */
export async function attach(client: DaemonClient, only?: Pick<Vault, 'id'>): Promise<number> {
  const left = new AbortController();
  const leave = (): void => left.abort();
  process.on('SIGTERM', leave).on('SIGHUP', leave);
  try {
    await client.watch();
    // The screen's own: where it was left.
    const memory = {};
    while (!client.over && !left.signal.aborted) {
      const vaults = client.vaults.filter(({ vault }) => only === undefined || vault.id === only.id);
      if (vaults.length === 0) {
        process.stderr.write(
          'the daemon has no vaults; make one with: s3vault sync DIR --to s3://BUCKET/PREFIX --key NAME\n',
        );
        return EXIT.inStep;
      }
      if (!(await show(client, vaults, left.signal, memory))) break;
    }
  } finally {
    process.off('SIGTERM', leave).off('SIGHUP', leave);
  }
  const { pid } = client.facts;
  if (client.why !== undefined) throw client.why;
  if (client.over) process.stderr.write(`${await whyOver(pid)}\n`);
  client.close();
  return EXIT.inStep;
}

/** The connection is over, and nothing was said: the daemon has ended, or it gave up a screen that did not read. */
async function whyOver(pid: number): Promise<string> {
  const again = await connectDaemon(places(process.env)).catch(() => undefined);
  const lives = again?.facts.pid === pid;
  again?.close();
  return lives
    ? `the daemon (process ${pid}) goes on; this screen was too slow for it, look again with: s3vault attach`
    : `the daemon (process ${pid}) has ended; start it with: s3vault daemon start`;
}

/** True where the list of vaults has changed, and is to be shown anew. */
async function show(
  client: DaemonClient,
  vaults: readonly RemoteVault[],
  left: AbortSignal,
  memory: object,
): Promise<boolean> {
  const { runScreen } = await import('../tui/run.tsx');
  const changed = new AbortController();
  const off = client.onChange(() => changed.abort());
  const where = places(process.env);
  const shown = await Promise.all(vaults.map((handle) => onScreen(handle, where)));
  const [only] = vaults.length === 1 ? vaults : [];
  try {
    await runScreen({
      vaults: shown,
      keyDesk: desksOf(where, {}, only?.vault.keyStore).keyDesk,
      clock: systemClock,
      attached: true,
      memory,
      note: `daemon, process ${client.facts.pid}: it goes on when you leave`,
      signal: left,
      changed: changed.signal,
    });
  } finally {
    off();
    for (const { browser } of shown) await browser?.close();
  }
  return changed.signal.aborted;
}

async function onScreen(handle: RemoteVault, where: Places): Promise<ScreenVault> {
  const { note: _, ...facts } = await screenFacts(handle.vault, where);
  return { ...facts, handle };
}
