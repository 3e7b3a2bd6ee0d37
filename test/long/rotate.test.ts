import { expect, test } from 'vitest';
import { rotateRounds } from '../e2e/rotate-rounds.ts';
import { describeRgw } from '../rgw.ts';

describeRgw('a rotation of 500 objects that is killed ten times', () => {
  test('leaves every object readable, sends no body again, and goes on', async () => {
    await rotateRounds(500, 10);
    expect.hasAssertions();
  }, 1_800_000);
});
