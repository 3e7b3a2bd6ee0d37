/** A life with watching: what is asked of the engine, what it says, and what it does not take for granted. */
import { beforeEach, describe, expect, test } from 'vitest';
import { relPath } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import { EngineMachine, PREFIX, type Watching, named, answerTo } from './machine.ts';

let machine: EngineMachine;
let life: Watching;
const transient = (retryAfter?: number) =>
  new VaultError('transient', 'http-500', 'the store failed', retryAfter === undefined ? {} : { retryAfter });
const offline = () => new VaultError('offline', 'unreachable', 'the store does not answer');

beforeEach(async () => {
  machine = await EngineMachine.make();
  for (let n = 0; n < 10; n++) machine.tree.write(`f${n}`, `${n}`);
});

const state = () => life.engine.snapshot().state;

describe('idle', () => {
  test('is said again after a scan that found nothing to do', async () => {
    life = await machine.watch();
    life.engine.command({ command: 'rescan' });
    await machine.until(() => life.idles() === 2);
    expect(state()).toBe('idle');
    await life.stop();
  });

  test('is said again after a pause in which nothing happened', async () => {
    life = await machine.watch();
    life.engine.command({ command: 'pause' });
    expect(state()).toBe('paused');
    life.engine.command({ command: 'resume' });
    await machine.until(() => life.idles() === 2);
    expect(state()).toBe('idle');
    await life.stop();
  });

  test('going on without a pause changes nothing', async () => {
    life = await machine.watch();
    life.engine.command({ command: 'resume' });
    expect(state()).toBe('idle');
    await life.stop();
  });

  test('is said again after removals that had to wait for consent', async () => {
    machine.rules = { ...machine.rules, removals: true };
    life = await machine.watch();
    for (let n = 0; n < 5; n++) {
      machine.tree.remove(`f${n}`);
      life.hint(`f${n}`);
    }
    await machine.until(() => state() === 'needs-you');
    expect(life.idles()).toBe(1);
    life.engine.command(answerTo(life.engine, true));
    await machine.until(() => life.idles() === 2);
    expect(machine.remote()).toHaveLength(5);
    await life.stop();
  });

  test('says how many files there are now, not how many the last scan saw', async () => {
    life = await machine.watch();
    expect(named(life.events, 'idle')).toMatchObject([{ files: 10 }]);
    machine.tree.write('new', 'x');
    life.hint('new');
    await machine.until(() => life.idles() === 2);
    expect(life.engine.snapshot()).toMatchObject({ files: 11, scanned: 10 });
    await life.stop();
  });

  test('says what is not protected, and says it again when that changes', async () => {
    machine.tree.odd.set('long', 'key-too-long');
    machine.tree.odd.set('socket', 'socket');
    life = await machine.watch();
    const short = { failed: 0, unprotected: 1, exit: 3 };
    expect(named(life.events, 'idle')).toMatchObject([{ short }]);
    expect(life.engine.snapshot().short).toEqual(short);
    machine.tree.odd.set('second', 'unreadable');
    life.hint('second');
    await machine.until(() => life.idles() === 2);
    expect(life.engine.snapshot().short).toEqual({ ...short, unprotected: 2 });
    machine.tree.odd.delete('second');
    machine.tree.write('second', 'x');
    life.hint('second');
    await machine.until(() => life.idles() === 3);
    expect(life.engine.snapshot().short).toEqual(short);
    // Nothing new: nothing is said.
    life.hint('f0');
    await machine.wait(5_000);
    expect(life.idles()).toBe(3);
    await life.stop();
    expect((await machine.sync()).exit).toBe(3);
  });

  test('leaves no trouble on the list that has resolved itself', async () => {
    life = await machine.watch();
    machine.tree.onRead = (path) => path === 'gone' && machine.tree.remove('gone');
    machine.tree.write('gone', 'x');
    life.hint('gone');
    await machine.until(() => named(life.events, 'transfer.failed').length === 1);
    await machine.until(() => life.idles() === 2);
    expect([...life.engine.snapshot().problems.keys()]).toEqual([]);
    await life.stop();
  });
});

