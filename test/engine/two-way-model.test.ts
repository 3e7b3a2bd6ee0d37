/**
 * Whatever two or three people do to their folders, whatever the store does, whenever a machine dies and however wrong its
 * clock is [BOTH-1] [BOTH-2]. `S3VAULT_MODEL_RUNS` and `S3VAULT_MODEL_SEED` choose how many histories, and which;
 * `S3VAULT_PLANT_BUG='put ifMatch'` (see `BUGS`) leaves a condition out, and the first test must then fail.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BUGS, histories, historiesFor, live } from './fleet.ts';

const RUNS = Number(process.env['S3VAULT_MODEL_RUNS'] ?? 300);
const seed = Number(process.env['S3VAULT_MODEL_SEED'] ?? process.hrtime.bigint() % 2_147_483_647n);
const planted = BUGS.find((bug) => bug === process.env['S3VAULT_PLANT_BUG']);

test(`folders and bucket come together, and nothing is lost (seed ${seed}) [BOTH-1] [BOTH-2]`, async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      expect(await live(history, planted)).toEqual([]);
    }),
    { numRuns: RUNS, seed },
  );
}, 1_800_000);

test.each(BUGS)('a bug that leaves out %s is found within as many histories', async (bug) => {
  const found = await fc.check(
    fc.asyncProperty(historiesFor(bug), async (history) => (await live(history, bug)).length === 0),
    { numRuns: RUNS, seed: 1, endOnFailure: true },
  );
  expect(found.failed).toBe(true);
}, 1_800_000);
