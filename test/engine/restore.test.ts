/** Restores in memory: what comes back, what does not, and what is said of it. */
import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import { checkEvents, named } from './machine.ts';
import { MIB, PREFIX, RestoreRig } from './restore-rig.ts';

const offline = new VaultError('offline', 'offline', 'the store does not answer');
const broken = new VaultError('transient', 'store-error', 'the store failed');

describe.each(['client', 'sse-s3'] as const)('mode %s', (mode) => {
  test('everything comes back: bytes, times, permissions, links, nothing at all', async () => {
    const rig = new RestoreRig(mode);
    const large = randomBytes(17 * MIB + 5);
    await rig.put('a/b.txt', 'bytes');
    await rig.put('empty', '');
    await rig.put('large', large);
    await rig.put('link', 'a/b.txt', { 's3vault-mode': '120777' });
    await rig.raw('.s3vault/vault.json', '{}');
    await rig.raw('folder/', '');
    const { exit, events } = await rig.restore();
    checkEvents(events);
    expect(exit).toBe(0);
    expect(rig.files).toEqual({
      'a/b.txt': 'bytes',
      empty: '',
      large: large.toString('latin1'),
      link: 'a/b.txt',
    });
    expect(rig.target.files.get('a/b.txt')).toMatchObject({ mtime: 1_577_880_000_123.456, mode: 0o640 });
    expect(rig.target.files.get('link')).toMatchObject({ kind: 'link' });
    const bytes = 12 + large.length;
    expect(named(events, 'plan')).toMatchObject([{ get: 4, bytes, put: 0 }]);
    expect(named(events, 'summary')).toMatchObject([{ files: 4, bytes, failed: 0 }]);
    expect(rig.target).toMatchObject({ drafts: 0, settled: 1 });
  });

  test('what is there already is not fetched again, and an interrupted run goes on', async () => {
    const rig = new RestoreRig(mode);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) await rig.put(name, `of ${name}`);
    const first = await rig.restore({}, (event) => event.event === 'transfer.done');
    expect(first.exit).toBe(130);
    const done = rig.target.files.size;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(8);
    const second = await rig.restore();
    expect(second.exit).toBe(0);
    expect(rig.count('get')).toBe(8 - done);
    expect(rig.target.files.size).toBe(8);
    const third = await rig.restore();
    expect(third.exit).toBe(0);
    expect(rig.count('get')).toBe(0);
    expect(named(third.events, 'transfer.done').every(({ result }) => result === 'unchanged')).toBe(true);
  });

  test('a part of a large file that fails is fetched again, and only that', async () => {
    const rig = new RestoreRig(mode);
    const large = randomBytes(33 * MIB);
    await rig.put('large', large);
    let failures = 2;
    rig.fault = ({ operation, when }) => {
      if (operation === 'get' && when === 'after' && failures-- > 0) throw broken;
    };
    const { exit } = await rig.restore();
    expect(exit).toBe(0);
    expect(rig.files['large'] === large.toString('latin1')).toBe(true);
    expect(rig.count('get')).toBe(Math.ceil(rig.bucket.find(`${PREFIX}large`)!.body.length / (8 * MIB)) + 2);
  });

  test.each([
    ['', false],
    [' on a store that keeps no conditions either', true],
  ])('an object that is written anew while it is fetched never becomes a mixture%s', async (_, unconditional) => {
    const rig = new RestoreRig(mode);
    rig.unconditional = unconditional;
    // Two parts more than are fetched ahead.
    const size = 41 * MIB;
    const last = randomBytes(size);
    await rig.put('large', randomBytes(size));
    let gets = 0;
    rig.fault = async ({ operation, when }) => {
      if (operation === 'get' && when === 'before' && ++gets === 5) await rig.put('large', last);
    };
    const { exit, failed } = await rig.restore();
    // It is fetched anew, as it is now.
    expect([exit, failed]).toEqual([0, []]);
    expect(rig.files['large'] === last.toString('latin1')).toBe(true);
    // One that is written over and over is left out.
    rig.target.files.clear();
    rig.fault = async ({ operation, when }) => {
      if (operation === 'get' && when === 'before' && ++gets % 5 === 0)
        await rig.put('large', Buffer.alloc(size, gets));
    };
    expect(await rig.restore()).toMatchObject({ exit: 3, failed: ['large precondition'] });
    expect(rig.files).toEqual({});
    expect(rig.target.drafts).toBe(0);
  });
});

