/** What is chosen, agreed to and left. */
import { exportPath, IMPORT_OPTIONS, KIND_OPTIONS, type Option, exportOptions } from './rows.ts';
import { type ChoiceFor, type Effect, type Led, type Ui, type View, led } from './ui.ts';

export function optionsOf(what: ChoiceFor): readonly Option[] {
  switch (what.what) {
    case 'create':
      return KIND_OPTIONS;
    case 'import':
      return IMPORT_OPTIONS;
    case 'export':
      return exportOptions(what.kind);
    default:
      return what satisfies never;
  }
}

/** The view that everything else goes back to. */
export const baseView = ({ base }: Pick<Ui, 'base'>): View =>
  base === 'detail' ? { kind: 'detail', line: 0 } : { kind: 'list' };

export function chosen(ui: Ui): Led {
  const { view } = ui;
  if (view.kind !== 'choice') return led(ui);
  const why = optionsOf(view.for)[view.at]?.why;
  if (why !== undefined) return led({ ...ui, said: { tone: 'plain', text: why } });
  return led({ ...ui, view: afterChoice(view) });
}

function afterChoice({ for: what, at }: Extract<View, { kind: 'choice' }>): View {
  switch (what.what) {
    case 'create':
      return typing({ what: 'new-name', kind: KIND_OPTIONS[at]?.value ?? 'aes-256' });
    case 'import':
      return typing({ what: 'import-name', format: IMPORT_OPTIONS[at]?.value ?? 'words' });
    case 'export': {
      const { name, kind } = what;
      const format = exportOptions(kind)[at]?.value ?? 'age';
      return typing({ what: 'export-path', name, format }, exportPath(name, format));
    }
    default:
      return what satisfies never;
  }
}

const typing = (what: Extract<View, { kind: 'typing' }>['for'], text = ''): View => ({
  kind: 'typing',
  for: what,
  text,
});

export function agreed(ui: Ui): Led {
  const { view } = ui;
  if (view.kind !== 'question' || ui.busy !== undefined) return led(ui);
  const what = view.for;
  switch (what.what) {
    case 'words':
      return led(
        { ...ui, view: baseView(ui), busy: `fetching the words of key ${what.name}` },
        { do: 'words', name: what.name },
      );
    case 'export': {
      const { name, format, path } = what;
      return led({ ...ui, busy: `writing key ${name}` }, { do: 'export', name, format, path });
    }
    case 'rotate':
      return led(
        {
          ...ui,
          busy: `rotating key ${what.name}`,
          view: { kind: 'rotation', name: what.name, stopping: false },
        },
        { do: 'rotate', name: what.name },
      );
    default:
      return what satisfies never;
  }
}

/** Hides the words and asks for the first of three. */
export function asked(ui: Ui): Led {
  const { view } = ui;
  if (view.kind !== 'words') return led(ui);
  const { name, words, positions } = view;
  return led({ ...ui, view: typing({ what: 'ask-back', name, words, positions, at: 0 }) });
}

export function stopped(ui: Ui): Led {
  const { view } = ui;
  if (view.kind !== 'rotation') return led(ui);
  return led({ ...ui, view: { ...view, stopping: true } }, { do: 'stop' });
}

const LATER = 'the words were not checked; w shows them again';

/** One step back; what was begun and is not agreed to is not done. */
export function back(ui: Ui): Led {
  const { view } = ui;
  switch (view.kind) {
    case 'list':
      return led({ ...ui, filter: '' });
    case 'detail':
      return led({ ...ui, base: 'list', view: { kind: 'list' } });
    case 'help':
      return led({ ...ui, view: view.under });
    case 'words':
      return led(
        { ...ui, view: baseView(ui), said: { tone: 'plain', text: LATER } },
        { do: 'wipe', words: view.words },
      );
    case 'typing':
      return backFromTyping(ui, view);
    case 'hidden':
      return view.for.what === 'answer'
        ? led({ ...ui, view: view.for.under }, { do: 'refuse' })
        : led({ ...ui, view: baseView(ui) }, { do: 'clear' });
    case 'choice':
    case 'question':
    case 'results':
    case 'report':
      return ui.busy === undefined ? led({ ...ui, view: baseView(ui) }) : led(ui);
    case 'locked':
    case 'rotation':
      return led(ui);
    default:
      return view satisfies never;
  }
}

function backFromTyping(ui: Ui, { for: what }: Extract<View, { kind: 'typing' }>): Led {
  if (what.what === 'ask-back')
    return led(
      { ...ui, view: baseView(ui), said: { tone: 'plain', text: LATER } },
      { do: 'wipe', words: what.words },
    );
  // It is being done already: the answer will lead on.
  if (ui.busy !== undefined) return led(ui);
  return led({ ...ui, filter: what.what === 'filter' ? what.before : ui.filter, view: baseView(ui) });
}

/** Secrets leave the screen first; what is under way is interrupted where it can be, and waited for. Again: at once. */
export function quit(ui: Ui): Led {
  const clean = cleaned(ui.view);
  if (ui.busy === undefined || ui.leaving)
    return led({ ...ui, view: { kind: 'locked' }, rows: undefined, busy: undefined }, ...clean, {
      do: 'leave',
    });
  const view: View = ui.view.kind === 'rotation' ? { ...ui.view, stopping: true } : baseView(ui);
  return led({ ...ui, view, leaving: true }, ...clean, { do: 'stop' });
}

/** What has to be wiped when a view is left for good. */
function cleaned(view: View): readonly Effect[] {
  if (view.kind === 'help') return cleaned(view.under);
  if (view.kind === 'words') return [{ do: 'wipe', words: view.words }];
  if (view.kind === 'hidden') return [view.for.what === 'answer' ? { do: 'refuse' } : { do: 'clear' }];
  return view.kind === 'typing' && view.for.what === 'ask-back'
    ? [{ do: 'wipe', words: view.for.words }]
    : [];
}
