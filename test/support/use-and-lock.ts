/**
 * A program for tests: uses a key for all that keys are used for, locks, and stays idle until its stdin ends. What it
 * then holds is searched from outside.
 *
 *   node --expose-gc use-and-lock.ts < JSON of `Use`
 */
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeHeapSnapshot } from 'node:v8';
import { Desk } from '../../src/cli/key-desk.ts';
import { systemClock } from '../../src/clock.ts';
import { changeConfig, places } from '../../src/config.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { KeyStoreKind } from '../../src/model/keyref.ts';
import type { Mode } from '../../src/model/mode.ts';
import type { Vault } from '../../src/model/vault.ts';
import { writeLiveBuffers } from './live-buffers.ts';
import { openVault } from '../../src/vaults/open.ts';
import type { OpenOptions } from '../../src/vaults/options.ts';

export interface Use {
  readonly home: string;
  readonly root: string;
  readonly bucket: string;
  readonly endpoint: string;
  readonly caBundle: string;
  readonly modes: readonly Mode['kind'][];
  readonly key: string;
  readonly keyStore: KeyStoreKind;
  readonly keyCommand?: string;
  readonly snapshot: string;
  readonly buffers: string;
}

/** In a function of its own, so that nothing of it is held by what waits afterwards. */
async function use(asked: Use): Promise<void> {
  const where = places({ S3VAULT_HOME: asked.home });
  const keys = { command: asked.keyCommand };
  for (const [n, kind] of asked.modes.entries()) {
    const vault = vaultOf(asked, n, kind);
    await changeConfig(where, (config) => ({ ...config, vaults: [vault] }));
    const options: OpenOptions = {
      env: process.env,
      places: where,
      keys,
      keyStore: asked.keyStore,
      once: true,
      consent: false,
      acceptSource: true,
      checkRemote: false,
    };
    const { exit } = await (await openVault(vault, options)).run();
    if (exit !== 0) throw new Error(`the sync in ${kind} ended with ${exit}`);
    await useDesk(asked, where);
  }
}

function vaultOf(
  { root, bucket, endpoint, caBundle, key, keyStore }: Use,
  n: number,
  kind: Mode['kind'],
): Vault {
  if (kind !== 'client' && kind !== 'sse-c') throw new Error(`no key of ours in ${kind}`);
  return {
    id: vaultId(`0b7a2a4e-5f0c-4c8b-9a39-0d9a5d1c2e3${n}`),
    root,
    remote: { bucket, prefix: `${kind}/`, endpoint, caBundle },
    mode: { kind, key: { kind: 'stored', name: key } },
    names: { scheme: 'aes-siv', keys: [] },
    keyStore,
    direction: 'push',
    rules: { removals: false, include: [], exclude: [] },
  };
}

async function useDesk({ key, keyStore, keyCommand }: Use, where: ReturnType<typeof places>): Promise<void> {
  const flags = keyCommand === undefined ? {} : { keyCommand };
  const desk = new Desk({ kind: keyStore, flags, where, env: process.env, clock: systemClock });
  const row = (await desk.list()).find(({ name }) => name === key);
  const [tested] = await desk.test(key);
  if (tested?.path === undefined)
    throw new Error(`the test of ${key} opened nothing: ${JSON.stringify(tested)}`);
  if (row?.kind === 'aes-256') (await desk.words(key)).wipe();
  desk.lock();
}

const asked = JSON.parse(await text(process.stdin)) as Use;
await use(asked);
// Sockets and pools end in later turns; what they held goes with the next collection.
for (let turn = 0; turn < 5; turn++) {
  await sleep(20);
  gc?.();
}
if ((await writeLiveBuffers(asked.buffers)) === 0) throw new Error('a process has living buffers');
writeHeapSnapshot(asked.snapshot);
process.stdout.write('idle\n');
process.on('SIGTERM', () => process.exit(0));
setInterval(() => undefined, 60_000);
