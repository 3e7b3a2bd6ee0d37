// `node scripts/keys-table.ts`: the README's table of the screen's keys, from the bindings themselves.
import { keysTable } from '../src/tui/bindings.ts';
import { BINDINGS } from '../src/tui/keys.ts';

process.stdout.write(`${keysTable(BINDINGS)}\n`);
