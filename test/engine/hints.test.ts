import { describe, expect, test, vi } from 'vitest';
import { Hints } from '../../src/engine/hints.ts';
import { relPath } from '../../src/model/brands.ts';
import { ManualClock } from '../support/manual-clock.ts';

const path = (name: string) => ({ kind: 'path', path: relPath(name) }) as const;
const under = (name: string) => ({ kind: 'under', path: relPath(name) }) as const;

function hints() {
  const clock = new ManualClock();
  const onReady = vi.fn();
  return { clock, onReady, hints: new Hints(clock, 400, onReady) };
}

describe('hints settle', () => {
  test('a path is handed out once it was still for the settle time', () => {
    const { clock, onReady, hints: all } = hints();
    all.add(path('a'));
    clock.advance(399);
    expect(onReady).not.toHaveBeenCalled();
    expect(all.take()).toEqual([]);
    clock.advance(1);
    expect(onReady).toHaveBeenCalledTimes(1);
    expect(all.take()).toEqual([path('a')]);
    expect(all.size).toBe(0);
  });

  test('every further hint starts the settle time anew, many are one', () => {
    const { clock, onReady, hints: all } = hints();
    for (let n = 0; n < 10; n++) {
      all.add(path('a'));
      clock.advance(300);
    }
    expect(onReady).not.toHaveBeenCalled();
    clock.advance(100);
    expect(all.take()).toEqual([path('a')]);
  });

  test('a path that never rests is looked at after half a minute', () => {
    const { clock, onReady, hints: all } = hints();
    for (let n = 0; n < 31_000 / 100; n++) {
      all.add(path('log'));
      clock.advance(100);
    }
    expect(onReady).toHaveBeenCalled();
  });

  test('a folder covers the paths below it, the root covers all', () => {
    const { clock, hints: all } = hints();
    for (const hint of [path('a/b'), path('a/c/d'), under('a'), path('ab'), path('z')]) all.add(hint);
    clock.advance(400);
    expect(all.take()).toEqual([under('a'), path('ab'), path('z')]);
    for (const hint of [path('a'), under(''), under('b')]) all.add(hint);
    clock.advance(400);
    expect(all.take()).toEqual([under('')]);
  });

  test('a path hint does not weaken a folder hint of the same path', () => {
    const { clock, hints: all } = hints();
    all.add(under('a'));
    all.add(path('a'));
    clock.advance(400);
    expect(all.take()).toEqual([under('a')]);
  });

  test('more names of one folder than anyone wants to look at are one scan of it', () => {
    const { hints: waiting, clock } = hints();
    for (let n = 0; n < 700; n++) waiting.add({ kind: 'path', path: relPath(`many/f${n}`) });
    waiting.add({ kind: 'path', path: relPath('few/f') });
    clock.advance(400);
    expect(waiting.take().toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
      { kind: 'path', path: 'few/f' },
      { kind: 'under', path: 'many' },
    ]);
  });

  test('changes everywhere are one scan of everything; what waits for its next try goes on waiting', () => {
    const { hints: waiting, clock } = hints();
    waiting.add({ kind: 'path', path: relPath('later') }, 60_000);
    for (let n = 0; n < 21_000; n++) waiting.add({ kind: 'path', path: relPath(`d${n % 5_000}/f${n}`) });
    clock.advance(400);
    expect(waiting.take()).toEqual([{ kind: 'under', path: '' }]);
    expect(waiting.size).toBe(1);
  });

  test('one that settles later does not hold back another', () => {
    const { clock, onReady, hints: all } = hints();
    all.add(path('later'), 5_000);
    all.add(path('soon'), 10);
    clock.advance(10);
    expect(all.take()).toEqual([path('soon')]);
    clock.advance(4_990);
    expect(onReady).toHaveBeenCalledTimes(2);
    expect(all.take()).toEqual([path('later')]);
  });
});
