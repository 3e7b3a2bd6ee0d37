import { expect, test } from 'vitest';
import type { ConsentReason } from '../../src/model/plan.ts';
import type { Proof } from '../../src/model/receipt.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/model/snapshot.ts';
import {
  progressWords,
  proofWord,
  questionOf,
  shareDone,
  stateOf,
  timeLeft,
  whyStopped,
} from '../../src/tui/words.ts';

const checksum = { algorithm: 'crc32', value: 'AAAAAA==' } as const;
const KEY_ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

test.each<[Proof, string]>([
  [{ mode: 'client', format: 'V3', key: 'a3f941c077be0011', checksum }, 'sealed, V3, a3f9'],
  [{ mode: 'client', format: 'V3', key: KEY_ARN, checksum }, 'sealed, V3, …567890ab'],
  [{ mode: 'sse-c', algorithm: 'AES256', keyMd5: 'Zm9vYmFy' }, 'SSE-C, key MD5 Zm9v…'],
  [{ mode: 'sse-kms', algorithm: 'aws:kms', keyId: KEY_ARN }, 'aws:kms, …567890ab'],
  [{ mode: 'dsse-kms', algorithm: 'aws:kms:dsse', keyId: KEY_ARN }, 'aws:kms:dsse, …567890ab'],
  [{ mode: 'sse-s3', algorithm: 'AES256' }, 'SSE-S3, AES256'],
])('the proof of a write in words: %o', (proof, word) => {
  expect(proofWord(proof)).toBe(word);
});

const shown = (snapshot: Partial<Snapshot>, more = {}): Parameters<typeof stateOf>[0] => ({
  snapshot: { ...EMPTY_SNAPSHOT, ...snapshot },
  retryIn: null,
  throttled: false,
  ...more,
});

test('every state has a sign and a word of its own', () => {
  const states = [
    stateOf(shown({ state: 'starting' })),
    stateOf(shown({ state: 'scanning' })),
    stateOf(shown({ state: 'working' })),
    stateOf(
      shown({ state: 'working', throttle: { resource: 's3', rate: 4, times: 1 } }, { throttled: true }),
    ),
    stateOf(shown({ state: 'idle' })),
    stateOf(shown({ state: 'paused' })),
    stateOf(shown({ state: 'offline' })),
    stateOf(shown({ state: 'needs-you' })),
    stateOf(shown({ state: 'stopped' })),
  ];
  expect(states.every(({ sign, word }) => sign.length === 1 && word.length > 0)).toBe(true);
  expect(new Set(states.map(({ word }) => word)).size).toBe(states.length);
});

test.each([
  [{ put: 3, removeRemote: 1 }, '↑', 'sending', 4],
  [{ get: 300 }, '↓', 'fetching', 300],
  [{ conflict: 2 }, '↓', 'fetching', 2],
  [{ put: 1, get: 1, removeLocal: 1 }, '⇅', 'sending and fetching', 3],
  [{ removeLocal: 2, removeRemote: 3 }, '-', 'removing', 5],
])('a plan of %o is %s %s of %i files', (totals, sign, word, files) => {
  const plan = { ...EMPTY_SNAPSHOT.plan, ...totals };
  const snapshot = { ...EMPTY_SNAPSHOT, state: 'working', plan } as const;
  expect(stateOf(shown(snapshot))).toMatchObject({ sign, word });
  expect(progressWords(snapshot)).toBe(`0 of ${files} files`);
  expect(shareDone(snapshot)).toBe(0);
});

test('an idle vault says how many files it has, not how many a scan saw long ago', () => {
  const idle = { ...EMPTY_SNAPSHOT, state: 'idle', scanned: 1 } as const;
  expect(progressWords({ ...idle, files: 301 })).toBe('301 files');
  expect(progressWords(idle)).toBe('1 file in the last scan');
});

test.each<ConsentReason>([
  { kind: 'many-removals', removals: 1_234_567, of: 2_345_678 },
  { kind: 'many-removals', removals: 1_234_567, of: 2_345_678, again: true },
  { kind: 'plan-review', totals: EMPTY_SNAPSHOT.plan, first: [] },
  { kind: 'plan-review', totals: EMPTY_SNAPSHOT.plan, first: [], again: true },
  { kind: 'lost-source', why: 'marker-missing' },
  { kind: 'lost-source', why: 'marker-foreign' },
  { kind: 'lost-source', why: 'other-device' },
  { kind: 'lost-source', why: 'empty-root' },
  { kind: 'lost-source', why: 'root-missing' },
])('a question fits beside its keys at 80 columns: %o', (reason) => {
  expect(questionOf(reason)).toMatch(/\?/);
  expect(questionOf(reason).length).toBeLessThanOrEqual(80 - ' ! '.length - ' y yes n no '.length);
});

test('the share done counts bytes, or files where there are none', () => {
  const plan = { ...EMPTY_SNAPSHOT.plan, put: 4, bytes: 0 };
  expect(shareDone({ ...EMPTY_SNAPSHOT, state: 'working' })).toBeUndefined();
  expect(shareDone({ ...EMPTY_SNAPSHOT, state: 'working', plan, done: { files: 1, bytes: 0 } })).toBe(0.25);
  expect(shareDone({ ...EMPTY_SNAPSHOT, state: 'working', plan, done: { files: 4, bytes: 0 } })).toBe(1);
});

test('time left is in whole seconds, minutes or hours', () => {
  expect([1, 41_000, 200_000, 7_200_000].map(timeLeft)).toEqual(['1 s', '41 s', '3 min', '2 h']);
});

test('a vault that waits for somebody says why, unless a question says it', () => {
  const problem = { path: '', code: 'locked', message: 'its key is out of memory', time: '', again: false };
  const problems = new Map([['locked', problem]]);
  const waiting = { ...EMPTY_SNAPSHOT, state: 'needs-you', problems } as const;
  expect(whyStopped(waiting)).toBe('its key is out of memory');
  expect(whyStopped({ ...waiting, state: 'stopped', exit: 6 })).toBe('its key is out of memory');
  expect(whyStopped({ ...waiting, consent: { kind: 'many-removals', removals: 5, of: 9 } })).toBeUndefined();
  expect(whyStopped({ ...waiting, state: 'working' })).toBeUndefined();
  expect(whyStopped({ ...waiting, state: 'stopped', exit: 0 })).toBeUndefined();
});
