/** The queue on the screen: all of it, whatever waits; the selection stays on its file while it moves. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PlannedLine } from '../../src/model/plan.ts';
import { type QueueAsk, type QueueWindow, findable } from '../../src/model/queue.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Stage } from './stage.tsx';
import { FakeHandle } from './terminal.ts';

const named = (n: number): string => `folder-${n % 100}/${String(n).padStart(6, '0')}.NEF`;

/** An engine with a queue of its own. */
class Queue {
  lines: PlannedLine[];
  readonly asked: QueueAsk[] = [];
  /** Answers wait for it. */
  gate: Promise<void> = Promise.resolve();

  constructor(count: number) {
    this.lines = Array.from({ length: count }, (_, n) => ({
      kind: 'put',
      path: named(n),
      bytes: 1_000,
      reason: 'new',
    }));
  }

  readonly answer = async (ask: QueueAsk): Promise<QueueWindow> => {
    this.asked.push(ask);
    await this.gate;
    const { filter, count, held } = ask;
    const fits = this.lines.filter((line) => findable(line).includes(filter.toLowerCase()));
    const at = fits.findIndex(({ path }) => path === held?.path);
    const from = Math.max(
      0,
      Math.min(ask.from + (at === -1 || held === undefined ? 0 : at - held.line), fits.length - count),
    );
    const lines = fits.slice(from, from + count);
    return {
      total: fits.length,
      waiting: this.lines.length,
      from,
      lines,
      ...(at === -1 ? {} : { held: at }),
    };
  };

  /** As an engine says it. */
  said(): { readonly event: 'queue'; readonly waiting: number; readonly next: readonly PlannedLine[] } {
    return { event: 'queue', waiting: this.lines.length, next: this.lines.slice(0, 200) };
  }
}

let clock: ManualClock;
let handle: FakeHandle;
let queue: Queue;
let stage: Stage;

beforeEach(() => {
  vi.stubEnv('TZ', 'UTC');
  clock = new ManualClock(Date.UTC(2026, 10, 24, 12, 4, 29));
  handle = new FakeHandle(clock);
});
afterEach(() => {
  stage.close();
  vi.unstubAllEnvs();
});

/** The queue of `count` files, looked at. */
async function open(count: number): Promise<void> {
  queue = new Queue(count);
  handle.queue = queue.answer;
  handle.emit({ event: 'state', state: 'working' }, queue.said());
  stage = new Stage(clock, {}, handle);
  await stage.frame();
  await stage.press('t');
}

const selected = (frame: string): string => /▶ (\S+)/.exec(frame)?.[1] ?? '';

describe('a queue of 100,000', () => {
  test('is there to its last line, and each line is raised and left out', async () => {
    await open(100_000);
    expect(await stage.shows(/QUEUE +1 of 100,000\n/)).toContain(named(0));
    await stage.press('end');
    const end = await stage.shows(/100,000 of 100,000/);
    expect(end).toContain(named(99_982));
    expect(selected(end)).toBe(named(99_999));
    await stage.press('f');
    await stage.press('pageup');
    expect(selected(await stage.shows(/99,98\d of/))).not.toBe('');
    await stage.press('x');
    expect(handle.commands).toMatchObject([
      { command: 'first', path: named(99_999) },
      { command: 'skip', path: expect.stringMatching(/0999[78]\d\.NEF/) },
    ]);
  });

  test('the filter reaches every line; what is known and fits is shown before the answer comes', async () => {
    await open(100_000);
    await stage.shows(/1 of 100,000/);
    const held = Promise.withResolvers<void>();
    queue.gate = held.promise;
    await stage.press('/');
    let shown = '';
    for (const char of 'FOLDER-42/') shown = await stage.press(char);
    expect(shown).toContain('/FOLDER-42/▏');
    expect(shown).toContain('looking…');
    expect(shown).toContain(named(42));
    expect(shown).not.toContain(named(41));
    held.resolve();
    shown = await stage.shows(/1 of 1,000, 100,000 files wait in all/);
    await stage.press('return');
    await stage.press('end');
    shown = await stage.shows(/1,000 of 1,000/);
    expect(selected(shown)).toBe(named(99_942));
    await stage.press('f');
    expect(handle.commands).toEqual([{ command: 'first', path: named(99_942) }]);
  });

  test('no key waits for an answer', async () => {
    await open(100_000);
    await stage.shows(/1 of 100,000/);
    queue.gate = new Promise(() => undefined);
    for (let n = 0; n < 3; n++) await stage.press('end');
    const frame = await stage.frame();
    expect(frame).toContain('100,000 of 100,000');
    expect(frame).toContain('…');
    expect(await stage.press('f')).toContain('still being read');
    expect(handle.commands).toEqual([]);
    expect(await stage.press('home')).toContain(named(0));
    expect(await stage.press('escape')).toContain('TRANSFERS');
  });
});