describe('tampering', () => {
  test('is reported with exit 6; that file is not there, all others are', async () => {
    const rig = new RestoreRig();
    for (const name of ['a', 'b', 'c']) await rig.put(name, `of ${name}`);
    await rig.put('large', randomBytes(20 * MIB));
    await rig.flip('b');
    await rig.flip('large', 19 * MIB);
    const { exit, failed } = await rig.restore();
    expect(exit).toBe(6);
    expect(failed).toEqual(['b cannot-open', 'large cannot-open']);
    expect(rig.files).toEqual({ a: 'of a', c: 'of c' });
    expect(rig.target.drafts).toBe(0);
  });

  test('an object that nobody sealed is not taken for a file, nor one whose envelope is gone', async () => {
    const rig = new RestoreRig();
    await rig.put('mine', 'mine');
    await rig.raw('planted', 'anybody could have written this');
    const { metadata } = rig.bucket.find(`${PREFIX}mine`)!.stat;
    await rig.raw('bare', rig.bucket.find(`${PREFIX}mine`)!.body as Buffer, {
      's3vault-mac': metadata['s3vault-mac'] ?? '',
    });
    const { exit, failed } = await rig.restore();
    expect(exit).toBe(6);
    expect(failed).toEqual(['bare not-sealed', 'planted not-sealed']);
    expect(rig.files).toEqual({ mine: 'mine' });
  });

  test('a file that was made a link is no link, and a link that was made a file no file [KIND-1]', async () => {
    const [FILE, LINK] = [{ 's3vault-mode': '100640' }, { 's3vault-mode': '120777' }];
    const rig = new RestoreRig();
    await rig.put('file', '/etc/passwd', FILE);
    await rig.put('link', '/etc/passwd', LINK);
    for (const [name, other] of [
      ['file', LINK],
      ['link', FILE],
    ] as const) {
      const { stat, body } = rig.bucket.find(PREFIX + name)!;
      await rig.raw(name, body as Buffer, { ...stat.metadata, ...other });
      await rig.raw(`${name} without digest`, body as Buffer, {
        ...stat.metadata,
        ...LINK,
        's3vault-mac': '',
      });
    }
    const { exit, failed } = await rig.restore({ oldLinks: false });
    expect(exit).toBe(6);
    expect(failed).toEqual([
      'file kind-unproved',
      'file without digest kind-unproved',
      'link kind-differs',
      'link without digest kind-unproved',
    ]);
    expect(rig.files).toEqual({});
  });

  test('a link that an older version sent comes back where that is known, or asked for', async () => {
    const rig = new RestoreRig();
    await rig.put('link', 'elsewhere', { 's3vault-mode': '120777' }, true);
    expect(await rig.restore()).toMatchObject({ exit: 6, failed: ['link kind-unproved'] });
    rig.links.add('link');
    expect((await rig.restore()).exit).toBe(0);
    expect(rig.target.files.get('link')).toMatchObject({ kind: 'link' });
    rig.links.clear();
    // What is there already is not fetched, and not taken for another one.
    expect((await rig.restore()).exit).toBe(0);
    rig.target.files.clear();
    expect((await rig.restore({ oldLinks: true })).exit).toBe(0);
    expect(rig.target.files.get('link')).toMatchObject({ kind: 'link' });
  });

  test('with the wrong key it stops after some, and says what it is', async () => {
    const rig = new RestoreRig();
    for (let n = 0; n < 40; n++) await rig.put(`f${n}`, 'x');
    for (let n = 0; n < 40; n++) {
      const { metadata } = rig.bucket.find(`${PREFIX}f${n}`)!.stat;
      const wrapped = Buffer.from(metadata['x-amz-3'] ?? '', 'base64');
      wrapped[20]! ^= 1;
      await rig.raw(`f${n}`, 'x'.repeat(17), { ...metadata, 'x-amz-3': wrapped.toString('base64') });
    }
    const { exit, failed, warnings } = await rig.restore();
    expect(exit).toBe(6);
    expect(failed.length).toBeLessThan(20);
    expect(warnings).toEqual(['cannot-open']);
  });

  test('however many objects somebody changed or planted, the others come back', async () => {
    const rig = new RestoreRig();
    for (let n = 10; n < 25; n++) await rig.put(`a${n}`, 'x');
    for (let n = 10; n < 25; n++) await rig.flip(`a${n}`);
    for (let n = 10; n < 25; n++) await rig.raw(`b${n}`, 'planted');
    await rig.put('z', 'good');
    const { exit, failed, warnings } = await rig.restore();
    expect(exit).toBe(6);
    expect(failed).toHaveLength(30);
    expect(warnings).toEqual([]);
    expect(rig.files).toEqual({ z: 'good' });
  });

  test('where the store decrypts, what this machine remembers of its bytes is compared', async () => {
    const rig = new RestoreRig('sse-s3');
    await rig.put('a', 'as it was');
    await rig.put('large', randomBytes(9 * MIB));
    rig.digests.set('a', createHash('sha256').update('as it was').digest());
    rig.digests.set('large', Buffer.alloc(32));
    const { exit, failed } = await rig.restore();
    expect(exit).toBe(6);
    expect(failed).toEqual(['large wrong-bytes']);
    expect(rig.files).toEqual({ a: 'as it was' });
  });

  test('hostile names, links and metadata are data', async () => {
    const rig = new RestoreRig();
    for (const name of ['../out', '/etc/cron.d/x', 'a//b', 'nul\0', './x', 'ok'])
      await rig.put(name, 'x', { 's3vault-mtime': '9e99', 's3vault-mode': '104777777' });
    await rig.put('loop', '', { 's3vault-mode': '120777' });
    await rig.put('long', 'x'.repeat(5_000), { 's3vault-mode': '120777' });
    await rig.put('door', '/tmp', { 's3vault-mode': '120777' });
    await rig.put('door/in', 'through the door');
    const { exit, failed, events } = await rig.restore();
    expect(exit).toBe(3);
    expect(failed.filter((line) => !line.startsWith('door'))).toEqual(['long bad-link', 'loop bad-link']);
    expect(failed.filter((line) => line.startsWith('door'))).toHaveLength(1);
    expect(named(events, 'summary')[0]).toMatchObject({ skipped: 5 });
    expect(
      named(events, 'warning')
        .map(({ path = '' }) => path)
        .sort(),
    ).toEqual(['../out', './x', '/etc/cron.d/x', 'a//b', 'nul\0']);
    expect(rig.target.files.get('ok')).toMatchObject({
      mode: undefined,
      mtime: expect.closeTo(1_700_000_005_000, -5) as number,
    });
  });

  test('an object is opened as sealed only where the mode says so', async () => {
    const rig = new RestoreRig('sse-s3');
    await rig.raw('sealed', 'x', { 'x-amz-3': 'x' });
    expect(await rig.restore()).toMatchObject({ exit: 3, failed: ['sealed sealed'] });
  });
});

