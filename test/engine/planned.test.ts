import { beforeEach, describe, expect, test } from 'vitest';
import type { Action } from '../../src/model/plan.ts';
import { planFileLine } from '../../src/model/plan-line.ts';
import { EngineMachine, named } from './machine.ts';

let machine: EngineMachine;

beforeEach(async () => {
  machine = await EngineMachine.make();
  machine.rules = { ...machine.rules, removals: true };
  for (let n = 0; n < 4; n++) machine.tree.write(`f${n}`, `${n}`);
  await machine.sync();
  machine.tree.write('f0', 'changed');
  machine.tree.remove('f1');
  machine.tree.write('new', 'new');
});

/** As it comes back from a file. */
async function plan(): Promise<string[]> {
  const actions: Action[] = [];
  machine.clock.advance(5_000);
  const { engine } = machine.engine({ checkRemote: true });
  await machine.drive(engine.preview((action) => actions.push(action)));
  const text = JSON.stringify(actions.map((action) => JSON.parse(planFileLine(action)) as unknown));
  return (JSON.parse(text) as unknown[]).map((action) => JSON.stringify(action));
}

const apply = (planned: readonly string[]) => machine.sync({ planned, checkRemote: true, consent: true });

describe('a plan from a file', () => {
  test('is done, removals and all', async () => {
    const planned = await plan();
    expect(planned.map((line) => (JSON.parse(line) as { do: string }).do).toSorted()).toEqual([
      'put',
      'put',
      'remove-remote',
    ]);
    expect((await apply(planned)).exit).toBe(0);
    expect(machine.inStep()).toEqual([]);
    expect(machine.remote()).toEqual(['f0', 'f2', 'f3', 'new']);
  });

  test.each([
    ['a further file', () => machine.tree.write('later', 'x'), 'later'],
    ['another content', () => machine.tree.write('f0', 'changed again'), 'f0'],
    ['a file that is back', () => machine.tree.write('f1', '1'), 'f1'],
    ['a file that is gone', () => machine.tree.remove('new'), 'new'],
    ['an object that is gone', () => machine.bucket.remove('docs/f2', undefined), 'f2'],
  ])('is refused for %s, and nothing is done', async (_name, change, path) => {
    const planned = await plan();
    machine.clock.advance(60_000);
    change();
    machine.forget();
    const run = await apply(planned);
    expect(run.exit).toBe(5);
    expect(named(run.events, 'warning')).toMatchObject([
      { code: 'plan-changed', message: expect.stringContaining(path) as string },
    ]);
    expect(machine.count('put') + machine.count('remove')).toBe(0);
  });

  test('says on what each line rests, and holds no digest', async () => {
    const line = (await plan()).find((text) => text.includes('"f0"')) ?? '';
    expect(JSON.parse(line)).toMatchObject({
      do: 'put',
      path: 'f0',
      reason: 'changed',
      local: { kind: 'file', size: 7, mode: '100644' },
      inStep: { size: 1 },
    });
    expect(line).not.toContain('digest');
  });

  test('is held to while it is done too', async () => {
    const planned = await plan();
    machine.tree.onRead = (path) => {
      if (path === 'new' && machine.tree.files.get('new')?.content.toString() === 'new') {
        machine.tree.write('new', 'other bytes');
      }
    };
    const run = await apply(planned);
    expect(run.exit).toBe(5);
    expect(machine.remote()).not.toContain('new');
  });
});
