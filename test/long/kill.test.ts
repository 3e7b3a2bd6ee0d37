import { test } from 'vitest';
import { killRounds } from '../e2e/kill-rounds.ts';

test('kill -9 at 300 random points', async () => {
  await killRounds(300);
}, 3_600_000);
