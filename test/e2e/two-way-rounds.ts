/** Two real processes on two folders and one bucket, over a wire that breaks. */
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, readdirSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type BrokenWire, breakWire } from './broken-wire.ts';
import { type Endpoint, type Ended, Machine } from './harness.ts';
import { seeded } from './kill-rounds.ts';

const NAMES = ['note.txt', 'd/a', 'd/b', 'd/e/c', 'caf\u00e9', 'x y (1).bin'];

/** What the users wrote, and whether one who had it before him did away with it. */
type Contents = Map<string, 'alive' | 'superseded'>;

export async function twoWayRounds(
  server: Endpoint,
  bucket: string,
  rounds: number,
  seed = randomInt(2 ** 31),
): Promise<void> {
  process.stdout.write(`two-way rounds: ${rounds}, seed ${seed}\n`);
  const random = seeded(seed);
  const wire = await breakWire(server.endpoint, random);
  const key = randomBytes(32);
  const machines = [0, 1].map(() => new Machine({ ...server, endpoint: wire.endpoint }, key));
  const contents: Contents = new Map();
  try {
    // Who comes first makes the vault, with encrypted names; the other one joins it, and is not told.
    for (const [n, machine] of machines.entries()) {
      const names = n === 0 ? ['--encrypt-names'] : [];
      expect((await machine.run([...args(machine, bucket), ...names])).code).toBe(0);
    }
    for (let round = 0; round < rounds; round++) {
      for (const machine of machines) edit(machine, contents, random);
      wire.trouble = round % 3 === 0 ? 0 : 0.03;
      await Promise.all(machines.map((machine) => syncOrDie(machine, bucket, random)));
    }
    await settle(machines, bucket, wire);
    compare(machines, contents);
  } finally {
    await wire.close();
    for (const machine of machines) machine.remove();
  }
}

function args(machine: Machine, bucket: string): string[] {
  const to = ['--to', `s3://${bucket}/docs`, '--mode', 'client', ...machine.keyArgs, ...machine.remoteArgs];
  return ['sync', machine.root, ...to, '--direction', 'both', '--delete', '--yes', '--once', '--json'];
}

/** One in four is killed somewhere on its way. */
async function syncOrDie(machine: Machine, bucket: string, random: () => number): Promise<void> {
  const started = machine.start([...args(machine, bucket), '--accept-source']);
  const dies = random() < 0.25;
  const after = Math.floor(random() * 12);
  if (dies) {
    let transfers = 0;
    await started
      .line((line) => line.event.startsWith('transfer.') && transfers++ >= after)
      .then(() => started.kill('SIGKILL'))
      .catch(() => undefined);
  }
  const { code, lines } = await started.ended;
  // In step, some tried in vain, unreachable: all of these are what a broken wire may lead to, and nothing else.
  expect([0, 3, 4, null], JSON.stringify(lines.slice(-4))).toContain(code);
}

async function settle(machines: readonly Machine[], bucket: string, wire: BrokenWire): Promise<void> {
  wire.trouble = 0;
  let last = '';
  for (let turn = 0; turn < 8; turn++) {
    const ended: Ended[] = [];
    for (const machine of machines)
      ended.push(await machine.run([...args(machine, bucket), '--accept-source']));
    const moved = ended.flatMap(({ lines }) => lines.filter(({ event }) => event === 'transfer.start'));
    if (moved.length === 0 && ended.every(({ code }) => code === 0)) return;
    last = ended.map(({ code, stderr }) => `${code}: ${stderr.slice(-1_000)}`).join('\n');
  }
  throw new Error(`they never come to rest:\n${last}`);
}

function edit(machine: Machine, contents: Contents, random: () => number): void {
  const any = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  for (let n = 0; n < 4; n++) {
    const name = any(NAMES);
    const path = join(machine.root, name);
    const did = random();
    if (did < 0.15 && existsSync(path)) {
      const to = any(NAMES);
      if (to === name || !existsSync(join(machine.root, to))) continue;
      supersede(machine, to, contents);
      renameSync(path, join(machine.root, to));
    } else if (did < 0.3) {
      supersede(machine, name, contents);
      rmSync(path, { force: true });
    } else {
      supersede(machine, name, contents);
      const content = `${contents.size} ${Math.floor(random() * 1e9)} ${'x'.repeat(Math.floor(random() * 3_000))}`;
      contents.set(content, 'alive');
      machine.write(name, content);
      // Whole milliseconds: what is left after six decimals could be rounded either way.
      const { mtimeMs } = lstatSync(path);
      utimesSync(path, Math.floor(mtimeMs) / 1_000, Math.floor(mtimeMs) / 1_000);
    }
  }
}

function supersede(machine: Machine, name: string, contents: Contents): void {
  const path = join(machine.root, name);
  if (existsSync(path)) contents.set(readFileSync(path, 'utf8'), 'superseded');
}

function files(root: string, folder = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(join(root, folder))) {
    const path = folder === '' ? name : `${folder}/${name}`;
    if (path === '.s3vault') continue;
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) for (const [below, content] of files(root, path)) found.set(below, content);
    else
      found.set(
        path,
        `${(stat.mode & 0o777).toString(8)} ${(stat.mtimeMs / 1_000).toFixed(6)} ${readFileSync(join(root, path), 'utf8')}`,
      );
  }
  return found;
}

const filesIn = (folder: string): Map<string, string> => (existsSync(folder) ? files(folder) : new Map());

function compare(machines: readonly Machine[], contents: Contents): void {
  const [first = new Map<string, string>(), second = new Map<string, string>()] = machines.map(({ root }) =>
    files(root),
  );
  const sorted = (all: ReadonlyMap<string, string>) => [...all].toSorted(([a], [b]) => (a < b ? -1 : 1));
  expect(sorted(second)).toEqual(sorted(first));
  // Where a store keeps no conditions of removals, a removal may take along what another machine wrote in that moment. That
  // machine then keeps its file aside, and says where.
  const aside = machines.flatMap(({ root }) => [...filesIn(join(root, '.s3vault', 'removed')).values()]);
  const kept = new Set([...first.values(), ...aside].map((text) => text.replace(/^\d+ [\d.]+ /, '')));
  const lost = [...contents].filter(([content, state]) => state === 'alive' && !kept.has(content));
  expect(lost.map(([content]) => content.slice(0, 40))).toEqual([]);
}
