/** A path may have a failure, be left out, and not be takeable here: none of these takes the others' word away. */
import { beforeEach, expect, test } from 'vitest';
import { MemoryBucket } from '../../src/s3/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, PREFIX, type Watching, problemsOf, troubled } from './machine.ts';

let desk: EngineMachine;
let laptop: EngineMachine;
let watching: Watching;

/** The object is there, and cannot be trusted. */
function spoil(): void {
  const stored = desk.bucket.find(`${PREFIX}bad`);
  if (stored !== undefined) stored.body[0] = (stored.body[0] ?? 0) ^ 1;
}
const codes = (): readonly string[] => problemsOf(watching.engine, 'bad').map(({ code }) => code);
const short = () => watching.engine.snapshot().short;
const idle = () => watching.engine.snapshot().state === 'idle';

/** What waits of `bad` is left out, while nothing moves. */
async function leaveOut(): Promise<void> {
  const { engine } = watching;
  engine.command({ command: 'pause' });
  engine.command({ command: 'rescan' });
  await laptop.until(() => engine.snapshot().queue.next.some(({ path }) => path === 'bad'));
  engine.command({ command: 'skip', path: 'bad' });
  engine.command({ command: 'resume' });
  await laptop.until(idle);
}

beforeEach(async () => {
  const shared = { clock: new ManualClock(), bucket: new MemoryBucket() };
  desk = await EngineMachine.with({ ...shared, host: 'desk' });
  laptop = await EngineMachine.with({ ...shared, host: 'laptop' });
  for (const one of [desk, laptop]) one.direction = 'both';
  desk.tree.write('bad', 'bad');
  desk.tree.write('good', 'good');
  await desk.sync();
  spoil();
  watching = await laptop.watch();
  expect(codes()).not.toEqual([]);
  expect(short()).toMatchObject({ failed: 1 });
});

test('what failed and is then left out stays told as left out, and counts once', async () => {
  await leaveOut();
  expect(codes()).toEqual(['left-out']);
  expect(short()).toEqual({ failed: 0, unprotected: 0, leftOut: 1, exit: 3 });
  await laptop.wait(400_000);
  expect(codes()).toEqual(['left-out']);
  // Trying again what failed takes nothing back.
  watching.engine.command({ command: 'retry' });
  watching.engine.command({ command: 'rescan' });
  await laptop.wait(10_000);
  expect(codes()).toEqual(['left-out']);
  await watching.stop();
});

test('what was left out, changed and then failed stays told as failed', async () => {
  await leaveOut();
  desk.tree.write('bad', 'changed');
  await desk.sync();
  spoil();
  await laptop.wait(100_000);
  await laptop.until(() => idle() && short()?.failed === 1);
  expect(codes()).toHaveLength(1);
  expect(codes()).not.toContain('left-out');
  expect(short()).toEqual({ failed: 1, unprotected: 0, exit: 6 });
  await watching.stop();
});

test('what stands in the way here and goes leaves the failure there told', async () => {
  laptop.tree.odd.set('bad', 'fifo');
  watching.hint('bad');
  await laptop.until(() => codes().includes('fifo'));
  laptop.tree.odd.delete('bad');
  watching.hint('bad');
  await laptop.until(() => !codes().includes('fifo'));
  expect(short()).toMatchObject({ failed: 1 });
  expect(troubled(watching.engine)).toEqual(['bad']);
  await watching.stop();
});