describe('a problem that is over', () => {
  const problems = () => [...life.engine.snapshot().problems.keys()];

  test('goes when its path is looked at again', async () => {
    machine.tree.odd.set('folder/long', 'key-too-long');
    machine.tree.odd.set('other', 'unreadable');
    life = await machine.watch();
    expect(problems()).toEqual(['folder/long', 'other']);
    machine.tree.odd.delete('folder/long');
    life.engine.command({ command: 'retry', paths: [relPath('folder/long')] });
    await machine.until(() => life.idles() === 2);
    expect(problems()).toEqual(['other']);
    machine.tree.odd.delete('other');
    machine.tree.write('other', 'x');
    life.hint('other');
    await machine.until(() => life.idles() === 3);
    expect(problems()).toEqual([]);
    expect(life.engine.snapshot().short).toBeNull();
    await life.stop();
  });

  test('is looked at again with all that failed, also where more are open than are listed', async () => {
    for (let n = 0; n < 1_300; n++) machine.tree.odd.set(`d${n % 3}/${n}`, 'unreadable');
    life = await machine.watch();
    expect(problems()).toHaveLength(1_000);
    expect(life.engine.snapshot().short).toMatchObject({ unprotected: 1_300 });
    for (let n = 0; n < 1_300; n++) machine.tree.write(`d${n % 3}/${n}`, 'x');
    machine.tree.odd.clear();
    life.engine.command({ command: 'retry' });
    await machine.until(() => life.engine.snapshot().short === null);
    expect(problems()).toEqual([]);
    expect(machine.remote().filter((path) => path.startsWith('d'))).toHaveLength(1_300);
    await life.stop();
  });

  test('goes with its folder', async () => {
    machine.tree.odd.set('folder/long', 'key-too-long');
    life = await machine.watch();
    machine.tree.odd.clear();
    life.hint('folder');
    await machine.until(() => life.idles() === 2);
    expect(problems()).toEqual([]);
    await life.stop();
  });

  test('goes with the next scan, and what is found again stays', async () => {
    machine.tree.odd.set('long', 'key-too-long');
    machine.tree.odd.set('closed', 'unreadable');
    life = await machine.watch();
    machine.tree.remove('f1');
    life.hint('f1');
    await machine.until(() => problems().includes('removal-off'));
    machine.tree.odd.delete('long');
    machine.tree.write('f1', 'again');
    life.engine.command({ command: 'rescan' });
    await machine.until(() => life.idles() === 2);
    expect(problems()).toEqual(['closed']);
    await life.stop();
  });
});

describe('a pause', () => {
  test('holds from the very beginning', async () => {
    const { engine } = machine.engine({ once: false });
    engine.command({ command: 'pause' });
    const ended = engine.run();
    await machine.wait(5_000);
    expect(machine.remote()).toEqual([]);
    expect(engine.snapshot().state).toBe('paused');
    engine.command({ command: 'resume' });
    await machine.until(() => machine.remote().length === 10);
    engine.command({ command: 'stop' });
    await machine.drive(ended);
  });

  test('outlasts a scan and a lost connection', async () => {
    life = await machine.watch();
    life.engine.command({ command: 'pause' });
    life.engine.command({ command: 'rescan' });
    await machine.wait(2_000);
    expect(state()).toBe('paused');
    await life.stop();
  });

  test('a paused engine stops at once, and nothing is sent', async () => {
    life = await machine.watch();
    machine.tree.write('new', 'x');
    life.engine.command({ command: 'pause' });
    life.hint('new');
    await machine.wait(1_000);
    expect((await life.stop()).exit).toBe(130);
    expect(machine.remote()).not.toContain('new');
  });
});

