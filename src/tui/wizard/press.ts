/** One pressed key: from one state of the wizard to the next, and what is to be done. Pure. */
import { MODE_KINDS } from '../../model/mode.ts';
import { unknownKey } from '../bindings.ts';
import { type Order, WIZARD_BINDINGS, bindingOf } from './bindings.ts';
import { optionsOf } from './options.ts';
import { asking, choiceOf, entered, next, previous, settled, typing } from './steps.ts';
import { cleared, done, erased, seen } from './typing.ts';
import { type Effect, type Led, type Ui, type View, led } from './ui.ts';

/** What the window knows. */
export interface Around {
  /** Lines of a page. */
  readonly page: number;
}

export function press(key: string, ui: Ui, around: Around): Led {
  const before: Ui = { ...ui, said: undefined };
  const binding = bindingOf(key, ui.view.kind);
  const why = binding === undefined ? unknownKey(key) : binding.idle?.({ busy: ui.busy });
  if (why !== undefined && why !== '') return led({ ...before, said: { tone: 'plain', text: why } });
  return binding === undefined ? led(before) : OBEY[binding.order](before, around);
}

type Obey = (ui: Ui, around: Around) => Led;

const OBEY: { readonly [K in Order]: Obey } = {
  choose: chosen,
  done,
  'go-on': wentOn,
  begin: (ui) => asking(ui, 'registering the vault', { do: 'register', choice: choiceOf(ui) }),
  again: entered,
  check: checking,
  see: seen,
  erase: erased,
  clear: cleared,
  up: (ui) => led(moved(ui, -1)),
  down: (ui) => led(moved(ui, 1)),
  'page-up': (ui, { page }) => led(moved(ui, -page)),
  'page-down': (ui, { page }) => led(moved(ui, page)),
  back,
  help: (ui) =>
    led({ ...ui, view: ui.view.kind === 'help' ? ui.view.under : { kind: 'help', line: 0, under: ui.view } }),
  quit,
  leave: quit,
};

function chosen(ui: Ui): Led {
  const { view, draft } = ui;
  if (view.kind !== 'choice') return led(ui);
  const option = optionsOf(view.of, ui)[view.at];
  if (option === undefined) return led(ui);
  const { value, why } = option;
  if (why !== undefined) return led({ ...ui, said: { tone: 'plain', text: why } });
  switch (view.of) {
    case 'mode':
      return next({ ...ui, draft: { ...draft, mode: modeNamed(value) ?? draft.mode } });
    case 'bucket':
      return value === ''
        ? led({ ...ui, view: typing(ui, { what: 'bucket' }) })
        : asking(ui, `asking for bucket ${value}`, { do: 'bucket', name: value });
    case 'store': {
      const store = ui.known.stores?.[view.at]?.kind;
      return next(store === undefined ? ui : { ...ui, draft: { ...draft, store } });
    }
    case 'key':
      return value === ''
        ? led({ ...ui, view: typing(ui, { what: 'key-name' }) })
        : next({ ...ui, draft: { ...draft, key: value } });
    default:
      return view.of satisfies never;
  }
}

const modeNamed = (text: string): Ui['draft']['mode'] | undefined => MODE_KINDS.find((mode) => mode === text);

function wentOn(ui: Ui): Led {
  const { view, known } = ui;
  if (view.kind !== 'found') return led(ui);
  if (view.what === 'credentials' && known.credentials === undefined) {
    return led({
      ...ui,
      said: { tone: 'plain', text: 'without credentials nothing can be asked; r looks again' },
    });
  }
  return next(ui);
}

/** Hides the words and asks for the first of three. */
function checking(ui: Ui): Led {
  const { view } = ui;
  if (view.kind !== 'words') return led(ui);
  const { name, words, positions } = view;
  return led({
    ...ui,
    view: { kind: 'typing', for: { what: 'ask-back', name, words, positions, at: 0 }, text: '' },
  });
}

function back(ui: Ui): Led {
  const { view } = ui;
  switch (view.kind) {
    case 'help':
      return led({ ...ui, view: view.under });
    case 'hidden':
      return led({ ...ui, view: view.under }, { do: 'refuse' });
    case 'words':
      return unchecked(ui, view.name, { do: 'wipe', words: view.words });
    case 'typing':
      if (view.for.what === 'ask-back')
        return unchecked(ui, view.for.name, { do: 'wipe', words: view.for.words });
      return backFromTyping(ui, view);
    case 'choice':
    case 'found':
    case 'summary':
    case 'wait':
      return ui.firm ? moment(ui) : (called(ui) ?? previous(ui));
    default:
      return view satisfies never;
  }
}

const moment = (ui: Ui): Led => led({ ...ui, said: { tone: 'plain', text: `one moment: ${ui.busy ?? ''}` } });

/** What is being asked is called off; where the view stands by itself, one stays there. */
function called(ui: Ui): Led | undefined {
  const stays = ui.view.kind === 'choice' || ui.view.kind === 'typing';
  return ui.busy !== undefined && stays ? led(settled(ui)) : undefined;
}

function backFromTyping(ui: Ui, view: Extract<View, { kind: 'typing' }>): Led {
  if (ui.firm) return moment(ui);
  const off = called(ui);
  if (off !== undefined) return off;
  const kept: Ui = {
    ...ui,
    draft: { ...ui.draft, texts: { ...ui.draft.texts, [view.for.what]: view.text } },
  };
  // A list is where this was chosen from.
  if (view.for.what === 'key-name') return entered(kept);
  if (view.for.what === 'bucket' && kept.known.buckets !== undefined)
    return led({ ...kept, view: { kind: 'choice', of: 'bucket', at: kept.known.buckets.length } });
  return previous(kept);
}

/** The key is there, and whether anybody has its words is not known. */
function unchecked(ui: Ui, name: string, ...effects: readonly Effect[]): Led {
  const { ui: there, effects: more } = entered(ui);
  const said = {
    tone: 'plain',
    text: `key ${name} is there, its words were not checked`,
    hint: 's3vault keys shows them again',
  } as const;
  return { ui: { ...there, said }, effects: [...effects, ...more] };
}

function moved(ui: Ui, by: number): Ui {
  const { view } = ui;
  if (view.kind === 'choice')
    return { ...ui, view: { ...view, at: within(view.at + by, optionsOf(view.of, ui).length) } };
  if (view.kind === 'help')
    return { ...ui, view: { ...view, line: within(view.line + by, WIZARD_BINDINGS.length) } };
  if (view.kind === 'found')
    return { ...ui, view: { ...view, line: within(view.line + by, ui.known.findings?.length ?? 0) } };
  return ui;
}

const within = (at: number, count: number): number => Math.max(0, Math.min(count - 1, at));

/** Secrets leave the screen first; what must not be left half done is waited for. Again: at once. */
export function quit(ui: Ui): Led {
  const clean = cleaned(ui.view);
  const gone: Ui = { ...ui, view: { kind: 'wait' } };
  if (!ui.firm || ui.leaving) return led({ ...settled(gone), said: undefined }, ...clean, { do: 'leave' });
  return led({ ...gone, leaving: true }, ...clean);
}

function cleaned(view: View): readonly Effect[] {
  if (view.kind === 'help') return cleaned(view.under);
  if (view.kind === 'words') return [{ do: 'wipe', words: view.words }];
  if (view.kind === 'hidden') return [{ do: 'refuse' }];
  return view.kind === 'typing' && view.for.what === 'ask-back'
    ? [{ do: 'wipe', words: view.for.words }]
    : [];
}
