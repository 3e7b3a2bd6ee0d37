import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MIB = 2 ** 20;
const SOURCE = fileURLToPath(new URL('../src/young-heap.ts', import.meta.url));

/** The largest room for new objects, in bytes, of a process that keeps making objects that live on for a while. */
function largest(bounded: boolean): number {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8';
    import { boundYoungHeap } from ${JSON.stringify(SOURCE)};
    if (${bounded}) boundYoungHeap();
    let kept = [], most = 0;
    for (let at = 0; at < 150; at++) {
      for (let n = 0; n < 20_000; n++) kept.push({ n, list: [n, at] });
      if (kept.length > 400_000) kept = kept.slice(200_000);
      await new Promise((resolve) => setImmediate(resolve));
      const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
      most = Math.max(most, space.space_size);
    }
    console.log(most);`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '--eval', program]).toString());
}

test('new objects get no more room than they need, however busy the process is', () => {
  // It grows by doubling, and a step may be under way while it is bounded.
  expect(largest(true)).toBeLessThanOrEqual(34 * MIB);
  // What it is for; where this fails, the runtime has learned to do it by itself.
  expect(largest(false)).toBeGreaterThan(34 * MIB);
});
