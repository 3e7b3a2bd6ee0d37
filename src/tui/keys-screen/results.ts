/** What came of an effect: the next state. Pure. */
import { plural } from '../../model/display.ts';
import type { KeyRow, RotateEnd } from '../../model/key-desk.ts';
import { baseView, quit } from './answers.ts';
import { needsOf } from './rows.ts';
import { type Happening, type Led, type Said, type Ui, type View, led } from './ui.ts';

export function happened(what: Happening, ui: Ui): Led {
  const next = result(what, ui);
  const over = next.ui.busy === undefined && next.ui.leaving;
  return over ? { ui: next.ui, effects: [...next.effects, ...quit(next.ui).effects] } : next;
}

function result(what: Happening, ui: Ui): Led {
  switch (what.what) {
    case 'listed':
      return led(withRows(ui, what.rows, ui.said));
    case 'noted':
      return led({ ...ui, rows: what.rows });
    case 'created':
    case 'imported': {
      const { name, fingerprint } = what.info;
      const verb = what.what === 'created' ? 'created' : 'brought in';
      const done = withRows(ui, what.rows, {
        tone: 'good',
        text: `${verb} key ${name}, fingerprint ${fingerprint}`,
      });
      // The words follow at once.
      const busy =
        what.what === 'created' && what.info.kind === 'aes-256'
          ? `fetching the words of key ${name}`
          : undefined;
      return led({ ...done, busy, filter: '', base: 'list', selected: name, view: { kind: 'list' } });
    }
    case 'words':
      return shown(ui, what);
    case 'exported':
      return led(
        inBase(
          withRows(ui, what.rows, {
            tone: 'good',
            text: `wrote key ${what.name} to ${what.path}; only you can read it`,
          }),
        ),
      );
    case 'tested': {
      const { name, results } = what;
      return led({ ...withRows(ui, what.rows), view: { kind: 'results', name, results, line: 0 } });
    }
    case 'progress':
      return led(ui.view.kind === 'rotation' ? { ...ui, view: { ...ui.view, progress: what.progress } } : ui);
    case 'rotated':
      return led({ ...rotated(withRows(ui, what.rows), what.name, what.end) });
    case 'deleted':
      return led({
        ...withRows(ui, what.rows, { tone: 'good', text: `deleted key ${what.name}` }),
        base: 'list',
        view: { kind: 'list' },
      });
    case 'still-needed':
      return led(withRows(ui, what.rows, stillNeeded(what.name, what.rows)));
    case 'asked':
      if (ui.leaving) return led(ui, { do: 'refuse' });
      return led({
        ...ui,
        view: {
          kind: 'hidden',
          for: { what: 'answer', question: what.question, under: ui.view },
          count: 0,
          pasted: false,
          seen: false,
        },
      });
    case 'failed':
      return led(failed(ui, what));
    case 'end':
      return ui.leaving ? led(ui) : quit(ui);
    default:
      return what satisfies never;
  }
}

/** The keys as they are now; what was under way is over. */
function withRows(ui: Ui, rows: readonly KeyRow[], said?: Said): Ui {
  const at = (ui.rows ?? []).findIndex(({ name }) => name === ui.selected);
  const kept = rows.some(({ name }) => name === ui.selected);
  const selected = kept ? ui.selected : rows[Math.max(0, Math.min(at, rows.length - 1))]?.name;
  return { ...ui, rows, selected, busy: undefined, said };
}

const inBase = (ui: Ui): Ui => ({ ...ui, view: baseView(ui) });

/** The words are on the screen from now on, unless one is about to leave: then they are not shown at all. */
function shown(ui: Ui, { name, words, positions }: Extract<Happening, { what: 'words' }>): Led {
  const next: Ui = { ...ui, busy: undefined };
  if (ui.leaving) return led(next, { do: 'wipe', words });
  return led(
    { ...next, view: { kind: 'words', name, words, positions } },
    { do: 'note', name, state: 'shown' },
  );
}

/** What was moved, and what is to be done now. The new key is the selected one from now on. */
function rotated(ui: Ui, name: string, { next, done, failed, error }: RotateEnd): Ui {
  const counts = `${error === undefined ? '✓' : '!'} ${plural(done, 'object')} moved from key ${name} to key ${next}${failed > 0 ? `, ${failed} not` : ''}.`;
  if (error !== undefined) {
    const sentences = [counts, `${error.message}.`, ...(error.hint === undefined ? [] : [`→ ${error.hint}`])];
    return { ...ui, view: { kind: 'report', title: `ROTATION OF ${name} NOT ENDED`, sentences } };
  }
  const old = ui.rows?.find((row) => row.name === name);
  const needs = old === undefined ? [] : needsOf(old);
  const left =
    needs.length === 0
      ? `Nothing that is known here needs key ${name} any more: d in the list deletes it.`
      : `Key ${name} is still needed to read ${needs.join(', ')}.`;
  const unseen = ui.rows?.find((row) => row.name === next)?.words === 'never';
  const words = unseen ? [`! The 24 words of key ${next} were never shown: w shows them now.`] : [];
  const view: View = { kind: 'report', title: `ROTATED ${name}`, sentences: [counts, left, ...words] };
  return { ...ui, selected: next, view };
}

function stillNeeded(name: string, rows: readonly KeyRow[]): Said {
  const row = rows.find((one) => one.name === name);
  const needs = row === undefined ? '' : needsOf(row).join(', ');
  return {
    tone: 'bad',
    text: `key ${name} was not deleted: by now it is needed to read ${needs}`,
    hint: 'type its name again, or esc',
  };
}

function failed(ui: Ui, { error, cancelled, rows }: Extract<Happening, { what: 'failed' }>): Ui {
  const { message: text, hint } = error;
  const said: Said = cancelled
    ? { tone: 'plain', text: 'called off; nothing was changed' }
    : { tone: 'bad', text, ...(hint === undefined ? {} : { hint }) };
  const next: Ui = { ...(rows === undefined ? ui : withRows(ui, rows)), busy: undefined, said };
  if (next.rows === undefined)
    return { ...next, view: cancelled ? { kind: 'locked' } : { kind: 'locked', error } };
  return ui.view.kind === 'rotation' ? inBase(next) : next;
}
