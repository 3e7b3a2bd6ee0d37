/** The Index against the bucket, in memory. */
import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Verify, type VerifyOptions } from '../../src/engine/verify.ts';
import { DeepShare } from '../../src/engine/verify-share.ts';
import { nameKey, objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { Event } from '../../src/model/event.ts';
import type { ModeKind } from '../../src/model/mode.ts';
import type { Index, ObjectStat } from '../../src/model/ports.ts';
import { memoryIndex } from '../../src/state/open-index.ts';
import { record } from '../support/facts.ts';
import { MIB, PREFIX, RestoreRig } from './restore-rig.ts';

class VerifyRig extends RestoreRig {
  index!: Index;
  readonly marks = new Map<string, string>();
  /** Objects that the store does not prove. */
  readonly unproved = new Set<string>();
  looks = 0;
  receives = false;

  static async make(mode: ModeKind = 'client'): Promise<VerifyRig> {
    const rig = new VerifyRig(mode);
    rig.index = await memoryIndex();
    return rig;
  }

  /** Sent by this machine: object and Record. */
  async send(path: string, content: string | Buffer): Promise<void> {
    await this.put(path, content);
    const { stat } = this.bucket.find(PREFIX + path)!;
    const digest = createHash('sha256').update(content).digest();
    const sent = {
      size: Buffer.byteLength(content),
      storedSize: stat.size,
      etag: stat.etag,
      digest,
      modeFingerprint: 'm',
    };
    this.index.commit([{ kind: 'put', record: record(path, sent) }]);
  }

  async verify(over: Partial<VerifyOptions> = {}) {
    const verify = new Verify(
      {
        reader: this.reader(),
        mover: {
          moved: async (key): Promise<ObjectStat | undefined> => {
            this.looks++;
            return this.unproved.has(key) ? undefined : this.store().head(objectKey(key));
          },
        },
        index: this.index,
        marks: this.marks,
        prefix: PREFIX,
        receives: this.receives,
        names: this.names,
        modeFingerprint: 'm',
        clock: this.clock,
        transfers: 4,
      },
      { deep: 0, every: false, ...over },
    );
    const events: Event[] = [];
    verify.subscribe((event) => events.push(event));
    this.steps = [];
    this.looks = 0;
    const { exit } = await this.drive(verify.run());
    for (const [name, value] of verify.remembered) this.marks.set(name, value);
    const said = events.flatMap((event) =>
      event.event === 'warning'
        ? [`${event.path} ${event.code}`]
        : event.event === 'transfer.failed'
          ? [`${event.path} ${event.error.code}`]
          : [],
    );
    return { exit, said: said.sort(), totals: verify.totals, events };
  }
}

test('all in order: exit 0, one listing; the second time nothing but the listing and the newest', async () => {
  const rig = await VerifyRig.make();
  for (let n = 0; n < 10; n++) await rig.send(`f${n}`, `content ${n}`);
  await rig.raw('.s3vault/vault.json', '{}');
  expect(await rig.verify()).toMatchObject({ exit: 0, said: [], totals: { objects: 10, looked: 10 } });
  expect([rig.count('list'), rig.count('head'), rig.count('get')]).toEqual([1, 10, 0]);
  expect(await rig.verify()).toMatchObject({ exit: 0, totals: { looked: 1 } });
  expect(rig.count('head')).toBe(1);
  expect(await rig.verify({ every: true })).toMatchObject({ totals: { looked: 10 } });
});

describe('a sync that goes on meanwhile', () => {
  test('is no finding: what it sent, removed and brought since the listing', async () => {
    const rig = await VerifyRig.make();
    for (const name of ['a', 'b', 'changed', 'gone', 'z']) await rig.send(name, 'content');
    rig.fault = async ({ operation, when }) => {
      if (operation !== 'list' || when !== 'after') return;
      rig.fault = () => undefined;
      await rig.send('changed', 'CONTENT');
      await rig.store().remove(objectKey(`${PREFIX}gone`));
      rig.index.commit([{ kind: 'remove', key: nameKey('gone') }]);
      await rig.send('new', 'new');
    };
    expect(await rig.verify({ deep: 100 })).toMatchObject({ exit: 0, said: [] });
    // What is not its work is found all the same.
    rig.fault = async ({ operation, when }) => {
      if (operation === 'list' && when === 'before') await rig.put('changed', 'nobody knows it');
    };
    expect(await rig.verify()).toMatchObject({ exit: 3, said: ['changed size'] });
  });

  test('and an object that is written again while it is opened is compared with what it is now', async () => {
    const rig = await VerifyRig.make('sse-s3');
    for (const name of ['a', 'b']) await rig.send(name, 'content');
    rig.fault = async ({ operation, key, when }) => {
      if (operation !== 'get' || when !== 'before' || !key.endsWith('b')) return;
      rig.fault = () => undefined;
      await rig.send('b', 'CONTENT');
    };
    expect(await rig.verify({ deep: 100 })).toMatchObject({ exit: 0, said: [], totals: { opened: 2 } });
  });
});

describe('an object that another one has replaced', () => {
  test('is opened by --deep: exit 6 if it cannot be', async () => {
    const rig = await VerifyRig.make();
    for (const name of ['bad', 'news', 'same']) await rig.send(name, 'content');
    await rig.flip('bad');
    await rig.put('news', 'CONTENT');
    expect(await rig.verify({ deep: 100 })).toMatchObject({
      exit: 6,
      said: ['bad cannot-open', 'news changed-remotely'],
      totals: { opened: 2, unproved: 1, differing: 1 },
    });
  });

  test('is opened by --deep: exit 6 if it is not what it was sent as [KIND-1]', async () => {
    const rig = await VerifyRig.make();
    await rig.send('file', 'content');
    const { stat, body } = rig.bucket.find(`${PREFIX}file`)!;
    await rig.raw('file', body as Buffer, { ...stat.metadata, 's3vault-mode': '120777' });
    expect(await rig.verify({ deep: 100 })).toMatchObject({ exit: 6, said: ['file kind-unproved'] });
  });

  test('is news, and no damage, where changes come from the bucket too', async () => {
    const rig = await VerifyRig.make();
    rig.receives = true;
    for (const name of ['news', 'same']) await rig.send(name, 'content');
    await rig.put('news', 'CONTENT');
    expect(await rig.verify()).toMatchObject({ exit: 3, said: ['news changed-remotely'] });
    expect(await rig.verify({ deep: 100 })).toMatchObject({
      exit: 0,
      said: ['news changed-remotely'],
      totals: { differing: 0 },
    });
  });
});

test('missing, extra, another size, written again, another mode: each is said, exit 3', async () => {
  const rig = await VerifyRig.make();
  for (const name of ['a', 'gone', 'longer', 'rewritten', 'z']) await rig.send(name, 'content');
  await rig.store().remove(objectKey(`${PREFIX}gone`));
  await rig.put('longer', 'content and more');
  await rig.put('rewritten', 'CONTENT');
  await rig.put('extra', 'x');
  await rig.send('old', 'x');
  rig.index.commit([
    { kind: 'put', record: { ...rig.index.get(nameKey('old'))!, modeFingerprint: 'other' } },
  ]);
  const { exit, said, totals } = await rig.verify();
  expect(exit).toBe(3);
  expect(said).toEqual([
    'extra extra',
    'gone missing-remotely',
    'longer size',
    'old other-mode',
    'rewritten changed-remotely',
  ]);
  expect(totals).toMatchObject({ missing: 1, extra: 1, differing: 3, unproved: 0 });
});

test('of an object that nobody here sent it is said what a restore would make of it', async () => {
  const rig = await VerifyRig.make();
  await rig.put('opens', 'content');
  await rig.raw('plain', 'anybody could have written this');
  await rig.put('damaged', 'content');
  const { stat, body } = rig.bucket.find(`${PREFIX}damaged`)!;
  await rig.raw('damaged', body as Buffer, { ...stat.metadata, 'x-amz-3': 'AAAA' });
  for (const name of ['../../evil', 'docs/./dot']) await rig.put(name, 'content');
  await rig.raw('mail.eml.instruction', '{}');
  const hints = async (rig: VerifyRig) =>
    Object.fromEntries(
      (await rig.verify()).events.flatMap((event) =>
        event.event === 'warning' ? [[event.path, event.hint]] : [],
      ),
    );
  const unfit = expect.stringContaining('no file here can have that name, so s3vault restore leaves it out');
  expect(await hints(rig)).toEqual({
    opens: "s3vault restore fetches it; remove it if it is nobody's",
    plain: "it is not sealed, so s3vault restore refuses it; remove it if it is nobody's",
    damaged: "it does not open, so s3vault restore refuses it; remove it if it is nobody's",
    '../../evil': unfit,
    'docs/./dot': unfit,
    'mail.eml.instruction': expect.stringContaining('belongs to another object'),
  });
  const kms = await VerifyRig.make('sse-kms');
  await kms.put('opens', 'content');
  await kms.put('bare', 'content');
  kms.under('bare', {});
  expect(await hints(kms)).toEqual({
    opens: "s3vault restore fetches it; remove it if it is nobody's",
    bare: "it is not protected as the vault is, so s3vault restore refuses it; remove it if it is nobody's",
  });
});

test('folders that other programs mark are no findings, as for sync and restore', async () => {
  for (const mode of ['client', 'sse-s3'] as const) {
    const rig = await VerifyRig.make(mode);
    await rig.send('photos/one', 'content');
    for (const name of ['', 'photos/', 'empty/']) await rig.raw(name, '');
    expect(await rig.verify({ deep: 100, every: true })).toMatchObject({
      exit: 0,
      said: [],
      totals: { objects: 1, extra: 0 },
    });
    await rig.raw('odd/', 'content');
    expect(await rig.verify()).toMatchObject({ exit: 3, said: ['odd/ extra'] });
  }
});

test('what another machine added is news where changes come from the bucket too: nobody is told to remove it', async () => {
  const rig = await VerifyRig.make();
  rig.receives = true;
  await rig.send('same', 'content');
  await rig.put('new', 'content');
  const hints = ({ events }: Awaited<ReturnType<VerifyRig['verify']>>) =>
    events.flatMap((event) => (event.event === 'warning' ? [[event.path, event.hint]] : []));
  const news = await rig.verify();
  expect(news).toMatchObject({ exit: 0, said: ['new extra'], totals: { objects: 2, extra: 0 } });
  expect(hints(news)).toEqual([
    ['new', 'another machine wrote it; the next s3vault sync DIR fetches it, unless it is left out here'],
  ]);
  await rig.raw('plain', 'anybody could have written this');
  await rig.put('docs/./dot', 'content');
  const bad = await rig.verify();
  expect(bad).toMatchObject({ exit: 3, totals: { extra: 2 } });
  expect(Object.fromEntries(hints(bad))).toMatchObject({
    plain: "it is not sealed, so s3vault refuses to fetch it; remove it if it is nobody's",
    'docs/./dot': expect.stringContaining('no file here can have that name, so it is not fetched'),
  });
});

describe('protection', () => {
  test('the hint is one that fits who is asked: what this machine sent, what came, what is another object', async () => {
    const hint = async (receives: boolean, over: 'sent' | 'received' | 'replaced', deep: number) => {
      const rig = await VerifyRig.make('sse-kms');
      rig.receives = receives;
      await rig.send('a', 'content');
      if (over === 'replaced') await rig.put('a', 'CONTENT');
      rig.under('a', {});
      rig.unproved.add(`${PREFIX}a`);
      const record = rig.index.get(nameKey('a'))!;
      if (over === 'received') rig.index.commit([{ kind: 'put', record: { ...record, received: true } }]);
      const { exit, events } = await rig.verify({ deep, every: true });
      expect(exit).toBe(6);
      const said = events.flatMap((event) =>
        event.event === 'warning' ? [event] : event.event === 'transfer.failed' ? [event.error] : [],
      );
      return said.find(({ code }) => code === 'proof-missing')?.hint;
    };
    for (const deep of [0, 100]) {
      const touch = expect.stringContaining('touch the file here and sync: it is sent again');
      for (const over of ['sent', 'replaced'] as const) expect(await hint(false, over, deep)).toEqual(touch);
      expect(await hint(true, 'sent', deep)).toEqual(touch);
      expect(await hint(true, 'received', deep)).toContain('look at it before you trust it');
      expect(await hint(true, 'replaced', deep)).toContain('remove the object from the bucket, and sync');
    }
  });

  test('an envelope that is gone, under bytes that stayed, is exit 6, every time', async () => {
    const rig = await VerifyRig.make();
    await rig.send('a', 'content');
    await rig.send('b', 'content');
    expect((await rig.verify()).exit).toBe(0);
    await rig.raw('a', rig.bucket.find(`${PREFIX}a`)!.body as Buffer, {});
    rig.clock.advance(5_000);
    await rig.send('later', 'x');
    for (let n = 0; n < 2; n++) expect(await rig.verify()).toMatchObject({ exit: 6, said: ['a not-sealed'] });
  });

  test('a store that does not prove its encryption of an object is exit 6', async () => {
    const rig = await VerifyRig.make('sse-s3');
    await rig.send('a', 'content');
    await rig.send('b', 'content');
    rig.unproved.add(`${PREFIX}b`);
    expect(await rig.verify()).toMatchObject({ exit: 6, said: ['b proof-missing'] });
  });
});

describe('--deep', () => {
  test('opens another share each time, and all of it in turn', async () => {
    const rig = await VerifyRig.make();
    for (let n = 0; n < 40; n++) await rig.send(`f${n}`, `content ${n}`);
    const opened: string[] = [];
    for (let run = 0; run < 4; run++) {
      const { exit, events } = await rig.verify({ deep: 25 });
      expect(exit).toBe(0);
      for (const event of events) if (event.event === 'transfer.done') opened.push(event.path);
    }
    expect(opened).toHaveLength(40);
    expect(new Set(opened).size).toBe(40);
  });

  test('finds what the store changed under an unchanged ETag, small and large: exit 6', async () => {
    const rig = await VerifyRig.make('sse-s3');
    for (const name of ['a', 'b']) await rig.send(name, 'content');
    await rig.send('large', randomBytes(9 * MIB));
    for (const name of ['b', 'large']) (rig.bucket.find(PREFIX + name)!.body as Buffer)[3]! ^= 1;
    expect(await rig.verify({ deep: 100 })).toMatchObject({
      exit: 6,
      said: ['b wrong-bytes', 'large wrong-bytes'],
    });
  });

  test('calls equal only what was compared, and counts the bytes that came', async () => {
    for (const mode of ['client', 'sse-s3'] as const) {
      const rig = await VerifyRig.make(mode);
      for (const name of ['longer', 'other', 'same', 'touched', 'unknown']) await rig.send(name, 'content');
      // Another object of the same key, of the same and of another size; the same bytes once more; nothing to compare with.
      await rig.put('longer', 'content and more');
      await rig.put('other', 'CONTENT');
      await rig.put('touched', 'content', { 's3vault-mtime': '1577880001.0' });
      const { digest: _, ...unknown } = rig.index.get(nameKey('unknown'))!;
      rig.index.commit([{ kind: 'put', record: unknown }]);
      const { exit, events, totals } = await rig.verify({ deep: 100 });
      const done = events.flatMap((event) =>
        event.event === 'transfer.done' ? [`${event.path} ${event.result} ${event.bytes}`] : [],
      );
      expect([mode, ...done.sort()]).toEqual([
        mode,
        'longer differs 16',
        'other differs 7',
        'same verified 7',
        'touched verified 7',
        'unknown opened 7',
      ]);
      expect({ exit, ...totals }).toMatchObject({ exit: 3, opened: 5, compared: 4, bytes: 44 });
    }
  });

  test('says of an object that was written since the listing that it differs: exit 3', async () => {
    const rig = await VerifyRig.make('sse-s3');
    for (const name of ['a', 'b']) await rig.send(name, 'content');
    rig.fault = async ({ operation, key, when }) => {
      if (operation !== 'get' || when !== 'before' || !key.endsWith('b')) return;
      rig.fault = () => undefined;
      await rig.put('b', 'CONTENT');
    };
    expect(await rig.verify({ deep: 100 })).toMatchObject({ exit: 3, said: ['b changed-remotely'] });
  });

  test('shares do not depend on who is asked first; each is as large as it was asked for, and none leaves anything out', () => {
    let drawn = 0;
    const clock = { random: () => (++drawn * 0.618_033) % 1 };
    const names = Array.from({ length: 3_000 }, (_, n) => nameKey(`name ${n}`));
    for (const percent of [12.5, 30, 33.3, 50, 70, 100]) {
      let remembered: string | undefined;
      const last = new Map(names.map((name) => [name, -1]));
      const longest = 2 * Math.ceil(100 / percent);
      for (let run = 0; run < 12; run++) {
        const share = new DeepShare(remembered, percent, clock);
        const held = names.filter((name) => share.holds(name));
        expect(Math.abs(held.length / 30 - percent), `${percent} %, run ${run}`).toBeLessThan(3);
        const waits = held.map((name) => run - last.get(name)!);
        expect(Math.max(...waits)).toBeLessThanOrEqual(longest);
        for (const name of held) last.set(name, run);
        remembered = share.next;
        if (run + 1 === Math.ceil(100 / percent)) expect(Math.min(...last.values())).toBeGreaterThan(-1);
      }
    }
    const seldom = new DeepShare(undefined, 30, clock);
    const next = new DeepShare(seldom.next, 30, clock);
    expect(names.some((name) => seldom.holds(name) && next.holds(name))).toBe(false);
    expect(new DeepShare('rubbish', 10, clock).holds(nameKey('x'))).toBeTypeOf('boolean');
  });
});

test('a store that refuses ends it, and nothing is remembered', async () => {
  const rig = await VerifyRig.make();
  await rig.send('a', 'content');
  rig.fault = ({ operation }) => {
    if (operation === 'head') throw new VaultError('refused', 'access-denied', 'no');
  };
  expect(await rig.verify()).toMatchObject({ exit: 4, said: ['undefined access-denied'] });
  expect(rig.marks.size).toBe(0);
});
