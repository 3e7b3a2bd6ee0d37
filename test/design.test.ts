/** DESIGN.md says what is so: its rules are quoted by tests, its map is that of the architecture. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { markdown } from '../scripts/architecture.ts';

const TOP = join(import.meta.dirname, '..');
const design = readFileSync(join(TOP, 'DESIGN.md'), 'utf8');

test('every rule with an anchor is quoted by a test', () => {
  const tests = readdirSync(join(TOP, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') || name.endsWith('.tsx'))
    .map((name) => readFileSync(join(TOP, 'test', name), 'utf8'))
    .join('\n');
  const anchors = [...new Set(design.match(/\[[A-Z]+-\d+\]/g))];
  expect(anchors.length).toBeGreaterThan(15);
  expect(anchors.filter((anchor) => !tests.includes(anchor))).toEqual([]);
});

test('the map is that of the architecture (node scripts/architecture.ts --markdown prints it)', () => {
  const [, map] = /<!-- map:begin[^>]*-->\n([^]*?)\n<!-- map:end -->/.exec(design) ?? [];
  expect(map).toBe(markdown().trim());
});
