import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { openIndependently } from '../support/independent-open.ts';
import { Machine } from './harness.ts';

const BUCKET = 'kill-bucket';
const MIB = 2 ** 20;
/** Where in a run the process dies: after this many more requests reached the store. */
const MOST_REQUESTS = 40;

/** A small deterministic generator, so that a printed seed brings the same kills again (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Starts a real process again and again, kills it with SIGKILL at random points while files change in between, lets the
 * last run end, and compares every object with its file. `kills` processes die.
 */
export async function killRounds(kills: number, seed = randomInt(2 ** 31)): Promise<void> {
  process.stdout.write(`kill rounds: ${kills} kills, seed ${seed}\n`);
  const random = seeded(seed);
  const folder = mkdtempSync(join(tmpdir(), 's3vault-kill-'));
  const server = await startEmbedded({});
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
  server.createBucket(BUCKET);
  const machine = new Machine({
    endpoint: server.url,
    caFile: join(folder, 'ca.pem'),
    ...server.credentials,
    region: server.region,
  });
  const files = new Set<string>();
  try {
    writeFileSync(join(machine.home, 'key'), machine.key.toString('base64'), { mode: 0o600 });
    let died = 0;
    while (died < kills) {
      change(machine, files, random);
      if (await dies(machine, server, random)) died++;
    }
    const last = await machine.run(args(machine));
    expect(last.code, last.stderr).toBe(0);
    compare(machine, server, files);
  } finally {
    await server.close();
    machine.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

const args = (machine: Machine): string[] => [
  'sync',
  machine.root,
  ...(existsSync(join(machine.home, 's3vault', 'config', 'config.json'))
    ? []
    : ['--to', `s3://${BUCKET}/v`, '--key', 'k']),
  ...machine.remoteArgs,
  '--key-store',
  'command',
  '--key-command',
  `cat ${join(machine.home, 'key')}`,
  '--delete',
  '--yes',
  '--once',
  '--json',
];

/** New, changed and removed files of all sizes that matter: empty, small, around one part, several parts. */
function change(machine: Machine, files: Set<string>, random: () => number): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  const sizes = [0, 1, 100, 5_000, 8 * MIB, 8 * MIB + 1, 20 * MIB + below(MIB)];
  for (let n = 0; n < 12; n++) {
    const path = `d${below(4)}/f${below(60)}`;
    machine.write(path, randomBytes(sizes[below(n < 2 ? sizes.length : 4)] ?? 0));
    files.add(path);
  }
  const victims = [...files].filter(() => random() < 0.03);
  for (const path of victims) {
    rmSync(join(machine.root, path));
    files.delete(path);
  }
}

/** Runs once and kills it; false where it ended by itself before. */
async function dies(machine: Machine, server: EmbeddedServer, random: () => number): Promise<boolean> {
  const running = machine.start(args(machine));
  const point = server.requests.total + Math.floor(random() * MOST_REQUESTS);
  await Promise.race([server.requests.untilTotal(point), running.ended]);
  running.kill('SIGKILL');
  return (await running.ended).signal === 'SIGKILL';
}

function compare(machine: Machine, server: EmbeddedServer, files: ReadonlySet<string>): void {
  const keys = server.keys(BUCKET).filter((key) => !key.startsWith('v/.s3vault/'));
  expect(keys.toSorted()).toEqual([...files].map((path) => `v/${path}`).toSorted());
  for (const path of files) {
    const stored = server.object(BUCKET, `v/${path}`);
    const plaintext = openIndependently(machine.key, stored?.metadata ?? {}, Buffer.from(stored?.body ?? []));
    expect(plaintext.equals(readFileSync(join(machine.root, path))), path).toBe(true);
  }
  expect(server.pendingUploads(BUCKET).filter((key) => files.has(key.slice(2)))).toEqual([]);
}
