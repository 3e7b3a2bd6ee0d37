/** A rekey into mode `client`, which binds what an object is, of a vault in which that is in doubt: every hint leads out [KIND-1]. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startOpen } from '../../src/crypto/open.ts';
import type { Side } from '../../src/engine/conversion.ts';
import { objectKey } from '../../src/model/brands.ts';
import type { Direction } from '../../src/model/vault.ts';
import { MemoryBucket, type MemoryStep, memoryStore } from '../../src/s3/memory.ts';
import { memoryMover } from '../../src/s3/memory-mover.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, OWN, PREFIX, named } from './machine.ts';
import { type Held, KMS, RekeyMachine, type RekeyRun } from './rekey-machine.ts';

let a: EngineMachine;
let b: EngineMachine;
let fault: (step: MemoryStep) => void | Promise<void>;
let rekeyer: RekeyMachine;
let to: Side & Held;

beforeEach(async () => {
  const clock = new ManualClock();
  const bucket = new MemoryBucket();
  a = await EngineMachine.with({ clock, bucket, host: 'desk' });
  b = await EngineMachine.with({ clock, bucket, host: 'laptop' });
  for (const one of [a, b]) one.mode = 'sse-s3';
  for (const one of [a, b]) one.direction = 'both';
  fault = () => undefined;
  const ground = {
    kmsKeys: KMS,
    store: async (protection: Held['protection']) =>
      memoryStore({ clock, bucket, protection, fault: (step) => fault(step) }),
    mover: async (from: Held['protection'], into: Held['protection']) =>
      memoryMover({ clock, bucket, from, to: into }),
  };
  rekeyer = new RekeyMachine(ground, clock, a.index);
  to = await rekeyer.sideOf({
    protection: { mode: 'client', key: a.keyring.fingerprint },
    keyring: a.keyring,
  });
});
afterEach(() => rekeyer.close());

async function rekey(direction: Direction = 'both'): Promise<RekeyRun> {
  const from = await rekeyer.side('sse-s3');
  rekeyer.direction = direction;
  return rekeyer.run(from, to);
}

const moving = (): boolean => String(a.bucket.find(OWN)?.body).includes('movingTo');

/** What the object is bound to be. */
async function bound(name: string, content: string): Promise<'file' | 'link' | undefined> {
  const { metadata = {} } = (await to.store.head(objectKey(PREFIX + name))) ?? {};
  const opening = await startOpen(a.keyring, metadata);
  const digest = createHash('sha256').update(content).digest();
  const kinds = ['file', 'link'] as const;
  return kinds.find((kind) => opening.macFits(digest, metadata['s3vault-mac'] ?? '', kind));
}

test('what a dry run counts of it is what is asked before the first object is touched', async () => {
  for (const name of ['f', 'g', 'h']) a.tree.write(name, name);
  await a.sync();
  a.bucket.add(`${PREFIX}unknown`, { id: undefined, stored: stored('f') });
  const from = await rekeyer.side('sse-s3');
  const dry = await rekeyer.run(from, to, { dryRun: true });
  expect([dry.exit, dry.rekey.totals.asked, dry.rekey.totals.objects]).toEqual([0, 3, 4]);
  let asked = 0;
  fault = ({ operation, when }) => {
    if (operation === 'head' && when === 'before' && !moving()) asked++;
  };
  expect((await rekey()).exit).toBe(0);
  expect(asked).toBe(3);
  // Bound already, and not in doubt.
  const onward = await rekeyer.run(to, await rekeyer.side('sse-s3'), { dryRun: true });
  expect(onward.rekey.totals.asked).toBe(0);
});

function stored(name: string) {
  const found = a.bucket.find(PREFIX + name);
  if (found === undefined) throw new Error(`no object ${name}`);
  return found;
}

/** Somebody says in the bucket that a file is a link; content, and so the ETag, stay. */
function callLink(name: string): void {
  const stored = a.bucket.find(PREFIX + name)!;
  const metadata = { ...stored.stat.metadata, 's3vault-mode': '120777' };
  a.bucket.replace(PREFIX + name, undefined, { ...stored, stat: { ...stored.stat, metadata } });
}

async function inStep(): Promise<void> {
  for (const one of [a, b]) one.mode = 'client';
  for (const one of [a, b, a]) expect((await one.sync({ consent: true })).exit).toBe(0);
  expect([a.inStep(), b.inStep()]).toEqual([[], []]);
}

