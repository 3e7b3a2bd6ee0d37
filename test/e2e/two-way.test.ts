import { expect, test } from 'vitest';
import { describeRgw, rgw } from '../rgw.ts';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Machine } from './harness.ts';
import { twoWayRounds } from './two-way-rounds.ts';

describeRgw('two machines', () => {
  test('edit, die and lose answers at random: they come together with both versions of every conflict', {
    timeout: 300_000,
  }, async () => {
    await twoWayRounds(rgw(), await rgw().createBucket(), 6);
  });

  // It ignores conditions there, or refuses whatever it is asked.
  test('do the same in a bucket with versions', { timeout: 300_000 }, async () => {
    await twoWayRounds(rgw(), await rgw().createBucket('versions', { versioning: true }), 4);
  });

  test('one watches what the other does; a plan is applied once and then refused', {
    timeout: 300_000,
  }, async () => {
    const bucket = await rgw().createBucket();
    const desk = new Machine(rgw());
    const laptop = new Machine(rgw(), desk.key);
    const args = (machine: Machine) => [
      'sync',
      machine.root,
      '--to',
      `s3://${bucket}/docs`,
      ...machine.keyArgs,
      ...machine.remoteArgs,
      '--json',
    ];
    try {
      for (let n = 0; n < 8; n++) desk.write(`f${n}`, `${n}`);
      const first = await desk.run([...args(desk), '--once']);
      expect(first.code, first.stderr).toBe(0);
      const watching = laptop.start([
        ...args(laptop),
        '--direction',
        'both',
        '--delete',
        '--poll-remote',
        '1',
      ]);
      await watching.line((line) => line.event === 'idle');
      expect(readFileSync(join(laptop.root, 'f3'), 'utf8')).toBe('3');
      // The desk pushed so far; now that another one writes too, it must not go over it unseen.
      const pushing = await desk.run([...args(desk), '--once']);
      expect(pushing.lines.at(-2)).toMatchObject({ event: 'warning', code: 'shared-vault' });
      expect(pushing.code).toBe(2);
      const both = [...args(desk), '--direction', 'both', '--delete'];
      desk.write('f3', 'three');
      rmSync(join(desk.root, 'f4'));
      const plan = join(desk.home, 'plan.json');
      expect((await desk.run([...both, '--plan', plan])).code).toBe(0);
      const remote = desk.keyArgs.slice(2);
      // It has fetched f3 once already: what is waited for comes after this.
      const seen = watching.lines.length;
      expect((await desk.run(['apply', plan, ...remote, '--json'])).code).toBe(0);
      const done = (field: string, value: string) =>
        watching.line((line) => line.event === 'transfer.done' && line[field] === value, seen);
      await done('path', 'f3');
      await done('direction', 'remove-local');
      expect(readFileSync(join(laptop.root, 'f3'), 'utf8')).toBe('three');
      const refused = await desk.run(['apply', plan, ...remote, '--json']);
      expect(refused.code).toBe(5);
      expect(refused.lines.at(-2)).toMatchObject({ event: 'warning', code: 'plan-changed' });
      const before = watching.lines.length;
      writeFileSync(join(laptop.root, 'from the laptop'), 'hello');
      await watching.line((line) => line.event === 'idle', before);
      expect((await desk.run([...both, '--once'])).code).toBe(0);
      expect(readFileSync(join(desk.root, 'from the laptop'), 'utf8')).toBe('hello');
      watching.kill('SIGTERM');
      const { lines } = await watching.ended;
      const up = lines.filter(({ event, direction }) => event === 'transfer.start' && direction === 'up');
      expect(up.map(({ path }) => path)).toEqual(['from the laptop']);
      expect(readdirSync(laptop.root).toSorted()).toEqual(readdirSync(desk.root).toSorted());
    } finally {
      desk.remove();
      laptop.remove();
    }
  });
});
