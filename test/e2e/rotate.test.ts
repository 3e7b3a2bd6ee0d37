import { expect, test } from 'vitest';
import { describeRgw } from '../rgw.ts';
import { rotateRounds } from './rotate-rounds.ts';

describeRgw('a rotation that is killed', () => {
  test('leaves every object readable, sends no body again, and goes on', async () => {
    await rotateRounds(60, 2);
    expect.hasAssertions();
  }, 240_000);
});