describe('what stands there', () => {
  test('is not overwritten without --force, and kept aside with it', async () => {
    const rig = new RestoreRig();
    await rig.put('a', 'theirs');
    await rig.put('b', 'same!!');
    const old = { kind: 'file', mtime: 1, mode: 0o600 } as const;
    rig.target.files.set('a', { ...old, content: Buffer.from('mine') });
    rig.target.files.set('b', { ...old, content: Buffer.from('other!'), mtime: 1_577_880_000_123.456 });
    const first = await rig.restore();
    expect(first).toMatchObject({ exit: 3, failed: ['a target-exists', 'b target-exists'] });
    expect(rig.files).toEqual({ a: 'mine', b: 'other!' });
    const second = await rig.restore({ force: true });
    expect(second).toMatchObject({ exit: 0, warnings: ['kept-aside', 'kept-aside'] });
    expect(rig.files).toEqual({
      a: 'theirs',
      'a (before restore)': 'mine',
      b: 'same!!',
      'b (before restore)': 'other!',
    });
  });

  test('with other bytes of the same size and time: --force brings the right ones, with or without a memory of them', async () => {
    for (const known of [true, false]) {
      const rig = new RestoreRig('sse-s3');
      await rig.put('a', 'right');
      if (known) rig.digests.set('a', createHash('sha256').update('right').digest());
      const rotten = { kind: 'file', mtime: 1_577_880_000_123.456, mode: 0o640 } as const;
      rig.target.files.set('a', { ...rotten, content: Buffer.from('wrong') });
      if (known) expect(await rig.restore()).toMatchObject({ exit: 3, failed: ['a target-exists'] });
      expect(await rig.restore({ force: true })).toMatchObject({ exit: 0, warnings: ['kept-aside'] });
      expect(rig.files).toEqual({ a: 'right', 'a (before restore)': 'wrong' });
    }
  });

  test.each([
    'client',
    'sse-s3',
  ] as const)('with its bytes is left as it is, and with --force gets its times and permissions; mode %s', async (mode) => {
    const rig = new RestoreRig(mode);
    await rig.put('a', 'right');
    rig.digests.set('a', createHash('sha256').update('right').digest());
    const other = { kind: 'file', mtime: 1_000, mode: 0o600, content: Buffer.from('right') } as const;
    rig.target.files.set('a', other);
    expect(await rig.restore()).toMatchObject({ exit: 0, failed: [], warnings: [] });
    expect(rig.target.files.get('a')).toEqual(other);
    expect(await rig.restore({ force: true })).toMatchObject({ exit: 0, warnings: [] });
    expect(rig.target.files.get('a')).toMatchObject({ mtime: 1_577_880_000_123.456, mode: 0o640 });
    // Nothing but the bytes themselves can tell here.
    rig.digests.clear();
    rig.target.files.set('a', other);
    expect(await rig.restore({ force: true })).toMatchObject({ exit: 0, warnings: [] });
    expect([...rig.target.files.keys()]).toEqual(['a']);
    expect(rig.target.files.get('a')).toMatchObject({ mode: 0o640 });
  });

  test("a folder in the way is that file's trouble", async () => {
    const rig = new RestoreRig();
    await rig.put('a', 'x');
    await rig.put('b', 'x');
    rig.target.folders.add('a');
    expect(await rig.restore({ force: true })).toMatchObject({ exit: 3, failed: ['a name-clash'] });
    expect(rig.files).toEqual({ b: 'x' });
  });
});

