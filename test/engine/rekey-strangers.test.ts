/** Objects that a stranger put into a vault of a server-side mode, amid its rekey: nothing brings them under its protection [READ-1]. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Side } from '../../src/engine/conversion.ts';
import { nameKey, objectKey } from '../../src/model/brands.ts';
import { memoryStore } from '../../src/s3/memory.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { named } from './machine.ts';
import {
  type Held,
  type MemoryWorld,
  PREFIX,
  RekeyMachine,
  type RekeyRun,
  type SideName,
  memoryWorld,
  readBy,
  versionsOf,
} from './rekey-machine.ts';

const machines: RekeyMachine[] = [];
afterEach(async () => {
  await Promise.all(machines.splice(0).map((one) => one.close()));
});

interface Rig {
  readonly world: MemoryWorld;
  readonly machine: RekeyMachine;
  readonly from: Side & Held;
  readonly to: Side & Held;
}

async function rig(pair: readonly [SideName, SideName], versioned = false): Promise<Rig> {
  const world = memoryWorld(versioned);
  const machine = new RekeyMachine(world.ground, systemClock, await memoryIndex());
  machines.push(machine);
  const [from, to] = [await machine.side(pair[0]), await machine.side(pair[1])];
  return { world, machine, from, to };
}

/** As who has no key and no KMS does; the store encrypts it as it does by itself. */
async function plant({ world }: Rig, name: string, content: Uint8Array): Promise<void> {
  const store = memoryStore({ clock: systemClock, bucket: world.bucket, protection: { mode: 'sse-s3' } });
  await store.put(objectKey(PREFIX + name), content, { 's3vault-mtime': '12.500000' });
}

/** A store that gives out with a customer key what is under none, and says nothing of it. */
function giveOut({ world }: Rig, names: readonly string[]): void {
  const { needs } = world.bucket.find(`${PREFIX}ours`)!;
  for (const name of names) {
    const stored = world.bucket.find(PREFIX + name)!;
    world.bucket.replace(PREFIX + name, stored.stat.versionId, { ...stored, under: {}, needs });
  }
}

const isMoving = ({ world }: Rig): boolean =>
  String(world.bucket.find(`${PREFIX}.s3vault/vault.json`)?.body).includes('movingTo');

const failedOf = ({ events }: RekeyRun): string[] =>
  named(events, 'transfer.failed')
    .map(({ path, error }) => `${path}: ${error.code}`)
    .sort();

const PAIRS: readonly (readonly [SideName, SideName])[] = [
  ['sse-c', 'aes'],
  ['sse-c', 'sse-c2'],
  ['sse-c', 'sse-kms'],
  ['sse-kms', 'rsa'],
  ['sse-kms', 'sse-kms2'],
  ['sse-kms', 'sse-c'],
  ['dsse-kms', 'aes'],
  ['dsse-kms', 'sse-kms'],
];
const WAYS = [
  ['moved as the store can', false, []],
  ['given out by the store', true, []],
  ['sent through here', false, ['copy', 'update']],
] as const;

describe.each(PAIRS)('%s to %s', (...pair) => {
  test.each(
    WAYS,
  )('%s: left exactly as they are, the rest moves, and it is not finished', async (_, given, without) => {
    const r = await rig(pair);
    r.world.without = without;
    for (const name of ['ours', 'taken over']) await r.machine.put(r.from, name, Buffer.from(name));
    const large = randomBytes(9 * 2 ** 20);
    await r.machine.put(r.from, 'ours, large', large);
    const strangers = ['large', 'new', 'taken over'];
    for (const name of ['new', 'taken over']) await plant(r, name, Buffer.from('evil'));
    await plant(r, 'large', large);
    if (given) giveOut(r, strangers);
    const before = strangers.map((name) => r.world.bucket.find(PREFIX + name));
    for (const _run of [1, 2]) {
      const run = await r.machine.run(r.from, r.to);
      expect(failedOf(run)).toEqual(strangers.map((name) => `${name}: not-protected`));
      expect([run.exit, run.rekey.fatal, run.versions, isMoving(r)]).toEqual([6, undefined, undefined, true]);
      expect(strangers.map((name) => r.world.bucket.find(PREFIX + name))).toEqual(before);
    }
    for (const [name, content] of [
      ['ours', Buffer.from('ours')],
      ['ours, large', large],
    ] as const)
      expect((await readBy([r.to], name)).content.equals(content)).toBe(true);
    expect(r.machine.index.get(nameKey('taken over'))?.modeFingerprint).toBe(r.from.fingerprint);
    // The way that the hint shows.
    for (const name of strangers) r.world.bucket.remove(PREFIX + name, undefined);
    expect((await r.machine.run(r.from, r.to)).exit).toBe(0);
    expect(isMoving(r)).toBe(false);
  });

  test('all versions: a newest one that is a stranger’s keeps its object as it is', async () => {
    const r = await rig(pair, true);
    for (const text of ['one', 'two']) await r.machine.put(r.from, 'hit', Buffer.from(text));
    await plant(r, 'hit', Buffer.from('evil'));
    await r.machine.put(r.from, 'ours', Buffer.from('ours'));
    const before = await versionsOf(r.from.store, 'hit');
    const run = await r.machine.run(r.from, r.to, { allVersions: true });
    expect([run.exit, failedOf(run), isMoving(r)]).toEqual([6, ['hit: not-protected'], true]);
    expect(await versionsOf(r.from.store, 'hit')).toEqual(before);
    expect((await readBy([r.to], 'ours')).content.toString()).toBe('ours');
    r.world.bucket.remove(`${PREFIX}hit`, before.at(-1)?.versionId);
    expect((await r.machine.run(r.from, r.to, { allVersions: true })).exit).toBe(0);
    expect((await readBy([r.to], 'hit')).content.toString()).toBe('two');
  });
});

