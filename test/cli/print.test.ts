/** What people and programs read: one line an event, stable, safe, complete. */
import { expect, test, vi } from 'vitest';
import { vaultLines } from '../../src/cli/daemon-lines.ts';
import { plainLine, printJson, printPlain } from '../../src/cli/print.ts';
import { printError } from '../../src/cli/program.ts';
import type { VaultLine } from '../../src/daemon/protocol.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Event, EventBody, TransferFacts } from '../../src/model/event.ts';
import { type ConsentReason, EMPTY_TOTALS } from '../../src/model/plan.ts';

const time = '2026-11-24T12:00:00.000Z';
const at = (body: EventBody): Event => ({ time, ...body });
const facts: TransferFacts = {
  id: 7,
  path: 'notes/a\u001b[31m\nb.md',
  key: 'docs/notes/a\u001b[31m\nb.md',
  direction: 'up',
  bytes: 4_200,
  mode: 'client',
};
const proof = {
  mode: 'client',
  format: 'V3',
  key: 'a3f941c077be0011',
  checksum: { algorithm: 'crc32', value: 'AAAAAA==' },
} as const;
const error = { code: 'unreadable', message: 'cannot be read', hint: 'check its owner' };
const ended = { attempts: 2, ms: 12 };

const EVENTS: readonly Event[] = [
  at({ event: 'state', state: 'scanning' }),
  at({ event: 'watch', state: 'watching' }),
  at({ event: 'scan', state: 'done', files: 9 }),
  at({ event: 'plan', ...EMPTY_TOTALS, put: 2, bytes: 4_300, putBytes: 4_300, skip: 1 }),
  at({ event: 'transfer.start', ...facts }),
  at({ event: 'transfer.progress', ...facts, phase: 'sending', sent: 100 }),
  at({ event: 'transfer.done', ...facts, ...ended, versionId: 'v1', proof, result: 'written' }),
  at({ event: 'transfer.failed', ...facts, ...ended, versionId: null, proof: null, error, again: false }),
  at({ event: 'throttle', resource: 'kms', rate: 8, quota: null }),
  at({ event: 'warning', code: 'fifo', message: 'x is a named pipe', hint: 'nothing to do', path: 'x' }),
  at({ event: 'consent', reason: { kind: 'many-removals', removals: 30, of: 40 } }),
  at({ event: 'state', state: 'offline', retryIn: 8_000 }),
  at({ event: 'idle', files: 9, short: { failed: 1, unprotected: 2, declined: 3, exit: 3 } }),
  at({ event: 'idle', files: 9 }),
  at({ event: 'summary', files: 1, bytes: 4_200, failed: 1, skipped: 1, ms: 950, exit: 3 }),
];

const playing = (events: readonly Event[]) => ({
  subscribe: (listener: (event: Event) => void) => {
    for (const event of events) listener(event);
    return () => undefined;
  },
});

test('--json: one object a line, only the events of the contract, event and time first, summary last', () => {
  let text = '';
  printJson(playing(EVENTS), { write: (chunk) => (text += chunk) });
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { [name: string]: unknown });
  expect(lines.map((line) => line['event'])).toEqual([
    'watch',
    'plan',
    'transfer.start',
    'transfer.done',
    'transfer.failed',
    'throttle',
    'warning',
    'short',
    'idle',
    'summary',
  ]);
  for (const line of lines) expect(Object.keys(line).slice(0, 2)).toEqual(['event', 'time']);
  const [, plan, , done, failed] = lines;
  expect(plan).toEqual({
    event: 'plan',
    time,
    put: 2,
    get: 0,
    removeRemote: 0,
    removeLocal: 0,
    conflict: 0,
    skip: 1,
    bytes: 4_300,
    putBytes: 4_300,
    getBytes: 0,
  });
  const { id: _id, ...told } = facts;
  expect(done).toEqual({
    event: 'transfer.done',
    time,
    ...told,
    ...ended,
    versionId: 'v1',
    proof,
    result: 'written',
  });
  expect(failed).toEqual({
    event: 'transfer.failed',
    time,
    ...told,
    ...ended,
    versionId: null,
    proof: null,
    error,
    again: false,
  });
  // Nothing is left to do, which is no being in step.
  expect(lines.at(-3)).toEqual({
    event: 'short',
    time,
    files: 9,
    failed: 1,
    unprotected: 2,
    declined: 3,
    exit: 3,
  });
  expect(lines.at(-2)).toEqual({ event: 'idle', time, files: 9 });
  expect(lines.at(-1)).toEqual({
    event: 'summary',
    time,
    files: 1,
    bytes: 4_200,
    failed: 1,
    skipped: 1,
    ms: 950,
    exit: 3,
  });
});

