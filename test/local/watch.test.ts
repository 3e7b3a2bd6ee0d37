/** Watching real folders through chokidar: every change gives a Hint that leads to it. Waits for hints, never for time. */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openTree } from '../../src/local/tree.ts';
import { type WatchOptions, openWatcher } from '../../src/local/watch.ts';
import type { WatchState } from '../../src/model/event.ts';
import type { Hint } from '../../src/model/hint.ts';
import type { Watcher } from '../../src/model/ports.ts';
import { Folder } from '../support/folder.ts';
import { ManualClock } from '../support/manual-clock.ts';

let folder: Folder;
let watcher: Watcher | undefined;
let hints: Hint[];
let states: WatchState[];
let warnings: { code: string; message: string; hint: string }[];

beforeEach(() => {
  folder = new Folder();
  hints = [];
  states = [];
  warnings = [];
});
afterEach(async () => {
  await watcher?.close();
  watcher = undefined;
  folder.remove();
});

async function watch(over: Partial<WatchOptions> = {}): Promise<void> {
  const tree = openTree({ root: folder.root, include: [], exclude: [], clock: systemClock });
  watcher = openWatcher({
    root: folder.root,
    ignores: (path) => tree.ignores(path),
    clock: systemClock,
    ...over,
  });
  await watcher.start({
    hint: (hint) => hints.push(hint),
    state: (state) => states.push(state),
    warning: (code, message, hint) => warnings.push({ code, message, hint }),
  });
}

/** Resolves once a Hint covers the path: of itself, or of a folder it lies under. */
const covered = (path: string): Promise<boolean> =>
  vi.waitUntil(
    () =>
      hints.some(
        (hint) =>
          hint.path === path ||
          (hint.kind === 'under' && (hint.path === '' || path.startsWith(`${hint.path}/`))),
      ),
    { timeout: 8_000, interval: 5 },
  );

describe('changes on disk', () => {
  test('a new, a changed, a removed file', async () => {
    folder.write('there', '1');
    await watch();
    expect(states).toEqual(['starting', 'watching']);
    expect(hints).toEqual([]);
    folder.write('new');
    await covered('new');
    hints.length = 0;
    folder.write('there', 'changed');
    await covered('there');
    hints.length = 0;
    rmSync(folder.at('there'));
    await covered('there');
  });

  test('an atomic save, as editors do it', async () => {
    folder.write('note', 'old');
    await watch();
    folder.write('note.tmp', 'new');
    renameSync(folder.at('note.tmp'), folder.at('note'));
    await covered('note');
  });

  test('a rename: both names', async () => {
    folder.write('a');
    await watch();
    renameSync(folder.at('a'), folder.at('b'));
    await covered('a');
    await covered('b');
  });

  test('a folder that comes with what is in it, and goes', async () => {
    await watch();
    const other = new Folder();
    other.write('deep/er/file');
    renameSync(other.at('deep'), folder.at('deep'));
    other.remove();
    await covered('deep/er/file');
    hints.length = 0;
    rmSync(folder.at('deep'), { recursive: true });
    await covered('deep/er/file');
  });

  test('a file written into a folder made a moment ago', async () => {
    await watch();
    mkdirSync(folder.at('new'));
    writeFileSync(folder.at('new/file'), 'x');
    await covered('new/file');
    hints.length = 0;
    writeFileSync(folder.at('new/later'), 'x');
    await covered('new/later');
  });

  test('what is left out gives no Hint; new rules give a scan of their folder', async () => {
    folder.write('.s3vaultignore', 'out/\n*.log\n');
    folder.write('out/x');
    await watch();
    folder.write('.s3vault/vault.json');
    folder.write('out/y');
    folder.write('a.log');
    folder.write('last');
    await covered('last');
    expect(hints.filter((hint) => /s3vault\/|out|log/.test(hint.path))).toEqual([]);
    hints.length = 0;
    folder.write('.s3vaultignore', '');
    await vi.waitUntil(() => hints.some((hint) => hint.kind === 'under' && hint.path === ''), {
      timeout: 8_000,
    });
  });

  test('polling works where asked for', async () => {
    await watch({ poll: true });
    expect(states.at(-1)).toBe('polling');
    folder.write('f');
    await covered('f');
  });
});

test('watches cost by the folder, not by the file', async () => {
  if (platform() !== 'linux') return;
  for (let n = 0; n < 2_000; n++) folder.write(`d${n % 40}/f${n}`, '');
  const before = inotifyWatches();
  await watch();
  expect(inotifyWatches() - before).toBeLessThanOrEqual(41 + 20);
  expect(inotifyWatches() - before).toBeGreaterThan(0);
});

function inotifyWatches(): number {
  return readdirSync('/proc/self/fdinfo')
    .map((fd) => {
      try {
        return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^inotify /gm)?.length ?? 0;
      } catch {
        return 0;
      }
    })
    .reduce((sum, count) => sum + count, 0);
}

describe('when folders cannot be watched', () => {
  test.each([
    'ENOSPC',
    'EMFILE',
    'EACCES',
    'EWHATEVER',
  ])('%s is explained once and answered by scanning', async (code) => {
    const { FolderWatcher } = await import('../../src/local/watch.ts');
    const clock = new ManualClock();
    const one = new FolderWatcher({ root: folder.root, ignores: () => false, clock });
    const listener = {
      hint: (hint: Hint) => hints.push(hint),
      state: (state: WatchState) => states.push(state),
      warning: (name: string, message: string, hint: string) => warnings.push({ code: name, message, hint }),
    };
    for (const path of ['a', 'b/c', 'a']) {
      one.failed(Object.assign(new Error(`watch ${code}`), { code, path: folder.at(path) }), listener);
    }
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      code: `watch-${code.toLowerCase()}`,
      message: expect.stringMatching(/scanned|failed/) as unknown,
    });
    expect(warnings[0]?.hint).not.toBe('');
    expect(states).toContain('degraded');
    hints.length = 0;
    clock.advance(30_000);
    expect(hints.map(({ path }) => path)).toEqual(['a', 'b/c']);
    clock.advance(30_000);
    expect(hints).toHaveLength(4);
    await one.close();
    clock.advance(60_000);
    expect(hints).toHaveLength(4);
  });

  test('a folder that went while it was looked at is no trouble, but worth a look', async () => {
    const { FolderWatcher } = await import('../../src/local/watch.ts');
    const one = new FolderWatcher({ root: folder.root, ignores: () => false, clock: new ManualClock() });
    const listener = {
      hint: (hint: Hint) => hints.push(hint),
      state: () => undefined,
      warning: () => warnings.push(),
    };
    one.failed(Object.assign(new Error('gone'), { code: 'ENOENT', path: folder.at('a') }), listener);
    expect(hints).toEqual([{ kind: 'under', path: 'a' }]);
    expect(warnings).toEqual([]);
  });
});
