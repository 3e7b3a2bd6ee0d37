import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { histories, live } from '../engine/fleet.ts';

const seed = Number(process.env['S3VAULT_MODEL_SEED'] ?? process.hrtime.bigint() % 2_147_483_647n);

test(`5,000 histories of two and three machines come together, and nothing is lost (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      expect(await live(history)).toEqual([]);
    }),
    { numRuns: 5_000, seed },
  );
}, 3_600_000);