describe('stopping', () => {
  async function hanging(patient = false): Promise<() => void> {
    life = await machine.watch();
    let hangs = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    machine.fault = ({ operation, when }) => {
      if (operation !== 'put' || when !== 'before') return undefined;
      hangs = true;
      return promise;
    };
    machine.tree.write('new', 'x');
    life.hint('new');
    await machine.until(() => hangs);
    life.engine.command(patient ? { command: 'stop', patient } : { command: 'stop' });
    return resolve;
  }

  test('with patience waits for what is under way as long as it takes, and starts nothing new', async () => {
    const goOn = await hanging(true);
    machine.tree.write('newer', 'y');
    life.hint('newer');
    await machine.wait(100_000);
    expect(life.engine.snapshot().exit).toBeNull();
    goOn();
    expect((await machine.drive(life.ended)).exit).toBe(130);
    expect(machine.remote()).toHaveLength(11);
  });

  test('with patience makes haste once it is told to, with the same few seconds', async () => {
    await hanging(true);
    await machine.wait(10_000);
    life.engine.command({ command: 'stop', patient: true });
    life.engine.command({ command: 'stop' });
    await machine.wait(2_500);
    expect(life.engine.snapshot().exit).toBeNull();
    await machine.wait(1_000);
    expect(life.engine.snapshot().exit).toBe(130);
  });

  test('waits for what is under way, a few seconds', async () => {
    await hanging();
    await machine.wait(2_500);
    expect(life.engine.snapshot().exit).toBeNull();
    await machine.wait(1_000);
    expect(life.engine.snapshot().exit).toBe(130);
    await life.ended;
  });

  test('starts nothing that waited for memory', async () => {
    const { engine } = machine.engine({ once: false });
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    machine.tree.files.clear();
    for (let n = 0; n < 8; n++) machine.tree.write(`large${n}`, Buffer.alloc(8 * 2 ** 20));
    machine.rules = { ...machine.rules, transfers: 8 };
    machine.fault = ({ operation, key }) =>
      operation === 'put' && !key.includes('.s3vault') ? gate : undefined;
    const ended = engine.run();
    await machine.until(() => machine.count('put') === 1 + 4);
    engine.command({ command: 'stop' });
    goOn();
    expect((await machine.drive(ended)).exit).toBe(130);
    expect(machine.remote()).toHaveLength(4);
  });

  test('twice does not wait', async () => {
    await hanging();
    life.engine.command({ command: 'stop' });
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(life.engine.snapshot().exit).toBe(130);
    expect((await life.ended).exit).toBe(130);
  });

  test('while offline ends, and nothing is said after the summary', async () => {
    life = await machine.watch();
    machine.fault = () => {
      throw offline();
    };
    machine.tree.write('new', 'x');
    life.hint('new');
    await machine.until(() => state() === 'offline');
    await life.stop();
    await machine.wait(120_000);
    expect(life.events.at(-1)?.event).toBe('summary');
    expect(machine.clock.waiting).toBeLessThanOrEqual(1);
  });
});

describe('another try', () => {
  async function failing(times: number, retryAfter?: number): Promise<number[]> {
    life = await machine.watch();
    const tries: number[] = [];
    machine.fault = ({ operation, when }) => {
      if (operation !== 'put' || when !== 'before') return;
      tries.push(machine.clock.ticks());
      if (tries.length <= times) throw transient(retryAfter);
    };
    machine.tree.write('new', 'x');
    life.hint('new');
    return tries;
  }

  test('comes later and later, up to minutes, and for ever', async () => {
    const tries = await failing(14);
    for (let n = 0; n < 40 && tries.length < 15; n++) await machine.wait(60_000);
    expect(tries).toHaveLength(15);
    const gaps = tries.slice(1).map((at, n) => at - (tries[n] ?? 0));
    expect(gaps[0]).toBeLessThan(2_000);
    expect(gaps.at(-1)).toBeGreaterThan(150_000);
    expect(gaps.at(-1)).toBeLessThan(302_000);
    await machine.until(() => life.idles() === 2);
    expect(life.engine.snapshot().problems.size).toBe(0);
    await life.stop();
  });

  test('not before the store asked for it', async () => {
    const tries = await failing(1, 120_000);
    await machine.wait(119_000);
    expect(tries).toHaveLength(1);
    await machine.wait(3_000);
    expect(tries).toHaveLength(2);
    await life.stop();
  });

  test('at once where the file changed again', async () => {
    const tries = await failing(1, 120_000);
    await machine.until(() => tries.length === 1);
    machine.tree.write('new', 'changed');
    life.hint('new');
    await machine.until(() => life.idles() === 2);
    expect(machine.plaintext('new').toString()).toBe('changed');
    await life.stop();
  });
});

describe('going first', () => {
  test.each([3, 500])('a file among %i that wait', async (count) => {
    machine.rules = { ...machine.rules, transfers: 1 };
    for (let n = 0; n < count; n++) machine.tree.write(`g${String(n).padStart(4, '0')}`, `${n}`);
    machine.tree.write('z', 'urgent');
    const order: string[] = [];
    const { engine } = machine.engine();
    machine.fault = async ({ operation, key, when }) => {
      if (operation !== 'put' || when !== 'before' || key.includes('.s3vault')) return;
      order.push(key.slice(PREFIX.length));
      if (order.length === 1) engine.command({ command: 'first', path: 'z' });
      if (order.length === 1) await machine.clock.sleep(100);
    };
    await machine.drive(engine.run());
    expect(order.indexOf('z')).toBeLessThan(4);
    expect(order).toHaveLength(10 + count + 1);
  });
});

