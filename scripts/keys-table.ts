// `node scripts/keys-table.ts`: the README's tables of the screens' keys, from the bindings themselves.
import { keysTable } from '../src/tui/bindings.ts';
import { KEY_BINDINGS } from '../src/tui/keys-screen/bindings.ts';
import { BINDINGS } from '../src/tui/keys.ts';
import { WIZARD_BINDINGS } from '../src/tui/wizard/bindings.ts';

process.stdout.write(
  `${keysTable(BINDINGS)}\n\n${keysTable(KEY_BINDINGS)}\n\n${keysTable(WIZARD_BINDINGS)}\n`,
);
