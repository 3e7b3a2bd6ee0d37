/** The screen as people read it: whole frames at 80×24, driven by the bindings table. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { relPath } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { EventBody } from '../../src/model/event.ts';
import { EMPTY_TOTALS } from '../../src/model/plan.ts';
import type { Setting } from '../../src/model/settings-desk.ts';
import { BINDINGS, VIEWS } from '../../src/tui/keys.ts';
import { activityShown, queueShown } from '../../src/tui/long-lists.ts';
import { colour } from '../../src/tui/parts.tsx';
import { runScreen } from '../../src/tui/run.tsx';
import { ManualClock } from '../support/manual-clock.ts';
import { Stage, done, facts, failed } from './stage.tsx';
import { FakeHandle, FakeStdin, FakeStdout } from './terminal.ts';

const START = Date.UTC(2026, 10, 24, 12, 4, 29);

/** One file in the tree, one conflict. */
const DESKS = {
  browse: {
    lines: [{ kind: 'file', path: 'a', bytes: 1, modified: 0, removed: false }],
    versions: undefined,
    restoring: undefined,
  },
  conflicts: [
    {
      path: relPath('a'),
      copy: relPath('a (conflict host 2026-11-24 12-00-00)'),
      host: 'host',
      since: '2026-11-24 12:00:00',
      mine: { size: 1, mtime: 1, inode: 1 },
      theirs: { size: 2, mtime: 2, inode: 2 },
    },
  ],
} as const;
const GOING = { out: 'o', progress: undefined };

let clock: ManualClock;
let handle: FakeHandle;
let stage: Stage;

function open(
  columns = 80,
  rows = 24,
  note?: string,
  more: { vaults?: number; spoken?: boolean } = {},
): void {
  stage = new Stage(clock, { columns, rows, ...(note === undefined ? {} : { note }), ...more }, handle);
}

const frame = (): Promise<string> => stage.frame();
const press = (key: string): Promise<string> => stage.press(key);
const frames = (): readonly string[] => stage.frames;

beforeEach(() => {
  vi.stubEnv('TZ', 'UTC');
  clock = new ManualClock(START);
  handle = new FakeHandle(clock);
});

afterEach(() => {
  stage.close();
  vi.unstubAllEnvs();
});

function sending(): void {
  handle.emit(
    { event: 'state', state: 'working' },
    { event: 'scan', state: 'done', files: 5_310 },
    { event: 'plan', ...EMPTY_TOTALS, put: 5, bytes: 76_000_000 },
    { event: 'transfer.start', ...facts(1, 'photos/2026/alps/DSC_0192.NEF', 38_200_000) },
    { event: 'transfer.start', ...facts(2, 'photos/2026/alps/DSC_0193.NEF', 37_900_000) },
    { event: 'transfer.start', ...facts(3, 'notes/meeting.md', 4_000) },
    done(3, 'notes/meeting.md', 4_000),
    failed(4, 'scans/tax.pdf'),
  );
  clock.advance(1_000);
  handle.emit({
    event: 'transfer.progress',
    ...facts(1, 'photos/2026/alps/DSC_0192.NEF', 38_200_000),
    phase: 'sending',
    sent: 27_122_000,
  });
  clock.advance(1_000);
}

