/** What is typed: names, paths, words; and secrets, of which only the length is known here. */
import type { KeyFormat } from '../../model/key-desk.ts';
import { hasBreaks, hiddenText, isWord, withMore, withoutLast } from '../text-entry.ts';
import { baseView } from './answers.ts';
import { neededBy } from './rows.ts';
import { type Effect, type Led, type TypedFor, type Ui, type View, led } from './ui.ts';

type Typing = Extract<View, { kind: 'typing' }>;
type Hidden = Extract<View, { kind: 'hidden' }>;

/** Longest hidden text: a PEM or age file is a few thousand. */
const LONGEST_HIDDEN = 65_536;

const said = (ui: Ui, text: string, hint?: string): Led =>
  led({ ...ui, said: { tone: 'bad', text, ...(hint === undefined ? {} : { hint }) } });

/** Characters, typed one by one or in one piece; line breaks count only in hidden text of several lines. */
export function typed(text: string, ui: Ui, pasted: boolean): Led {
  const { view } = ui;
  const before: Ui = { ...ui, said: undefined };
  if (view.kind === 'hidden') return typedHidden(text, before, view, pasted);
  if (view.kind !== 'typing')
    return pasted
      ? led({ ...before, said: { tone: 'plain', text: 'pasted text is ignored here' } })
      : led(ui);
  if (underWay(ui, view)) return led(ui);
  if (hasBreaks(text)) return said(before, 'the pasted text has line breaks; nothing was taken');
  return led(withText(before, view, withMore(view.text, text)));
}

function withText(ui: Ui, view: Typing, text: string): Ui {
  const next: Ui = { ...ui, view: { ...view, text } };
  return view.for.what === 'filter' ? { ...next, filter: text } : next;
}

function typedHidden(text: string, ui: Ui, view: Hidden, pasted: boolean): Led {
  if (underWay(ui, view)) return led(ui);
  const taken = hiddenText(text, severalLines(view), pasted);
  if (view.count + taken.length > LONGEST_HIDDEN)
    return said(ui, 'that is too long for a key; nothing was taken');
  const count = view.count + Array.from(taken).length;
  return led({ ...ui, view: { ...view, count, pasted } }, { do: 'type', text: taken });
}

/** The text may have line breaks: enter makes one. */
export const severalLines = ({ for: what }: Hidden): boolean =>
  what.what === 'import-text' && (what.format === 'pem' || what.format === 'age');

/** What was typed is in use already; the desk's questions come in the middle of something. */
const underWay = ({ busy }: Ui, view: Typing | Hidden): boolean =>
  busy !== undefined && view.for.what !== 'answer' && view.for.what !== 'ask-back';

export function erased(ui: Ui): Led {
  const { view } = ui;
  if ((view.kind !== 'typing' && view.kind !== 'hidden') || underWay(ui, view)) return led(ui);
  if (view.kind === 'typing') return led(withText(ui, view, withoutLast(view.text)));
  if (view.count === 0) return led(ui);
  return led({ ...ui, view: { ...view, count: view.count - 1 } }, { do: 'erase' });
}

export function cleared(ui: Ui): Led {
  const { view } = ui;
  if ((view.kind !== 'typing' && view.kind !== 'hidden') || underWay(ui, view)) return led(ui);
  if (view.kind === 'typing') return led(withText(ui, view, ''));
  return led({ ...ui, view: { ...view, count: 0 } }, { do: 'clear' });
}

export const seen = (ui: Ui): Led =>
  ui.view.kind === 'hidden' ? led({ ...ui, view: { ...ui.view, seen: !ui.view.seen } }) : led(ui);

/** Enter; `end` where a text of several lines is to end. */
export function entered(ui: Ui, end: boolean): Led {
  const { view } = ui;
  if (view.kind === 'hidden') return enteredHidden(ui, view, end);
  if (view.kind !== 'typing') return led(ui);
  if (underWay(ui, view)) return led(ui);
  const text = view.text.trim();
  if (text === '' && view.for.what !== 'filter')
    return said(
      ui,
      'nothing was typed',
      view.for.what === 'ask-back' ? 'esc leaves it for later' : 'esc goes back',
    );
  return ENTERED[view.for.what](ui, view.for as never, text);
}