describe('a store that fails now and then does not end a life', () => {
  test.each(['list', 'reach', 'get'] as const)('at %s', async (operation) => {
    let failures = 8;
    let wasOffline = false;
    machine.fault = (step) => {
      if (step.operation === 'put' && !step.key.includes('.s3vault') && !wasOffline) {
        wasOffline = true;
        throw offline();
      }
      if (step.when === 'before' && step.operation === operation && failures-- > 0) throw transient();
    };
    life = await machine.watch();
    expect(failures).toBeLessThanOrEqual(0);
    expect(machine.inStep()).toEqual([]);
    await life.stop();
  });

  test('without watching patience ends: exit 3', async () => {
    machine.fault = ({ operation }) => {
      if (operation === 'list') throw transient();
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(3);
    expect(named(events, 'warning')).toHaveLength(1);
    expect(machine.count('list')).toBe(5);
  });
});

describe('a source that is lost while it is watched', () => {
  const lost: readonly (readonly [string, string, () => void])[] = [
    ['no folder', 'root-missing', () => (machine.tree.missing = true)],
    ['no marker', 'marker-missing', () => (machine.tree.marker = undefined)],
    ["another vault's marker", 'marker-foreign', () => (machine.tree.marker = 'another')],
    ['another device', 'other-device', () => (machine.tree.device = 2)],
  ];

  test.each(lost)('%s: a hint removes nothing, exit 5 [DEL-5]', async (_name, code, lose) => {
    machine.rules = { ...machine.rules, removals: true };
    life = await machine.watch({ consent: true });
    lose();
    machine.tree.remove('f3');
    life.hint('f3');
    expect((await machine.drive(life.ended)).exit).toBe(5);
    expect(named(life.events, 'warning').at(-1)?.code).toBe(code);
    expect(machine.remote()).toHaveLength(10);
  });

  test.each(lost)('%s: a scan removes nothing, exit 5 [DEL-5]', async (_name, code, lose) => {
    machine.rules = { ...machine.rules, removals: true };
    life = await machine.watch({ consent: true, acceptSource: true });
    lose();
    for (let n = 1; n < 10; n++) machine.tree.remove(`f${n}`);
    life.engine.command({ command: 'rescan' });
    expect((await machine.drive(life.ended)).exit).toBe(5);
    expect(named(life.events, 'warning').at(-1)?.code).toBe(code);
    expect(machine.remote()).toHaveLength(10);
  });
});

describe('a removal that waited', () => {
  beforeEach(async () => {
    machine.rules = { ...machine.rules, removals: true };
    life = await machine.watch();
    for (let n = 0; n < 5; n++) {
      machine.tree.rename(`f${n}`, `elsewhere/f${n}`);
      machine.tree.ignored.add(`elsewhere/f${n}`);
      life.hint(`f${n}`);
    }
    await machine.until(() => state() === 'needs-you');
  });

  test('leaves alone what came back meanwhile', async () => {
    machine.tree.rename('elsewhere/f0', 'f0');
    machine.tree.write('f1', 'new content');
    life.hint('f1');
    await machine.until(() => machine.plaintext('f1').toString() === 'new content');
    life.engine.command(answerTo(life.engine, true));
    await machine.until(() => life.idles() === 2);
    expect(machine.remote()).toEqual(['f0', 'f1', 'f5', 'f6', 'f7', 'f8', 'f9']);
    machine.tree.ignored.clear();
    expect(machine.inStep().filter((line) => !line.startsWith('elsewhere'))).toEqual([]);
    await life.stop();
  });

  test('is not done where the disk was lost before the answer [DEL-5]', async () => {
    machine.tree.marker = undefined;
    life.engine.command(answerTo(life.engine, true));
    expect((await machine.drive(life.ended)).exit).toBe(5);
    expect(machine.remote()).toHaveLength(10);
  });

  test('is asked about again after a no, at the next scan', async () => {
    life.engine.command(answerTo(life.engine, false));
    await machine.until(() => state() === 'idle');
    expect(machine.remote()).toHaveLength(10);
    life.engine.command({ command: 'rescan' });
    await machine.until(() => state() === 'needs-you');
    expect((await life.stop()).exit).toBe(130);
    expect(machine.remote()).toHaveLength(10);
  });
});

describe('a scan while a file is under way', () => {
  test('sends the others, and that one once', async () => {
    life = await machine.watch();
    let goOn = (): void => undefined;
    machine.fault = ({ operation, when, key }) =>
      operation === 'put' && when === 'before' && key.endsWith('slow')
        ? new Promise((resolve) => (goOn = resolve))
        : undefined;
    machine.tree.write('slow', 'x');
    life.hint('slow');
    await machine.until(() => machine.count('put', 'slow') === 1);
    machine.tree.write('quick', 'x');
    life.watcher.listener?.hint({ kind: 'under', path: relPath('') });
    await machine.until(() => machine.remote().includes('quick'));
    expect(machine.remote()).not.toContain('slow');
    goOn();
    await machine.until(() => life.idles() === 2);
    expect(machine.count('put', 'slow')).toBe(1);
    expect(machine.inStep()).toEqual([]);
    await life.stop();
  });
});

test('a file that changes while it is sent is sent once more', async () => {
  life = await machine.watch();
  let goOn = (): void => undefined;
  machine.fault = ({ operation, when }) =>
    operation === 'put' && when === 'before' && machine.count('put', 'busy') === 1
      ? new Promise((resolve) => (goOn = resolve))
      : undefined;
  machine.tree.write('busy', 'first');
  life.hint('busy');
  await machine.until(() => machine.count('put', 'busy') === 1);
  machine.tree.write('busy', 'second');
  life.hint('busy');
  await machine.wait(2_000);
  goOn();
  await machine.until(() => life.idles() === 2);
  expect(machine.plaintext('busy').toString()).toBe('second');
  expect(machine.count('put', 'busy')).toBe(2);
  await life.stop();
});

test('more hints than a Plan holds in memory take nothing from the Plan under way', async () => {
  const files = 1_100;
  for (const folder of ['d', 'e'])
    for (let n = 0; n < files; n++)
      machine.tree.files.set(`${folder}/${n}`, {
        content: Buffer.alloc(0),
        mtime: 1.5,
        ctime: 1.5,
        inode: n,
      });
  for (const path of machine.tree.files.keys()) if (path.startsWith('e/')) machine.tree.ignored.add(path);
  machine.rules = { ...machine.rules, transfers: 64 };
  machine.clock.advance(5_000);
  const { engine, events } = machine.engine({ once: true, inMemory: 700 });
  let goOn = (): void => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  machine.fault = ({ operation, key }) =>
    operation === 'put' && !key.includes('.s3vault') ? gate : undefined;
  const ended = engine.run();
  await machine.until(() => machine.count('put') > 60);
  machine.tree.ignored.clear();
  engine.command({ command: 'retry', paths: [relPath('e')] });
  // Long enough to make the second Plan while the first one waits in the spool.
  await machine.wait(2_000);
  expect(named(events, 'plan')).toHaveLength(1);
  goOn();
  expect((await machine.drive(ended)).exit).toBe(0);
  expect(machine.remote()).toHaveLength(10 + 2 * files);
  expect(machine.index.count().files).toBe(10 + 2 * files);
});

test('a listener that fails takes neither the sync nor the others with it', async () => {
  machine.clock.advance(5_000);
  const { engine, events } = machine.engine();
  const heard: string[] = [];
  engine.subscribe(() => {
    throw new Error('a broken screen');
  });
  engine.subscribe(({ event }) => heard.push(event));
  expect((await machine.drive(engine.run())).exit).toBe(0);
  expect(heard).toHaveLength(events.length);
  expect(machine.inStep()).toEqual([]);
});

test('an event of any life keeps the order of things', async () => {
  life = await machine.watch();
  machine.tree.write('f1', 'changed');
  life.hint('f1');
  life.hint('f2');
  life.watcher.listener?.hint({ kind: 'under', path: relPath('') });
  await machine.until(() => life.idles() === 2);
  await life.stop();
  const names = life.events.map(({ event }) => event);
  expect(names.filter((name) => name === 'summary')).toHaveLength(1);
  expect(named(life.events, 'watch').map((event) => event.state)).toEqual(['watching']);
});
