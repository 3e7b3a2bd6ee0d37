import type { Command } from '../model/command.ts';
import { plural } from '../model/display.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { unknownKey } from './bindings.ts';
import { type Binding, type View, BINDINGS, bindingOf } from './keys.ts';

/** What only the screen knows. */
export interface Ui {
  readonly view: View;
  /** The selected or topmost line of a list. */
  readonly line: number;
  readonly vault: number;
  /** One sentence for the user; gone with the next key. */
  readonly message: string;
  /** Times that `quit` was asked for. */
  readonly quits: number;
}

export const START: Ui = { view: 'dashboard', line: 0, vault: 0, message: '', quits: 0 };

export interface Around {
  readonly snapshot: Snapshot;
  readonly vaults: number;
  /** Lines of a page. */
  readonly page: number;
}

/** What a key leads to: another Ui, and Commands for the selected vault's engine (`quit` goes to all). */
export interface Led {
  readonly ui: Ui;
  readonly commands: readonly Command[];
}

/** The effect of one pressed key. Pure. */
export function press(key: string, ui: Ui, around: Around): Led {
  const before = { ...ui, message: '' };
  const binding = bindingOf(key, ui.view);
  if (binding === undefined) return { ui: { ...before, message: unknownKey(key) }, commands: [] };
  const why = binding.idle?.({ snapshot: around.snapshot, vaults: around.vaults });
  if (why !== undefined) return { ui: { ...before, message: why }, commands: [] };
  return obey(binding, before, around);
}

function obey({ order }: Binding, ui: Ui, around: Around): Led {
  const { snapshot } = around;
  switch (order) {
    case 'pause':
      return led(ui, { command: snapshot.state === 'paused' ? 'resume' : 'pause' });
    case 'retry':
      return led({ ...ui, message: 'trying again' }, { command: 'retry' });
    case 'retry-one': {
      const path = [...snapshot.problems.keys()][Math.min(ui.line, snapshot.problems.size - 1)];
      return path === undefined
        ? led(ui)
        : led({ ...ui, message: 'trying again' }, { command: 'retry', paths: [path] });
    }
    case 'rescan':
      return led({ ...ui, message: 'scanning' }, { command: 'rescan' });
    case 'yes':
    case 'no':
      return led(ui, { command: 'consent', yes: order === 'yes' });
    case 'problems':
    case 'log':
    case 'help':
      return led({ ...ui, line: 0, view: ui.view === order ? 'dashboard' : order });
    case 'back':
      return led({ ...ui, line: 0, view: 'dashboard' });
    case 'up':
      return led(moved(ui, -1, snapshot));
    case 'down':
      return led(moved(ui, 1, snapshot));
    case 'page-up':
      return led(moved(ui, -around.page, snapshot));
    case 'page-down':
      return led(moved(ui, around.page, snapshot));
    case 'next-vault':
      return led({ ...ui, vault: (ui.vault + 1) % around.vaults, line: 0 });
    case 'quit':
      return led({ ...ui, quits: ui.quits + 1 }, { command: 'stop' });
    default:
      return order satisfies never;
  }
}

const led = (ui: Ui, ...commands: readonly Command[]): Led => ({ ui, commands });

function moved(ui: Ui, by: number, snapshot: Snapshot): Ui {
  const last = Math.max(0, linesOf(ui.view, snapshot) - 1);
  return { ...ui, line: Math.max(0, Math.min(last, ui.line + by)) };
}

function linesOf(view: View, { problems, recent }: Snapshot): number {
  if (view === 'problems') return problems.size;
  if (view === 'log') return recent.length;
  return view === 'help' ? BINDINGS.length : 0;
}

/** What ending waits for; empty before `quit` was asked for. `underWay`: transfers of all vaults. */
export function quitWords(quits: number, underWay: number): string {
  if (quits === 0) return '';
  if (quits > 1) return 'ending at once; what was sent of large files is kept for next time';
  return underWay === 0 ? 'ending' : `finishing ${plural(underWay, 'transfer')}; q again ends at once`;
}
