import { plural } from '../model/display.ts';
import type { Setting } from '../model/settings-desk.ts';
import type { Problem, Snapshot } from '../model/snapshot.ts';
import { unknownKey } from './bindings.ts';
import { type Binding, type KeyContext, BINDINGS, bindingOf } from './keys.ts';
import { browseLines, browsed, removedFile, settled, wentUp } from './desk-orders.ts';
import { conflictsOf, countOf, isOfVault, problemsOf } from './lists.ts';
import { type Typing, typeKey } from './typing.ts';
import { waitsFor } from './words.ts';
import { type Around, type Asked, type Led, type Ui, START, led } from './ui.ts';
import { lineAt } from './window-store.ts';

/** The effect of one pressed key. Pure. */
export function press(key: string, ui: Ui, around: Around): Led {
  const before = { ...ui, message: '' };
  if (ui.asked !== undefined) return answered(key, ui.asked, before);
  if (ui.typing !== undefined) return typed(key, ui.typing, before, around);
  const binding = bindingOf(key, ui.view);
  if (binding === undefined) return led({ ...before, message: unknownKey(key) });
  const why = binding.idle?.(contextOf(before, around));
  if (why !== undefined) return led({ ...before, message: why });
  return obey(binding, before, around);
}

/** Anything but a yes is a no. */
function answered(key: string, { yes }: Asked, ui: Ui): Led {
  const after = { ...ui, asked: undefined };
  if (key !== 'y') return led({ ...after, message: 'nothing was changed' });
  if (yes.do !== 'set') return { ...led(after), desk: yes };
  const { name, value } = yes;
  return { ...led(after), set: { name, value } };
}

export const contextOf = (ui: Ui, around: Around): KeyContext => ({
  snapshot: around.snapshot,
  vaults: around.vaults,
  lines: linesOf(ui, around),
  has: {
    browser: around.browse !== undefined,
    conflicts: around.conflicts !== undefined,
    keys: around.keys === true,
  },
  restoring: around.browse?.restoring !== undefined,
  removed: removedFile(ui, around) !== undefined,
  leftOut: ui.view === 'problems' && selectedProblem(ui, around)?.code === 'left-out',
});

function obey({ order }: Binding, ui: Ui, around: Around): Led {
  const { snapshot } = around;
  switch (order) {
    case 'pause':
      return led(ui, { command: snapshot.state === 'paused' ? 'resume' : 'pause' });
    case 'retry':
      return led({ ...ui, message: tryingWords(snapshot) }, { command: 'retry' });
    case 'retry-one':
    case 'take-back':
    case 'raise':
    case 'skip':
      return withPath(order, ui, around);
    case 'change':
      return changed(ui, around.settings);
    case 'rescan':
      return led({ ...ui, message: scanningWords(snapshot) }, { command: 'rescan' });
    case 'yes':
    case 'no':
      return led(
        { ...ui, message: answerWords(order, snapshot) },
        { command: 'consent', yes: order === 'yes', ...questionIn(around) },
      );
    case 'keys':
      return led({ ...ui, keys: true });
    case 'problems':
    case 'activity':
    case 'queue':
    case 'browse':
    case 'plan':
    case 'conflicts':
    case 'settings':
    case 'help':
      return led({ ...ui, line: 0, filter: '', view: ui.view === order ? 'dashboard' : order });
    case 'filter':
      return led({ ...ui, typing: { for: 'filter', text: ui.filter, before: ui.filter } });
    case 'back':
      if (ui.filter !== '') return led({ ...ui, line: 0, filter: '' });
      return ui.view === 'browse' ? wentUp(ui) : led({ ...ui, line: 0, view: 'dashboard' });
    case 'folder-up':
      return wentUp(ui);
    case 'open':
    case 'restore':
    case 'stop-restore':
    case 'undelete':
    case 'removed':
      return browsed(order, ui, around);
    case 'keep-mine':
    case 'keep-theirs':
    case 'keep-both':
      return settled(order, ui, around);
    case 'up':
    case 'down':
    case 'page-up':
    case 'page-down':
    case 'top':
    case 'top-too':
    case 'bottom':
      return led(moved(ui, stepOf(order, around.page), around));
    case 'next-vault':
      return led({ ...ui, vault: (ui.vault + 1) % around.vaults, line: 0, browse: START.browse });
    case 'quit':
      return led({ ...ui, quits: ui.quits + 1 }, { command: 'stop' });
    default:
      return order satisfies never;
  }
}

const tryingWords = (snapshot: Snapshot): string => {
  const when = waitsFor(snapshot);
  return when === undefined ? 'trying again' : `tried again ${when}`;
};

function scanningWords(snapshot: Snapshot): string {
  if (snapshot.state === 'paused') return 'to be scanned; what is found is done when you go on: p';
  const when = waitsFor(snapshot);
  return when === undefined ? 'scanning' : `scanned ${when}`;
}

/** What is agreed to may have to wait: then nothing else on the screen says that it was. */
function answerWords(answer: 'yes' | 'no', snapshot: Snapshot): string {
  if (answer === 'no')
    return snapshot.consent?.kind === 'plan-review' ? 'nothing was done; p goes on, and asks again' : '';
  const when = waitsFor(snapshot);
  return when === undefined ? '' : `agreed: it is done ${when}`;
}

type PathOrder = 'retry-one' | 'take-back' | 'raise' | 'skip';