type Entered<W extends TypedFor['what']> = (
  ui: Ui,
  what: Extract<TypedFor, { what: W }>,
  text: string,
) => Led;

const ENTERED: { readonly [W in TypedFor['what']]: Entered<W> } = {
  filter: (ui) => led({ ...ui, view: { kind: 'list' } }),
  'new-name': (ui, { kind }, name) =>
    taken(ui, name) ?? led({ ...ui, busy: `creating key ${name}` }, { do: 'create', name, kind }),
  'import-name': (ui, { format }, name) =>
    taken(ui, name) ?? led({ ...ui, view: hidden({ what: 'import-text', name, format }) }, { do: 'clear' }),
  'export-path': (ui, { name, format }, path) =>
    led({ ...ui, view: { kind: 'question', for: { what: 'export', name, format, path } } }),
  delete: (ui, { name }, text) => deleted(ui, name, text),
  'ask-back': checked,
};

const hidden = (what: Hidden['for']): View => ({
  kind: 'hidden',
  for: what,
  count: 0,
  pasted: false,
  seen: false,
});

function taken(ui: Ui, name: string): Led | undefined {
  if (ui.rows?.some((row) => row.name === name) !== true) return undefined;
  return said(ui, `there is a key ${name} already`, 'type another name; a key is never replaced');
}

function deleted(ui: Ui, name: string, text: string): Led {
  const row = ui.rows?.find((one) => one.name === name);
  if (text === name) {
    const needs = row === undefined ? [] : neededBy(row);
    return led({ ...ui, busy: `deleting key ${name}` }, { do: 'delete', name, needs });
  }
  const needed = row !== undefined && neededBy(row).length > 0;
  return said(
    ui,
    `key ${name} was not deleted: ${needed ? 'it is needed' : 'that is not its name'}`,
    'only its name, typed in full, deletes it',
  );
}

function checked(ui: Ui, what: Extract<TypedFor, { what: 'ask-back' }>, text: string): Led {
  const { name, words, positions, at } = what;
  const position = positions[at] ?? 0;
  const view: View = { kind: 'typing', for: what, text: '' };
  if (!isWord(words, position, text))
    return said(
      { ...ui, view },
      `that is not word ${position + 1}`,
      'look at your paper again; esc leaves it for later',
    );
  if (at + 1 < positions.length) return led({ ...ui, view: { ...view, for: { ...what, at: at + 1 } } });
  return led(
    {
      ...ui,
      view: baseView(ui),
      said: { tone: 'good', text: `all three are right: the words of key ${name} are safe with you` },
    },
    { do: 'wipe', words },
    { do: 'note', name, state: 'checked' },
  );
}

const WHAT: { readonly [K in KeyFormat]: string } = {
  words: 'the 24 words',
  base64: 'the key in base64',
  pem: 'the PEM key',
  age: 'the age file',
};

/** What is typed in, in words. */
export const whatWord = (format: KeyFormat): string => WHAT[format];

function enteredHidden(ui: Ui, view: Hidden, end: boolean): Led {
  const what = view.for;
  if (what.what === 'answer') return led({ ...ui, view: what.under }, { do: 'answer' });
  if (underWay(ui, view)) return led(ui);
  if (severalLines(view) && !end && !view.pasted)
    return led({ ...ui, view: { ...view, count: view.count + 1 } }, newLine);
  if (view.count === 0)
    return said(ui, 'nothing was typed', `type or paste ${whatWord(what.format)}; esc goes back`);
  const { name, format } = what;
  return led(
    { ...ui, view: { ...view, count: 0, pasted: false, seen: false }, busy: `bringing in key ${name}` },
    { do: 'import', name, format },
  );
}

const newLine: Effect = { do: 'type', text: '\n' };
