import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { keysTable } from '../../src/tui/bindings.ts';
import { KEY_BINDINGS } from '../../src/tui/keys-screen/bindings.ts';
import { BINDINGS } from '../../src/tui/keys.ts';
import { WIZARD_BINDINGS } from '../../src/tui/wizard/bindings.ts';

test.each([
  ['keys', keysTable(BINDINGS)],
  ['key-screen', keysTable(KEY_BINDINGS)],
  ['wizard', keysTable(WIZARD_BINDINGS)],
])('the README has the table %s as it is (node scripts/keys-table.ts prints it)', (name, table) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, section] =
    new RegExp(`<!-- ${name}:begin -->\\n([^]*?)\\n<!-- ${name}:end -->`).exec(readme) ?? [];
  expect(section).toBe(table);
});
