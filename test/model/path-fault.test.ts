import { expect, test } from 'vitest';
import { outsideFault, pathFault } from '../../src/model/path-fault.ts';

test.each([
  'a',
  'a/b',
  '..a/b..',
  '...',
  'a b',
  '.hidden/.x',
  'c:\\d',
  'a\\..\\b',
  '.s3vaultignore',
  'd/.s3vault/x',
  'ä\u0301/✓',
])('%j stays inside', (path) => {
  expect(outsideFault(path, 'linux')).toBeUndefined();
  expect(pathFault(path, 'linux')).toBeUndefined();
});

test.each([
  ['', 'no name'],
  ['..', 'leads elsewhere'],
  ['.', 'leads elsewhere'],
  ['../x', 'leads elsewhere'],
  ['a/../..', 'leads elsewhere'],
  ['a/../b', 'leads elsewhere'],
  ['a/./b', 'leads elsewhere'],
  ['/x', 'empty part'],
  ['/', 'empty part'],
  ['a/', 'empty part'],
  ['a//b', 'empty part'],
  ['a\0b', 'NUL'],
  ['.s3vault', 'belongs to s3vault'],
  ['.s3vault/vault.json', 'belongs to s3vault'],
])('%j does not', (path, why) => {
  expect(outsideFault(path, 'linux')).toContain(why);
  expect(pathFault(path, 'linux')).toContain(why);
});

test.each(['a\\..\\..\\b', '..\\x', 'C:/x', 'a:b'])('on Windows %j does not either', (path) => {
  expect(outsideFault(path, 'win32')).toContain('leads elsewhere on Windows');
});

test('a path that no disk takes is none', () => {
  expect(pathFault('x'.repeat(256), 'linux')).toContain('longer than 255 bytes');
  expect(pathFault('é'.repeat(128), 'linux')).toContain('longer than 255 bytes');
  expect(pathFault('é'.repeat(255), 'win32')).toBeUndefined();
  expect(pathFault('d/'.repeat(2_048) + 'x', 'linux')).toContain('longer than 4,096 bytes');
  expect(pathFault(`${'d/'.repeat(2_047)}x`, 'linux')).toBeUndefined();
  expect(pathFault('\ud800', 'linux')).toContain('not valid Unicode');
});
