/** Paths that lead out of the vault's folder, from whoever speaks to the engine or writes to the bucket. */
import { beforeEach, describe, expect, test } from 'vitest';
import { relPath } from '../../src/model/brands.ts';
import type { Command } from '../../src/model/command.ts';
import type { MemoryStep } from '../../src/s3/memory.ts';
import { EngineMachine, OWN, PREFIX, named, sealed } from './machine.ts';

let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
  machine.tree.write('a', 'a');
});

const BAD = [
  '../x',
  'a/../..',
  'a/../b',
  '/x',
  '.',
  '..',
  '',
  'a//b',
  'nul\0',
  '.s3vault/vault.json',
  '.s3vault',
  '\ud800',
];
const aboutFile = ({ key }: MemoryStep): boolean => key !== undefined && key !== OWN && key !== PREFIX;
const LONG = ['x'.repeat(300), 'd/'.repeat(3_000)];

describe.each(['push', 'both', 'pull'] as const)('%s', (direction) => {
  test.each([
    ...BAD,
    ...LONG,
  ])('%j is refused as a path of a command, and nothing is looked at [PATH-1]', async (path) => {
    machine.direction = direction;
    const life = await machine.watch();
    const { engine, events } = life;
    if (path.length < 300) machine.tree.write(path, 'not of this folder');
    const before = events.length;
    machine.forget();
    const commands: Command[] = [
      { command: 'retry', paths: ['a', path] },
      { command: 'first', path },
      { command: 'skip', path },
    ];
    for (const command of commands) {
      const refused = (() => {
        try {
          engine.command(command);
        } catch (thrown) {
          return thrown;
        }
        return undefined;
      })();
      expect(refused).toMatchObject({
        kind: 'usage',
        code: 'bad-path',
        message: expect.stringMatching(/^[^\0]{0,200}$/),
        hint: expect.stringContaining('relative to the folder'),
      });
    }
    await machine.wait(5_000);
    expect(machine.steps.filter(aboutFile)).toEqual([]);
    expect(events.slice(before).filter(({ event }) => event !== 'queue')).toEqual([]);
    machine.tree.files.delete(relPath(path));
    await life.stop();
  });

  test.each(
    BAD.filter((path) => path !== '' && path !== '\ud800'),
  )('a hint at %j leads to nothing, also where its object was to be looked at', async (path) => {
    machine.direction = direction;
    const life = await machine.watch();
    const { engine } = life;
    machine.tree.write(path, 'not of this folder');
    machine.forget();
    life.hint(path);
    await machine.wait(5_000);
    expect(machine.steps.filter(aboutFile)).toEqual([]);
    expect(life.idles()).toBe(1);
    expect([...engine.snapshot().problems.keys()].filter((one) => one !== 'a')).toEqual([]);
    machine.tree.files.delete(relPath(path));
    await life.stop();
  });
});

test.each([
  'plain',
  'sealed',
] as const)('an object of such a name is told of, and asked after again in words; the engine lives on (%s names)', async (names) => {
  machine.direction = 'both';
  machine.mode = 'sse-s3';
  if (names === 'sealed') machine.names = sealed();
  // As the rules of a real folder may.
  const { tree } = machine;
  tree.ignores = (path) => {
    if (path.startsWith('..')) throw new RangeError('path should be a `path.relative()`d string');
    return tree.ignored.has(path);
  };
  await machine.sync();
  const stranger = machine.names.keyOf('../x');
  await machine.store().put(`${PREFIX}${stranger}` as never, Buffer.from('x'), {}, {});
  const life = await machine.watch();
  const { engine, events } = life;
  expect(engine.snapshot().problems.get('../x')).toMatchObject({ code: 'remote-name' });
  const retry = () => engine.command({ command: 'retry', paths: ['../x'] });
  expect(retry).toThrowError(expect.objectContaining({ kind: 'usage', code: 'bad-path' }));
  engine.command({ command: 'retry' });
  await machine.wait(5_000);
  expect(named(events, 'transfer.start')).toEqual([]);
  expect((await life.stop()).exit).toBe(130);
});
