/**
 * `node bench/screen.ts [SECONDS]`: the screen of the built program under 2,000 transfers a second, with 100,000 files
 * queued: frames a second, CPU, and how long a key press waits for its frame. Prints one row of the table.
 */
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { bundle } from '../scripts/bundle.ts';
import { nameKey, relPath } from '../src/model/brands.ts';
import type { EngineHandle } from '../src/model/command.ts';
import type { Entry } from '../src/model/entry.ts';
import type { Event, EventBody, TransferFacts } from '../src/model/event.ts';
import type { Action } from '../src/model/plan.ts';
import type * as Parts from './screen-parts.ts';

const SECONDS = Number(process.argv[2] ?? 10);
const A_SECOND = 2_000;
const TICK_MS = 10;

/** The screen as users run it: bundled as the program is, with React's build for use. */
const built = mkdtempSync(join(tmpdir(), 's3vault-bench-screen-'));
process.on('exit', () => rmSync(built, { recursive: true, force: true }));
await bundle({ main: join(import.meta.dirname, 'screen-parts.ts') }, built);
const parts = (await import(pathToFileURL(join(built, 'main.js')).href)) as typeof Parts;
const { collectPlan, EMPTY_SNAPSHOT, memoryIndex, runScreen, systemClock, Upcoming } = parts;

/** A terminal that counts frames and knows when the last one came. */
class Screen extends EventEmitter {
  readonly isTTY = true;
  readonly columns = Number(process.env['COLUMNS'] ?? 80);
  readonly rows = Number(process.env['LINES'] ?? 24);
  frames = 0;
  bytes = 0;
  onFrame: ((seen: string) => void) | undefined;

