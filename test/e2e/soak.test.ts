import { test } from 'vitest';
import { soak } from './soak-rounds.ts';

const MIB = 2 ** 20;

test('the memory of a daemon under churn is flat over two minutes', async () => {
  // Not without rest, for other tests need the processors as well; the long tests do it without.
  await soak(120_000, 24 * MIB, 750);
}, 240_000);
