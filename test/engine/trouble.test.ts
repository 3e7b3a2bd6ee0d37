/** Stores that throttle, vanish, refuse or prove nothing; files that cannot be taken. */
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { OddityReason } from '../../src/model/entry.ts';
import { RUN_AGAIN, VaultError } from '../../src/model/errors.ts';
import { relPath } from '../../src/model/brands.ts';
import { EngineMachine, PREFIX, named } from './machine.ts';

const MIB = 2 ** 20;
let machine: EngineMachine;
const make = (kind: VaultError['kind'], code: string) => () => new VaultError(kind, code, `scripted ${code}`);
const offline = make('offline', 'unreachable');
const isOwn = (key: string): boolean => key.includes('.s3vault');

beforeEach(async () => {
  machine = await EngineMachine.make();
  for (let n = 0; n < 12; n++) machine.tree.write(`f${n}`, `${n}`);
});

describe('throttling', () => {
  test('halves the transfers at a time, once for answers that come together; success brings them back', async () => {
    machine.rules = { ...machine.rules, transfers: 8 };
    for (let n = 0; n < 400; n++) machine.tree.write(`g${n}`, `${n}`);
    let now = 0;
    const widths: number[] = [];
    let refusals = 6;
    machine.fault = async ({ operation, when, key }) => {
      if (operation !== 'put' || isOwn(key)) return;
      now += when === 'before' ? 1 : -1;
      if (when === 'after') return;
      widths.push(now);
      await machine.clock.sleep(10);
      if (refusals-- > 0) {
        now--;
        throw new VaultError('throttled', 'slow-down', 'too much', { resource: 's3' });
      }
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'throttle').map(({ rate }) => rate)).toEqual([4]);
    expect(Math.max(...widths.slice(0, 20))).toBe(8);
    expect(Math.max(...widths.slice(20, 60))).toBeLessThanOrEqual(5);
    expect(Math.max(...widths.slice(-60))).toBe(8);
    expect(machine.inStep()).toEqual([]);
  });

  test('waits as long as the store asks for', async () => {
    const tries: number[] = [];
    machine.fault = ({ operation, key, when }) => {
      if (operation !== 'put' || when !== 'before' || key !== `${PREFIX}f3`) return;
      tries.push(machine.clock.ticks());
      if (tries.length === 1) throw new VaultError('throttled', 'slow-down', 'x', { retryAfter: 45_000 });
    };
    expect((await machine.sync()).exit).toBe(0);
    expect((tries[1] ?? 0) - (tries[0] ?? 0)).toBeGreaterThanOrEqual(45_000);
  });
});

