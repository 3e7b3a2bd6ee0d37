import { test } from 'vitest';
import { soak } from '../e2e/soak-rounds.ts';

const MIB = 2 ** 20;

test('the memory of a daemon under churn is flat over an hour', async () => {
  await soak(3_600_000, 16 * MIB);
}, 4_200_000);
