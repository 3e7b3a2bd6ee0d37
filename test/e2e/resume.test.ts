/** Killed in the middle of a large file, the next run fetches what is missing and no more. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { type Ended, Machine } from './harness.ts';

const MIB = 2 ** 20;
const SIZE = 96 * MIB + 11;
const PART = 8 * MIB;
/** Parts that are asked for at a time. */
const AHEAD = 4;
let server: EmbeddedServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-resume-'));
  server = await startEmbedded();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Bytes of objects that are asked for while `work` goes on. */
async function served<T>(work: () => Promise<T>): Promise<{ readonly bytes: number; readonly result: T }> {
  let bytes = 0;
  server.faults.clear();
  server.faults.add({
    match: ({ operation, headers }) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
      if (operation === 'GetObject' && last !== undefined) bytes += Number(last) - Number(first) + 1;
      return false;
    },
    fault: { kind: 'error-500' },
  });
  const result = await work();
  return { bytes, result };
}

/** Kills a run once so many parts have come: all after them are never answered. */
async function killAfter(parts: number, machine: Machine, args: readonly string[]): Promise<void> {
  const ahead = Promise.withResolvers<void>();
  let hanging = 0;
  server.faults.clear();
  server.faults.add({
    match: ({ operation, headers }) => {
      const first = /^bytes=(\d+)-/.exec(headers.range ?? '')?.[1];
      if (operation !== 'GetObject' || Number(first ?? -1) < parts * PART) return false;
      if (++hanging === AHEAD) ahead.resolve();
      return true;
    },
    fault: { kind: 'hang' },
  });
  const running = machine.start(args);
  await Promise.race([ahead.promise, running.ended]);
  running.kill('SIGKILL');
  expect((await running.ended).signal).toBe('SIGKILL');
}

test.each(['client', 'sse-s3'])('mode %s: a restore, and a machine that keeps in step', async (mode) => {
  const caFile = await server.caFile(folder);
  const endpoint = { endpoint: server.url, caFile, region: server.region, ...server.credentials };
  const bucket = `resume-${mode}`;
  server.createBucket(bucket);
  const desk = new Machine(endpoint);
  const laptop = new Machine(endpoint, desk.key);
  const key = (machine: Machine): string[] => (mode === 'client' ? machine.keyArgs : []);
  const sync = (machine: Machine, ...more: string[]): string[] => [
    'sync',
    machine.root,
    '--to',
    `s3://${bucket}/docs`,
    '--mode',
    mode,
    ...key(machine),
    ...machine.remoteArgs,
    '--once',
    '--json',
    ...more,
  ];
  const big = randomBytes(SIZE);
  desk.write('big', big);
  expect((await desk.run(sync(desk))).code).toBe(0);
  const out = join(laptop.home, 'out');
  const place = ['--from', `s3://${bucket}/docs`, '--mode', mode, ...key(laptop), ...laptop.remoteArgs];
  const ways: readonly (readonly [string, readonly string[]])[] = [
    [out, ['restore', '--out', out, '--json', ...place]],
    [laptop.root, sync(laptop, '--direction', 'both')],
  ];
  for (const [where, args] of ways) {
    await killAfter(6, laptop, args);
    const { bytes, result } = await served<Ended>(() => laptop.run(args));
    expect(result.code, result.stderr).toBe(0);
    process.stdout.write(`${mode}, ${args[0]}: ${bytes} bytes of ${SIZE} after the kill\n`);
    // Six parts had come; the last of them may not have been written yet, and of a sealed one the end is held back.
    expect(bytes).toBeLessThanOrEqual(SIZE + 16 - 4 * PART);
    expect(readFileSync(join(where, 'big')).equals(big)).toBe(true);
    expect(readdirSync(where).filter((name) => name !== '.s3vault')).toEqual(['big']);
  }
  expect(readdirSync(join(laptop.root, '.s3vault', 'tmp'))).toEqual([]);
  desk.remove();
  laptop.remove();
}, 120_000);