  write(text: string, ...rest: readonly unknown[]): boolean {
    this.bytes += text.length;
    // Each frame is one write; sequences that only move the cursor are none.
    const seen = text.replaceAll(/\u001b\[[?0-9;]*[a-zA-Z]/g, '');
    if (seen.trim() !== '') {
      this.frames++;
      this.onFrame?.(seen);
    }
    const done = rest.find((one) => typeof one === 'function') as (() => void) | undefined;
    done?.();
    return true;
  }
}

class Keyboard extends EventEmitter {
  readonly isTTY = true;
  #waiting: string[] = [];
  press(text: string): void {
    this.#waiting.push(text);
    this.emit('readable');
  }
  read(): string | null {
    return this.#waiting.shift() ?? null;
  }
  setRawMode(): void {}
  setEncoding(): void {}
  ref(): void {}
  unref(): void {}
  resume(): this {
    return this;
  }
  pause(): this {
    return this;
  }
}

/** The queue as the engine has it: the beginning of a plan in memory, the rest in an Index. */
async function queueOf(count: number): Promise<NonNullable<EngineHandle['queue']>> {
  const upcoming = new Upcoming(systemClock, { emit: () => undefined });
  async function* puts(): AsyncIterable<Action> {
    for (let n = 0; n < count; n++) {
      const path = relPath(`photos/2026/alps/folder-${n % 97}/DSC_${n}.NEF`);
      const local: Entry = {
        path,
        key: nameKey(path),
        kind: 'file',
        size: 4_000,
        mtime: 1,
        ctime: 1,
        inode: n,
        mode: 0o100644,
      };
      yield { kind: 'put', key: nameKey(path), path, reason: 'new', local };
    }
  }
  const options = { index: await memoryIndex(), onSkip: () => undefined, spoolTaken: false };
  const plan = await collectPlan(puts(), options);
  if (plan === undefined) throw new Error('a plan of that many is kept whole');
  upcoming.join(plan.rest);
  return (ask) => upcoming.window(ask, ask.held === undefined ? undefined : nameKey(ask.held.path));
}

const listeners = new Set<(event: Event) => void>();
let end: (outcome: { exit: number }) => void = () => undefined;
const handle: EngineHandle = {
  subscribe: (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  snapshot: () => EMPTY_SNAPSHOT,
  command: () => undefined,
  queue: await queueOf(100_000),
  ended: new Promise((resolve) => {
    end = resolve;
  }),
};
const emit = (body: EventBody): void => {
  const event: Event = { ...body, time: new Date().toISOString() };
  for (const listener of listeners) listener(event);
};

const proof = {
  mode: 'client',
  format: 'V3',
  key: 'a3f941c077be0011',
  checksum: { algorithm: 'crc32', value: 'AAAAAA==' },
} as const;
let lastId = 0;
const factsOf = (): TransferFacts => {
  const id = ++lastId;
  const path = `photos/2026/alps/folder-${id % 97}/DSC_${id}.NEF`;
  return { id, path, key: path, direction: 'up', bytes: 4_000, mode: 'client' };
};

/** A key opens a list and closes it again: how long until it is drawn, in ms. */
async function keys(until: number): Promise<readonly number[]> {
  const waits: number[] = [];
  for (let n = 0; performance.now() < until; n++) {
    const wanted = n % 2 === 0 ? 'PROBLEMS' : 'TRANSFERS';
    const drawn = new Promise<void>((resolve) => {
      stdout.onFrame = (seen) => (seen.includes(wanted) ? resolve() : undefined);
    });
    const pressed = performance.now();
    stdin.press(n % 2 === 0 ? 'P' : '\u001b');
    await drawn;
    waits.push(performance.now() - pressed);
    stdout.onFrame = undefined;
    await sleep(130 + (n % 7) * 17);
  }
  return waits;
}

/**
 * Moves and filters in the list of all that waits: how long until the selected line, or what is typed, is drawn, in ms. Only
 * what changed in a line is written.
 */
async function queueKeys(until: number): Promise<readonly number[]> {
  const steps = ['t', 'G', 'k', 'g', 'j', '/', '9', '8', '7', '\r', 'G', '\u001b', '\u001b'];
  const waits: number[] = [];
  while (performance.now() < until) {
    for (const key of steps) {
      const wanted = /[a-z]/i.test(key) ? '▶' : `${key.replace('/', '')}▏`;
      const drawn = new Promise<void>((resolve) => {
        stdout.onFrame = (seen) => (seen.includes(wanted) ? resolve() : undefined);
      });
      const pressed = performance.now();
      stdin.press(key);
      if (/[\da-z/]/i.test(key)) {
        await drawn;
        waits.push(performance.now() - pressed);
      }
      stdout.onFrame = undefined;
      await sleep(130 + (waits.length % 7) * 17);
    }
  }
  return waits;
}

/** Transfers start, move and end, sixteen at a time; the queue is said twice a second. */
async function load(until: number): Promise<void> {
  const active: TransferFacts[] = [];
  let owed = 0;
  let queuedAt = 0;
  while (performance.now() < until) {
    owed += (A_SECOND * TICK_MS) / 1_000;
    for (; owed >= 1; owed--) {
      const facts = factsOf();
      emit({ event: 'transfer.start', ...facts });
      active.push(facts);
      const ended = active.length > 16 ? active.shift() : undefined;
      if (ended !== undefined)
        emit({
          event: 'transfer.done',
          ...ended,
          versionId: null,
          proof,
          attempts: 1,
          ms: 8,
          result: 'written',
        });
    }
    if (performance.now() - queuedAt > 500) {
      queuedAt = performance.now();
      const next = Array.from({ length: 200 }, (_, at) => ({
        kind: 'put' as const,
        path: `later/file-${lastId + at}`,
        bytes: 4_000,
        reason: 'new' as const,
      }));
      emit({ event: 'queue', waiting: 100_000, next });
    }
    await sleep(TICK_MS);
  }
}

const stdout = new Screen();
const stdin = new Keyboard();
const shown = runScreen({
  vaults: [{ title: '~/Documents', target: 's3://acme/docs/', mode: 'client', key: 'key laptop', handle }],
  clock: systemClock,
  stdout: stdout as unknown as NodeJS.WriteStream,
  stdin: stdin as unknown as NodeJS.ReadStream,
});
emit({ event: 'state', state: 'working' });
emit({
  event: 'plan',
  put: 100_000,
  get: 0,
  removeRemote: 0,
  removeLocal: 0,
  conflict: 0,
  skip: 0,
  bytes: 4e8,
  putBytes: 4e8,
  getBytes: 0,
});
await load(performance.now() + 2_000);

const before = { cpu: process.cpuUsage(), frames: stdout.frames, at: performance.now() };
await load(performance.now() + SECONDS * 1_000);
const seconds = (performance.now() - before.at) / 1_000;
const cpu = process.cpuUsage(before.cpu);
const share = (cpu.user + cpu.system) / 1e6 / seconds;
const fps = (stdout.frames - before.frames) / seconds;

const until = performance.now() + SECONDS * 1_000;
const [waits] = await Promise.all([keys(until), load(until)]);
// Every second press is escape.
const sortedOf = (odd: number): readonly number[] =>
  waits.filter((_, at) => at % 2 === odd).toSorted((a, b) => a - b);
const [keyed, escaped] = [sortedOf(0), sortedOf(1)];

const untilQueue = performance.now() + SECONDS * 1_000;
const [queueWaits] = await Promise.all([queueKeys(untilQueue), load(untilQueue)]);
const queued = queueWaits.toSorted((a, b) => a - b);

/** The same load without a screen: what producing the events costs is not the screen's. */
listeners.clear();
const bare = { cpu: process.cpuUsage(), at: performance.now() };
await load(performance.now() + 3_000);
const bareCpu = process.cpuUsage(bare.cpu);
const bareShare = (bareCpu.user + bareCpu.system) / 1e6 / ((performance.now() - bare.at) / 1_000);

const rounded = (value: number | undefined, digits: number): number => Number((value ?? 0).toFixed(digits));
const figures = {
  fps: rounded(fps, 1),
  cpu: rounded(share - bareShare, 3),
  keyMedianMs: rounded(keyed[keyed.length >> 1], 1),
  keyWorstMs: rounded(keyed.at(-1), 1),
  escMedianMs: rounded(escaped[escaped.length >> 1], 1),
  escWorstMs: rounded(escaped.at(-1), 1),
  queueMedianMs: rounded(queued[queued.length >> 1], 1),
  queueWorstMs: rounded(queued.at(-1), 1),
  keys: waits.length + queued.length,
};
end({ exit: 0 });
await shown;

process.stdout.write(`${JSON.stringify(figures)}\n`);