describe('the dashboard at 80×24', () => {
  test('of several vaults: each with its own speed and time left, the title with that of all', async () => {
    open(80, 24, undefined, { vaults: 2 });
    sending();
    const [title = '', , first = '', second = ''] = (await frame()).split('\n');
    expect(title).toMatch(/2 vaults · 27\.1 MB\/s$/);
    expect(first).toContain('▶ ~/Documents');
    expect(second).toMatch(/sending {3}1 of 5 files .* 13\.6 MB\/s ▁█ 4 s left/);
  });

  test('while sending', async () => {
    open();
    sending();
    expect(await frame()).toMatchInlineSnapshot(`
      " s3vault                                      1 vault · 13.6 MB/s ▁█ · 4 s left
      ────────────────────────────────────────────────────────────────────────────────
       ▶ ~/Documents  →  s3://acme-vault/docs/                    client · key laptop
         ↑ sending   1 of 5 files   4.0 KB of 76.0 MB              ████░░░░░░░░  35 %

       TRANSFERS                                                          2 under way
       ↑ photos/2026/alps/DSC_0192.NEF                    38.2 MB  █████████░░░  71 %
       ↑ photos/2026/alps/DSC_0193.NEF                    37.9 MB  reading…

       LAST                                                                     proof
       ! scans/tax.pdf                    cannot be read: permission denied  12:04:29
       ✓ notes/meeting.md                  4.0 KB  sealed, V3, a3f9  v 3Lg…  12:04:29










      ────────────────────────────────────────────────────────────────────────────────
       p pause  P problems 1  a activity  t queue  b browse  k keys    ? help  q quit"
    `);
  });

  test('in step, with a note', async () => {
    open(80, 24, 'demo: the files change by themselves; q quits');
    handle.emit({ event: 'scan', state: 'done', files: 33 }, done(1, 'notes/meeting.md', 4_000), {
      event: 'idle',
    });
    expect(await frame()).toMatchInlineSnapshot(`
      " s3vault                                                     1 vault · 4.0 KB/s
      ────────────────────────────────────────────────────────────────────────────────
       ▶ ~/Documents  →  s3://acme-vault/docs/                    client · key laptop
         ✓ in step   33 files in the last scan

       TRANSFERS                                                                 none

       LAST                                                                     proof
       ✓ notes/meeting.md                  4.0 KB  sealed, V3, a3f9  v 3Lg…  12:04:29












       demo: the files change by themselves; q quits
      ────────────────────────────────────────────────────────────────────────────────
       p pause  P problems  a activity  t queue  b browse  k keys      ? help  q quit"
    `);
  });

  test('offline', async () => {
    open();
    handle.emit({ event: 'state', state: 'offline', retryIn: 8_000 });
    expect(await frame()).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       ▶ ~/Documents  →  s3://acme-vault/docs/                    client · key laptop
         … offline, trying again in 8 s

       TRANSFERS                                                                 none
















      ────────────────────────────────────────────────────────────────────────────────
       p pause  P problems  a activity  t queue  b browse  k keys      ? help  q quit"
    `);
    clock.advance(5_000);
    expect(await frame()).toContain('… offline, trying again in 3 s');
    clock.advance(5_000);
    expect(await frame()).toContain('… offline, trying again now');
  });

  test('throttled, until the store has not asked for it in a while', async () => {
    open();
    handle.emit(
      { event: 'state', state: 'working' },
      { event: 'throttle', resource: 'kms', rate: 8, quota: null },
    );
    expect(await frame()).toContain('≈ throttled (KMS)');
    clock.advance(31_000);
    expect(await frame()).toContain('↑ sending');
  });

  test.each([
    80, 120,
  ])('KMS under its quota, at %i columns; nothing of it where no KMS is used', async (columns) => {
    open(columns);
    handle.emit({ event: 'state', state: 'working' });
    expect(await frame()).not.toContain('KMS');
    const gauge = { rate: 2_410, limit: 5_000, share: 50, quota: 10_000, throttled: 3, requests: 99 };
    handle.emit({ event: 'kms', source: 'service-quotas', ...gauge });
    clock.advance(1_000);
    const line = (await frame()).split('\n').find((text) => text.startsWith(' KMS '));
    const quota = columns === 80 ? '10,000' : 'the quota 10,000';
    expect(line).toContain(`2,410 of 5,000 req/s (50 % of ${quota}, from Service Quotas)`);
    expect(line).toMatch(/throttled 3$/);
  });

  test('with problems left the bar of the plan is gone once there is nothing to do', async () => {
    open();
    sending();
    expect(await frame()).toContain('%');
    handle.emit({ event: 'idle' });
    expect(await frame()).toMatch(/! in step but for 1 problem .*\n/);
    expect((await frame()).split('\n')[3]).not.toContain('█');
  });

  test.each([80, 120])('no tick where something is short, listed or not, at %i columns', async (columns) => {
    open(columns);
    handle.emit({ event: 'idle', short: { failed: 0, unprotected: 0, declined: 12, exit: 5 } });
    expect(await frame()).toContain('! in step but for 1 problem');
    expect(await frame()).not.toContain('✓');
    handle.emit(...Array.from({ length: 1_200 }, (_, n) => failed(n, `d/f${n}`)));
    handle.emit({ event: 'idle', short: { failed: 1_200, unprotected: 34, exit: 3 } });
    clock.advance(1_000);
    expect(await frame()).toContain('! in step but for 1,234 problems');
    const list = await press('P');
    expect(list).toContain('1 of 1,000, and 234 more: r tries all that failed');
    expect(list).toContain('P problems 1,234');
    await press('r');
    expect(handle.commands).toEqual([{ command: 'retry' }]);
  });

  test('no hundred percent before the last proof', async () => {
    open();
    handle.emit(
      { event: 'state', state: 'working' },
      { event: 'plan', ...EMPTY_TOTALS, put: 1, bytes: 100 },
      { event: 'transfer.progress', ...facts(1, 'a', 100), phase: 'verifying', sent: 100 },
    );
    const shown = await frame();
    expect(shown).toContain('99 %');
    expect(shown).toContain('proving encryption…');
  });

  test('a question waits for y or n, in words', async () => {
    open();
    handle.emit(
      { event: 'consent', reason: { kind: 'many-removals', question: 7, removals: 1_240, of: 2_000 } },
      { event: 'state', state: 'needs-you' },
    );
    const shown = await frame();
    expect(shown).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       ▶ ~/Documents  →  s3://acme-vault/docs/                    client · key laptop
         ! needs you: 1,240 removals to confirm

       TRANSFERS                                                                 none















       ! Remove 1,240 of 2,000 files in the bucket? v lists them.          y yes n no
      ────────────────────────────────────────────────────────────────────────────────
       p pause  P problems  a activity  t queue  b browse  k keys      ? help  q quit"
    `);
    await press('y');
    expect(handle.commands).toEqual([{ command: 'consent', yes: true, question: 7 }]);
  });
});

