/** What the benchmark of the screen takes of the program, in one bundle. */
export { systemClock } from '../src/clock.ts';
export { collectPlan } from '../src/engine/collect.ts';
export { Upcoming } from '../src/engine/upcoming.ts';
export { EMPTY_SNAPSHOT } from '../src/model/snapshot.ts';
export { memoryIndex } from '../src/state/open-index.ts';
export { runScreen } from '../src/tui/run.tsx';
