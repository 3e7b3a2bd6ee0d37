/** The lists of the screen: activity, queue, plan, settings; their filter; a window that is too small. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import type { EventBody } from '../../src/model/event.ts';
import { EMPTY_TOTALS, type PlannedLine } from '../../src/model/plan.ts';
import type { Setting } from '../../src/model/settings-desk.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Memory, START as BEGIN, resumed } from '../../src/tui/ui.ts';
import { Stage, type StageOptions, done, failed } from './stage.tsx';

const START = Date.UTC(2026, 10, 24, 12, 4, 29);
let clock: ManualClock;
let stage: Stage;

beforeEach(() => {
  vi.stubEnv('TZ', 'UTC');
  clock = new ManualClock(START);
});
afterEach(() => {
  stage.close();
  vi.unstubAllEnvs();
});

const open = (options: StageOptions = {}): Stage => {
  stage = new Stage(clock, options);
  return stage;
};

const put = (path: string, bytes = 1_000): PlannedLine => ({ kind: 'put', path, bytes, reason: 'new' });
const gone = (path: string): PlannedLine => ({
  kind: 'remove-remote',
  path,
  bytes: 0,
  reason: 'gone-locally',
});

describe('a screen that gives way to another one', () => {
  test('leaves it where one was: vault, view, line and filter', async () => {
    const memory: Memory = {};
    const { handle } = open({ memory, vaults: 2 });
    handle.emit(done(1, 'notes/meeting.md', 4_000), failed(2, 'scans/tax.pdf'), done(3, 'scans/a.txt', 3));
    await stage.frame();
    for (const key of ['tab', 'a', '/', 's', 'c', 'a', 'n', 'return', 'down']) await stage.press(key);
    const before = await stage.frame();
    expect(before).toContain('2 of 2');
    stage.close();
    // A vault came before it.
    expect(memory.last?.title).toBe('~/Folder-1');
    expect(resumed(memory, ['~/New', '~/Documents', '~/Folder-1'])).toMatchObject({
      vault: 2,
      view: 'activity',
      filter: 'scan',
      line: 1,
    });
    expect(resumed(memory, ['~/New'])).toStrictEqual(BEGIN);
    stage = new Stage(clock, { memory, vaults: 2 }, handle);
    // All but the speed, which belongs to the moment.
    const below = (frame: string): string => frame.slice(frame.indexOf('\n'));
    expect(below(await stage.frame())).toBe(below(before));
  });
});

describe('activity', () => {
  test('the selected line with its whole path and proof', async () => {
    const { handle } = open();
    handle.emit(done(1, 'notes/meeting.md', 4_000), failed(2, 'scans/tax.pdf'), done(3, 'a.txt', 3));
    await stage.frame();
    await stage.press('a');
    expect(await stage.press('down')).toMatchInlineSnapshot(`
      " s3vault                                                     1 vault · 4.0 KB/s
      ────────────────────────────────────────────────────────────────────────────────
       ACTIVITY                                                                2 of 3
       ✓ a.txt                                3 B  sealed, V3, a3f9  v 3Lg…  12:04:29
      ▶! scans/tax.pdf                    cannot be read: permission denied  12:04:29
       ✓ notes/meeting.md                  4.0 KB  sealed, V3, a3f9  v 3Lg…  12:04:29

       scans/tax.pdf
       scans/tax.pdf cannot be read: permission denied













      ────────────────────────────────────────────────────────────────────────────────
       / filter  esc back  p pause  P problems 1  a activity  t queue  ? help  q quit"
    `);
    expect((await stage.press('end')).replaceAll(/\s+/g, ' ')).toContain(
      'sealed with key a3f941c077be0011, crc32 AAAAAA== confirmed by the store, version 3LgXyz',
    );
  });

  test('a filter that is typed narrows it at once; enter keeps it, esc ends it', async () => {
    const { handle } = open();
    handle.emit(done(1, 'notes/meeting.md', 4_000), failed(2, 'scans/tax.pdf'), done(3, 'notes/q.txt', 3));
    await stage.frame();
    await stage.press('l');
    await stage.press('/');
    let shown = '';
    for (const char of 'NOTESx') shown = await stage.press(char);
    expect(shown).toContain('no line fits the filter');
    expect(shown).toContain('/NOTESx▏');
    shown = await stage.press('backspace');
    expect(shown).toContain('meeting.md');
    expect(shown).not.toContain('tax.pdf');
    // Letters that are keys elsewhere are text here.
    expect(handle.commands).toEqual([]);
    shown = await stage.press('return');
    expect(shown).toContain('ACTIVITY  /NOTES');
    shown = await stage.press('escape');
    expect(shown).toContain('tax.pdf');
    expect(await stage.press('escape')).toContain('LAST');
  });

  test('esc while typing brings the filter from before back', async () => {
    const { handle } = open();
    handle.emit(done(1, 'one', 1), done(2, 'two', 1));
    await stage.frame();
    await stage.press('a');
    await stage.press('/');
    await stage.press('o');
    await stage.press('return');
    await stage.press('/');
    await stage.press('n');
    expect(await stage.press('escape')).toContain('ACTIVITY  /o');
  });
});

describe('the queue', () => {
  test('shows what waits in order; raises, and leaves out', async () => {
    const { handle } = open();
    handle.emit(
      { event: 'state', state: 'working' },
      { event: 'plan', ...EMPTY_TOTALS, put: 900, bytes: 900_000 },
      { event: 'queue', waiting: 3, next: [put('a.txt'), put('b\n.txt', 5_000_000), gone('c.txt')] },
    );
    await stage.frame();
    expect(await stage.press('t')).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       QUEUE                                            1 of 3, 900 files wait in all
       ▶ a.txt                                    1.0 KB  send: new
       ↑ b\\n.txt                                  5.0 MB  send: new
       - c.txt                                            remove there: gone locally
















      ────────────────────────────────────────────────────────────────────────────────
       enter first  x leave out  / filter  esc back  p pause           ? help  q quit"
    `);
    await stage.press('down');
    await stage.press('f');
    expect(await stage.press('x')).toContain('left out until it changes');
    expect(handle.commands).toEqual([
      { command: 'first', path: 'b\n.txt' },
      { command: 'skip', path: 'b\n.txt' },
    ]);
  });

  test('is empty, and says so', async () => {
    open();
    await stage.frame();
    expect(await stage.press('t')).toContain('nothing waits');
    expect(await stage.press('x')).toContain('there is nothing here to choose');
  });
});

describe('the plan', () => {
  test('removals that wait for an answer are listed, with counts and cost', async () => {
    const { handle } = open();
    const first = Array.from({ length: 40 }, (_, at) => gone(`old/file-${at}.txt`));
    handle.emit(
      { event: 'plan', ...EMPTY_TOTALS, put: 12, removeRemote: 1_240, skip: 3, bytes: 48_000_000 },
      { event: 'consent', reason: { kind: 'many-removals', removals: 1_240, of: 2_000, first } },
      { event: 'state', state: 'needs-you' },
    );
    await stage.frame();
    expect(await stage.press('v')).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       PLAN                                                          waits for y or n
                      12 files to send
                   1,240 files to remove in the bucket
                       3 files left out
                 48.0 MB to move
                   1,257 requests
         less than $0.01 on Amazon S3 (us-east-1, Standard)

       REMOVALS                                           1 of 40, the first of 1,240
       ▶ old/file-0.txt                                   remove there: gone locally
       - old/file-1.txt                                   remove there: gone locally
       - old/file-2.txt                                   remove there: gone locally
       - old/file-3.txt                                   remove there: gone locally
       - old/file-4.txt                                   remove there: gone locally
       - old/file-5.txt                                   remove there: gone locally
       - old/file-6.txt                                   remove there: gone locally
       - old/file-7.txt                                   remove there: gone locally
       - old/file-8.txt                                   remove there: gone locally
       - old/file-9.txt                                   remove there: gone locally
       ! Remove 1,240 of 2,000 files in the bucket? v lists them.          y yes n no
      ────────────────────────────────────────────────────────────────────────────────
       / filter  esc back  p pause  P problems  a activity  t queue    ? help  q quit"
    `);
    await stage.press('y');
    expect(handle.commands).toEqual([{ command: 'consent', yes: true }]);
  });

  test('a first plan is reviewed before anything is done; KMS is counted', async () => {
    const { handle } = open({ mode: 'sse-kms' });
    const totals = { ...EMPTY_TOTALS, put: 2_000, bytes: 16_000_000_000, conflict: 1 };
    handle.emit(
      { event: 'consent', reason: { kind: 'plan-review', totals, first: [put('a.txt')] } },
      { event: 'state', state: 'needs-you' },
    );
    expect(await stage.frame()).toContain('Start with this plan?');
    const shown = await stage.press('v');
    expect(shown).toMatch(/2,000 files to send/);
    expect(shown).toMatch(/1 file in conflict/);
    expect(shown).toMatch(/3,907 requests and 2,000 of KMS\n/);
    expect(shown).toMatch(/about \$0\.03 on Amazon S3/);
  });
});

describe('settings', () => {
  const lines: Setting[] = [
    { name: 'root', says: 'folder', value: '/home/a', change: { kind: 'no', instead: 'forget it first' } },
    {
      name: 'removals',
      says: 'removals',
      value: 'only reported',
      change: {
        kind: 'choice',
        choices: ['only reported', 'let through'],
        asks: { choice: 'let through', question: 'Really?' },
      },
    },
    { name: 'transfers', says: 'transfers at a time', value: '16', change: { kind: 'text', example: '16' } },
  ];
  const written: (readonly [string, string])[] = [];
  const desk = {
    read: async () => lines,
    change: async (name: string, value: string) => {
      if (value === '169') throw new VaultError('usage', 'setting-value', 'must be at most 256');
      written.push([name, value]);
      return 'saved';
    },
  };

  test('a choice goes to its next value, a text is typed, the rest says what to do', async () => {
    written.length = 0;
    open({ settings: desk });
    await stage.frame();
    await stage.press('e');
    await stage.shows(/transfers at a time +16/);
    expect(await stage.press('return')).toContain('forget it first');
    await stage.press('down');
    expect(await stage.press('return')).toContain('Really?');
    await stage.press('n');
    await stage.shows(/nothing was changed/);
    expect(written).toEqual([]);
    await stage.press('return');
    await stage.press('y');
    await stage.shows(/saved/);
    await stage.press('down');
    await stage.press('return');
    expect(await stage.press('9')).toMatch(/transfers at a time +169▏/);
    await stage.press('return');
    await stage.shows(/must be at most 256/);
    await stage.press('return');
    await stage.press('backspace');
    await stage.press('8');
    await stage.press('return');
    await stage.shows(/saved/);
    expect(written).toEqual([
      ['removals', 'let through'],
      ['transfers', '18'],
    ]);
  });
});

test('a window too small to read anything takes no answers to what cannot be seen; it only lets one leave', async () => {
  const { handle, stdin, stdout } = open({ columns: 30, rows: 8 });
  handle.emit({ event: 'consent', reason: { kind: 'many-removals', removals: 9, of: 10 } });
  expect(await stage.shows(/window too small/)).not.toContain('Remove');
  for (const key of ['y', 'p', '\u001b[200~y\u001b[201~', 'P', '/']) stdin.press(key);
  expect(await stage.press('q')).toContain('window too small');
  expect(handle.commands).toEqual([{ command: 'stop' }]);
  stdout.resize(80, 24);
  // Neither the list of problems nor a filter: nothing of it was obeyed.
  expect(await stage.shows(/~\/Documents/)).not.toContain('PROBLEMS');
});

test('a window too small to read anything says so, and is back once it is larger', async () => {
  open({ columns: 30, rows: 8 });
  const shown = await stage.frame();
  expect(shown).toContain('window too small: 30 × 8');
  expect(shown).toContain('s3vault needs 40 × 10');
  stage.stdout.resize(80, 24);
  await stage.shows(/TRANSFERS/);
});

describe('a problem that belongs to no file', () => {
  const ofVault = { event: 'warning', code: 'watch-limit', message: 'not everything is watched' } as const;
  const tried = async (...events: readonly EventBody[]): Promise<string> => {
    const { handle } = open();
    handle.emit(...events);
    await stage.press('P');
    await stage.press('home');
    return stage.press('return');
  };

  test('is not tried again as if it were one', async () => {
    const frame = await tried(ofVault, { event: 'idle' });
    expect(frame).toContain('no file to try again');
    expect(stage.handle.commands).toStrictEqual([]);
  });

  test('has all that failed tried again, and says so', async () => {
    const frame = await tried(ofVault, failed(1, 'scans/tax.pdf'));
    expect(frame).toContain('about the vault, not one file: all that failed is tried again');
    expect(stage.handle.commands).toStrictEqual([{ command: 'retry' }]);
  });

  test('has a vault that stands still tried again', async () => {
    const missing = { event: 'warning', code: 'key-missing', message: 'there is no key k' } as const;
    const frame = await tried(missing, { event: 'state', state: 'needs-you' });
    expect(frame).toContain('the whole vault is tried again');
    expect(stage.handle.commands).toStrictEqual([{ command: 'retry' }]);
    expect(await stage.press('down')).not.toContain('tried again');
  });

  test('leaves a file of its own to itself', async () => {
    await tried(failed(1, 'scans/tax.pdf'), ofVault);
    expect(stage.handle.commands).toStrictEqual([{ command: 'retry', paths: ['scans/tax.pdf'] }]);
  });
});