test('the message says what is wrong, and the hint what to do', async () => {
  const r = await rig(['sse-kms', 'aes']);
  await plant(r, 'new', Buffer.from('evil'));
  const { events } = await r.machine.run(r.from, r.to);
  const [failed] = named(events, 'transfer.failed');
  expect(failed?.error).toEqual({
    code: 'not-protected',
    message:
      'docs/new is not protected by sse-kms, so anybody who may write to the bucket could have put it there',
    hint: expect.stringMatching(
      /left as it is; .*cat .*--mode sse-s3; .*touch it.* then remove the object .* run the same command again/,
    ),
  });
});

describe('what a rekey must move is moved', () => {
  test('what another machine of the same rekey moves in this very moment is no stranger’s', async () => {
    const pairs: readonly (readonly [SideName, SideName])[] = [
      ['sse-kms', 'sse-s3'],
      ['sse-c', 'sse-kms'],
      ['sse-c', 'aes'],
    ];
    for (const pair of pairs) {
      for (let at = 1; at <= 6; at++) {
        const r = await rig(pair);
        await r.machine.put(r.from, 'hit', Buffer.from('hit'));
        let seen = 0;
        r.world.fault = async ({ key, when }) => {
          if (when !== 'before' || key !== `${PREFIX}hit` || ++seen !== at) return;
          r.world.fault = () => undefined;
          await r.machine.put(r.to, 'hit', Buffer.from('hit'));
        };
        const strange = failedOf(await r.machine.run(r.from, r.to)).filter((one) => one.includes('not-pro'));
        expect(strange, `${pair.join(' to ')}, step ${at}`).toEqual([]);
        expect((await readBy([r.to], 'hit')).content.toString()).toBe('hit');
      }
    }
  });

  test('either mode of KMS, under any key', async () => {
    const r = await rig(['sse-kms', 'aes']);
    for (const name of ['dsse-kms', 'sse-kms2'] as const)
      await r.machine.put(await r.machine.side(name), name, Buffer.from(name));
    expect((await r.machine.run(r.from, r.to)).exit).toBe(0);
    expect((await readBy([r.to], 'dsse-kms')).content.toString()).toBe('dsse-kms');
  });

  test.each([
    'sse-c',
    'sse-kms',
    'dsse-kms',
  ] as const)('what an interrupted run has moved already, %s', async (from) => {
    for (const to of ['aes', 'sse-s3', from === 'sse-c' ? 'sse-kms' : 'sse-c'] as const) {
      const r = await rig([from, to]);
      await r.machine.put(r.from, 'left', Buffer.from('left'));
      await r.machine.put(r.to, 'moved', Buffer.from('moved'), { index: false });
      const { exit, rekey } = await r.machine.run(r.from, r.to);
      expect([exit, rekey.totals.already], to).toEqual([0, 1]);
    }
  });

  test('in sse-s3, which tells nothing, and under an envelope whatever comes', async () => {
    const plain = await rig(['sse-s3', 'sse-c']);
    await plant(plain, 'by others', Buffer.from('x'));
    expect((await plain.machine.run(plain.from, plain.to)).exit).toBe(0);
    const sealed = await rig(['aes', 'sse-c']);
    await sealed.machine.put(sealed.from, 'ours', Buffer.from('ours'));
    const stored = sealed.world.bucket.find(`${PREFIX}ours`)!;
    sealed.world.bucket.replace(`${PREFIX}ours`, undefined, { ...stored, under: {} });
    expect((await sealed.machine.run(sealed.from, sealed.to)).exit).toBe(0);
  });

  test.each([
    ['sse-kms', 'aes'],
    ['sse-kms', 'sse-kms2'],
  ] as const)('older versions from before an earlier rekey, %s to %s', async (...pair) => {
    const r = await rig(pair, true);
    const before = await r.machine.side('sse-s3');
    await r.machine.put(before, 'kept', Buffer.from('one'));
    await r.machine.put(r.from, 'kept', Buffer.from('two'));
    await r.machine.put(before, 'removed', Buffer.from('one'));
    await before.store.remove(objectKey(`${PREFIX}removed`));
    const run = await r.machine.run(r.from, r.to, { allVersions: true });
    expect([run.exit, failedOf(run)]).toEqual([0, []]);
    const texts = [];
    for (const { versionId } of await versionsOf(r.to.store, 'kept'))
      texts.push((await readBy([r.to], 'kept', versionId)).content.toString());
    expect(texts).toEqual(['one', 'two']);
  });
});