/** Once the bucket says that the rekey has begun. */
function onBegun(meanwhile: () => void | Promise<void>): void {
  fault = async ({ operation, key, when }) => {
    if (operation !== 'put' || key !== OWN || when !== 'after') return;
    fault = () => undefined;
    await meanwhile();
  };
}

test('another machine made a file a link: said before anything has begun, and a sync settles it', async () => {
  for (const name of ['note', 'other']) a.tree.write(name, `content of ${name}`);
  for (const one of [a, b]) await one.sync();
  b.tree.remove('note');
  b.tree.link('note', 'elsewhere');
  expect((await b.sync()).exit).toBe(0);
  const { exit, events, rekey: run } = await rekey();
  expect([exit, run.fatal?.code, run.begun, moving()]).toEqual([6, 'kind-differs', false, false]);
  expect(run.fatal?.hint).toContain('sync first, then run the same command again');
  expect(named(events, 'transfer.start')).toEqual([]);
  expect((await a.sync()).exit).toBe(0);
  expect((await rekey()).exit).toBe(0);
  expect([await bound('note', 'elsewhere'), await bound('other', 'content of other')]).toEqual([
    'link',
    'file',
  ]);
  await inStep();
  expect(a.tree.files.get('note')).toMatchObject({ link: true });
});

test('somebody made a file a link where no sync sees it: it is touched, and sent again', async () => {
  a.tree.write('note', 'elsewhere');
  for (const one of [a, b]) await one.sync();
  callLink('note');
  expect((await rekey()).exit).toBe(6);
  await a.sync();
  const again = await rekey();
  expect([again.exit, moving()]).toEqual([6, false]);
  expect(again.rekey.fatal?.hint).toContain('touch it');
  a.tree.touch('note');
  expect((await a.sync()).exit).toBe(0);
  expect((await rekey()).exit).toBe(0);
  expect(await bound('note', 'elsewhere')).toBe('file');
  await inStep();
});

test('where nothing is sent, what is right in the bucket comes again', async () => {
  b.direction = 'push';
  for (const name of ['note', 'other']) b.tree.write(name, 'elsewhere');
  await b.sync();
  a.direction = 'pull';
  await a.sync();
  b.tree.remove('note');
  b.tree.link('note', 'elsewhere');
  await b.sync();
  await a.sync();
  const refused = await rekey('pull');
  expect([refused.exit, moving()]).toEqual([6, false]);
  expect(refused.rekey.fatal?.hint).toContain('remove it here and sync');
  a.tree.remove('note');
  expect((await a.sync()).exit).toBe(0);
  expect(a.tree.files.get('note')).toMatchObject({ link: true });
  expect((await rekey('pull')).exit).toBe(0);
  expect(await bound('note', 'elsewhere')).toBe('link');
});

test('what another machine still sent when it had begun is what it says', async () => {
  a.tree.write('note', 'one');
  for (const one of [a, b]) await one.sync();
  b.tree.remove('note');
  b.tree.link('note', 'elsewhere');
  const { store } = await rekeyer.side('sse-s3');
  onBegun(async () => {
    const metadata = { 's3vault-mode': '120777', 's3vault-mtime': '12.500000' };
    await store.put(objectKey(`${PREFIX}note`), Buffer.from('elsewhere'), metadata);
  });
  expect((await rekey()).exit).toBe(0);
  expect([await bound('note', 'elsewhere'), moving()]).toEqual(['link', false]);
});

test('amid a rekey, when no machine syncs, what somebody made a link is left, and there is a way to the end', async () => {
  for (const name of ['note', 'other']) a.tree.write(name, `content of ${name}`);
  for (const one of [a, b]) await one.sync();
  onBegun(() => callLink('note'));
  const { exit, events } = await rekey();
  expect([exit, moving()]).toEqual([3, true]);
  const [failed] = named(events, 'transfer.failed');
  expect(failed?.error).toMatchObject({
    code: 'kind-differs',
    hint: expect.stringMatching(/touch it here \(touch\), then remove that object .* run the same command/),
  });
  // No sync before the end: so the hint must not ask for one.
  expect((await a.sync()).exit).toBe(2);
  expect((await rekey()).exit).toBe(3);
  a.tree.touch('note');
  a.bucket.remove(`${PREFIX}note`, undefined);
  expect([(await rekey()).exit, moving()]).toEqual([0, false]);
  await inStep();
  for (const { tree } of [a, b]) expect(String(tree.files.get('note')?.content)).toBe('content of note');
  expect(await bound('note', 'content of note')).toBe('file');
});
