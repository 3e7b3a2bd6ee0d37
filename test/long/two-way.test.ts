import { test } from 'vitest';
import { describeRgw, rgw } from '../rgw.ts';
import { twoWayRounds } from '../e2e/two-way-rounds.ts';

describeRgw('two machines for long', () => {
  test('60 rounds of edits, deaths and lost answers', async () => {
    await twoWayRounds(rgw(), await rgw().createBucket(), 60);
  }, 3_600_000);
});
