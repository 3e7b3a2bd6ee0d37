/** A rekey between every two protections, in memory and over HTTPS; and what goes wrong on the way. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { startOpen } from '../../src/crypto/open.ts';
import { keyringOf } from '../../src/crypto/wrap.ts';
import type { RekeyOptions } from '../../src/engine/rekey-parts.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { nameKey, objectKey, relPath } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { KeyMaterial } from '../../src/model/keyref.ts';
import type { ObjectStore } from '../../src/model/ports.ts';
import type { Side } from '../../src/engine/conversion.ts';
import { memoryStore } from '../../src/s3/memory.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { moverOn, storeOn } from '../s3/rig.ts';
import { named } from './machine.ts';
import {
  CONTENTS,
  KMS,
  type Ground,
  type Held,
  PREFIX,
  RekeyMachine,
  memoryWorld,
  SIDES,
  type SideName,
  readBy,
  rsaKeys,
  versionsOf,
} from './rekey-machine.ts';

/** Every ordered pair of modes, and each mode to another key of its own. */
const PAIRS: readonly (readonly [SideName, SideName])[] = [
  ...SIDES.flatMap((from) => SIDES.filter((to) => to !== from).map((to) => [from, to] as const)),
  ['aes', 'aes2'],
  ['rsa', 'rsa2'],
  ['sse-c', 'sse-c2'],
  ['sse-kms', 'sse-kms2'],
  ['dsse-kms', 'dsse-kms2'],
];

const CLIENT = /^(aes|rsa)/;
function howOf([from, to]: readonly [SideName, SideName]): string {
  if (CLIENT.test(from) !== CLIENT.test(to)) return 'resent';
  if (CLIENT.test(from)) return 'rewrapped';
  const inPlace = /^sse-(s3|kms)/.test(from) && to.startsWith('sse-kms');
  return inPlace ? 'updated' : 'copied';
}

const machines: RekeyMachine[] = [];
afterEach(async () => {
  await Promise.all(machines.splice(0).map((one) => one.close()));
});
async function machineOn(ground: Ground): Promise<RekeyMachine> {
  const machine = new RekeyMachine(ground, systemClock, await memoryIndex());
  machines.push(machine);
  return machine;
}

async function expectPair(ground: Ground, pair: readonly [SideName, SideName]): Promise<void> {
  const machine = await machineOn(ground);
  const [from, to] = [await machine.side(pair[0]), await machine.side(pair[1])];
  for (const [name, content] of CONTENTS) await machine.put(from, name, content);
  const { exit, events, versions } = await machine.run(from, to);
  expect(named(events, 'transfer.failed')).toEqual([]);
  expect(exit).toBe(0);
  expect(versions).toBe(false);
  expect(named(events, 'transfer.done').map(({ result }) => result)).toEqual(
    Array.from({ length: CONTENTS.size }, () => howOf(pair)),
  );
  for (const [name, content] of CONTENTS) {
    const read = await readBy([to], name);
    expect(Buffer.compare(read.content, content), name).toBe(0);
    expect(read.metadata).toMatchObject({ 's3vault-mtime': '12.500000', 's3vault-mode': '100644' });
    expect('s3vault-mac' in read.metadata).toBe(CLIENT.test(pair[1]));
    expect(machine.index.get(nameKey(name))).toMatchObject({
      modeFingerprint: to.fingerprint,
      etag: (await to.store.head(objectKey(PREFIX + name)))?.etag,
    });
  }
  const again = await machine.run(from, to);
  expect(again.exit).toBe(0);
  expect(named(again.events, 'transfer.start')).toEqual([]);
}

describe('in memory', () => {
  test.each(PAIRS)('%s to %s', async (...pair) => {
    await expectPair(memoryWorld().ground, pair);
  });
});

