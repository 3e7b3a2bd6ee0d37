/** Conflicts, keys and posture on the main screen. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { relPath } from '../../src/model/brands.ts';
import type { Finding } from '../../src/model/bucket.ts';
import type { Conflict, ConflictDesk } from '../../src/model/conflicts.ts';
import { VaultError } from '../../src/model/errors.ts';
import { type PostureMark, marksOf } from '../../src/model/posture.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { FakeDesk } from './keys-screen/desk.ts';
import { Stage, type StageOptions } from './stage.tsx';

const START = Date.UTC(2026, 10, 24, 12, 4, 29);
let stage: Stage;

beforeEach(() => void vi.stubEnv('TZ', 'UTC'));
afterEach(() => {
  stage.close();
  vi.unstubAllEnvs();
});

async function open(options: StageOptions): Promise<string> {
  stage = new Stage(new ManualClock(START), options);
  return stage.frame();
}

describe('conflicts', () => {
  const conflict = (name: string, over: Partial<Conflict> = {}): Conflict => ({
    path: relPath(`notes/${name}.md`),
    copy: relPath(`notes/${name} (conflict laptop 2026-11-24 12-04-29).md`),
    host: 'laptop',
    since: '2026-11-24 12:04:29',
    mine: { size: 2_100, mtime: START, inode: 1 },
    theirs: { size: 2_000, mtime: START - 60_000, inode: 2 },
    ...over,
  });

  class FakeConflicts implements ConflictDesk {
    all: readonly Conflict[] = [conflict('todo'), conflict('gone', { theirs: undefined })];
    readonly calls: string[] = [];
    fails: VaultError | undefined;
    list = async (): Promise<readonly Conflict[]> => this.all;
    keepMine = async (one: Conflict): Promise<void> => this.#settle('mine', one);
    keepTheirs = async (one: Conflict): Promise<void> => this.#settle('theirs', one);
    keepBoth = async (one: Conflict): Promise<void> => this.#settle('both', one);
    #settle(side: string, { path, copy }: Conflict): void {
      if (this.fails !== undefined) throw this.fails;
      this.calls.push(`${side} ${path}`);
      this.all = this.all.filter((other) => other.copy !== copy);
    }
  }

  test('stand with both sides beside each other; mine takes the name after a question', async () => {
    const conflicts = new FakeConflicts();
    await open({ conflicts });
    await stage.press('c');
    expect(await stage.shows(/todo\.md/)).toMatchInlineSnapshot(`
      " s3vault                                                                1 vault
      ────────────────────────────────────────────────────────────────────────────────
       CONFLICTS                                                               1 of 2
       ▶ notes/todo.md                                laptop  2026-11-24 12:04:29 UTC
       ! notes/gone.md                                laptop  2026-11-24 12:04:29 UTC

       mine: what laptop had                 │ theirs: what came from the bucket
       2.1 KB, 2026-11-24 12:04, newer       │ 2.0 KB, 2026-11-24 12:03
       todo (conflict lap…11-24 12-04-29).md │ todo.md













      ────────────────────────────────────────────────────────────────────────────────
       m mine  o theirs  x both  / filter  esc back  p pause           ? help  q quit"
    `);
    expect(await stage.press('m')).toContain('Replace todo.md by the copy of laptop?');
    expect(await stage.press('n')).toContain('nothing was changed');
    expect(conflicts.calls).toEqual([]);
    await stage.press('m');
    await stage.press('y');
    await stage.shows(/the copy has the name; the sync sends it/);
    expect(await stage.shows(/1 of 1/)).not.toContain('todo.md');
    expect(conflicts.calls).toEqual(['mine notes/todo.md']);
    // The question was the screen's own: the engine heard nothing.
    expect(stage.handle.commands).toEqual([]);
  });

  test('theirs stays and the copy goes; where theirs is gone there is nothing to keep', async () => {
    const conflicts = new FakeConflicts();
    await open({ conflicts });
    await stage.press('c');
    await stage.shows(/todo\.md/);
    expect(await stage.press('o')).toContain('Remove todo (conflict laptop 2026-11-24 12-04-29).md?');
    await stage.press('y');
    await stage.shows(/the copy is removed; theirs stays/);
    await stage.shows(/▶ notes\/gone\.md/);
    expect(await stage.press('o')).toContain('the other one is gone');
    expect(await stage.press('m')).toContain('to gone.md?');
  });

  test('both leave the list and stay; what cannot be done is said', async () => {
    const conflicts = new FakeConflicts();
    await open({ conflicts });
    await stage.press('c');
    await stage.shows(/todo\.md/);
    await stage.press('x');
    await stage.shows(/both stay, and this is not asked again/);
    expect(await stage.shows(/1 of 1/)).not.toContain('todo.md');
    expect(conflicts.calls).toEqual(['both notes/todo.md']);
    conflicts.fails = new VaultError('changed', 'conflict-moved', 'it has changed', { hint: 'look again' });
    await stage.press('m');
    await stage.press('y');
    await stage.shows(/it has changed; look again/);
    await stage.press('escape');
    await stage.press('c');
    expect(await stage.shows(/1 of 1/)).not.toContain('todo.md');
  });
});

describe('keys', () => {
  test('open inside the screen with keys of their own, and come back', async () => {
    const desk = new FakeDesk();
    await open({ keyDesk: async () => desk });
    await stage.press('k');
    await stage.shows(/s3vault › keys[^]*laptop/);
    // A letter that pauses the vault elsewhere.
    stage.stdin.press('p');
    await stage.shows(/p does nothing here/);
    expect(stage.handle.commands).toEqual([]);
    await stage.press('return');
    await stage.shows(/esc back/);
    await stage.press('escape');
    await stage.shows(/NAME +KIND/);
    await stage.press('escape');
    await stage.shows(/TRANSFERS/);
    expect(desk.ask).toBeUndefined();
    await stage.press('k');
    await stage.shows(/› keys[^]*laptop/);
    stage.stdin.press('q');
    await stage.shows(/TRANSFERS/);
    // That q was not the main screen's.
    expect(stage.handle.commands).toEqual([]);
    await stage.press('p');
    expect(stage.handle.commands).toEqual([{ command: 'pause' }]);
  });

  test('that cannot be opened are said to, and the screen is there again', async () => {
    const fails = new VaultError('usage', 'no', 'the configuration cannot be read', { hint: 'mend it' });
    await open({ keyDesk: () => Promise.reject(fails) });
    await stage.press('k');
    await stage.shows(/TRANSFERS[^]*the configuration cannot be read; mend it/);
  });
});

describe('posture', () => {
  const finding = (code: string, state: Finding['state']): Finding => ({
    code,
    state,
    severity: 'low',
    title: '',
    reason: '',
  });

  test('in three words; what is not known is never fine', () => {
    const marks = (...states: Finding['state'][]) =>
      marksOf(
        ['plain-http', 'versioning', 'lifecycle-uploads'].flatMap((code, at) => {
          const state = states[at];
          return state === undefined ? [] : [finding(code, state)];
        }),
      ).map(({ state, words }) => `${state}: ${words}`);
    expect(marks('ok', 'ok', 'problem')).toEqual(['ok: TLS only', 'ok: versioned', 'problem: no lifecycle']);
    expect(marks('problem', 'unknown')).toEqual([
      'problem: plain HTTP let in',
      'unknown: versioned: unknown',
      'unknown: lifecycle: unknown',
    ]);
  });

  test('is shown once it is known, and gives way in a small window', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly PostureMark[]>();
    expect(await open({ posture: { look: () => promise } })).not.toContain('POSTURE');
    resolve([
      { state: 'ok', words: 'TLS only' },
      { state: 'problem', words: 'no lifecycle' },
    ]);
    await stage.shows(/ POSTURE {2}✓ TLS only {2}! no lifecycle\n/);
    stage.stdout.resize(80, 16);
    await stage.shows(/^(?![^]*POSTURE)/);
  });

  test('is looked at again once the store can be reached again', async () => {
    let looked = 0;
    const look = async (): Promise<readonly PostureMark[]> => [{ state: 'ok', words: `look ${++looked}` }];
    await open({ posture: { look } });
    await stage.shows(/✓ look 1/);
    stage.handle.emit({ event: 'state', state: 'offline' });
    await stage.shows(/offline/);
    stage.handle.emit({ event: 'state', state: 'idle' });
    await stage.shows(/✓ look 2/);
  });

  test('that nobody could look at is unknown', async () => {
    await open({ posture: { look: () => Promise.reject(new Error('offline')) } });
    await stage.shows(/POSTURE {2}\? unknown/);
  });
});