/** A problem of the vault is no file that could be tried again. */
function retriedVault(ui: Ui, { snapshot }: Around): Led {
  const { state, consent, problems } = snapshot;
  const stands = (state === 'needs-you' && consent === null) || state === 'offline';
  const when = waitsFor(snapshot) ?? '';
  if (stands)
    return led({ ...ui, message: `the whole vault is tried again ${when}`.trimEnd() }, { command: 'retry' });
  if ([...problems.values()].every(isOfVault))
    return led({ ...ui, message: 'no file to try again: it goes once what is said here is mended' });
  const message = `about the vault, not one file: all that failed is tried again ${when}`.trimEnd();
  return led({ ...ui, message }, { command: 'retry' });
}

/** What is done to the selected file. */
function withPath(order: PathOrder, ui: Ui, around: Around): Led {
  const problem = order === 'retry-one' ? selectedProblem(ui, around) : undefined;
  if (problem !== undefined && isOfVault(problem)) return retriedVault(ui, around);
  const path = selectedPath(order, ui, around);
  if (path === undefined) return led({ ...ui, message: 'this line is still being read; press it again' });
  if (order === 'retry-one')
    return led({ ...ui, message: tryingWords(around.snapshot) }, { command: 'retry', paths: [path] });
  if (order === 'take-back')
    return led({ ...ui, message: 'taken back: it is looked at now' }, { command: 'retry', paths: [path] });
  if (order === 'raise') return led({ ...ui, message: 'goes first' }, { command: 'first', path });
  return led(
    { ...ui, message: 'left out until it changes; P lists it, u there takes it back' },
    { command: 'skip', path },
  );
}

function selectedPath(order: PathOrder, ui: Ui, around: Around): string | undefined {
  if (order === 'raise' || order === 'skip')
    return lineAt(around.queue, Math.min(ui.line, Math.max(0, around.queue.total - 1)))?.path;
  return selectedProblem(ui, around)?.path;
}

function selectedProblem(ui: Ui, { snapshot }: Around): Problem | undefined {
  const lines = problemsOf(snapshot, ui.filter);
  return lines[Math.min(ui.line, lines.length - 1)];
}

/** The answer is to what stands on the screen, whatever has come since. */
function questionIn({ snapshot: { consent } }: Around): { readonly question?: number } {
  const question = consent === null || consent.kind === 'lost-source' ? undefined : consent.question;
  return question === undefined ? {} : { question };
}

/** A choice goes to its next value; a text is typed. */
function changed(ui: Ui, settings: readonly Setting[]): Led {
  const setting = settings[Math.min(ui.line, settings.length - 1)];
  if (setting === undefined) return led(ui);
  const { change, name, value } = setting;
  switch (change.kind) {
    case 'no':
      return led({ ...ui, message: change.instead });
    case 'text':
      return led({ ...ui, typing: { for: 'setting', text: value, before: value } });
    case 'choice': {
      const [first] = change.choices;
      const next = change.choices[(change.choices.indexOf(value) + 1) % change.choices.length] ?? first;
      if (change.asks?.choice !== next) return { ...led(ui), set: { name, value: next } };
      return led({ ...ui, asked: { question: change.asks.question, yes: { do: 'set', name, value: next } } });
    }
    default:
      return change satisfies never;
  }
}

function typed(key: string, typing: Typing, ui: Ui, around: Around): Led {
  const result = typeKey(key, typing);
  const filters = typing.for === 'filter';
  switch (result.state) {
    case 'on':
      return led({
        ...ui,
        typing: result.typing,
        ...(filters ? { filter: result.typing.text, line: 0 } : {}),
      });
    case 'dropped':
      return led({ ...ui, typing: undefined, ...(filters ? { filter: typing.before, line: 0 } : {}) });
    case 'done': {
      if (typing.wish !== undefined) {
        const wish = { ...typing.wish, out: result.text };
        return { ...led({ ...ui, typing: undefined }), desk: { do: 'restore', wish } };
      }
      const name = around.settings[Math.min(ui.line, around.settings.length - 1)]?.name;
      const after = { ...ui, typing: undefined };
      if (filters || name === undefined || result.text === typing.before) return led(after);
      return { ...led(after), set: { name, value: result.text } };
    }
    default:
      return result satisfies never;
  }
}

type Step = 'up' | 'down' | 'page-up' | 'page-down' | 'top' | 'top-too' | 'bottom';

function stepOf(order: Step, page: number): number {
  const steps = {
    up: -1,
    down: 1,
    'page-up': -page,
    'page-down': page,
    top: Number.NEGATIVE_INFINITY,
    'top-too': Number.NEGATIVE_INFINITY,
    bottom: Number.POSITIVE_INFINITY,
  };
  return steps[order];
}

function moved(ui: Ui, by: number, around: Around): Ui {
  const last = Math.max(0, linesOf(ui, around) - 1);
  return { ...ui, line: Math.max(0, Math.min(last, Math.min(last, ui.line) + by)) };
}

function linesOf(ui: Ui, around: Around): number {
  const { view, filter } = ui;
  const { snapshot, settings } = around;
  if (view === 'help') return BINDINGS.length;
  if (view === 'browse') return browseLines(ui, around);
  if (view === 'queue') return around.queue.total;
  if (view === 'activity') return around.activity.total;
  if (view === 'conflicts') return conflictsOf(around.conflicts ?? [], filter).length;
  if (view === 'settings') return settings.length;
  return countOf(view, snapshot, filter) ?? 0;
}

/** What ending waits for; empty before `quit` was asked for. `underWay`: transfers of all vaults. */
export function quitWords(quits: number, underWay: number): string {
  if (quits === 0) return '';
  if (quits > 1) return 'ending at once; what was sent of large files is kept for next time';
  return underWay === 0 ? 'ending' : `finishing ${plural(underWay, 'transfer')}; q again ends at once`;
}
