import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

const MIB = 2 ** 20;
/** V8 doubles each of the two halves from 1 MiB up to 32 MiB; here it stops at 8 MiB. */
const HALF = 8 * MIB;

/**
 * Keeps the part of the heap for new objects small. By default a process that stays busy grows it to 64 MiB and more and
 * never gives it back; measured on pushes of small files, a quarter of that costs no more processor time and 50 MB less
 * memory, and a daemon under churn stays at 150 MB instead of 250 MB. The option `--max-semi-space-size` of Node does the
 * same, but only for who starts the process.
 */
export function boundYoungHeap(): void {
  const observer = new PerformanceObserver(() => {
    const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    if (space === undefined || space.space_size < 2 * HALF) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