describe('trouble', () => {
  test('a full disk: the rest goes on, exit 3, nothing half done', async () => {
    const rig = new RestoreRig();
    for (const name of ['a', 'b', 'c']) await rig.put(name, name);
    rig.target.fault = (step, path) => {
      if (step === 'write' && path === 'b')
        throw new VaultError('file', 'disk-full', 'there is no room for b');
    };
    expect(await rig.restore()).toMatchObject({ exit: 3, failed: ['b disk-full'] });
    expect(rig.files).toEqual({ a: 'a', c: 'c' });
    expect(rig.target.drafts).toBe(0);
  });

  test('a disk that stays full: no more is fetched', async () => {
    const rig = new RestoreRig();
    for (let n = 0; n < 200; n++) await rig.put(`f${n}`, 'x');
    rig.target.fault = (step, path) => {
      if (step === 'write') throw new VaultError('file', 'disk-full', `there is no room for ${path}`);
    };
    expect(await rig.restore()).toMatchObject({ exit: 3, warnings: ['disk-full'] });
    expect(rig.count('get')).toBeLessThan(30);
  });

  test('stopped, it waits a few seconds for what is under way, and not for ever', async () => {
    const rig = new RestoreRig();
    await rig.put('a', 'x');
    rig.fault = ({ operation }) => (operation === 'get' ? new Promise(() => undefined) : undefined);
    const { exit, events, failed } = await rig.restore({}, ({ event }) => event === 'transfer.start');
    expect(exit).toBe(130);
    // It was called off: nothing went wrong with the file.
    expect(failed).toEqual([]);
    expect(events.filter(({ event }) => event === 'transfer.stopped')).toHaveLength(1);
    expect(rig.files).toEqual({});
  });

  test('a target that cannot be opened ends it before anything is asked of the store', async () => {
    const rig = new RestoreRig();
    await rig.put('a', 'a');
    rig.target.fault = (step) => {
      if (step === 'open') throw new VaultError('file', 'unwritable', 'it is read-only');
    };
    expect(await rig.restore()).toMatchObject({ exit: 3, warnings: ['unwritable'] });
    expect(rig.steps).toEqual([]);
  });

  test('a store that comes back in time is waited for; one that does not is said with exit 4', async () => {
    const rig = new RestoreRig();
    await rig.put('a', 'a');
    let down = 3;
    rig.fault = ({ when }) => {
      if (when === 'before' && down-- > 0) throw offline;
    };
    expect(await rig.restore()).toMatchObject({ exit: 0 });
    down = Number.POSITIVE_INFINITY;
    rig.target.files.clear();
    expect(await rig.restore()).toMatchObject({ exit: 4 });
  });

  test('refused credentials end it at once; one refused object does not', async () => {
    const rig = new RestoreRig();
    for (const name of ['a', 'b', 'c']) await rig.put(name, name);
    let code = 'access-denied';
    rig.fault = ({ operation, key }) => {
      if (operation === 'get' && key === `${PREFIX}b`) throw new VaultError('refused', code, 'no');
    };
    expect(await rig.restore()).toMatchObject({ exit: 3, failed: ['b access-denied'], warnings: [] });
    code = 'credentials-expired';
    expect(await rig.restore()).toMatchObject({ exit: 4, warnings: ['credentials-expired'] });
  });
});

