/** Rekeys between all protections that Ceph RGW proves: it copies sealed objects, and nothing else. */
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { objectKey } from '../../src/model/brands.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { describeRgw, rgw } from '../rgw.ts';
import { moverOn, storeOn } from '../s3/rig.ts';
import { named } from './machine.ts';
import { CONTENTS, PREFIX, RekeyMachine, type SideName, readBy, versionsOf } from './rekey-machine.ts';

const SIDES = ['aes', 'rsa', 'sse-c', 'sse-kms'] as const;
const PAIRS: readonly (readonly [SideName, SideName])[] = [
  ...SIDES.flatMap((from) => SIDES.filter((to) => to !== from).map((to) => [from, to] as const)),
  ['aes', 'aes2'],
  ['rsa', 'rsa2'],
  ['sse-c', 'sse-c2'],
  ['sse-kms', 'sse-kms2'],
];

const isClient = (name: SideName): boolean => /^(aes|rsa)/.test(name);

describeRgw('a rekey', () => {
  const machines: RekeyMachine[] = [];
  afterEach(async () => {
    await Promise.all(machines.splice(0).map((one) => one.close()));
  });

  async function machine(versioning = false): Promise<RekeyMachine> {
    const server = rgw();
    const bucket = await server.createBucket('rekey', { versioning });
    const [first = '', second = ''] = server.kmsKeyIds;
    const made = new RekeyMachine(
      {
        kmsKeys: [first, second],
        store: (protection) => storeOn(server, bucket, protection),
        mover: (from, to) => moverOn(server, bucket, from, to),
      },
      systemClock,
      await memoryIndex(),
    );
    machines.push(made);
    return made;
  }

  test.each(PAIRS)('%s to %s', async (...pair) => {
    const m = await machine();
    const [from, to] = [await m.side(pair[0]), await m.side(pair[1])];
    for (const [name, content] of CONTENTS) await m.put(from, name, content);
    const { exit, events, rekey } = await m.run(from, to);
    expect(named(events, 'transfer.failed')).toEqual([]);
    expect(exit).toBe(0);
    const inside = pair.every(isClient);
    const how = inside ? 'rewrapped' : 'resent';
    expect(new Set(named(events, 'transfer.done').map(({ result }) => result))).toEqual(new Set([how]));
    // Said so in the output, once, where the store was asked and could not.
    const asked = !inside && isClient(pair[0]) === isClient(pair[1]);
    expect(named(events, 'warning').map(({ code }) => code)).toEqual(asked ? ['copy-unsupported'] : []);
    if (inside) expect(rekey.totals.through).toBe(0);
    for (const [name, content] of CONTENTS)
      expect(Buffer.compare((await readBy([to], name)).content, content), name).toBe(0);
  });

  test.each([
    ['sse-c', 'aes'],
    ['sse-c', 'sse-c2'],
    ['sse-kms', 'aes'],
  ] as const)("%s to %s: a stranger's plain object stays as it is [READ-1]", async (...pair) => {
    const m = await machine();
    const [from, to] = [await m.side(pair[0]), await m.side(pair[1])];
    await m.put(from, 'ours', Buffer.from('ours'));
    const { store: stranger } = await m.side('aes');
    const key = objectKey(`${PREFIX}planted`);
    await stranger.put(key, Buffer.from('evil'), {});
    const before = await stranger.head(key);
    const { exit, events } = await m.run(from, to);
    expect(exit).toBe(6);
    expect(named(events, 'transfer.failed')).toMatchObject([
      { path: 'planted', error: { code: 'not-protected' } },
    ]);
    expect(await stranger.head(key)).toEqual(before);
    expect((await readBy([to], 'ours')).content.toString()).toBe('ours');
  });

  test.each([
    ['aes', 'aes2'],
    ['sse-c', 'aes'],
  ] as const)('all versions, %s to %s', async (...pair) => {
    const m = await machine(true);
    const [from, to] = [await m.side(pair[0]), await m.side(pair[1])];
    for (const text of ['one', 'two']) await m.put(from, 'f', Buffer.from(text));
    await from.store.remove(objectKey(`${PREFIX}f`));
    await m.put(from, 'f', Buffer.from('three'));
    await m.put(from, 'gone', Buffer.from('gone'));
    await from.store.remove(objectKey(`${PREFIX}gone`));
    const { exit, versions } = await m.run(from, to, { allVersions: true });
    expect([exit, versions]).toEqual([0, false]);
    const history = async (name: string): Promise<string[]> => {
      const found: string[] = [];
      for (const { versionId, marker } of await versionsOf(to.store, name))
        found.push(marker ? '-' : (await readBy([to], name, versionId)).content.toString());
      return found;
    };
    expect(await history('f')).toEqual(['one', 'two', '-', 'three']);
    expect(await history('gone')).toEqual(['gone', '-']);
  });
});
