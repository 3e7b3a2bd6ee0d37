/** Removals taken back some at a time. */
import { expect, test } from 'vitest';
import type { History } from '../../src/engine/undelete.ts';
import { type TakenBack, undeleteEach } from '../../src/engine/undelete-many.ts';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';

const TOGETHER = 4;

async function* histories(count: number, onRead: () => void = () => undefined): AsyncIterable<History> {
  for (let n = 0; n < count; n++) {
    onRead();
    yield { key: objectKey(`f${n}`), name: `f${n}`, versions: [] };
  }
}

async function taken(all: AsyncIterable<TakenBack>) {
  const said: string[] = [];
  try {
    for await (const { history, error } of all) said.push(`${history.name} ${error?.code ?? 'back'}`);
  } catch (thrown) {
    said.push(thrown instanceof VaultError ? `end ${thrown.code}` : String(thrown));
  }
  return said;
}

test('in order, some at a time, and no more are read than are under way', async () => {
  let [read, underWay, most, ended] = [0, 0, 0, 0];
  const take = async (): Promise<void> => {
    most = Math.max(most, ++underWay);
    expect(read - ended).toBeLessThanOrEqual(TOGETHER + 1);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    underWay--;
    ended++;
  };
  const said = await taken(
    undeleteEach(
      histories(40, () => read++),
      take,
      TOGETHER,
    ),
  );
  expect(said).toEqual(Array.from({ length: 40 }, (_, n) => `f${n} back`));
  expect(most).toBe(TOGETHER);
});

test('what fails is given with its error, and the others go on', async () => {
  const take = async ({ name }: History): Promise<void> => {
    if (name === 'f1') throw new VaultError('changed', 'precondition', 'it is there by now');
  };
  const said = await taken(undeleteEach(histories(4), take, TOGETHER));
  expect(said).toEqual(['f0 back', 'f1 precondition', 'f2 back', 'f3 back']);
});

test('where nothing at all may be brought back it ends, and does not try each of them', async () => {
  let tried = 0;
  const take = async (): Promise<void> => {
    tried++;
    throw new VaultError('refused', 'access-denied', 'no');
  };
  const said = await taken(undeleteEach(histories(1_000), take, TOGETHER));
  expect(said.at(-1)).toBe('end access-denied');
  expect(said).toHaveLength(tried + 1);
  expect(tried).toBeLessThan(20);
});

test('a listing that fails ends it once what was under way has come to its end', async () => {
  const broken = async function* (): AsyncIterable<History> {
    yield* histories(2);
    throw new VaultError('offline', 'offline', 'the network is gone');
  };
  expect(await taken(undeleteEach(broken(), async () => undefined, TOGETHER))).toEqual([
    'f0 back',
    'f1 back',
    'end offline',
  ]);
});
