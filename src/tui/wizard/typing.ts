/** What is typed in the wizard, and what enter makes of it. Pure. */
import { hasBreaks, hiddenText, isWord, withMore, withoutLast } from '../text-entry.ts';
import { asking, next, settled, storeOf } from './steps.ts';
import { type Led, type TypedFor, type Ui, type View, led } from './ui.ts';

type Typing = Extract<View, { kind: 'typing' }>;

/** Longest passphrase. */
const LONGEST_HIDDEN = 4_096;

const bad = (ui: Ui, text: string, hint?: string): Led =>
  led({ ...ui, said: { tone: 'bad', text, ...(hint === undefined ? {} : { hint }) } });

/** Characters, typed one by one or in one piece. Pasted ones count only where something is typed. */
export function typed(text: string, ui: Ui, pasted: boolean): Led {
  const { view } = ui;
  const before: Ui = { ...ui, said: undefined };
  if (view.kind === 'hidden') {
    const taken = hiddenText(text, false, pasted);
    const count = view.count + Array.from(taken).length;
    if (count > LONGEST_HIDDEN) return bad(before, 'that is too long for a passphrase; nothing was taken');
    return led({ ...before, view: { ...view, count } }, { do: 'type', text: taken });
  }
  if (view.kind !== 'typing')
    return pasted
      ? led({ ...before, said: { tone: 'plain', text: 'pasted text is ignored here' } })
      : led(ui);
  if (ui.busy !== undefined) return led(ui);
  if (hasBreaks(text)) return bad(before, 'the pasted text has line breaks; nothing was taken');
  return led({ ...before, view: { ...view, text: withMore(view.text, text) } });
}

export function erased(ui: Ui): Led {
  const { view } = ui;
  if (view.kind === 'hidden')
    return view.count === 0
      ? led(ui)
      : led({ ...ui, view: { ...view, count: view.count - 1 } }, { do: 'erase' });
  if (view.kind !== 'typing' || ui.busy !== undefined) return led(ui);
  return led({ ...ui, view: { ...view, text: withoutLast(view.text) } });
}

export function cleared(ui: Ui): Led {
  const { view } = ui;
  if (view.kind === 'hidden') return led({ ...ui, view: { ...view, count: 0 } }, { do: 'clear' });
  return view.kind === 'typing' && ui.busy === undefined
    ? led({ ...ui, view: { ...view, text: '' } })
    : led(ui);
}

export const seen = (ui: Ui): Led =>
  ui.view.kind === 'hidden' ? led({ ...ui, view: { ...ui.view, seen: !ui.view.seen } }) : led(ui);

/** Enter. */
export function done(ui: Ui): Led {
  const { view } = ui;
  if (view.kind === 'hidden') return led({ ...ui, view: view.under }, { do: 'answer' });
  if (view.kind !== 'typing' || ui.busy !== undefined) return led(ui);
  const text = view.text.trim();
  // A whole bucket is a place, too.
  if (text === '' && view.for.what !== 'prefix') return bad(ui, 'nothing was typed', 'esc goes back');
  if (view.for.what === 'ask-back') return checked(ui, view.for, text);
  return entered(keep(ui, view), view.for.what, text);
}

const keep = (ui: Ui, { for: { what }, text }: Typing): Ui => ({
  ...ui,
  draft: { ...ui.draft, texts: { ...ui.draft.texts, [what]: text } },
});

function entered(ui: Ui, field: Exclude<TypedFor['what'], 'ask-back'>, text: string): Led {
  const { draft } = ui;
  switch (field) {
    case 'folder':
      return asking(ui, 'looking at the folder', { do: 'folder', path: text });
    case 'bucket':
      return asking(ui, `asking for bucket ${text}`, { do: 'bucket', name: text });
    case 'prefix': {
      const { folder, bucket } = draft;
      if (folder === undefined || bucket === undefined) return led(ui);
      return asking(ui, 'looking at the prefix', {
        do: 'prefix',
        root: folder.root,
        bucket: bucket.bucket,
        prefix: text,
      });
    }
    case 'key-name':
      if (ui.known.keys?.some(({ name }) => name === text) === true)
        return bad(ui, `there is a key ${text} already`, 'type another name, or esc and choose it');
      return asking(ui, `creating key ${text}`, { do: 'create', store: storeOf(ui), name: text });
    case 'kms-key':
      if (/\s/.test(text)) return bad(ui, 'a KMS key id has no blanks', 'it is an id, an ARN or alias/NAME');
      return next({ ...ui, draft: { ...draft, kmsKey: text } });
    default:
      return field satisfies never;
  }
}

function checked(ui: Ui, what: Extract<TypedFor, { what: 'ask-back' }>, text: string): Led {
  const { name, words, positions, at } = what;
  const position = positions[at] ?? 0;
  const view: View = { kind: 'typing', for: what, text: '' };
  if (!isWord(words, position, text))
    return bad({ ...ui, view }, `that is not word ${position + 1}`, 'look at your paper again; esc: later');
  if (at + 1 < positions.length) return led({ ...ui, view: { ...view, for: { ...what, at: at + 1 } } });
  const { ui: there, effects } = next(
    settled({ ...ui, checked: [...ui.checked, name], draft: { ...ui.draft, key: name } }),
  );
  const text3 = `all three are right: the words of key ${name} are safe with you`;
  return {
    ui: { ...there, said: { tone: 'good', text: text3 } },
    effects: [{ do: 'wipe', words }, { do: 'note', store: storeOf(ui), name, state: 'checked' }, ...effects],
  };
}
