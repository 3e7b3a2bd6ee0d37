/** The shape of the source (`scripts/architecture.ts`) is a test, not a hope. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  BUDGET,
  CLOCK_EXCEPTIONS,
  LONG_FUNCTIONS,
  markdown,
  PARTS,
  topological,
} from '../scripts/architecture.ts';
import * as rules from '../scripts/rules.ts';
import { parse, sources } from '../scripts/source.ts';

const src = sources('src');
const tooling = sources('scripts', 'bench');
const tests = sources('test');
const json = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, '..', name), 'utf8'));

const keeps = (rule: rules.Rule, all = src) => expect(all.flatMap(rule)).toStrictEqual([]);

describe('the source', () => {
  test('is read at all', () => {
    expect(src.map(({ file }) => file)).toContain('src/main.ts');
    expect(src.flatMap(({ imports }) => imports).length).toBeGreaterThan(20);
  });
  test('imports along the table only', () => keeps(rules.arrows));
  test('uses each library in its home only', () => keeps(rules.libraries));
  test('keeps ciphers and key derivation in crypto', () => keeps(rules.ciphers));
  test('takes time and chance from the Clock', () => keeps(rules.clock));
  test('stays within the size budget', () => keeps(rules.sizes, [...src, ...tooling]));
  test('uses no retired word', () => keeps(rules.words, [...src, ...tooling]));
  test('speaks HTTPS only', () => keeps(rules.httpsOnly));
  test('never turns certificate checks off', () => {
    // The rule itself spells what it looks for.
    const all = [...src, ...tooling].filter(({ file }) => file !== 'scripts/rules.ts');
    keeps(rules.certificates, all);
  });
  test('has JSX in the screen only', () => {
    const outside = src.filter(({ file }) => file.endsWith('x') && !file.startsWith('src/tui/'));
    expect(outside.map(({ file }) => file)).toStrictEqual([]);
  });
});

describe('the tests', () => {
  const supports = ['test/rgw.ts', 'test/architecture.test.ts'];
  test('all run', () =>
    keeps(
      rules.allTestsRun,
      tests.filter(({ file }) => !supports.includes(file)),
    ));
});

describe('the table', () => {
  test('has no circle', () => {
    expect(topological(PARTS)).toHaveLength(Object.keys(PARTS).length);
    const circle = { a: { imports: ['b'] }, b: { imports: ['a'] } } as unknown as Parameters<
      typeof topological
    >[0];
    expect(() => topological(circle)).toThrow('a -> b -> a');
  });

  test('gives every library of package.json a home, and no other', () => {
    const listed = new Set(Object.values(PARTS).flatMap((part) => part.libraries));
    listed.delete('node:sqlite');
    expect([...listed].sort()).toStrictEqual(Object.keys(json('package.json').dependencies).sort());
  });

  test('has no exception that is not needed', () => {
    const stale = CLOCK_EXCEPTIONS.filter(({ file, name }) => {
      const source = src.find((one) => one.file === file);
      return source === undefined || !rules.clockUses(source).some((use) => use.name === name);
    });
    expect(stale).toStrictEqual([]);
    const short = LONG_FUNCTIONS.filter(({ file, name }) => {
      const long = src.find((one) => one.file === file)?.functions.find((one) => one.name === name);
      return long === undefined || long.lines <= BUDGET.functionLines;
    });
    expect(short).toStrictEqual([]);
  });

  test('prints as one row a part', () => {
    expect(markdown().split('\n')).toHaveLength(Object.keys(PARTS).length + 2);
  });
});

describe('the lock file', () => {
  interface Locked {
    readonly resolved?: string;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const packages: Readonly<Record<string, Locked>> = json('package-lock.json').packages;

  test('names no host to download from', () => {
    expect(Object.keys(packages).length).toBeGreaterThan(50);
    expect(Object.keys(packages).filter((name) => packages[name]?.resolved !== undefined)).toStrictEqual([]);
  });

  // `npm install` passes over a package for another platform that cannot be had; `npm ci` then refuses the lock file.
  test('holds the packages of every platform', () => {
    const missing = Object.entries(packages).flatMap(([name, one]) =>
      Object.keys(one.optionalDependencies ?? {})
        .filter((other) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${other}`)))
        .map((other) => `${name} wants ${other}`),
    );
    expect(missing).toStrictEqual([]);
  });
});

describe('each rule sees its breach', () => {
  const breach = (rule: rules.Rule, file: string, text: string) => rule(parse(file, text));
  const cases: readonly (readonly [string, rules.Rule, string, string])[] = [
    ['an arrow against the table', rules.arrows, 'src/model/a.ts', "import { a } from '../s3/a.ts';"],
    ['an arrow of a type', rules.arrows, 'src/engine/a.ts', "import type { A } from '../s3/a.ts';"],
    ['an arrow in a type', rules.arrows, 'src/engine/a.ts', "export type A = import('../s3/a.ts').A;"],
    ['a dynamic arrow', rules.arrows, 'src/local/a.ts', "await import('../keys/a.ts');"],
    ['an arrow by re-export', rules.arrows, 'src/local/a.ts', "export { a } from '../keys/a.ts';"],
    ['an arrow by re-export of all', rules.arrows, 'src/local/a.ts', "export * from '../keys/a.ts';"],
    ['an arrow out of src', rules.arrows, 'src/cli/a.ts', "import { a } from '../../test/a.ts';"],
    ['an import that is computed', rules.arrows, 'src/cli/a.ts', 'await import(name);'],
    ['the screen loaded at start', rules.arrows, 'src/cli/a.ts', "import { a } from '../tui/a.tsx';"],
    ['a folder without a row', rules.arrows, 'src/extra/a.ts', ''],
    ['a library away from home', rules.libraries, 'src/cli/a.ts', "import { S3 } from '@aws-sdk/client-s3';"],
    ['a library nobody depends on', rules.libraries, 'src/s3/a.ts', "import { a } from '@smithy/types';"],
    ['a lazy library away from home', rules.libraries, 'src/cli/a.ts', "await import('keytar');"],
    ['the database away from state', rules.libraries, 'src/engine/a.ts', "import 'node:sqlite';"],
    ['a built-in without node:', rules.libraries, 'src/s3/a.ts', "import { join } from 'path';"],
    [
      'a cipher outside crypto',
      rules.ciphers,
      'src/s3/a.ts',
      "import { createCipheriv } from 'node:crypto';",
    ],
    ['a renamed cipher', rules.ciphers, 'src/keys/a.ts', "import { scryptSync as s } from 'node:crypto';"],
    ['all of node:crypto', rules.ciphers, 'src/keys/a.ts', "import * as c from 'node:crypto';"],
    ['WebCrypto', rules.ciphers, 'src/keys/a.ts', 'crypto.subtle.encrypt();'],
    [
      'WebCrypto by a name',
      rules.ciphers,
      'src/keys/a.ts',
      'const { subtle } = crypto; const s = crypto.subtle;',
    ],
    ['Date.now', rules.clock, 'src/engine/a.ts', 'export const a = Date.now();'],
    ['Date.now as a value', rules.clock, 'src/engine/a.ts', 'export const a = Date.now;'],
    ['new Date()', rules.clock, 'src/engine/a.ts', 'export const a = new Date();'],
    ['performance.now', rules.clock, 'src/engine/a.ts', 'performance.now();'],
    ['setTimeout', rules.clock, 'src/cli/a.ts', 'setTimeout(f, 1);'],
    ['setInterval', rules.clock, 'src/tui/a.tsx', 'setInterval(f, 1);'],
    ['Math.random', rules.clock, 'src/s3/a.ts', 'Math.random();'],
    [
      'timers/promises',
      rules.clock,
      'src/s3/a.ts',
      "import { setTimeout as s } from 'node:timers/promises';",
    ],
    ['a long file', rules.sizes, 'src/s3/a.ts', '\n'.repeat(501)],
    ['a long function', rules.sizes, 'src/s3/a.ts', `export function a() {${'\n'.repeat(80)}}`],
    ['a long method', rules.sizes, 'src/s3/a.ts', `export class A {\n  a() {${'\n'.repeat(80)}}\n}`],
    ['a retired word in a name', rules.words, 'src/s3/a.ts', 'export const syncJobs = 1;'],
    ['a retired word in a type', rules.words, 'src/s3/a.ts', 'export interface KeyManager {}'],
    ['a retired word in a file', rules.words, 'src/s3/utils.ts', ''],
    ['a plain address', rules.httpsOnly, 'src/s3/a.ts', "export const a = 'http://localhost';"],
    ['a plain address in a template', rules.httpsOnly, 'src/s3/a.ts', 'export const a = `http://${host}`;'],
    ['a plain server', rules.httpsOnly, 'src/embedded/a.ts', "import { createServer } from 'node:http';"],
    ['unchecked certificates', rules.certificates, 'src/s3/a.ts', 'f({ rejectUnauthorized: false });'],
    ['perhaps unchecked ones', rules.certificates, 'src/s3/a.ts', 'f({ rejectUnauthorized });'],
    [
      'unchecked by environment',
      rules.certificates,
      'src/s3/a.ts',
      "env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';",
    ],
    ['a lone test', rules.allTestsRun, 'test/a.test.ts', "test.only('a', f);"],
    ['a skipped suite', rules.allTestsRun, 'test/a.test.ts', "describe.skip('a', f);"],
    ['a skipped table', rules.allTestsRun, 'test/a.test.ts', "it.skip.each([1])('a', f);"],
    ['a test to be written', rules.allTestsRun, 'test/a.test.ts', "it.concurrent.todo('a');"],
  ];
  test.each(cases)('%s', (_, rule, file, text) => {
    expect(breach(rule, file, text)).not.toStrictEqual([]);
  });

  const fine: readonly (readonly [string, rules.Rule, string, string])[] = [
    ['the screen, loaded late', rules.arrows, 'src/cli/a.ts', "await import('../tui/a.tsx');"],
    ['a neighbour', rules.arrows, 'src/s3/a.ts', "import { b } from './b.ts';"],
    ['a library at home', rules.libraries, 'src/s3/a.ts', "import { S3 } from '@aws-sdk/client-s3';"],
    ['hashes anywhere', rules.ciphers, 'src/s3/a.ts', "import { createHash } from 'node:crypto';"],
    ['a digest of WebCrypto', rules.ciphers, 'src/s3/a.ts', "crypto.subtle.digest('SHA-256', b);"],
    ['a date of a number', rules.clock, 'src/cli/a.ts', 'new Date(clock.now());'],
    ["a library's own timer", rules.clock, 'src/s3/a.ts', 'socket.setTimeout(5);'],
    ['a name of XML', rules.httpsOnly, 'src/embedded/a.ts', "f('http://s3.amazonaws.com/doc/2006-03-01/');"],
    ['checked certificates', rules.certificates, 'src/s3/a.ts', 'f({ rejectUnauthorized: true });'],
    ['a function of 80 lines', rules.sizes, 'src/s3/a.ts', `export function a() {${'\n'.repeat(79)}}`],
    ['a word that only contains one', rules.words, 'src/s3/a.ts', 'export const utility = 1;'],
  ];
  test.each(fine)('and lets pass %s', (_, rule, file, text) => {
    expect(breach(rule, file, text)).toStrictEqual([]);
  });
});
