import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { keysTable } from '../../src/tui/bindings.ts';
import { BINDINGS } from '../../src/tui/keys.ts';

test('the README has the keys of the table (node scripts/keys-table.ts prints it)', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, section] = /<!-- keys:begin -->\n([^]*?)\n<!-- keys:end -->/.exec(readme) ?? [];
  expect(section).toBe(keysTable(BINDINGS));
});
