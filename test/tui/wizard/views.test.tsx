/** What the wizard shows, at every size, to eyes and to a screen reader. */
import widthOf from 'string-width';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WIZARD_BINDINGS } from '../../../src/tui/wizard/bindings.ts';
import { MODE_OPTIONS } from '../../../src/tui/wizard/options.ts';
import { FakeDesk, WORDS } from './desk.ts';
import { Rig } from './rig.tsx';

let rig: Rig;
afterEach(() => {
  rig.close();
  vi.unstubAllEnvs();
});

/** All frames from the first step to the summary. */
async function tour(): Promise<readonly string[]> {
  const frames = [await rig.frame(), await rig.type('/files')];
  for (const order of [
    'done',
    'go-on',
    'choose',
    'done',
    'choose',
    'choose',
    'choose',
    'done',
    'check',
  ] as const)
    frames.push(await rig.press(order));
  frames.push(await rig.answerWords());
  for (const order of ['down', 'go-on'] as const) frames.push(await rig.press(order));
  return frames;
}

test.each([
  [80, 24],
  [60, 18],
  [250, 80],
])('every step stays within %i × %i', async (columns, rows) => {
  rig = new Rig(undefined, { columns, rows });
  for (const frame of await tour()) {
    const lines = frame.split('\n');
    expect(lines.length, frame).toBeLessThanOrEqual(rows);
    for (const line of lines) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
  }
});

test('the modes, each in two lines that fit; client is selected', async () => {
  rig = new Rig();
  const frame = await rig.toMode();
  for (const { label, says } of MODE_OPTIONS) {
    expect(frame).toContain(label);
    expect(says).toHaveLength(2);
    for (const line of says) expect(frame).toContain(line);
  }
  expect(frame).toMatch(/▶ client/);
});

test('findings with signs and words, the worst first, and the command that would mend them', async () => {
  rig = new Rig();
  await rig.toMode();
  const frame = await rig.press('down', 'down', 'down', 'down', 'choose');
  expect(frame).toMatch(/1 problem; nothing was changed/);
  expect(frame).toMatch(/▶ ✗ high +plain HTTP[^]*\? unknown +the policy[^]*✓ ok +default encryption/);
  expect(frame).toMatch(/other programs can read and write in the clear/);
  expect(frame).toMatch(/see what would mend it: s3vault bucket harden s3:\/\/acme\/files\/ --dry-run/);
});

test('names from outside cannot break the layout', async () => {
  const desk = new FakeDesk();
  desk.bucketNames = ['a\u001b[31m\nb', `wide-漢字-${'x'.repeat(300)}`];
  rig = new Rig(desk);
  await rig.type('/files');
  const frame = await rig.press('done', 'go-on');
  expect(frame).not.toContain('\u001b[31m');
  for (const line of frame.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
});

test('many buckets: the selected one is in sight', async () => {
  const desk = new FakeDesk();
  desk.bucketNames = Array.from({ length: 500 }, (_, at) => `bucket-${at}`);
  rig = new Rig(desk);
  await rig.type('/files');
  await rig.press('done', 'go-on', ...Array.from({ length: 20 }, () => 'page-down' as const));
  expect(await rig.frame()).toMatch(/▶ bucket-200\b/);
});

test('a window that is too small says so, and only lets one leave', async () => {
  rig = new Rig(undefined, { columns: 50, rows: 12 });
  expect(await rig.frame()).toMatch(/the window is too small/);
  await rig.type('/files');
  expect(rig.store.get().view).toMatchObject({ text: '' });
  await rig.key('q');
  expect(rig.left).toBe(true);
});

test('what is typed hidden is not shown, unless asked for', async () => {
  const desk = new FakeDesk();
  desk.passphrase = 'horse';
  rig = new Rig(desk);
  await rig.toKey();
  expect(await rig.type('hors')).toMatch(/4 characters, not shown/);
  expect(rig.stdout.written.some((text) => text.includes('hors'))).toBe(false);
  expect(await rig.press('see')).toMatch(/passphrase of the key file: hors/);
});

test('letters are keys where nothing is typed, and text where something is', async () => {
  rig = new Rig();
  await rig.key('q');
  expect(rig.store.get().view).toMatchObject({ text: 'q' });
  expect(await rig.key('?')).toMatch(/folder: q\?/);
  await rig.press('done');
  expect(await rig.key('?')).toMatch(/KEYS[^]*one step back/);
});

describe('to a screen reader', () => {
  test('no drawing in any step, and what is selected is said', async () => {
    rig = new Rig(undefined, { spoken: true });
    const frames = await tour();
    for (const frame of frames) expect(frame).not.toMatch(/[─│▏▶]/);
    expect(frames.some((frame) => /\(selected\)[^\n]*client/.test(frame))).toBe(true);
  });
});

test('the words are on the screen only in their own view', async () => {
  rig = new Rig();
  const frames = await tour();
  const shown = frames.filter((frame) => WORDS.every((word) => frame.includes(word)));
  expect(shown).toHaveLength(1);
  expect(shown[0]).toMatch(/RECOVERY WORDS of laptop/);
});

test('the table of keys: no key has two meanings in a view', () => {
  const views = ['typing', 'hidden', 'choice', 'found', 'words', 'summary', 'wait', 'help'] as const;
  for (const view of views) {
    const keys = WIZARD_BINDINGS.filter(({ views: where }) => where?.includes(view) ?? true).flatMap(
      ({ keys: own }) => own,
    );
    expect(new Set(keys).size, view).toBe(keys.length);
    expect(keys).toContain('escape');
    expect(keys).toContain('ctrl+c');
  }
});
