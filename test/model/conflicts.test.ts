/** Names of kept copies. */
import { expect, test } from 'vitest';
import { readConflictName } from '../../src/model/conflicts.ts';

test.each([
  ['notes/todo (conflict laptop 2026-11-24 12-04-29).md', 'notes/todo.md', 'laptop', '2026-11-24 12:04:29'],
  ['a (conflict my-host_2 2026-11-24 12-04-29 3)', 'a', 'my-host_2', '2026-11-24 12:04:29'],
  ['.bashrc (conflict h 2026-11-24 12-04-29)', '.bashrc', 'h', '2026-11-24 12:04:29'],
  ['x.tar (conflict größe 2026-01-02 03-04-05).gz', 'x.tar.gz', 'größe', '2026-01-02 03:04:05'],
  // A copy of a copy.
  [
    'a (conflict h 2026-11-24 12-04-29) (conflict i 2026-11-25 00-00-00).txt',
    'a (conflict h 2026-11-24 12-04-29).txt',
    'i',
    '2026-11-25 00:00:00',
  ],
  ['line\nbreak (conflict h 2026-11-24 12-04-29).md', 'line\nbreak.md', 'h', '2026-11-24 12:04:29'],
])('%s is a copy of %s', (copy, path, host, since) => {
  expect(readConflictName(copy)).toEqual({ path, host, since });
});

test.each([
  'notes/todo.md',
  'todo (conflict).md',
  'todo (conflict laptop 2026-11-24).md',
  'todo (conflict lap top 2026-11-24 12-04-29).md',
  'todo (conflict h 2026-11-24 12-04-29).md/inside',
  ' (conflict h 2026-11-24 12-04-29)',
])('%s is none', (path) => {
  expect(readConflictName(path)).toBeUndefined();
});
