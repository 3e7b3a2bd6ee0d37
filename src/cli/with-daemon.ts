/** How commands that need a vault get along with a daemon that holds it. */
import type { Places } from '../config.ts';
import { type DaemonClient, connectDaemon } from '../daemon/client.ts';
import type { VaultLine } from '../daemon/protocol.ts';
import { takenBy } from '../daemon/taken.ts';
import { safeText } from '../model/display.ts';
import { asVaultError } from '../model/errors.ts';
import type { Taken } from '../model/settings-desk.ts';
import type { Vault } from '../model/vault.ts';

export interface Holding {
  readonly client: DaemonClient;
  readonly line: VaultLine;
}

/** The daemon, where one runs and knows this vault. The caller closes the client. */
export async function holderOf(vault: Pick<Vault, 'id'>, where: Places): Promise<Holding | undefined> {
  const client = await connectDaemon(where);
  if (client === undefined) return undefined;
  try {
    const line = (await client.status()).vaults.find(({ id }) => id === vault.id);
    if (line !== undefined) return { client, line };
  } catch (thrown) {
    client.close();
    throw thrown;
  }
  client.close();
  return undefined;
}

/**
 * Runs `fn` while the daemon, where there is one, keeps its hands off the vaults. Afterwards it reads the configuration
 * again and goes on with them; it also does when this process dies.
 */
export async function withReleased<T>(
  vaults: readonly Pick<Vault, 'id'>[],
  where: Places,
  fn: () => Promise<T>,
  say: (text: string) => void = () => undefined,
): Promise<T> {
  const client = await connectDaemon(where);
  if (client === undefined) return fn();
  try {
    const known = new Set((await client.status()).vaults.map(({ id }) => id));
    const held = vaults.filter(({ id }) => known.has(id));
    for (const { id } of held) await client.ask({ do: 'release', vault: id });
    if (held.length > 0) say(`the daemon (process ${client.facts.pid}) lets go of it meanwhile`);
    return await fn();
  } finally {
    // Before it goes on with them, so that it does so under what holds now.
    await client.reload().catch(() => undefined);
    client.close();
  }
}

/**
 * Tells the daemon, where one runs, that the configuration changed, and from when on that holds for the vault named. What
 * goes wrong there is said, and is no failure here.
 */
export async function reloadDaemon(
  where: Places,
  vault?: Vault['id'],
  say: (text: string) => void = (text) => void process.stderr.write(text),
): Promise<Taken> {
  let client: DaemonClient | undefined;
  try {
    client = await connectDaemon(where);
    if (client === undefined) return 'at-next-start';
    await client.reload();
    return takenBy((await client.status()).vaults.find(({ id }) => id === vault));
  } catch (thrown) {
    say(
      `! the daemon was not told: ${safeText(asVaultError(thrown).message)}\n  tell it with: s3vault daemon reload\n`,
    );
    return 'at-next-start';
  } finally {
    client?.close();
  }
}