describe('offline', () => {
  test.each(['get', 'list', 'put', 'head'] as const)('at %s: waits, asks, goes on', async (operation) => {
    if (operation === 'head') {
      await machine.sync();
      machine.index = (await EngineMachine.make()).index;
    }
    let down = 0;
    machine.fault = (step) => {
      if (step.when === 'before' && (step.operation === operation || down > 0) && down < 6) {
        down++;
        throw offline();
      }
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    const waits = named(events, 'state').filter(({ state }) => state === 'offline');
    expect(waits.length).toBeGreaterThan(1);
    expect(waits.every(({ retryIn }) => (retryIn ?? 0) > 0)).toBe(true);
    expect(machine.inStep()).toEqual([]);
  });

  test('that it goes on by itself is said by what watches, not by what ends', async () => {
    const hints = (events: Parameters<typeof named>[0]) =>
      named(events, 'transfer.failed').map(({ error }) => error.hint ?? '');
    const life = await machine.watch();
    let down = true;
    machine.fault = (step) => {
      if (down && step.operation === 'put' && !isOwn(step.key)) throw offline();
    };
    machine.tree.write('new', 'x');
    life.hint('new');
    await machine.until(() => hints(life.events).length > 0);
    expect(hints(life.events)[0]).toContain('it goes on by itself once the store answers');
    down = false;
    await machine.until(() => life.idles() === 2);
    await life.stop();
    down = true;
    machine.tree.write('newer', 'x');
    machine.fault = () => {
      if (down) throw offline();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(4);
    expect(hints(events).join()).not.toContain('by itself');
    expect(named(events, 'warning').at(-1)?.hint ?? '').not.toContain('by itself');
  });

  test('that it is tried again is said while it is, and by nothing that has given up', async () => {
    const broken = () => new VaultError('transient', 'connection', 'it broke', { hint: RUN_AGAIN });
    const failures = (events: Parameters<typeof named>[0]) =>
      named(events, 'transfer.failed').map(({ again, error }) => [again, error.hint]);
    let down = true;
    machine.fault = ({ when, operation, key }) => {
      if (down && when === 'before' && operation === 'put' && key === `${PREFIX}f3`) throw broken();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(3);
    const tries = failures(events);
    expect(tries.slice(0, -1).every(([again, hint]) => again && hint === 'it is tried again')).toBe(true);
    expect(tries.length).toBeGreaterThan(1);
    expect(tries.at(-1)).toEqual([false, 'run it again']);
    down = false;
    const life = await machine.watch();
    down = true;
    machine.tree.write('f3', 'another');
    life.hint('f3');
    await machine.until(() => failures(life.events).length > 6);
    expect(failures(life.events).every(([again, hint]) => again && hint === 'it is tried again')).toBe(true);
    down = false;
    await life.stop();
  });

  test('the waits grow to a minute and no further, while watching', async () => {
    const life = await machine.watch();
    machine.fault = () => {
      throw offline();
    };
    machine.tree.write('new', 'x');
    life.hint('new');
    await machine.wait(1_200_000);
    const waits = named(life.events, 'state').flatMap(({ retryIn }) => retryIn ?? []);
    expect(waits.slice(0, 8).every((ms, n) => n === 0 || ms >= (waits[n - 1] ?? 0))).toBe(true);
    expect(Math.max(...waits)).toBeGreaterThan(30_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(60_000);
    machine.fault = () => undefined;
    await machine.until(() => life.idles() === 2);
    expect(machine.inStep()).toEqual([]);
    await life.stop();
  });
});

describe('a store that refuses', () => {
  test('in the middle of a large file: one message, exit 4, and the upload goes on another time', async () => {
    machine.tree.write('big', randomBytes(27 * MIB));
    let broken = true;
    machine.fault = ({ operation, part }) => {
      if (broken && operation === 'part' && part === 2) throw make('refused', 'expired-token')();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(4);
    expect(named(events, 'warning').map(({ code }) => code)).toEqual(['expired-token']);
    broken = false;
    machine.forget();
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.count('create')).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test('what hangs beside it does not hold back the end', async () => {
    machine.fault = ({ operation, key }) => {
      if (operation !== 'put' || isOwn(key)) return undefined;
      if (key.endsWith('f0')) return new Promise<void>(() => undefined);
      throw make('refused', 'access-denied')();
    };
    const { exit } = await machine.sync();
    expect(exit).toBe(4);
    expect(machine.remote()).toEqual([]);
  });

  test('listing uploads only: said, no more', async () => {
    machine.fault = ({ operation }) => {
      if (operation === 'uploads') throw make('refused', 'access-denied')();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'warning')).toEqual([]);
  });
});

describe('a write without proof [PROOF-1]', () => {
  test.each([
    ['in one request', Buffer.from('x')],
    ['in parts', randomBytes(9 * MIB)],
  ])('%s: no object stays, nothing is recorded, exit 6', async (_how, content) => {
    machine.mode = 'sse-s3';
    await machine.sync();
    machine.tree.write('new', content);
    machine.silent = true;
    const { exit, events } = await machine.sync();
    expect(exit).toBe(6);
    expect(named(events, 'transfer.done')).toEqual([]);
    expect(machine.remote()).not.toContain('new');
    expect(machine.bucket.pending.size).toBe(0);
    expect(machine.index.get('new' as never)).toBeUndefined();
    machine.silent = false;
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test('over a file that was in step: it is sent again by the next run', async () => {
    machine.mode = 'sse-s3';
    await machine.sync();
    machine.tree.write('f3', 'changed');
    machine.silent = true;
    expect((await machine.sync()).exit).toBe(6);
    machine.silent = false;
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
  });

  test('stays exit 6, whatever fails after it', async () => {
    machine.tree.write('big', randomBytes(17 * MIB));
    machine.fault = ({ operation, part }) => {
      if (operation === 'part' && part === 2) throw make('security', 'proof-missing')();
      if (operation === 'abort') throw offline();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(6);
    expect(named(events, 'transfer.failed').map(({ error }) => error.code)).toContain('proof-missing');
    expect(machine.index.get('big' as never)).toBeUndefined();
  });

  test('of the vault description: nothing else is sent', async () => {
    machine.mode = 'sse-s3';
    machine.silent = true;
    expect((await machine.sync()).exit).toBe(6);
    expect(machine.bucket.keys()).toEqual([]);
    expect(machine.count('put')).toBe(1);
  });
});

describe('files that cannot be taken', () => {
  test.each([
    ['unreadable', 3],
    ['key-too-long', 3],
    ['not-utf8', 3],
    ['name-clash', 3],
    ['own-name', 3],
    ['socket', 0],
    ['fifo', 0],
    ['device', 0],
  ] as const satisfies readonly (readonly [
    OddityReason,
    number,
  ])[])('%s: told by name, the rest is safe, exit %i', async (reason, expected) => {
    machine.tree.odd.set('f5odd', reason);
    const { exit, events } = await machine.sync();
    expect(exit).toBe(expected);
    expect(named(events, 'warning')).toMatchObject([{ code: reason, path: 'f5odd' }]);
    expect(named(events, 'warning')[0]?.hint).toBeTruthy();
    expect(named(events, 'summary')[0]).toMatchObject({ files: 12, failed: 0, skipped: 1 });
    expect(machine.inStep()).toEqual([]);
  });

  test('a file that became unreadable keeps its object, and so does all below a closed folder [DEL-1]', async () => {
    machine.tree.write('d/x', 'x');
    machine.tree.write('d/e/y', 'y');
    await machine.sync();
    machine.rules = { ...machine.rules, removals: true };
    machine.tree.odd.set('d/', 'unreadable');
    machine.tree.odd.set('f1', 'unreadable');
    const { exit } = await machine.sync({ consent: true });
    expect(exit).toBe(3);
    expect(machine.count('remove')).toBe(0);
    expect(machine.remote()).toHaveLength(14);
  });

  test('a hint below a closed folder removes nothing [DEL-1]', async () => {
    machine.tree.write('d/x', 'x');
    machine.rules = { ...machine.rules, removals: true };
    const life = await machine.watch({ consent: true });
    machine.tree.odd.set('d/', 'unreadable');
    life.hint('d/x');
    life.watcher.listener?.hint({ kind: 'under', path: relPath('d') });
    await machine.wait(5_000);
    expect(machine.remote()).toContain('d/x');
    await life.stop();
  });

  test('one that fails to be read is told, and does not block the rest: exit 3', async () => {
    machine.tree.onRead = (path) => {
      if (path === 'f5') throw make('file', 'unreadable')();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(3);
    expect(named(events, 'transfer.failed')).toMatchObject([{ path: 'f5', error: { code: 'unreadable' } }]);
    expect(machine.remote()).toHaveLength(11);
  });

  test('what was ignored since stays in the bucket [DEL-2]', async () => {
    await machine.sync();
    machine.rules = { ...machine.rules, removals: true };
    machine.tree.ignored.add('f1');
    expect((await machine.sync({ consent: true })).exit).toBe(0);
    expect(machine.remote()).toHaveLength(12);
  });
});

describe('what a file is', () => {
  test('a link is its target, and no file', async () => {
    machine.tree.link('link', '../somewhere else');
    await machine.sync();
    expect(machine.plaintext('link').toString()).toBe('../somewhere else');
    expect(machine.bucket.find(`${PREFIX}link`)?.stat.metadata['s3vault-mode']).toBe('120777');
    machine.tree.write('link', '../somewhere else');
    machine.tree.files.set('link', { ...(machine.tree.files.get('link') ?? fail()), link: false });
    machine.forget();
    await machine.sync();
    expect(machine.count('put', 'link')).toBe(1);
    expect(machine.bucket.find(`${PREFIX}link`)?.stat.metadata['s3vault-mode']).toBe('100644');
  });

  test('new permissions and a new time are sent; a new inode alone is not', async () => {
    await machine.sync();
    machine.clock.advance(60_000);
    machine.tree.chmod('f1', 0o100600);
    machine.tree.touch('f2');
    const file = machine.tree.files.get('f3') ?? fail();
    machine.tree.files.set('f3', { ...file, inode: 9_999 });
    machine.forget();
    const { events } = await machine.sync();
    expect(machine.count('put', 'f1') + machine.count('put', 'f2')).toBe(2);
    expect(machine.count('put')).toBe(2);
    expect(named(events, 'transfer.done').find(({ path }) => path === 'f3')?.result).toBe('unchanged');
    machine.forget();
    await machine.sync();
    expect(machine.steps.map(({ operation }) => operation)).not.toContain('put');
  });

  test('a file named anew is a new one and a removed one', async () => {
    await machine.sync();
    machine.rules = { ...machine.rules, removals: true };
    machine.tree.rename('f1', 'elsewhere/f1');
    await machine.sync();
    expect(machine.remote()).toContain('elsewhere/f1');
    expect(machine.remote()).not.toContain('f1');
    expect(machine.inStep()).toEqual([]);
  });

  test('a folder where a file was, and the other way round', async () => {
    machine.rules = { ...machine.rules, removals: true };
    machine.tree.write('d/x', 'x');
    await machine.sync();
    machine.tree.remove('d/x');
    machine.tree.write('d', 'a file now');
    machine.tree.rename('f1', 'f1x');
    machine.tree.rename('f1x', 'f1/inside');
    await machine.sync();
    expect(machine.inStep()).toEqual([]);
    expect(machine.remote()).not.toContain('d/x');
    expect(machine.remote()).not.toContain('f1');
  });
});

describe('uploads of content that is gone again', () => {
  test('are called off where the file is once more what is in the bucket', async () => {
    const content = randomBytes(9 * MIB);
    machine.tree.write('big', content);
    await machine.sync();
    const before = machine.tree.files.get('big') ?? fail();
    machine.tree.write('big', randomBytes(9 * MIB));
    await machine.dieAt(({ operation, part }) => operation === 'part' && part === 2);
    // As `cp -p` from a copy: the times of the file are those of before, its ctime is not.
    machine.tree.files.set('big', { ...before, ctime: before.ctime + 50_000 });
    const { exit } = await machine.sync();
    expect(exit).toBe(0);
    expect(machine.count('part')).toBe(0);
    expect(machine.bucket.pending.size).toBe(0);
    expect(machine.index.journal().all()).toEqual([]);
    expect(machine.inStep()).toEqual([]);
  });
});

describe('a dry run', () => {
  test('sends, marks and remembers nothing', async () => {
    machine.clock.advance(5_000);
    const { engine, events } = machine.engine();
    const actions: string[] = [];
    expect(await engine.preview((action) => actions.push(action.path))).toEqual({ exit: 0 });
    expect(actions).toHaveLength(12);
    expect(named(events, 'plan')[0]).toMatchObject({ put: 12, dryRun: true });
    expect(machine.bucket.keys()).toEqual([]);
    expect(machine.tree.marker).toBeUndefined();
    expect(machine.index.count().files).toBe(0);
  });

  test('refuses a lost source as a run would', async () => {
    await machine.sync();
    machine.tree.marker = undefined;
    await expect(machine.engine().engine.preview(() => undefined)).rejects.toMatchObject({
      code: 'marker-missing',
      exit: 5,
    });
    expect(machine.tree.marker).toBeUndefined();
    const { engine } = machine.engine({ acceptSource: true });
    expect(await engine.preview(() => undefined)).toEqual({ exit: 0 });
  });
});

test('an Index that cannot be written stops everything: exit 1, and the next run mends it', async () => {
  const { index } = machine;
  machine.index = {
    ...index,
    commit: (changes) => {
      if (changes.length > 0) throw new Error('disk full');
    },
  };
  const { exit, events } = await machine.sync();
  expect(exit).toBe(1);
  expect(named(events, 'transfer.done')).toEqual([]);
  machine.index = index;
  expect((await machine.sync()).exit).toBe(0);
  expect(machine.inStep()).toEqual([]);
});

function fail(): never {
  throw new Error('no such file');
}
