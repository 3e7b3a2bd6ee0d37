import { test } from 'vitest';
import { killRounds } from './kill-rounds.ts';

test('kill -9 at 25 random points costs repeated uploads at most: every object equals its file', async () => {
  await killRounds(25);
}, 480_000);
