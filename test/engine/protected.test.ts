/** Objects of a place where the store encrypts, put there by others: what the store says of them decides [READ-1]. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { verifiedBytes } from '../../src/engine/cat.ts';
import { demandedIn, isProtected } from '../../src/engine/protected.ts';
import { objectKey } from '../../src/model/brands.ts';
import { MODE_KINDS, type ModeKind } from '../../src/model/mode.ts';
import { type MemoryBucket, memoryStore } from '../../src/s3/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, PREFIX as VAULT, named } from './machine.ts';
import { MIB, PREFIX, RestoreRig } from './restore-rig.ts';

const SSE = 'x-amz-server-side-encryption';

test('what is demanded: nothing where sse-s3 is possible, nor of sealed objects', () => {
  expect(MODE_KINDS.map((mode) => demandedIn([mode]))).toEqual([
    undefined,
    ['sse-c'],
    ['sse-kms'],
    ['dsse-kms'],
    undefined,
  ]);
  expect(demandedIn(['sse-s3', 'sse-kms'])).toBeUndefined();
  expect(demandedIn(['client', 'sse-kms'])).toEqual(['sse-kms']);
  expect(demandedIn(['sse-c', 'sse-kms'])).toEqual(['sse-c', 'sse-kms']);
  expect(isProtected(['sse-kms'], { under: 'dsse-kms' })).toBe(true);
  expect(isProtected(['dsse-kms'], { under: 'sse-kms' })).toBe(true);
  for (const under of ['sse-s3', 'sse-c'] as const) expect(isProtected(['sse-kms'], { under })).toBe(false);
  expect(isProtected(['sse-c'], { under: 'sse-kms' })).toBe(false);
  expect(isProtected(['sse-c'], {})).toBe(false);
});

/** Puts one there as who has no key and no KMS does; AWS does not give it out with a customer key. */
const plant = async (bucket: MemoryBucket, key: string, content: string): Promise<void> => {
  const store = memoryStore({ clock: new ManualClock(), bucket, protection: { mode: 'sse-s3' } });
  await store.put(objectKey(key), Buffer.from(content), { 's3vault-mtime': '1577880000.123456' });
};

const catOf = async (rig: RestoreRig, path: string): Promise<string> => {
  const pieces: Uint8Array[] = [];
  const reader = { ...rig.reader(), reach: <T>(work: () => Promise<T>) => work() };
  const key = rig.keyOf(path);
  const size = rig.bucket.find(key)?.stat.size ?? 0;
  for await (const piece of verifiedBytes(reader, { key, size }, new AbortController().signal))
    pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
};

describe.each(['sse-c', 'sse-kms', 'dsse-kms'] as const)('mode %s', (mode) => {
  const filled = async (): Promise<RestoreRig> => {
    const rig = new RestoreRig(mode);
    for (const name of ['a', 'bare', 's3']) await rig.put(name, `of ${name}`);
    for (const name of ['large', 'large bare']) await rig.put(name, randomBytes(17 * MIB));
    for (const name of ['bare', 'large bare']) rig.under(name, {});
    rig.under('s3', { [SSE]: 'AES256' });
    await plant(rig.bucket, `${PREFIX}planted`, 'anybody could have written this');
    return rig;
  };
  const refused = ['bare', 'large bare', 'planted', 's3'].map((name) => `${name} not-protected`);

  test('restores nothing that is not said to be under it, and the rest: exit 6', async () => {
    const rig = await filled();
    expect(await rig.restore()).toMatchObject({ exit: 6, failed: refused });
    expect(Object.keys(rig.files).sort()).toEqual(['a', 'large']);
    expect(rig.target.drafts).toBe(0);
    // Nothing of it comes: a large one is asked about, and never fetched.
    expect(
      rig.steps.filter(({ operation, key }) => operation === 'get' && key.endsWith('large bare')),
    ).toEqual([]);
  });

  test('takes no file here for one of those either, and puts none aside', async () => {
    const rig = await filled();
    await rig.restore();
    for (const name of ['bare', 'planted', 's3'])
      rig.target.files.set(name, {
        ...rig.target.files.get('a')!,
        content: Buffer.from(name === 'planted' ? 'anybody could have written this' : `of ${name}`),
      });
    for (const force of [false, true])
      expect(await rig.restore({ force })).toMatchObject({ exit: 6, failed: refused });
    expect(rig.files).toMatchObject({ bare: 'of bare', s3: 'of s3' });
    expect(Object.keys(rig.files)).toHaveLength(5);
  });

  test('cat gives nothing of them', async () => {
    const rig = await filled();
    expect(await catOf(rig, 'a')).toBe('of a');
    for (const name of ['bare', 's3', 'planted', 'large bare'])
      await expect(catOf(rig, name)).rejects.toMatchObject({ kind: 'security', code: 'not-protected' });
  });

  test('the message says what is wrong, and which way out there is', async () => {
    const rig = await filled();
    await expect(catOf(rig, 'bare')).rejects.toMatchObject({
      message: `docs/bare is not protected by ${mode}, so anybody who may write to the bucket could have put it there`,
      hint: expect.stringContaining('--mode sse-s3'),
    });
  });

  test('a large object that loses it while it is fetched is not taken', async () => {
    const rig = new RestoreRig(mode);
    await rig.put('large', randomBytes(60 * MIB));
    let gets = 0;
    rig.fault = ({ operation, when }) => {
      if (operation === 'get' && when === 'before' && ++gets === 5) rig.under('large', {});
    };
    expect(await rig.restore()).toMatchObject({ exit: 6, failed: ['large not-protected'] });
    expect(rig.files).toEqual({});
    expect(rig.target.drafts).toBe(0);
  });
});