test('no row jumps when a transfer ends', async () => {
  open();
  handle.emit({ event: 'state', state: 'working' });
  for (const id of [1, 2, 3]) handle.emit({ event: 'transfer.start', ...facts(id, `file-${id}`, 9) });
  const before = (await frame()).split('\n');
  handle.emit(done(1, 'file-1', 9));
  const after = (await frame()).split('\n');
  for (const name of ['file-2', 'file-3']) {
    const row = before.findIndex((line) => line.includes(name));
    expect(row).toBeGreaterThan(0);
    expect(after[row]).toContain(name);
  }
});

test('a wide window shows what happened beside what happens', async () => {
  open(200, 50);
  sending();
  const lines = (await frame()).split('\n');
  expect(lines.find((line) => line.includes('TRANSFERS'))).toContain('LAST');
});

test('five digits of files and their bytes fit at 80 columns', async () => {
  open();
  handle.emit(
    { event: 'state', state: 'working' },
    { event: 'plan', ...EMPTY_TOTALS, put: 53_100, bytes: 999_900_000 },
    { event: 'transfer.progress', ...facts(1, 'a', 312_000_000), phase: 'sending', sent: 312_000_000 },
    done(1, 'a', 312_000_000),
  );
  expect(await frame()).toContain('1 of 53,100 files   312.0 MB of 999.9 MB  ');
});

test('a small window still shows transfers, and words are not cut into the bar', async () => {
  open(60, 15);
  sending();
  const shown = await frame();
  expect(shown).toContain('~/Documents');
  expect(shown).toContain('DSC_0192.NEF');
  expect(shown).not.toMatch(/[^ █░] ?[█░]{10}/);
});