describe('what is asked for', () => {
  test('files and folders by name, each once, and what is not there is said', async () => {
    const rig = new RestoreRig();
    for (const name of ['a', 'a/b', 'a/c/d', 'a-b', 'b']) await rig.put(name, name);
    expect(await rig.restore({ paths: ['a/c', 'a-b', 'a/c/d', 'nope', 'a-b'] })).toMatchObject({
      exit: 3,
      warnings: ['nothing-there'],
    });
    expect(Object.keys(rig.files).sort()).toEqual(['a-b', 'a/c/d']);
  });

  test('as it was at a time: what was removed since is there, what came since is not', async () => {
    const rig = new RestoreRig('client', true);
    await rig.put('kept', 'kept');
    await rig.put('changed', 'first');
    await rig.put('removed', 'removed');
    await rig.put('removed before', 'x');
    await rig.store().remove(`${PREFIX}removed before` as never);
    const then = rig.clock.now();
    rig.clock.advance(10_000);
    await rig.put('changed', 'second');
    await rig.put('new', 'new');
    await rig.store().remove(`${PREFIX}removed` as never);
    expect(await rig.restore({ at: then })).toMatchObject({ exit: 0, warnings: [] });
    expect(rig.files).toEqual({ kept: 'kept', changed: 'first', removed: 'removed' });
  });

  test('a time before anything was there, and a bucket that keeps no versions, are said', async () => {
    const rig = new RestoreRig();
    await rig.put('a', 'a');
    const before = await rig.restore({ at: 1_000 });
    expect(before).toMatchObject({ exit: 3, warnings: ['no-versions', 'nothing-there'] });
    expect(JSON.stringify(before.events)).toContain('nothing is left of that time');
    // What is there may not be all that was.
    expect(await rig.restore({ at: rig.clock.now() })).toMatchObject({ exit: 3, warnings: ['no-versions'] });
    expect(rig.files).toEqual({ a: 'a' });
    // Of one file it is known: what stands there since is what stood there then.
    const one = { paths: ['a'], at: rig.clock.now() };
    expect(await rig.restore(one)).toMatchObject({ exit: 0, warnings: [] });
    const versioned = new RestoreRig('client', true);
    await versioned.put('a', 'a');
    const nothing = await versioned.restore({ at: 1_000, paths: ['a'] });
    expect(nothing).toMatchObject({ exit: 3, warnings: ['nothing-there'] });
    expect(JSON.stringify(nothing.events)).toContain('there was nothing at a at that time');
  });

  test('one version of one file', async () => {
    const rig = new RestoreRig('client', true);
    await rig.put('a', 'first');
    const { versionId = '' } = rig.bucket.find(`${PREFIX}a`)!.stat;
    await rig.put('a', 'second');
    expect(await rig.restore({ paths: ['a'], versionId })).toMatchObject({ exit: 0 });
    expect(rig.files).toEqual({ a: 'first' });
    expect(await rig.restore({ paths: ['a'], versionId: 'nope' })).toMatchObject({
      exit: 3,
      warnings: ['nothing-there'],
    });
  });
});

test('an instruction file belongs to its object and is no file; a file of such a name is one', async () => {
  const rig = new RestoreRig();
  await rig.put('moved', 'x');
  const { stat, body } = rig.bucket.find(`${PREFIX}moved`)!;
  const envelope = ['x-amz-3', 'x-amz-w'];
  const rest = Object.entries(stat.metadata).filter(([name]) => !envelope.includes(name));
  await rig.raw('moved', Buffer.from(body), Object.fromEntries(rest));
  const file = Object.fromEntries(envelope.map((name) => [name, stat.metadata[name]]));
  await rig.raw('moved.instruction', JSON.stringify(file), { 'x-amz-crypto-instr-file': '' });
  await rig.put('mine.instruction', 'how to');
  expect(await rig.restore()).toMatchObject({ exit: 0, failed: [] });
  expect(rig.files).toEqual({ moved: 'x', 'mine.instruction': 'how to' });
});
