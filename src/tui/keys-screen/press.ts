/** One pressed key: from one state of the screen to the next, and what is to be done. Pure. */
import type { KeyRow } from '../../model/key-desk.ts';
import { unknownKey } from '../bindings.ts';
import { agreed, asked, back, chosen, optionsOf, quit, stopped } from './answers.ts';
import { type Order, KEY_BINDINGS, bindingOf } from './bindings.ts';
import { needsOf, selectedRow, shownRows } from './rows.ts';
import { cleared, entered, erased, seen } from './typing.ts';
import { type Led, type Ui, type View, led } from './ui.ts';

/** What the window knows. */
export interface Around {
  /** Lines of a page. */
  readonly page: number;
}

export function press(key: string, ui: Ui, around: Around): Led {
  const before: Ui = { ...ui, said: undefined };
  const binding = bindingOf(key, ui.view.kind);
  const why =
    binding === undefined ? unknownKey(key) : binding.idle?.({ row: selectedRow(ui), busy: ui.busy });
  if (why !== undefined && why !== '') return led({ ...before, said: { tone: 'plain', text: why } });
  return binding === undefined ? led(before) : OBEY[binding.order](before, around);
}

type Obey = (ui: Ui, around: Around) => Led;

/** For what needs a key: without one nothing happens. */
const onKey =
  (act: (ui: Ui, row: KeyRow) => Led): Obey =>
  (ui) => {
    const row = selectedRow(ui);
    return row === undefined ? led(ui) : act({ ...ui, selected: row.name }, row);
  };

const show = (ui: Ui, view: View): Led => led({ ...ui, view });

const OBEY: { readonly [K in Order]: Obey } = {
  open: onKey((ui) => show({ ...ui, base: 'detail' }, { kind: 'detail', line: 0 })),
  create: (ui) => show(ui, { kind: 'choice', for: { what: 'create' }, at: 0 }),
  import: (ui) => show(ui, { kind: 'choice', for: { what: 'import' }, at: 0 }),
  export: onKey((ui, { name, kind }) => {
    const options = optionsOf({ what: 'export', name, kind });
    const at = options.findIndex(({ why }) => why === undefined);
    return show(ui, { kind: 'choice', for: { what: 'export', name, kind }, at });
  }),
  words: onKey((ui, { name }) => show(ui, { kind: 'question', for: { what: 'words', name } })),
  test: onKey((ui, { name }) => led({ ...ui, busy: `testing key ${name}` }, { do: 'test', name })),
  rotate: onKey((ui, { name }) => show(ui, { kind: 'question', for: { what: 'rotate', name } })),
  delete: onKey((ui, { name }) => show(ui, { kind: 'typing', for: { what: 'delete', name }, text: '' })),
  lock: (ui) =>
    led({ ...ui, rows: undefined, filter: '', base: 'list', view: { kind: 'locked' } }, { do: 'lock' }),
  filter: (ui) => show(ui, { kind: 'typing', for: { what: 'filter', before: ui.filter }, text: ui.filter }),
  reload: (ui) => led({ ...ui, busy: 'reading the keys' }, { do: 'list' }),
  unlock: (ui) => led({ ...ui, busy: 'reading the keys', view: { kind: 'list' } }, { do: 'list' }),
  up: (ui) => led(moved(ui, -1)),
  down: (ui) => led(moved(ui, 1)),
  'page-up': (ui, { page }) => led(moved(ui, -page)),
  'page-down': (ui, { page }) => led(moved(ui, page)),
  choose: chosen,
  yes: agreed,
  no: back,
  done: (ui) => entered(ui, false),
  end: (ui) => entered(ui, true),
  see: seen,
  erase: erased,
  clear: cleared,
  check: asked,
  close: back,
  stop: stopped,
  back,
  help: (ui) => show(ui, ui.view.kind === 'help' ? ui.view.under : { kind: 'help', line: 0, under: ui.view }),
  quit,
  leave: quit,
};

function moved(ui: Ui, by: number): Ui {
  const { view } = ui;
  switch (view.kind) {
    case 'list':
      return { ...ui, selected: neighbour(ui, by) };
    case 'choice':
      return { ...ui, view: { ...view, at: within(view.at + by, optionsOf(view.for).length) } };
    case 'help':
      return { ...ui, view: { ...view, line: within(view.line + by, KEY_BINDINGS.length) } };
    case 'results':
      return { ...ui, view: { ...view, line: within(view.line + by, view.results.length) } };
    case 'detail': {
      const row = selectedRow(ui);
      const lines = row === undefined ? 0 : needsOf(row).length;
      return { ...ui, view: { ...view, line: within(view.line + by, lines) } };
    }
    case 'locked':
    case 'typing':
    case 'hidden':
    case 'question':
    case 'words':
    case 'rotation':
    case 'report':
      return ui;
    default:
      return view satisfies never;
  }
}

const within = (at: number, count: number): number => Math.max(0, Math.min(count - 1, at));

function neighbour(ui: Ui, by: number): string | undefined {
  const shown = shownRows(ui);
  const at = shown.findIndex(({ name }) => name === selectedRow(ui)?.name);
  return shown[within(at + by, shown.length)]?.name;
}