test('with more vaults than lines the selected one is in sight', async () => {
  open(80, 24, undefined, { vaults: 12 });
  await frame();
  for (let n = 1; n < 12; n++) expect(await press('tab')).toContain(`▶ ~/Folder-${n} `);
});

test('NO_COLOR leaves no colours; empty it asks for nothing', () => {
  open();
  vi.stubEnv('NO_COLOR', '');
  expect(colour('red')).toEqual({ color: 'red' });
  vi.stubEnv('NO_COLOR', '1');
  expect(colour('red')).toEqual({});
});

test('to a screen reader bars are numbers', async () => {
  open(80, 24, undefined, { spoken: true });
  sending();
  const shown = await frame();
  expect(shown).toContain('71 %');
  expect(shown).toContain('sending');
  expect(shown).not.toMatch(/[█░─▁▂▃▄▅▆▇]/);
});

describe('what names can do', () => {
  const NAMES = [
    'a\nb',
    '\u001b[2J\u001b[31mred',
    '漢字'.repeat(40),
    'e\u0301'.repeat(60),
    '🏔️'.repeat(50),
    '\u202egnp.exe',
  ];

  test.each([
    [80, 24],
    [60, 16],
    [200, 50],
  ])('nothing: every line stays within %i columns, %i rows', async (columns, rows) => {
    open(columns, rows);
    handle.emit(
      ...NAMES.flatMap((name, at): EventBody[] => [done(at, name, 1), failed(at + 50, `f${name}`)]),
    );
    handle.emit(
      ...NAMES.map((name, at): EventBody => ({ event: 'transfer.start', ...facts(100 + at, name, 9) })),
    );
    for (const shown of [await frame(), await press('P'), await press('l')]) {
      const lines = shown.split('\n');
      expect(lines.length).toBeLessThanOrEqual(rows);
      const { default: widthOf } = await import('string-width');
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
      expect(shown).not.toContain('\u001b');
      expect(shown).not.toContain('\u202e');
    }
  });

  test('nor can they colour anything: in every view their codes are shown as text', async () => {
    open();
    const name = '\u001b[31mred\nline';
    const seen = async (text: string) => {
      await frame();
      // The raw frame: `frame` takes all colours away.
      expect(frames().at(-1)).not.toContain('\u001b[31m');
      expect(text.match(/\\e\[31mred\\nline/g)?.length).toBeGreaterThan(0);
    };
    handle.emit({ event: 'transfer.start', ...facts(1, name, 9) });
    await seen(await frame());
    handle.emit(done(1, name, 9));
    await seen(await frame());
    await seen(await press('l'));
    handle.emit(failed(2, name));
    await frame();
    await seen(await press('P'));
  });

  test('resizing keeps to the window', async () => {
    open();
    sending();
    await frame();
    stage.stdout.resize(50, 12);
    await vi.waitUntil(() => (frames().at(-1) ?? '').split('\n').length <= 12, {
      timeout: 2_000,
      interval: 1,
    });
  });
});

describe('keys', () => {
  test('pause and go on', async () => {
    open();
    await frame();
    await press('p');
    handle.emit({ event: 'state', state: 'paused' });
    expect(await frame()).toContain('‖ paused');
    await press('p');
    expect(handle.commands).toEqual([{ command: 'pause' }, { command: 'resume' }]);
  });

  test('problems: each with what to do; one or all are tried again', async () => {
    open();
    handle.emit(failed(1, 'scans/tax.pdf'), failed(2, 'scans/rent.pdf'));
    await frame();
    expect(await press('P')).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       PROBLEMS                                                                1 of 2
       ▶ scans/tax.pdf: cannot be read: permission denied                    12:04:29
       ! scans/rent.pdf: cannot be read: permission denied                   12:04:29

       scans/tax.pdf cannot be read: permission denied
       → check its owner














      ────────────────────────────────────────────────────────────────────────────────
       enter try again  / filter  esc back  p pause  P problems 2      ? help  q quit"
    `);
    await press('down');
    await press('return');
    await press('r');
    expect(handle.commands).toEqual([{ command: 'retry', paths: ['scans/rent.pdf'] }, { command: 'retry' }]);
    expect(await press('escape')).toContain('LAST');
  });

  test('what was left out is taken back by name; trying again what failed is another thing', async () => {
    open();
    const left = { code: 'left-out', path: 'b.txt', message: 'b.txt was left out', hint: 'u takes it back' };
    handle.emit({ event: 'warning', ...left }, failed(1, 'a.txt'));
    await frame();
    await press('P');
    expect(await press('u')).toContain('taken back');
    await press('down');
    expect(await press('u')).toContain('only a file that you left out can be taken back');
    expect(handle.commands).toEqual([{ command: 'retry', paths: ['b.txt'] }]);
  });

  test('a key with nothing to do says why', async () => {
    open();
    await frame();
    expect(await press('r')).toContain('there are no problems');
    expect(await press('y')).toContain('there is no question to answer');
    expect(await press('x')).toContain('x does nothing here; ? shows the keys');
    expect(handle.commands).toEqual([]);
  });

  test('help shows every binding of the table', async () => {
    open(100, 60);
    await frame();
    const shown = await press('?');
    for (const { says } of BINDINGS) expect(shown).toContain(says);
  });

  test('every binding leads somewhere in every view where it is said to work', async () => {
    const { press: lead } = await import('../../src/tui/orders.ts');
    const { START: ui } = await import('../../src/tui/ui.ts');
    handle.emit(failed(1, 'a'), { event: 'consent', reason: { kind: 'many-removals', removals: 9, of: 10 } });
    handle.emit({ event: 'queue', waiting: 1, next: [{ kind: 'put', path: 'q', bytes: 1, reason: 'new' }] });
    const settings: readonly Setting[] = [
      { name: 'a', says: 'a', value: 'x', change: { kind: 'choice', choices: ['x', 'y'] } },
    ];
    const snapshot = handle.snapshot();
    const queue = queueShown(undefined, snapshot, '');
    const activity = activityShown(undefined, snapshot, '');
    const around = { snapshot, queue, activity, vaults: 2, page: 5, settings, keys: true, ...DESKS };
    for (const { order, keys, views } of BINDINGS) {
      for (const view of views ?? VIEWS) {
        for (const key of keys) {
          const before = { ...ui, view, line: view === 'help' ? 1 : 0 };
          // One of what can be restored, stopped and undeleted at a time.
          const browse = { ...DESKS.browse, restoring: order === 'stop-restore' ? GOING : undefined };
          const lines = [
            order === 'undelete' ? { ...DESKS.browse.lines[0], removed: true } : DESKS.browse.lines[0],
          ];
          const led = lead(key, before, { ...around, browse: { ...browse, lines } });
          const moved = JSON.stringify(led.ui) !== JSON.stringify(before);
          // The lists of this test have one line.
          const still = /up|down|top|bottom/.test(order) && view !== 'help';
          const leads =
            led.commands.length > 0 || led.set !== undefined || led.desk !== undefined || moved || still;
          expect(leads, `${order} in ${view}`).toBe(true);
          expect(led.ui.message).not.toContain('does nothing');
        }
      }
    }
    open();
  });

  test('no key means two things in one view', () => {
    for (const view of VIEWS) {
      const keys = BINDINGS.filter(({ views }) => views?.includes(view) ?? true).flatMap(
        (binding) => binding.keys,
      );
      expect(new Set(keys).size).toBe(keys.length);
    }
    open();
  });

  test('help at 80×24', async () => {
    open();
    await frame();
    expect(await press('?')).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       KEYS                                                 more below; esc goes back
         p                 pause, and go on
         P                 show the problems, each with what to do
         a, l              show what happened, newest first
         t                 show what waits, and change its order
         b                 browse the files in the bucket: versions, restore, undelete
         k                 open the keys (in dashboard)
         v                 show the plan: counts, requests, cost, removals
         c                 show files that both sides changed, and choose
         e                 show and change the settings of the vault
         r                 try all that failed again now
         enter             try the selected file again now (in problems)
         u                 take back that the selected file was left out (in problems)
         enter, f          send the selected file first (in queue)
         x                 leave the selected file out until it changes (in queue)
         enter             change the selected setting (in settings)
         enter             open the folder, or show versions of the file (in browse)
         g                 restore what is selected into another folder (in browse)
         x                 stop the restore that is under way (in browse)

      ────────────────────────────────────────────────────────────────────────────────
       esc back  p pause  P problems  a activity  t queue  b browse    ? help  q quit"
    `);
  });

  test('q ends after what is under way, again at once', async () => {
    open();
    handle.emit({ event: 'transfer.start', ...facts(1, 'big', 9) });
    handle.emit({ event: 'transfer.start', ...facts(2, 'small', 9) });
    await frame();
    expect(await press('q')).toContain('finishing 2 transfers; q again ends at once');
    handle.emit(done(2, 'small', 9));
    expect(await frame()).toContain('finishing 1 transfer; q again ends at once');
    expect(await press('P')).toContain('finishing 1 transfer');
    expect(await press('ctrl+c')).toContain('ending at once');
    expect(handle.commands).toEqual([{ command: 'stop' }, { command: 'stop' }]);
  });

  test.each([
    ['paused', 'agreed: it is done when you go on: p'],
    ['offline', 'agreed: it is done once the store is reached'],
  ] as const)('an answer while %s makes room for words on when it is done', async (state, words) => {
    open();
    handle.emit({ event: 'consent', reason: { kind: 'many-removals', question: 3, removals: 9, of: 10 } });
    handle.emit({ event: 'state', state });
    handle.onCommand = () => handle.emit({ event: 'answered', yes: true });
    expect(await frame()).toContain('Remove 9 of 10 files in the bucket?');
    const after = await press('y');
    expect(after).not.toContain('Remove 9');
    expect(after).toContain(words);
  });

  test('a yes that comes too late is refused in words, and the new question is another one', async () => {
    open();
    const reason = { kind: 'many-removals', removals: 9, of: 40 } as const;
    handle.emit({ event: 'consent', reason: { ...reason, question: 3 } });
    handle.onCommand = () => {
      handle.emit({ event: 'consent', reason: { ...reason, question: 4, removals: 12, again: true } });
      throw new VaultError('consent', 'plan-changed', 'the plan has changed: 12 removals now', {
        hint: 'look again, then answer; nothing was done',
      });
    };
    await frame();
    expect(await press('y')).toContain('The plan has changed. Remove 12 of 40 files now?');
    handle.onCommand = () => undefined;
    await press('y');
    expect(handle.commands.at(-1)).toEqual({ command: 'consent', yes: true, question: 4 });
    handle.emit({ event: 'answered', yes: true });
    await frame();
  });

  test('a key that the engine refuses says why', async () => {
    open();
    await frame();
    handle.refusal = new VaultError('usage', 'not-running', 'locked: its key is out of memory', {
      hint: 'go on with: s3vault daemon unlock',
    });
    expect(await press('s')).toContain(
      'locked: its key is out of memory → go on with: s3vault daemon unlock',
    );
    handle.emit({ event: 'state', state: 'offline' });
    handle.refusal = undefined;
    await frame();
    expect(await press('s')).toContain('scanned once the store is reached');
    handle.emit({ event: 'state', state: 'paused' });
    await frame();
    expect(await press('s')).toContain('to be scanned; what is found is done when you go on: p');
  });

  test('a doubled key that comes at once counts twice', async () => {
    open();
    await frame();
    stage.stdin.press('qq');
    await vi.waitUntil(() => handle.commands.length === 2, { timeout: 2_000, interval: 1 });
    expect(handle.commands).toEqual([{ command: 'stop' }, { command: 'stop' }]);
  });

  test('keys that a slow line brings at once all count; not where one of them ends something', async () => {
    open();
    await frame();
    stage.stdin.press('a/n1\r');
    await stage.shows(/ACTIVITY.*n1/);
    await press('escape');
    await press('escape');
    stage.stdin.press('aq');
    await stage.shows(/several keys came at once and were ignored/);
    expect(handle.commands).toEqual([]);
  });

  test('pasted text answers nothing', async () => {
    open();
    handle.emit({ event: 'consent', reason: { kind: 'many-removals', removals: 9, of: 10 } });
    await frame();
    stage.stdin.press('\u001b[200~y\u001b[201~');
    stage.stdin.press('yes');
    await press('p');
    expect(handle.commands).toEqual([{ command: 'pause' }]);
  });
});

