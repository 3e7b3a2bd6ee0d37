/** A rekey of another machine: what it has moved already is refused here as before, and not called a stranger's [READ-1]. */
import { beforeEach, describe, expect, test } from 'vitest';
import { explainedBy } from '../../src/engine/underway.ts';
import { objectKey, vaultId } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { ModeKind } from '../../src/model/mode.ts';
import { MemoryBucket, type MemoryStep, memoryStore } from '../../src/s3/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, OWN, PREFIX, named } from './machine.ts';

const ID = '11111111-1111-4111-8111-111111111111';
const refusal = new VaultError('security', 'not-protected', 'a is not protected', { hint: 'a stranger' });

describe('what is said', () => {
  let clock: ManualClock;
  let bucket: MemoryBucket;
  let looks: number;
  let fault: (step: MemoryStep) => void;

  beforeEach(() => {
    clock = new ManualClock();
    bucket = new MemoryBucket();
    looks = 0;
    fault = () => undefined;
  });

  const store = () =>
    memoryStore({
      clock,
      bucket,
      protection: { mode: 'sse-s3' },
      fault: (step) => {
        if (step.operation === 'get' && step.when === 'before') looks++;
        fault(step);
      },
    });
  const describeAs = (more: { readonly [name: string]: unknown }): Promise<unknown> =>
    store().put(
      objectKey(OWN),
      Buffer.from(JSON.stringify({ version: 1, id: ID, mode: 'sse-kms', keys: [], created: '', ...more })),
      {},
    );
  const explainer = (mode: ModeKind) =>
    explainedBy({
      vault: { id: vaultId(ID), remote: { bucket: 'bucket', prefix: PREFIX } },
      store: store(),
      mode,
      clock,
    });

  test('that a rekey is under way, whichever of its modes is read in', async () => {
    await describeAs({ movingTo: { mode: 'sse-s3', key: '' } });
    const said = await explainer('sse-kms')('docs/a', refusal);
    expect(said).toMatchObject({ kind: 'security', code: 'not-protected', exit: 6 });
    expect(said.message).toBe(
      'docs/a is not in mode sse-kms: a rekey from sse-kms to sse-s3 is under way, so it may be in mode sse-s3; or somebody else put it there',
    );
    expect(said.hint).toBe(
      'if another machine moved it, wait until it has ended, or read it with --mode sse-s3; if none did, somebody who may write to the bucket changed .s3vault/vault.json there',
    );
    const to = await explainer('sse-s3')('docs/a', refusal);
    expect(to.message).toContain('so it may be in mode sse-kms; or');
  });

  test('that it has ended; and a mode that needs its key', async () => {
    await describeAs({ mode: 'sse-c', keys: ['0011223344556677'] });
    const said = await explainer('sse-kms')('docs/a', refusal);
    expect(said.message).toContain('the vault is kept in mode sse-c by now, so it may be in mode sse-c; or');
    expect(said.hint).toMatch(/forget the folder .* --mode sse-c and --key NAME;/);
  });

  test('nothing of it where it explains nothing', async () => {
    const plain = async (mode: ModeKind, error = refusal) =>
      expect(await explainer(mode)('docs/a', error)).toBe(error);
    await plain('sse-kms');
    await describeAs({});
    await plain('sse-kms');
    await describeAs({ movingTo: { mode: 'sse-kms', key: 'another' } });
    await plain('sse-kms');
    await describeAs({ movingTo: { mode: 'a mode\nof a newer s3vault', key: '' } });
    await plain('sse-kms');
    await describeAs({ id: 'another vault', movingTo: { mode: 'sse-s3', key: '' } });
    await plain('sse-kms');
    await describeAs({ movingTo: { mode: 'sse-s3', key: '' } });
    await plain('sse-kms', new VaultError('security', 'cannot-open', 'x'));
    fault = () => {
      throw new VaultError('file', 'other-mode', 'no');
    };
    await plain('sse-kms');
  });

  test('one look for all that is refused within half a minute', async () => {
    const explain = explainer('sse-kms');
    for (let n = 0; n < 10; n++) expect(await explain('docs/a', refusal)).toBe(refusal);
    expect(looks).toBe(1);
    await describeAs({ movingTo: { mode: 'sse-s3', key: '' } });
    clock.advance(31_000);
    expect(await explain('docs/a', refusal)).not.toBe(refusal);
    expect(looks).toBe(2);
  });
});

describe.each(['both', 'pull'] as const)('a rekey begins amid a sync, direction %s', (direction) => {
  /** Puts it there without the key, as the rekey to `sse-s3` does and as anybody could. */
  const putPlain = async (on: EngineMachine, path: string, content: string): Promise<void> => {
    const store = memoryStore({ clock: on.clock, bucket: on.bucket, protection: { mode: 'sse-s3' } });
    await store.put(objectKey(PREFIX + path), Buffer.from(content), { 's3vault-mtime': '1577880000.123456' });
  };

  test('nothing is taken for it, and what is refused is not called a stranger’s', async () => {
    const clock = new ManualClock();
    const sender = await EngineMachine.with({ clock, host: 'desk' });
    const here = await EngineMachine.with({ clock, bucket: sender.bucket, host: 'laptop' });
    sender.direction = direction === 'pull' ? 'push' : 'both';
    here.direction = direction;
    for (const one of [sender, here]) one.mode = 'sse-c';
    for (const path of ['clean', 'edited']) sender.tree.write(path, 'one');
    for (const one of [sender, here]) expect((await one.sync()).exit).toBe(0);
    here.tree.write('edited', 'two');
    for (const path of ['clean', 'edited', 'new']) await putPlain(sender, path, 'moved or evil');
    // The bucket says so once this machine has met it.
    here.fault = async ({ operation, when }) => {
      if (operation !== 'list' || when !== 'after') return;
      here.fault = () => undefined;
      const found = JSON.parse(String(sender.bucket.find(OWN)?.body)) as object;
      const movingTo = { mode: 'sse-s3', key: '' };
      await sender
        .store(() => undefined)
        .put(objectKey(OWN), Buffer.from(JSON.stringify({ ...found, movingTo })), {});
    };
    const { exit, events } = await here.sync({ checkRemote: true });
    expect(exit).toBe(6);
    const failed = named(events, 'transfer.failed');
    expect(failed.map(({ path }) => path).sort()).toEqual(['clean', 'edited', 'new']);
    for (const { error } of failed)
      expect(error).toMatchObject({
        code: 'not-protected',
        message: expect.stringContaining('a rekey from sse-c to sse-s3 is under way'),
      });
    const files = Object.fromEntries([...here.tree.files].map(([path, file]) => [path, `${file.content}`]));
    expect(files).toEqual({ clean: 'one', edited: 'two' });
    // From now on it does not even begin.
    expect((await here.sync()).exit).toBe(2);
  });
});