describe('while the queue moves', () => {
  test('the selection stays on its file, and so does the window', async () => {
    await open(1_000);
    await stage.shows(/1 of 1,000/);
    await stage.press('/');
    await stage.press('return');
    for (let n = 0; n < 40; n++) await stage.press('down');
    const before = await stage.shows(/41 of 1,000/);
    expect(selected(before)).toBe(named(40));
    // 25 are sent, and one from further down goes first.
    const [raised] = queue.lines.splice(500, 1);
    queue.lines = [...(raised === undefined ? [] : [raised]), ...queue.lines.slice(25)];
    handle.emit(queue.said());
    clock.advance(1_000);
    const after = await stage.shows(/17 of 975/);
    expect(selected(after)).toBe(named(40));
    await stage.press('down');
    expect(selected(await stage.shows(/18 of 975/))).toBe(named(41));
  });

  test('a raised file takes the selection along; one that is sent or left out leaves it where it is', async () => {
    await open(100);
    await stage.shows(/1 of 100/);
    for (let n = 0; n < 4; n++) await stage.press('down');
    handle.onCommand = ({ command }) => {
      if (command !== 'first') return;
      const [raised] = queue.lines.splice(4, 1);
      if (raised !== undefined) queue.lines.unshift(raised);
    };
    await stage.press('f');
    const raised = await stage.shows(/▶[^\n]*\n[^]*000000/);
    expect([selected(raised), /1 of 100/.test(raised)]).toEqual([named(4), true]);
    queue.lines.shift();
    handle.emit(queue.said());
    clock.advance(1_000);
    expect(selected(await stage.shows(/1 of 99/))).toBe(named(0));
  });

  test('is asked for no oftener than it can be answered', async () => {
    await open(10);
    await stage.shows(/1 of 10\n/);
    const before = queue.asked.length;
    for (let n = 0; n < 50; n++) {
      handle.emit(queue.said());
      await stage.frame();
    }
    // 50 frames of 125 ms.
    expect(queue.asked.length - before).toBeLessThanOrEqual(14);
    expect(queue.asked.length - before).toBeGreaterThan(5);
    await stage.press('escape');
    // The key itself waits 20 ms for more of a sequence; then what React does once it has drawn.
    await vi.waitUntil(async () => (await stage.frame()).includes('TRANSFERS'), {
      timeout: 2_000,
      interval: 5,
    });
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    const left = queue.asked.length;
    handle.emit(queue.said());
    clock.advance(5_000);
    await stage.frame();
    expect(queue.asked).toHaveLength(left);
  });
});

test('an engine that cannot be asked just now: what its Events say is shown, and it is asked again', async () => {
  await open(300);
  await stage.shows(/1 of 300/);
  queue.gate = Promise.reject(new Error('gone'));
  handle.emit(queue.said());
  clock.advance(1_000);
  expect(await stage.frame()).toContain('1 of 300');
  queue.gate = Promise.resolve();
  queue.lines = queue.lines.slice(0, 250);
  handle.emit(queue.said());
  clock.advance(1_000);
  await stage.shows(/1 of 250/);
});

test('an engine that answers with less than it was asked for is not asked in a circle', async () => {
  await open(300);
  await stage.shows(/1 of 300/);
  const { answer } = queue;
  handle.queue = async (ask) => ({ ...(await answer(ask)), from: 0, lines: queue.lines.slice(0, 5) });
  const before = queue.asked.length;
  await stage.press('end');
  for (let n = 0; n < 20; n++) await stage.frame();
  expect(await stage.frame()).toContain('300 of 300');
  expect(queue.asked.length - before).toBeLessThanOrEqual(2);
});

test('an older daemon: the beginning, and how many wait in all', async () => {
  queue = new Queue(1_000);
  handle.emit({ event: 'state', state: 'working' }, queue.said());
  stage = new Stage(clock, {}, handle);
  await stage.frame();
  expect(await stage.press('t')).toContain('1 of 200, 1,000 files wait in all');
});