describe('on the embedded server', () => {
  let server: EmbeddedServer;
  const folder = mkdtempSync(join(tmpdir(), 's3vault-rekey-engine-'));
  let buckets = 0;

  beforeAll(async () => {
    server = await startEmbedded({
      kmsKeys: KMS.map((arn) => ({ id: arn.slice(arn.lastIndexOf('/') + 1) })),
    });
    await server.caFile(folder);
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  test.each(PAIRS)('%s to %s', async (...pair) => {
    const bucket = `pair-${++buckets}`;
    server.createBucket(bucket);
    const place = {
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      region: server.region,
      ...server.credentials,
      asAws: buckets % 2 === 0,
    };
    await expectPair(
      {
        kmsKeys: KMS,
        store: (protection) => storeOn(place, bucket, protection),
        mover: (from, to) => moverOn(place, bucket, from, to),
      },
      pair,
    );
  });
});

describe('what goes wrong', () => {
  async function two(pair: readonly [SideName, SideName] = ['aes', 'aes2'], count = 6, versioned = false) {
    const world = memoryWorld(versioned);
    const machine = await machineOn(world.ground);
    const [from, to] = [await machine.side(pair[0]), await machine.side(pair[1])];
    for (let n = 0; n < count; n++) await machine.put(from, `f${n}`, Buffer.from(`content ${n}`));
    world.steps.length = 0;
    const run = (options?: Partial<RekeyOptions>) => machine.run(from, to, options);
    return { world, machine, from, to, run };
  }

  test('a dry run counts and touches nothing', async () => {
    const { world, run } = await two();
    const { exit, events, versions, rekey } = await run({ dryRun: true });
    expect([exit, versions]).toEqual([0, undefined]);
    expect(named(events, 'plan')).toMatchObject([{ put: 6, dryRun: true, bytes: rekey.totals.bytes }]);
    expect(
      world.steps.map(({ operation }) => operation).filter((one) => !/^(get|head|list|versions)$/.test(one)),
    ).toEqual([]);
  });

  test('the configuration learns of it before the bucket does, and both before any object is touched [MOVE-1]', async () => {
    const { world, run } = await two();
    const order: string[] = [];
    world.fault = ({ operation, key, when }) => {
      if (when === 'before' && (operation === 'put' || operation === 'copy'))
        order.push(`${operation} ${key}`);
    };
    await run({ onBegin: async () => void order.push('begin'), onEnd: async () => void order.push('end') });
    expect(order[0]).toMatch(/^put docs\/\.s3vault\/probe-/);
    expect(order.slice(1, 3)).toEqual(['begin', 'put docs/.s3vault/vault.json']);
    expect(order.slice(-2)).toEqual(['put docs/.s3vault/vault.json', 'end']);
    expect(order.slice(3, -2).every((one) => one.startsWith('copy docs/f'))).toBe(true);
  });

  test('one object that does not open is that object’s trouble, and the rest moves; the end is not reached', async () => {
    const { machine, from, to, run } = await two();
    const stranger = await machine.side('rsa');
    await machine.put(stranger, 'f3', Buffer.from('not ours'));
    const { exit, events, versions } = await run();
    expect([exit, versions]).toEqual([3, undefined]);
    expect(named(events, 'transfer.failed')).toMatchObject([{ path: 'f3', error: { code: 'cannot-open' } }]);
    for (const n of [0, 1, 2, 4, 5]) expect((await readBy([from, to], `f${n}`)).by).toBe(to);
    await machine.put(from, 'f3', Buffer.from('ours again'));
    expect(await run()).toMatchObject({ exit: 0, versions: false });
    expect((await readBy([to], 'f3')).content.toString()).toBe('ours again');
  });

  test('a store that denies writing ends it; every object is still there', async () => {
    const { world, from, to, run } = await two();
    let copies = 0;
    world.fault = ({ operation, when }) => {
      if (operation === 'copy' && when === 'before' && ++copies > 2)
        throw new VaultError('refused', 'access-denied', 'no');
    };
    const { exit, rekey } = await run();
    expect([exit, rekey.fatal?.code]).toEqual([4, 'access-denied']);
    for (let n = 0; n < 6; n++)
      expect((await readBy([from, to], `f${n}`)).content.toString()).toBe(`content ${n}`);
    world.fault = () => undefined;
    expect((await run()).exit).toBe(0);
  });

  test('what another machine writes meanwhile under the old key is found and moved', async () => {
    const { world, machine, from, to, run } = await two();
    let once = true;
    world.fault = async ({ operation, key, when }) => {
      if (operation !== 'copy' || when !== 'after' || key !== 'docs/f5' || !once) return;
      once = false;
      await machine.put(from, 'f1', Buffer.from('changed by others'), { index: false });
      await machine.put(from, 'a-new-one', Buffer.from('new'), { index: false });
    };
    const { exit, versions } = await run();
    expect([exit, versions]).toEqual([0, false]);
    expect((await readBy([to], 'f1')).content.toString()).toBe('changed by others');
    expect((await readBy([to], 'a-new-one')).content.toString()).toBe('new');
  });

  test('a machine that never stops writing with the old key is named as the reason', async () => {
    const { world, machine, from, run } = await two();
    let n = 0;
    world.fault = async ({ operation, when }) => {
      if (operation === 'copy' && when === 'after')
        await machine.put(from, `more-${n++}`, Buffer.from('x'), { index: false });
    };
    const { exit, rekey, versions } = await run();
    expect([exit, rekey.fatal?.code, versions]).toEqual([3, 'others-write', undefined]);
  });

  test('an object that changes between look and copy is left alone and reported', async () => {
    const { world, machine, from, to, run } = await two(['sse-c', 'aes']);
    world.fault = async ({ operation, key, when }) => {
      if (operation !== 'get' || when !== 'after' || key !== 'docs/f2') return;
      world.fault = () => undefined;
      await machine.put(from, 'f2', Buffer.from('newer'));
    };
    const { exit, events } = await run();
    expect(exit).toBe(3);
    expect(named(events, 'transfer.failed')).toMatchObject([{ path: 'f2', error: { code: 'precondition' } }]);
    expect((await readBy([from, to], 'f2')).content.toString()).toBe('newer');
    expect((await run()).exit).toBe(0);
    expect((await readBy([to], 'f2')).content.toString()).toBe('newer');
  });

  test('the only copy is not removed where its proof is missing [MOVE-2]', async () => {
    for (const pair of [
      ['aes', 'sse-s3'],
      ['aes', 'sse-c'],
    ] as const) {
      const { world, machine, to } = await two(pair);
      const from = await machine.side(pair[0]);
      const silent = memoryStore({
        clock: systemClock,
        bucket: world.bucket,
        protection: to.protection,
        silent: true,
      });
      // The probe is proved, what comes after it is not.
      let puts = 0;
      const store: ObjectStore = {
        ...methodsOf(to.store),
        put: (...args) => (++puts > 1 ? silent : to.store).put(...args),
      };
      const later = { ...to, store };
      const { exit, versions } = await machine.run(from, later);
      expect([exit, versions], pair.join(' → ')).toEqual([6, undefined]);
      for (let n = 0; n < 6; n++) {
        const stored = world.bucket.find(`docs/f${n}`);
        expect(stored, `f${n}`).toBeDefined();
        const sides = [from, to];
        expect((await readBy(sides, `f${n}`)).content.toString()).toBe(`content ${n}`);
      }
    }
  });

  test('who has only the public half cannot begin; who moves to one can', async () => {
    const { world, machine, from } = await two(['rsa', 'aes']);
    const [pair, other] = await rsaKeys();
    const publicHalf = async ({ fingerprint, ...material }: KeyMaterial): Promise<Side & Held> => {
      const publicPem = 'publicPem' in material ? material.publicPem : '';
      const keyring = keyringOf({ kind: 'rsa-public', publicPem, fingerprint });
      return machine.sideOf({ protection: { mode: 'client', key: fingerprint }, keyring });
    };
    const blind = await publicHalf(pair);
    const to = await machine.side('aes');
    const refused = await machine.run(blind, to);
    expect([refused.exit, refused.rekey.fatal?.code]).toEqual([2, 'encrypt-only']);
    expect(world.steps).toEqual([]);
    const sendOnly = await publicHalf(other);
    expect((await machine.run(from, sendOnly)).exit).toBe(0);
    const owner = await machine.side('rsa2');
    for (let n = 0; n < 6; n++)
      expect((await readBy([owner], `f${n}`)).content.toString()).toBe(`content ${n}`);
  });

  test('a description that says otherwise ends it before anything is touched', async () => {
    const { world, machine, from, to, run } = await two();
    expect((await run()).exit).toBe(0);
    world.steps.length = 0;
    const third = await machine.side('rsa');
    const outdated = await machine.run(from, third);
    expect([outdated.exit, outdated.rekey.fatal?.code]).toEqual([6, 'other-key']);
    const wrongMode = await machine.run(await machine.side('sse-s3'), third);
    expect([wrongMode.exit, wrongMode.rekey.fatal?.code]).toEqual([2, 'other-mode']);
    expect(world.steps.every(({ operation }) => operation === 'get')).toBe(true);
    // Half-way to another key: only that rekey may go on.
    world.fault = ({ operation, when }) => {
      if (operation === 'copy' && when === 'before') throw new VaultError('refused', 'access-denied', 'no');
    };
    expect((await machine.run(to, third)).exit).toBe(4);
    world.fault = () => undefined;
    const elsewhere = await machine.run(to, from);
    expect([elsewhere.exit, elsewhere.rekey.fatal?.code]).toEqual([2, 'other-rekey']);
    expect((await machine.run(to, third)).exit).toBe(0);
  });

  test('uploads that were begun under the old key are ended', async () => {
    const { machine, from, run, world } = await two();
    const journal = machine.index.journal().create({
      key: nameKey('never-arrived'),
      path: relPath('never-arrived'),
      size: 9,
      mtime: 0,
      ctime: 0,
      inode: 0,
      partSize: 5,
      modeFingerprint: from.fingerprint,
      digest: '',
      metadata: {},
    });
    journal.begun('u1');
    world.bucket.pending.set('u1', {
      key: objectKey('docs/never-arrived'),
      initiated: 0,
      metadata: {},
      parts: new Map(),
    });
    expect((await run()).exit).toBe(0);
    expect(machine.index.journal().all()).toEqual([]);
    expect(world.bucket.pending.size).toBe(0);
  });

  test('what is bound to be a link stays so, and what was not does not become it on the way [KIND-1]', async () => {
    for (const without of [[], ['copy']] as const) {
      const { world, machine, from, to, run } = await two(['aes', 'aes2'], 0);
      world.without = without;
      const target = Buffer.from('elsewhere');
      const digest = createHash('sha256').update(target).digest();
      await machine.put(from, 'link', target, { mode: '120777', bound: 'link' });
      await machine.put(from, 'made one', target, { mode: '120777', bound: 'file' });
      expect((await run()).exit).toBe(0);
      for (const [name, kind] of [
        ['link', 'link'],
        ['made one', 'file'],
      ] as const) {
        const { metadata = {} } = (await to.store.head(objectKey(PREFIX + name))) ?? {};
        const opening = await startOpen(to.sealing.keyring!, metadata);
        const fits = (as: typeof kind) => opening.macFits(digest, metadata['s3vault-mac'] ?? '', as);
        expect([fits('link'), fits('file')], name).toEqual([kind === 'link', kind === 'file']);
      }
    }
  });

  test('from a server-side mode, where nothing is bound, the Index says what is a link [KIND-1]', async () => {
    const { world, machine, from, to, run } = await two(['sse-s3', 'aes'], 0);
    const target = Buffer.from('elsewhere');
    await machine.put(from, 'link', target, { mode: '120777', bound: 'link' });
    await machine.put(from, 'file', Buffer.from('x'));
    await machine.put(from, 'made one', target, { mode: '120777', bound: 'file' });
    await machine.put(from, 'of others', target, { mode: '120777', index: false });
    const refused = await run();
    expect([refused.exit, refused.rekey.fatal?.message]).toEqual([6, expect.stringContaining('made one')]);
    expect(named(refused.events, 'transfer.start')).toEqual([]);
    await machine.put(from, 'made one', target);
    expect((await run()).exit).toBe(0);
    const digest = createHash('sha256').update(target).digest();
    for (const name of ['link', 'of others']) {
      const { metadata = {} } = (await to.store.head(objectKey(PREFIX + name))) ?? {};
      const opening = await startOpen(to.sealing.keyring!, metadata);
      expect(opening.macFits(digest, metadata['s3vault-mac'] ?? '', 'link'), name).toBe(true);
    }
    expect(world.bucket.keys()).toContain('docs/made one');
  });

  test('a store that does not copy, or not change in place, is asked once and it is said once', async () => {
    const copies = await two(['sse-c', 'sse-c2']);
    copies.world.without = ['copy'];
    const first = await copies.run();
    expect(first.exit).toBe(0);
    expect(new Set(named(first.events, 'transfer.done').map(({ result }) => result))).toEqual(
      new Set(['resent']),
    );
    expect(named(first.events, 'warning').map(({ code }) => code)).toEqual(['copy-unsupported']);
    const updates = await two(['sse-s3', 'sse-kms']);
    updates.world.without = ['update'];
    const second = await updates.run();
    expect(second.exit).toBe(0);
    expect(new Set(named(second.events, 'transfer.done').map(({ result }) => result))).toEqual(
      new Set(['copied']),
    );
    expect(named(second.events, 'warning').map(({ code }) => code)).toEqual(['update-unsupported']);
    expect(updates.world.bucket.keys().filter((key) => key.includes('probe'))).toEqual([]);
  });

  test('older versions are said to need the old key, however often it was interrupted', async () => {
    const { machine, from, to, run, world } = await two(['aes', 'aes2'], 2, true);
    await machine.put(from, 'f0', Buffer.from('content 0'));
    let copies = 0;
    world.fault = ({ operation, when }) => {
      if (operation === 'copy' && when === 'after' && ++copies === 2)
        throw new VaultError('refused', 'access-denied', 'no');
    };
    expect((await run()).exit).toBe(4);
    world.fault = () => undefined;
    expect(await run()).toMatchObject({ exit: 0, versions: true });
    expect((await versionsOf(to.store, 'f0')).length).toBe(3);
  });

  test('older versions are not forgotten where versioning was suspended meanwhile', async () => {
    const { machine, from, run, world } = await two(['aes', 'aes2'], 2, true);
    await machine.put(from, 'f0', Buffer.from('content 0'));
    world.bucket.versioned = false;
    expect(await run({ dryRun: true })).toMatchObject({ exit: 0, rekey: { older: true } });
    expect(await run()).toMatchObject({ exit: 0, versions: true });
  });

  test('both keys are named before anything is counted, and that is undone where nothing was touched', async () => {
    const { world, machine, run } = await two();
    const order: string[] = [];
    world.fault = ({ operation, key, when }) => {
      if (when === 'before' && operation !== 'get' && operation !== 'head' && !key?.includes('probe-'))
        order.push(operation);
    };
    const hooks: Partial<RekeyOptions> = {
      onMet: async () => void order.push('met'),
      onUndone: async () => void order.push('undone'),
    };
    const gone = (when: boolean) => (begun: boolean) => {
      if (begun === when) throw new VaultError('security', 'key-changed', 'gone');
    };
    machine.keysHold = gone(false);
    expect(await run(hooks)).toMatchObject({ exit: 6, versions: undefined, rekey: { begun: false } });
    expect(order).toEqual(['met', 'list', 'undone']);
    order.length = 0;
    machine.keysHold = gone(true);
    expect(await run(hooks)).toMatchObject({ exit: 6, versions: undefined, rekey: { begun: true } });
    expect([order[0], order.includes('copy'), order.includes('undone')]).toEqual(['met', true, false]);
    // The bucket does not say that it ended.
    expect(order.filter((one) => one === 'put')).toHaveLength(1);
  });
});

/** A store that can be spread. */
const methodsOf = (store: ObjectStore): ObjectStore => ({
  put: store.put.bind(store),
  upload: store.upload.bind(store),
  get: store.get.bind(store),
  head: store.head.bind(store),
  list: store.list.bind(store),
  versions: store.versions.bind(store),
  remove: store.remove.bind(store),
  conditions: store.conditions.bind(store),
  uploads: store.uploads.bind(store),
  abortUpload: store.abortUpload.bind(store),
  reach: store.reach.bind(store),
  close: store.close.bind(store),
});
