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

/** Waits between tries to find a daemon again: from the first on twice as long each time. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

/**
 * Shows all vaults, or one, until the user leaves. Where the daemon ends, or gives up a screen that did not read, the next one
 * is waited for, and its screen begins where this one was. Closes the client.
 */
export async function attach(client: DaemonClient, only?: Pick<Vault, 'id'>): Promise<number> {
  const left = new AbortController();
  const leave = (): void => left.abort();
  process.on('SIGTERM', leave).on('SIGHUP', leave).on('SIGINT', leave);
  // The screen's own: where it was left.
  const memory = {};
  let now: DaemonClient | undefined = client;
  try {
    while (now !== undefined) {
      const over = await showAll(now, only, left.signal, memory);
      now.close();
      if (now.why !== undefined) throw now.why;
      now = over && !left.signal.aborted ? await nextDaemon(now.facts.pid, left.signal) : undefined;
    }
  } finally {
    process.off('SIGTERM', leave).off('SIGHUP', leave).off('SIGINT', leave);
  }
  return EXIT.inStep;
}

/** True where the connection is over, and nobody left. */
async function showAll(
  client: DaemonClient,
  only: Pick<Vault, 'id'> | undefined,
  left: AbortSignal,
  memory: object,
): Promise<boolean> {
  await client.watch().catch((thrown: unknown) => {
    if (!client.over) throw thrown;
  });
  while (!client.over && !left.aborted) {
    const vaults = client.vaults.filter(({ vault }) => only === undefined || vault.id === only.id);
    if (vaults.length === 0) {
      // One that has just begun has not come to its vaults yet.
      if (!(await client.status().catch(() => client.facts)).ready) {
        await systemClock.sleep(FIRST_WAIT_MS, { signal: left }).catch(() => undefined);
        continue;
      }
      process.stderr.write(
        'the daemon has no vaults; make one with: s3vault sync DIR --to s3://BUCKET/PREFIX --key NAME\n',
      );
      return false;
    }
    if (!(await show(client, vaults, left, memory))) break;
  }
  return client.over;
}

/** The daemon that comes next; undefined where the user leaves first. */
async function nextDaemon(pid: number, left: AbortSignal): Promise<DaemonClient | undefined> {
  let told = false;
  for (let wait = FIRST_WAIT_MS; !left.aborted; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    const next = await connectDaemon(places(process.env));
    if (next !== undefined) return next;
    if (!told)
      process.stderr.write(
        `the daemon (process ${pid}) has ended; the screen comes back when one runs again\n` +
          '  start it with: s3vault daemon start, or leave with ctrl+c\n',
      );
    told = true;
    await systemClock.sleep(wait, { signal: left }).catch(() => undefined);
  }
  return undefined;
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
