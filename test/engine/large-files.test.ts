/** Files that go in parts: what an interruption costs, and what is never sealed twice [NONCE-1]. */
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { memoryIndex } from '../../src/state/open-index.ts';
import { EngineMachine, PREFIX, named } from './machine.ts';

const MIB = 2 ** 20;
let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
});

const sent = () => machine.count('put') + machine.count('part');

describe('large files', () => {
  const content = randomBytes(27 * MIB);

  /** Dies at a part, as a killed process does: nothing is finished, the Index stays as it is. */
  const dieAtPart = (part: number): Promise<void> =>
    machine.dieAt((step) => step.operation === 'part' && step.part === part);

  beforeEach(() => machine.tree.write('big', content));

  test('an interrupted upload goes on with the missing parts only', async () => {
    await dieAtPart(3);
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.count('create')).toBe(0);
    expect(machine.steps.filter(({ operation }) => operation === 'part').map(({ part }) => part)).toEqual([
      3, 4,
    ]);
    expect(machine.plaintext('big').equals(content)).toBe(true);
    expect(machine.messages).toBe(1);
    expect(machine.bucket.pending.size).toBe(0);
  });

  test.each([
    'there',
    'gone',
    'small',
  ])('created by a process that died before it knew the upload id: aborted, file %s', async (then) => {
    await machine.dieAt(({ operation, when }) => operation === 'create' && when === 'after');
    expect(machine.bucket.pending.size).toBe(1);
    if (then === 'gone') machine.tree.remove('big');
    if (then === 'small') machine.tree.write('big', 'small');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.bucket.pending.size).toBe(0);
    expect(machine.index.journal().all()).toEqual([]);
    expect(machine.remote()).toEqual(then === 'gone' ? [] : ['big']);
  });

  test('changed meanwhile, it is called off and begun anew under a fresh data key', async () => {
    await dieAtPart(3);
    const other = Buffer.from(content);
    other[0] = (other[0] ?? 0) ^ 1;
    machine.tree.write('big', other);
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.count('abort')).toBe(1);
    expect(machine.count('create')).toBe(1);
    expect(machine.plaintext('big').equals(other)).toBe(true);
    expect(machine.messages).toBe(2);
  });

  test('changed with all its stamps kept, it is found out before a byte is sent under the old key', async () => {
    await dieAtPart(3);
    const file = machine.tree.files.get('big');
    const other = Buffer.from(content);
    other[20 * MIB] = (other[20 * MIB] ?? 0) ^ 1;
    if (file !== undefined) file.content = other;
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.plaintext('big').equals(other)).toBe(true);
    expect(machine.messages).toBe(2);
  });

  test('changed in a part that was never sent: begun anew, so that the MAC is that of the bytes', async () => {
    await dieAtPart(3);
    const file = machine.tree.files.get('big');
    const other = Buffer.from(content);
    other[26 * MIB] = (other[26 * MIB] ?? 0) ^ 1;
    if (file !== undefined) file.content = other;
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.messages).toBe(2);
    machine.index = await memoryIndex();
    machine.forget();
    await machine.sync();
    expect(sent()).toBe(0);
  });

  test('touched meanwhile: begun anew, so that the object tells the time of the file', async () => {
    await dieAtPart(3);
    machine.clock.advance(60_000);
    machine.tree.touch('big');
    expect((await machine.sync()).exit).toBe(0);
    const mtime = (machine.tree.files.get('big')?.mtime ?? 0) / 1_000;
    expect(machine.bucket.find(`${PREFIX}big`)?.stat.metadata['s3vault-mtime']).toBe(mtime.toFixed(6));
    expect(machine.messages).toBe(2);
  });

  test('changed between its two readings with all its stamps kept: no object comes of it', async () => {
    let readings = 0;
    machine.tree.onRead = () => {
      const file = machine.tree.files.get('big');
      if (++readings === 2 && file !== undefined) file.content[0] = (content[0] ?? 0) ^ 1;
    };
    const { exit, events } = await machine.sync();
    expect(exit).toBe(0);
    expect(named(events, 'transfer.failed')[0]?.error.code).toBe('changed-while-reading');
    expect(machine.inStep()).toEqual([]);
    // The MAC is that of the bytes: a rebuilt Index believes it.
    machine.index = await memoryIndex();
    machine.forget();
    await machine.sync();
    expect(sent()).toBe(0);
  });

  test('an upload that the store has forgotten is begun anew', async () => {
    await dieAtPart(2);
    machine.bucket.pending.clear();
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.plaintext('big').equals(content)).toBe(true);
  });

  test('one whose file is gone is called off', async () => {
    await dieAtPart(2);
    machine.tree.remove('big');
    machine.tree.write('other', 'x');
    await machine.sync();
    expect(machine.bucket.pending.size).toBe(0);
  });

  test('one whose file is small now is called off', async () => {
    await dieAtPart(2);
    machine.tree.write('big', 'small');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.bucket.pending.size).toBe(0);
    expect(machine.index.journal().all()).toEqual([]);
  });

  test('an upload of ours that is days old goes on all the same', async () => {
    await dieAtPart(3);
    machine.clock.advance(3 * 86_400_000);
    machine.tree.write('small', 'x');
    expect((await machine.sync()).exit).toBe(0);
    expect(machine.count('abort') + machine.count('create')).toBe(0);
    expect(machine.plaintext('big').equals(content)).toBe(true);
  });
});
