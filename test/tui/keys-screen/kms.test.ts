import { expect, test } from 'vitest';
import { noDelete, noExport, noRotation, noTest, noWords } from '../../../src/tui/keys-screen/reasons.ts';
import { KINDS, STORES, clippedPrint, grouped, wordsSign } from '../../../src/tui/keys-screen/rows.ts';
import { keyRow } from './desk.ts';

const row = keyRow('1c2d3e4f-5678-4abc-9def-0123456789ab', {
  kind: 'kms',
  store: 'kms',
  fingerprint: 'arn…:key/1c2d3e4f',
  created: '',
  words: 'none',
  uses: [{ root: '~/Photos', mode: 'sse-kms', objects: 9 }],
});

test('a KMS key has a row of its own', () => {
  expect([KINDS[row.kind], STORES[row.store], wordsSign(row).word]).toEqual([
    'KMS',
    'AWS KMS',
    'held by AWS',
  ]);
  expect([grouped(row.fingerprint), clippedPrint(row)]).toEqual(['arn…:key/1c2d3e4f', '…/1c2d3e4f']);
});

test('it can be tested, and the rest says why not', () => {
  const context = { row, busy: undefined };
  expect(noTest(context)).toBeUndefined();
  for (const no of [noExport, noWords, noRotation, noDelete])
    expect(no(context)).toMatch(/^AWS KMS holds this key/);
});

test("a key among systemd's credentials is neither rotated nor deleted here", () => {
  const context = { row: { ...row, kind: 'aes-256', store: 'credentials' } as const, busy: undefined };
  for (const no of [noRotation, noDelete]) expect(no(context)).toMatch(/systemd's credentials/);
});
