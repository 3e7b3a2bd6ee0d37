import { expect, test } from 'vitest';
import { estimate } from '../../src/cli/estimate.ts';
import { NOTHING_MOVED } from '../../src/engine/rekey-parts.ts';
import type { Mode } from '../../src/model/mode.ts';

const S3: Mode = { kind: 'sse-s3' };
const CLIENT: Mode = { kind: 'client', key: { kind: 'stored', name: 'k' } };

test('what is asked of objects before the first is touched is in the price', () => {
  const totals = { ...NOTHING_MOVED, objects: 1_000_000, versions: 1_000_000 };
  const without = estimate(S3, CLIENT, totals, false);
  const given = estimate(S3, CLIENT, { ...totals, asked: 1_000_000 }, false);
  expect(given.requests - without.requests).toBe(1_000_000);
  // Reads at US$ 0.0004 a thousand.
  expect(given.dollars - without.dollars).toBeCloseTo(0.4);
});
