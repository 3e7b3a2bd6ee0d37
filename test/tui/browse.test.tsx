/** The tree of a vault on the screen: folders, versions, restore, undelete. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type {
  BrowseLine,
  Browser,
  FileVersion,
  RestoreEnd,
  RestoreProgress,
  RestoreWish,
} from '../../src/model/browser.ts';
import { VaultError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { runScreen } from '../../src/tui/run.tsx';
import { resumed } from '../../src/tui/ui.ts';
import { settled } from '../daemon/fakes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Stage, type StageOptions } from './stage.tsx';
import { FakeHandle, FakeStdin, FakeStdout } from './terminal.ts';

const START = Date.UTC(2026, 10, 24, 12, 4, 29);
let stage: Stage;

const folder = (path: string): BrowseLine => ({ kind: 'folder', path });
const file = (path: string, bytes = 1_000, removed = false): BrowseLine => ({
  kind: 'file',
  path,
  bytes,
  modified: START,
  removed,
});
const version = (versionId: string, over: Partial<FileVersion> = {}): FileVersion => ({
  versionId,
  bytes: 10,
  modified: START,
  latest: false,
  marker: false,
  ...over,
});

interface Going {
  readonly progress: (progress: RestoreProgress) => void;
  readonly end: (end: RestoreEnd) => void;
}

/** A tree in memory. */
class FakeBrowser implements Browser {
  ask: Browser['ask'];
  pages: { [folder: string]: readonly (readonly BrowseLine[])[] } = {
    '': [[file('a.txt'), folder('notes/'), file('odd\n\u001b[31m.txt', 5)]],
    'notes/': [[file('notes/meeting.md', 4_000)]],
  };
  removed: readonly BrowseLine[] = [file('a.txt'), file('gone.txt', 7, true)];
  history: readonly FileVersion[] = [
    version('v2', { latest: true }),
    version('v1', { modified: START - 86_400_000 }),
  ];
  fails: VaultError | undefined;
  readonly wishes: RestoreWish[] = [];
  readonly undeleted: string[] = [];
  pulled = 0;
  going: Going | undefined;

  async *list(path: string, { removed = false } = {}): AsyncIterable<readonly BrowseLine[]> {
    if (this.fails !== undefined) throw this.fails;
    for (const page of removed ? [this.removed] : (this.pages[path] ?? [])) {
      this.pulled++;
      yield page;
    }
  }

  async versions(): Promise<readonly FileVersion[]> {
    return this.history;
  }