test('either mode of KMS is taken in the other', async () => {
  const rig = new RestoreRig('sse-kms');
  await rig.put('a', 'of a');
  rig.under('a', { [SSE]: 'aws:kms:dsse' });
  expect(await rig.restore()).toMatchObject({ exit: 0, failed: [] });
  expect(rig.files).toEqual({ a: 'of a' });
});

test.each<ModeKind>(['sse-s3', 'client'])('mode %s demands nothing of the store', async (mode) => {
  const rig = new RestoreRig(mode);
  await rig.put('a', 'of a');
  rig.under('a', {});
  expect(await rig.restore()).toMatchObject({ exit: 0, failed: [] });
});

// ------------------------------------------------------------------------------------------------------ both ways

const OTHERS = Array.from({ length: 9 }, (_, n) => `other ${n}`);

describe.each(['both', 'pull'] as const)('direction %s', (direction) => {
  let sender: EngineMachine;
  let here: EngineMachine;

  const inStep = async (): Promise<void> => {
    const clock = new ManualClock();
    sender = await EngineMachine.with({ clock, host: 'desk' });
    here = await EngineMachine.with({ clock, bucket: sender.bucket, host: 'laptop' });
    sender.direction = direction === 'pull' ? 'push' : 'both';
    here.direction = direction;
    for (const one of [sender, here]) {
      one.mode = 'sse-c';
      one.rules = { ...one.rules, removals: true };
    }
    for (const path of ['clean', 'edited', ...OTHERS]) sender.tree.write(path, 'one');
    for (const one of [sender, here]) expect((await one.sync()).exit).toBe(0);
  };

  /** As AWS would keep it, and as a store does that gives it out under a customer key all the same. */
  const stranger = async (path: string, given: boolean): Promise<void> => {
    const before = sender.bucket.find(VAULT + path);
    await plant(sender.bucket, VAULT + path, 'evil');
    const stored = sender.bucket.find(VAULT + path)!;
    const needs = before?.needs ?? sender.bucket.find(`${VAULT}other 0`)!.needs;
    if (given) sender.bucket.replace(VAULT + path, stored.stat.versionId, { ...stored, needs });
  };

  test.each([false, true])('leaves both sides as they are, given out by the store: %s', async (given) => {
    await inStep();
    for (const path of ['clean', 'edited', 'new', 'known']) await stranger(path, given);
    here.tree.write('edited', 'two');
    here.tree.write('known', 'mine');
    const { exit, events } = await here.sync();
    expect(exit).toBe(6);
    expect(
      named(events, 'transfer.failed')
        .map(({ path, error }) => `${path} ${error.code}`)
        .sort(),
    ).toEqual(['clean', 'edited', 'known', 'new'].map((path) => `${path} not-protected`));
    const files = Object.fromEntries([...here.tree.files].map(([path, file]) => [path, `${file.content}`]));
    expect(files).toMatchObject({ clean: 'one', edited: 'two', known: 'mine' });
    expect(Object.keys(files)).toHaveLength(OTHERS.length + 3);
    for (const path of ['clean', 'edited', 'new', 'known'])
      expect(`${sender.bucket.find(VAULT + path)?.body}`).toBe('evil');
    // Every time.
    expect((await here.sync()).exit).toBe(6);
  });

  test('ends no watching, whatever looks at it', async () => {
    await inStep();
    const watching = await here.watch();
    await stranger('edited', false);
    here.tree.write('edited', 'two');
    watching.hint('edited');
    const { engine, events } = watching;
    await here.until(() => engine.snapshot().short?.exit === 6);
    engine.command({ command: 'retry', paths: ['edited'] });
    await here.wait(1_000);
    expect(engine.snapshot()).toMatchObject({ state: 'idle', short: { failed: 1 } });
    expect(named(events, 'transfer.failed').at(-1)).toMatchObject({ error: { code: 'not-protected' } });
    expect(here.tree.files.get('edited')?.content.toString()).toBe('two');
    await watching.stop();
  });
});

test("a lost Index takes no stranger's object for its file: it is sent", async () => {
  const machine = await EngineMachine.make();
  machine.mode = 'sse-c';
  machine.tree.write('a', 'mine');
  await machine.sync();
  const { stat, needs, body } = machine.bucket.find(`${VAULT}a`)!;
  const evil = Buffer.from('evil');
  expect(evil).toHaveLength(body.length);
  machine.bucket.replace(`${VAULT}a`, stat.versionId, { stat, needs, under: {}, body: evil });
  const anew = await EngineMachine.with({ bucket: machine.bucket, clock: machine.clock });
  anew.mode = 'sse-c';
  anew.tree.files.set('a', machine.tree.files.get('a')!);
  expect((await anew.sync()).exit).toBe(0);
  expect(anew.plaintext('a').toString()).toBe('mine');
});