test('--json: what is not the last is written by itself, too', async () => {
  let text = '';
  printJson(playing(EVENTS.slice(0, 4)), { write: (chunk) => (text += chunk) });
  await new Promise((resolve) => setImmediate(resolve));
  expect(text.split('\n')).toHaveLength(3);
});

test('plain lines: what happened on one stream, trouble on the other, nothing that a terminal obeys', () => {
  let out = '';
  let err = '';
  printPlain(playing(EVENTS), { write: (chunk) => (out += chunk) }, { write: (chunk) => (err += chunk) });
  expect(out).toMatchInlineSnapshot(`
    "watch: watching
    plan: 2 files to send (4.3 KB), 1 skipped
    ✓ notes/a\\e[31m\\nb.md  4.2 KB  sealed, V3, key a3f941c077be0011  v v1
    ✓ in step
    1 file, 4.2 KB in 950 ms, 1 failed, 1 skipped
    "
  `);
  expect(err).toMatchInlineSnapshot(`
    "! notes/a\\e[31m\\nb.md: cannot be read
      check its owner
    ≈ throttled by kms: 8 transfers at a time now
    ! x is a named pipe
      nothing to do
    ! 30 removals of 40 files held back: too many at once
      look at the folder first; if this is what you want, run the same command with --yes
    … offline, trying again in 8.0 s
    ! in step but for 3 files and 3 removals held back
    "
  `);
  // eslint-disable-next-line no-control-regex
  expect(out + err).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});

test('a folder that may be the wrong one is asked about in a sentence, with the way out', () => {
  const asked = (why: Extract<ConsentReason, { kind: 'lost-source' }>['why']) =>
    plainLine(at({ event: 'consent', reason: { kind: 'lost-source', why } }))?.text;
  expect(asked('marker-missing')).toBe(
    '! The folder lost its marker file. Is it still the right one?\n' +
      '  nothing was sent or removed; if this is what you want, run the same command with --accept-source',
  );
  expect(asked('root-missing')).toBe(
    '! The folder is not there. Look again?\n' +
      '  nothing was sent or removed; mount its disk or bring the folder back, then try again',
  );
});

test('a limiter that slowed down says its pace and the way out', () => {
  const hint = 'turn on --bucket-key';
  expect(plainLine(at({ event: 'throttle', resource: 'kms', rate: 250, quota: 1_000, hint }))).toEqual({
    text: '≈ throttled by kms: 250 requests a second at most now\n  turn on --bucket-key',
    trouble: true,
  });
  const gauge = { rate: 9, limit: 500, quota: 1_000, share: 50, throttled: 0, requests: 9 } as const;
  expect(plainLine(at({ event: 'kms', source: 'option', ...gauge }))).toBeUndefined();
});