  async restore(
    wish: RestoreWish,
    progress: (progress: RestoreProgress) => void,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<RestoreEnd> {
    this.wishes.push(wish);
    return new Promise((end) => {
      this.going = { progress, end };
      const stopped = { ...restored, files: 1, whole: false, stopped: true };
      signal?.addEventListener('abort', () => end(stopped));
    });
  }

  async undelete(path: string): Promise<void> {
    this.undeleted.push(path);
    this.removed = [file('a.txt'), file('gone.txt', 7)];
  }
}

const restored: RestoreEnd = {
  out: '/home/a/restored-notes',
  files: 3,
  bytes: 4_000,
  failed: 0,
  stopped: false,
  whole: true,
  problems: [],
};

let browser: FakeBrowser;

beforeEach(() => {
  vi.stubEnv('TZ', 'UTC');
  browser = new FakeBrowser();
});
afterEach(() => {
  stage.close();
  vi.unstubAllEnvs();
});

async function open(options: StageOptions = {}): Promise<void> {
  stage = new Stage(new ManualClock(START), { browser, ...options });
  await stage.frame();
  await stage.press('b');
}

test('without a tree the key says why', async () => {
  stage = new Stage(new ManualClock(START), {});
  await stage.frame();
  expect(await stage.press('b')).toContain('the files in the bucket cannot be seen from here');
});

describe('folders', () => {
  test('are shown one at a time, opened and left again', async () => {
    await open();
    expect(await stage.shows(/a\.txt/)).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       BROWSE                                                                  1 of 3
       ▶ a.txt                                               1.0 KB  2026-11-24 12:04
         notes/
         odd\\n\\e[31m.txt                                        5 B  2026-11-24 12:04
















      ────────────────────────────────────────────────────────────────────────────────
       enter open  g restore  d removed  u undelete  / filter          ? help  q quit"
    `);
    await stage.press('down');
    await stage.press('return');
    expect(await stage.shows(/BROWSE {2}notes\/ +1 of 1[^]*▶ meeting\.md +4\.0 KB/)).not.toContain('a.txt');
    await stage.press('backspace');
    await stage.shows(/▶ notes\/[^]*odd\\n\\e\[31m/);
    await stage.press('escape');
    await stage.shows(/LAST|TRANSFERS/);
  });

  test('are read as far as one looks, and on while one scrolls', async () => {
    const page = (from: number): readonly BrowseLine[] =>
      Array.from({ length: 100 }, (_, at) => file(`f${String(from + at).padStart(5, '0')}`));
    browser.pages[''] = Array.from({ length: 150 }, (_, at) => page(at * 100));
    await open();
    expect(await stage.shows(/f00001/)).toContain('1 of 100 and more');
    expect(browser.pulled).toBe(1);
    await stage.press('end');
    await stage.shows(/▶ f00099[^]*f00100/);
    expect(browser.pulled).toBe(2);
    await stage.press('/');
    for (const char of '499') await stage.press(char);
    // What the filter leaves out is read over.
    await stage.shows(/f00499[^]*f01499/);
  });

  test('one that cannot be read says why', async () => {
    browser.fails = new VaultError('offline', 'offline', 'the store does not answer');
    await open();
    await stage.shows(/the store does not answer/);
  });
});

describe('restore', () => {
  test.each([
    'changed',
    'ended',
  ] as const)('holds a screen of the daemon whose vaults have %s', async (how) => {
    await open();
    const [clock, changed, memory] = [new ManualClock(START), new AbortController(), {}];
    const [stdout, stdin] = [new FakeStdout(80, 24), new FakeStdin()];
    const handle = new FakeHandle(clock);
    let over = false;
    const ended = runScreen({
      vaults: [{ title: '~/Documents', target: 's3://b/', mode: 'client', key: '', handle, browser }],
      clock,
      memory,
      attached: true,
      changed: changed.signal,
      stdout: stdout as unknown as NodeJS.WriteStream,
      stdin: stdin as unknown as NodeJS.ReadStream,
    }).then(() => {
      over = true;
    });
    const shows = (text: string): Promise<boolean> =>
      vi.waitUntil(() => stdout.written.join('').includes(text), { timeout: 5_000, interval: 1 });
    await shows('Documents');
    stdin.press('b');
    await shows('notes');
    stdin.press('g');
    await shows('restore into');
    stdin.press('\r');
    await vi.waitUntil(() => browser.going !== undefined, { timeout: 5_000, interval: 1 });
    if (how === 'changed') changed.abort();
    else handle.end({ exit: 0 });
    await settled();
    expect(over).toBe(false);
    browser.going?.end(restored);
    await ended;
    // Nobody could read it: the screen that comes next says it, whichever vaults it has.
    const message = '3 files restored into /home/a/restored-notes, 4.0 KB';
    expect(resumed(memory, ['~/Documents'])).toMatchObject({ view: 'browse', message });
    expect(resumed(memory, ['~/Other'])).toMatchObject({ view: 'dashboard', message });
  });

  test('asks where to, shows how far it is, and how it ended', async () => {
    await open();
    await stage.shows(/a\.txt/);
    await stage.press('down');
    expect(await stage.press('g')).toMatch(/restore into: ~\/restored-notes▏ +enter starts/);
    await stage.press('2');
    await stage.press('return');
    await stage.shows(/RESTORE {2}opening/);
    expect(browser.wishes).toEqual([{ path: 'notes/', out: '~/restored-notes2' }]);
    browser.going?.progress({ files: 1, ofFiles: 3, bytes: 1_000, ofBytes: 4_000, failed: 0 });
    await stage.shows(/RESTORE ███░+ +1 of 3 files, 1\.0 KB of 4\.0 KB/);
    expect(await stage.press('g')).toContain('a restore is under way; x stops it');
    browser.going?.end(restored);
    await stage.shows(/✓ 3 files restored into \/home\/a\/restored-notes, 4\.0 KB/);
    // It stays to be read when the sentence has gone.
    expect(await stage.press('up')).toContain('✓ 3 files restored');
  });

  test('can be stopped; what failed is said with its way out', async () => {
    await open();
    await stage.shows(/a\.txt/);
    expect(await stage.press('x')).toContain('no restore is under way');
    await stage.press('g');
    await stage.press('return');
    await stage.press('x');
    await stage.shows(/! stopped: 1 file restored/);
    await stage.press('g');
    await stage.press('return');
    const problem = { code: 'other-key', message: 'a wrong key', hint: 'bring the right one' };
    browser.going?.end({ ...restored, files: 0, failed: 2, whole: false, problems: [problem] });
    await stage.shows(/! 2 files failed, such as: a wrong key; bring the right one/);
  });

  test('esc starts nothing', async () => {
    await open();
    await stage.shows(/a\.txt/);
    await stage.press('g');
    await stage.press('escape');
    expect(browser.wishes).toEqual([]);
  });

  test('a passphrase that is needed is typed hidden, in no frame', async () => {
    await open();
    await stage.shows(/a\.txt/);
    const asked = browser.ask?.('passphrase of the key file: ');
    await stage.shows(/passphrase of the key file: ▏/);
    for (const char of 'qx y') await stage.press(char === ' ' ? 'space' : char);
    await stage.press('backspace');
    await stage.shows(/key file: •••▏/);
    await stage.press('return');
    const answer = await asked;
    expect(answer).toBeInstanceOf(Secret);
    expect(answer?.use((bytes) => bytes.toString())).toBe('qx ');
    expect(stage.handle.commands).toEqual([]);
    const refused = browser.ask?.('passphrase of the key file: ').catch((thrown: unknown) => thrown);
    await stage.shows(/key file: ▏/);
    await stage.press('escape');
    expect(await refused).toMatchObject({ kind: 'cancelled' });
  });
});

describe('versions', () => {
  test('of a file, the newest first; an older one is restored by its id', async () => {
    await open();
    await stage.shows(/a\.txt/);
    await stage.press('return');
    expect(await stage.shows(/v1/)).toMatch(
      /VERSIONS {2}a\.txt +1 of 2\n ▶ 2026-11-24 12:04 +10 B {2}current +v2\n +2026-11-23 12:04 +10 B +v1/,
    );
    await stage.press('down');
    await stage.press('g');
    await stage.press('return');
    expect(browser.wishes).toEqual([{ path: 'a.txt', versionId: 'v1', out: '~/restored-a.txt' }]);
    await stage.press('escape');
    await stage.shows(/▶ a\.txt/);
  });

  test('a bucket that keeps none is said to', async () => {
    browser.history = [version('null', { latest: true })];
    await open();
    await stage.shows(/a\.txt/);
    await stage.press('return');
    await stage.shows(/the bucket keeps no versions/);
  });
});

describe('removed files', () => {
  test('are shown when asked for, and brought back', async () => {
    await open();
    await stage.shows(/a\.txt/);
    expect(await stage.press('u')).toContain('only a removed file can be undeleted; d shows them');
    await stage.press('d');
    await stage.shows(/with removed files[^]*✗ gone\.txt +removed +7 B/);
    await stage.press('down');
    expect(await stage.press('g')).toContain('it is removed: u brings it back');
    await stage.press('u');
    await stage.shows(/it is back in the bucket/);
    await stage.shows(/gone\.txt +7 B/);
    expect(browser.undeleted).toEqual(['gone.txt']);
    await stage.press('d');
    await stage.shows(/notes\//);
  });
});
