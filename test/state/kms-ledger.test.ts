import { statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KmsLedger } from '../../src/model/kms.ts';
import { KmsLimiter } from '../../src/s3/kms-limiter.ts';
import { openKmsLedger, readKmsLedger } from '../../src/state/kms-ledger.ts';
import { CountingKms, hungry, mostInASecond } from '../support/counting-kms.ts';
import { Folder } from '../support/folder.ts';
import { ManualClock } from '../support/manual-clock.ts';

let folder: Folder;
const open: { close(): void }[] = [];

beforeEach(() => {
  folder = new Folder();
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  folder.remove();
});

async function ledger(): Promise<KmsLedger> {
  const opened = await openKmsLedger(folder.at('state'));
  open.push(opened);
  return opened;
}

const append = (text: string) => (book: string | undefined) => ({ book: (book ?? '') + text, result: text });

test('what one process writes the others read; scopes are apart', async () => {
  const [one, two] = [await ledger(), await ledger()];
  expect(one.read('a')).toBeUndefined();
  expect(one.change('a', append('1'))).toEqual({ result: '1' });
  expect(two.change('a', append('2'))).toEqual({ result: '2' });
  two.change('b', append('3'));
  expect(one.read('a')).toBe('12');
  expect(one.read('b')).toBe('3');
  expect(statSync(folder.at('state/kms.sqlite')).mode & 0o777).toBe(0o600);
});

test('while another process is at it nothing is waited for and nothing changed', async () => {
  const one = await ledger();
  one.change('a', append('1'));
  const other = new DatabaseSync(folder.at('state/kms.sqlite'));
  other.exec('BEGIN IMMEDIATE');
  expect(one.change('a', append('2'))).toBeUndefined();
  expect(one.read('a')).toBe('1');
  other.exec('ROLLBACK');
  other.close();
  expect(one.change('a', append('2'))).toEqual({ result: '2' });
});

test('a change that throws changes nothing', async () => {
  const one = await ledger();
  one.change('a', append('1'));
  expect(() =>
    one.change('a', () => {
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(one.change('a', append('2'))).toEqual({ result: '2' });
  expect(one.read('a')).toBe('12');
});

test('a damaged one is begun anew; looking makes none', async () => {
  expect(await readKmsLedger(folder.at('state'))).toBeUndefined();
  (await ledger()).change('a', append('1'));
  for (const one of open.splice(0)) one.close();
  for (const ending of ['', '-wal', '-shm'])
    writeFileSync(folder.at(`state/kms.sqlite${ending}`), 'no database '.repeat(1_000));
  const anew = await ledger();
  expect(anew.read('a')).toBeUndefined();
  expect(anew.change('a', append('2'))).toEqual({ result: '2' });
});

test('limiters on two connections keep one quota, and share it fairly', async () => {
  const clock = new ManualClock();
  const kms = new CountingKms(clock, 100);
  const done = [0, 0];
  const stops = [];
  for (const n of [0, 1]) {
    const quota = { quota: 100, source: 'option' } as const;
    const options = { ledger: await ledger(), scope: 's', owner: `p${n}`, clock, quota, share: 50 };
    stops.push(hungry(new KmsLimiter(options), kms, { onDone: () => (done[n] = (done[n] ?? 0) + 1) }));
  }
  await clock.run(10_000, 5);
  for (const stop of stops) stop();
  expect(mostInASecond(kms.times)).toBeLessThanOrEqual(50);
  expect(kms.times.length).toBeGreaterThanOrEqual(0.9 * 50 * 10);
  expect(Math.min(...done)).toBeGreaterThanOrEqual(0.9 * Math.max(...done));
});