test('a flood of events is drawn few times', async () => {
  open();
  await frame();
  const before = frames().length;
  for (let burst = 0; burst < 100; burst++) {
    for (let n = 0; n < 1_000; n++) handle.hear(done(burst * 1_000 + n, `f${n}`, 1));
  }
  clock.advance(50);
  await stage.screen.waitUntilRenderFlush();
  expect(frames().length - before).toBeLessThanOrEqual(2);
  expect(stage.store.get().snapshot.done.files).toBe(100_000);
});

test('a flood of events is published every 50 ms at most', () => {
  open();
  let published = 0;
  stage.store.subscribe(() => published++);
  for (let burst = 0; burst < 200; burst++) {
    for (let n = 0; n < 500; n++) handle.emit(done(burst * 500 + n, `f${n}`, 1));
    clock.advance(5);
  }
  clock.advance(50);
  expect(published).toBeLessThanOrEqual((200 * 5) / 50 + 2);
  expect(stage.store.get().snapshot.done.files).toBe(100_000);
}, 30_000);

describe('the terminal', () => {
  test('is as before once the engine has ended', async () => {
    open();
    const terminal = new FakeStdout(80, 24);
    const ended = runScreen({
      vaults: [{ title: 't', target: 's3://b/', mode: 'client', key: '', handle }],
      clock,
      stdout: terminal as unknown as NodeJS.WriteStream,
      stdin: new FakeStdin() as unknown as NodeJS.ReadStream,
    });
    await vi.waitUntil(() => terminal.written.some((text) => text.includes('\u001b[?1049h')), {
      timeout: 5_000,
    });
    handle.end({ exit: 0 });
    await ended;
    expect(terminal.written.join('')).toContain('\u001b[?1049l');
    expect(terminal.written.join('')).toContain('\u001b[?25h');
    // Only the store of this test's own `open` still listens.
    expect(handle.listeners).toBe(1);
  });

  test('is as before after a thrown error, which is not swallowed', async () => {
    open();
    const terminal = new FakeStdout(80, 24);
    const ended = runScreen({
      vaults: [{ title: 't', target: 's3://b/', mode: 'client', key: '', handle }],
      clock,
      stdout: terminal as unknown as NodeJS.WriteStream,
      stdin: new FakeStdin() as unknown as NodeJS.ReadStream,
    });
    const thrown = ended.then(
      () => undefined,
      (error: unknown) => error,
    );
    await vi.waitUntil(() => terminal.written.join('').includes('s3vault'), { timeout: 5_000 });
    // Not a string: drawing it throws.
    const path = 7 as unknown as string;
    handle.emit({ event: 'transfer.start', ...facts(1, 'a', 1), path });
    clock.advance(50);
    expect(await thrown).toBeInstanceOf(TypeError);
    expect(terminal.written.join('')).toContain('\u001b[?1049l');
    expect(terminal.written.join('')).toContain('\u001b[?25h');
    expect(handle.listeners).toBe(1);
  });
});
