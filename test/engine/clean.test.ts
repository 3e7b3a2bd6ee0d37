/** What interrupted runs left is cleared away each time everything is looked at. */
import { beforeEach, expect, test } from 'vitest';
import { type ObjectKey, objectKey } from '../../src/model/brands.ts';
import type { DraftSubject } from '../../src/model/draft.ts';
import { VaultError } from '../../src/model/errors.ts';
import { EngineMachine, named } from './machine.ts';

let machine: EngineMachine;
/** How each sweep of kept drafts judged these. */
let judged: boolean[][];
let drafts: readonly DraftSubject[];
const key: ObjectKey = objectKey('docs/f');

beforeEach(async () => {
  machine = await EngineMachine.make();
  machine.direction = 'both';
  machine.tree.write('f', 'content');
  await machine.sync();
  judged = [];
  machine.writer = (writer) => ({
    ...writer,
    sweepDrafts: async (wants) => {
      const answers: boolean[] = [];
      for (const draft of drafts) answers.push(await wants(draft));
      judged.push(answers);
    },
  });
  const { etag, size } = machine.bucket.find(key)?.stat ?? { etag: '', size: 0 };
  const now = { key, etag, size, tagged: true };
  drafts = [
    now,
    { ...now, etag: 'another' },
    { ...now, key: objectKey('docs/gone') },
    { ...now, tagged: false },
    { ...now, key: objectKey('elsewhere/f') },
  ];
});

test('kept drafts go whose object is another one by now, at the start and each hour', async () => {
  const watching = await machine.watch();
  expect(judged).toEqual([[true, false, false, false, false]]);
  await machine.wait(3_600_000 * 1.2);
  await machine.until(() => judged.length > 1);
  expect(judged[1]).toEqual(judged[0]);
  await watching.stop();
});

test('where the store does not say, or nothing comes from there, only the format counts', async () => {
  machine.fault = ({ operation }) => {
    if (operation === 'head') throw new VaultError('refused', 'access-denied', 'no');
  };
  await machine.sync();
  machine.fault = () => undefined;
  machine.direction = 'push';
  await machine.sync({ acceptSource: true });
  const kept = [true, true, true, false, false];
  expect(judged).toEqual([kept, kept]);
});

test('one sweep at a time: a scan that comes while one is under way begins none, and its end is waited for', async () => {
  let under = 0;
  let most = 0;
  let sweeps = 0;
  let finish: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  });
  machine.writer = (writer) => ({
    ...writer,
    sweepDrafts: async () => {
      sweeps++;
      most = Math.max(most, ++under);
      if (sweeps === 1) await slow;
      under--;
    },
  });
  const watching = await machine.watch();
  for (let scans = 1; scans <= 3; scans++) {
    watching.engine.command({ command: 'rescan' });
    await machine.until(() => named(watching.events, 'scan').filter(isDone).length === scans + 1);
    await machine.wait(100);
  }
  expect({ sweeps, most }).toEqual({ sweeps: 1, most: 1 });
  const stopped = watching.stop();
  await machine.wait(1_000);
  expect(named(watching.events, 'summary')).toEqual([]);
  finish();
  await stopped;
  expect(under).toBe(0);
});

test('and the next scan sweeps again', async () => {
  const watching = await machine.watch();
  await machine.wait(100);
  watching.engine.command({ command: 'rescan' });
  await machine.until(() => judged.length === 2);
  await watching.stop();
});

const isDone = ({ state }: { readonly state: string }): boolean => state === 'done';
