/** Names of kept copies. */
import { expect, test } from 'vitest';
import { conflictName } from '../../src/engine/conflict-name.ts';
import { relPath } from '../../src/model/brands.ts';
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

test.each([
  'notes/todo.md',
  'a',
  '.bashrc',
  'x.tar.gz',
  'odd (1).md',
  'a.very long ending. with blanks',
])('reads back what the sync called the copy of %s', (path) => {
  const at = Date.UTC(2026, 10, 24, 12, 4, 29);
  for (const number of [1, 2]) {
    const copy = conflictName(relPath(path), 'my host.example.org', at, number);
    expect(readConflictName(copy)).toEqual({ path, host: 'my-host', since: '2026-11-24 12:04:29' });
  }
});