test('removals that are held back: one looks where they come from', () => {
  const held = (removals: number, here?: number): string | undefined =>
    plainLine(
      at({
        event: 'consent',
        reason: { kind: 'many-removals', removals, of: 40, ...(here === undefined ? {} : { here }) },
      }),
    )?.text;
  expect(held(30)).toContain(
    '30 removals of 40 files held back: too many at once\n  look at the folder first;',
  );
  expect(held(30, 30)).toBe(
    '! 30 removals of 40 files here held back: too many at once\n' +
      '  their objects are gone from the bucket: look there first, and on the machine that removed them; ' +
      'if this is what you want, run the same command with --yes',
  );
  expect(held(1, 1)).toContain('its object is gone from the bucket');
  expect(held(30, 4)).toContain('30 removals of 40 files, 4 of them here, held back');
  expect(held(30, 4)).toContain('at the bucket');
});

test('a plan says what goes and what comes, each with its bytes', () => {
  const both = { ...EMPTY_TOTALS, put: 2, putBytes: 20, get: 1, getBytes: 2, conflict: 1, bytes: 27 };
  expect(plainLine(at({ event: 'plan', ...both }))?.text).toBe(
    'plan: 2 files to send (20 B), 1 file to fetch (2 B), 1 conflict',
  );
  expect(plainLine(at({ event: 'plan', ...EMPTY_TOTALS, get: 2, getBytes: 6, bytes: 6 }))?.text).toBe(
    'plan: 2 files to fetch (6 B)',
  );
});

test('progress is for a terminal alone', () => {
  let err = '';
  printPlain(playing(EVENTS), { write: () => true }, { write: (chunk) => (err += chunk), isTTY: true });
  expect(err).toContain('0 of 2 files, 0 B of 4.3 KB');
  expect(plainLine(at({ event: 'scan', state: 'progress', files: 3 }))).toBeUndefined();
});

test('progress counts plans that come on top, and the next try of what failed once', () => {
  let err = '';
  const plan = (put: number, adds: boolean, seconds: number): Event => ({
    event: 'plan',
    ...EMPTY_TOTALS,
    time: new Date(Date.parse(time) + seconds * 1_000).toISOString(),
    put,
    bytes: put * facts.bytes,
    ...(adds ? { adds } : {}),
  });
  const none = { versionId: null, proof: null } as const;
  const done = at({ event: 'transfer.done', ...facts, ...ended, ...none, result: 'written' });
  const failed = at({ event: 'transfer.failed', ...facts, ...ended, ...none, error, again: true });
  const events = [plan(5, false, 0), done, failed, plan(1, true, 2), plan(2, true, 3), plan(1, false, 4)];
  printPlain(playing(events), { write: () => true }, { write: (chunk) => (err += chunk), isTTY: true });
  expect(err.match(/\d+ of \d+ files?,/g)).toEqual([
    '0 of 5 files,',
    '1 of 5 files,',
    '1 of 7 files,',
    '0 of 1 file,',
  ]);
});

test('names in errors, in hints and of folders are nothing that a terminal obeys', () => {
  const odd = 'od\u001b[31md\nname';
  const told = { code: 'x', message: `no luck with ${odd}`, hint: `see ${odd}` };
  let err = '';
  printPlain(
    playing([
      at({
        event: 'transfer.failed',
        ...facts,
        ...ended,
        versionId: null,
        proof: null,
        error: told,
        again: false,
      }),
      at({ event: 'warning', ...told }),
    ]),
    { write: () => true },
    { write: (chunk) => (err += chunk) },
  );
  const line: VaultLine = {
    id: 'v',
    root: `/files/${odd}`,
    phase: 'waiting',
    state: 'needs-you',
    paused: false,
    failed: 0,
    problems: 1,
    unprotected: 0,
    underWay: 0,
    done: { files: 0, bytes: 0 },
    planned: { files: 0, bytes: 0 },
    flow: 'sending',
    exit: 2,
    why: told,
  };
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    err += String(chunk);
    return true;
  });
  printError(new VaultError('usage', 'x', told.message, { hint: told.hint }), []);
  spy.mockRestore();
  const said = `${err}${vaultLines(line).join('\n')}`;
  expect(said).not.toContain('\u001b');
  expect(said.split('\n')).toHaveLength(9);
  expect(said).toContain('/files/od\\e[31md\\nname  needs you, 1 problem');
});
