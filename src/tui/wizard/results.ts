/** What came of what was asked: the next state. Pure. */
import { quit } from './press.ts';
import { keyAt, next, settled, storeOf, typing } from './steps.ts';
import { type Happening, type Led, type Said, type Ui, led } from './ui.ts';

/** `turn`: of the work that it comes from; undefined where it comes by itself. */
export function happened(what: Happening, ui: Ui, turn?: number): Led {
  if (turn !== undefined && turn !== ui.turn) return late(what, ui);
  const after = result(what, ui);
  return after.ui.leaving && !after.ui.firm ? withQuit(after) : after;
}

function withQuit({ ui, effects }: Led): Led {
  const end = quit(ui);
  return { ui: end.ui, effects: [...effects, ...end.effects] };
}

/** Nobody waits for it any more. What it left behind is remembered. */
function late(what: Happening, ui: Ui): Led {
  if (what.what === 'words') return led(ui, { do: 'wipe', words: what.words });
  return led(what.what === 'created' ? { ...ui, created: [...ui.created, what.name] } : ui);
}

function result(what: Happening, ui: Ui): Led {
  const { draft, known } = ui;
  switch (what.what) {
    case 'folder': {
      const { found } = what;
      const said: Said | undefined = found.exists
        ? undefined
        : { tone: 'plain', text: `${found.shown} is not there yet: it is made at the end` };
      return saying(next({ ...settled(ui), draft: withFolder(ui, found) }), said);
    }
    case 'credentials':
      return led({ ...settled(ui), known: { ...known, credentials: what.found } });
    case 'buckets':
      return buckets({ ...settled(ui), known: { ...known, buckets: what.names } });
    case 'bucket': {
      const { bucket, region } = what.found;
      return saying(next({ ...settled(ui), draft: { ...draft, bucket: what.found } }), {
        tone: 'good',
        text: `bucket ${bucket} answers, region ${region}`,
      });
    }
    case 'prefix':
      return next({ ...settled(ui), draft: { ...draft, prefix: what.prefix } });
    case 'stores': {
      const at = what.stores.findIndex(({ kind, why }) =>
        draft.store === undefined ? why === undefined : kind === draft.store,
      );
      const view = { kind: 'choice', of: 'store', at: Math.max(0, at) } as const;
      return led({ ...settled(ui), known: { ...known, stores: what.stores }, view });
    }
    case 'keys': {
      const there = { ...settled(ui), known: { ...known, keys: what.keys } };
      return led({ ...there, view: { kind: 'choice', of: 'key', at: keyAt(there) } });
    }
    case 'created':
      return led({
        ...ui,
        created: [...ui.created, what.name],
        draft: { ...draft, key: what.name },
        busy: `fetching the words of key ${what.name}`,
      });
    case 'words':
      return shown(settled(ui), what);
    case 'posture':
      return led({ ...settled(ui), known: { ...known, findings: what.findings } });
    case 'registered':
      return withQuit(led({ ...settled(ui), registered: what.id }));
    case 'asked':
      return asked(ui, what.question);
    case 'failed':
      return failed(ui, what);
    case 'end':
      return ui.leaving ? led(ui) : quit(ui);
    default:
      return what satisfies never;
  }
}

const saying = ({ ui, effects }: Led, said: Said | undefined): Led => ({ ui: { ...ui, said }, effects });

/** Another folder than before proposes another prefix. */
function withFolder({ draft }: Ui, folder: NonNullable<Ui['draft']['folder']>): Ui['draft'] {
  if (draft.folder === undefined || draft.folder.root === folder.root) return { ...draft, folder };
  const { prefix: _, ...texts } = draft.texts;
  return { ...draft, folder, texts };
}

function buckets(ui: Ui): Led {
  const names = ui.known.buckets ?? [];
  if (names.length === 0) {
    const said: Said = {
      tone: 'plain',
      text: 'these credentials have no buckets',
      hint: 'type the name of one',
    };
    return led({ ...ui, said, view: typing(ui, { what: 'bucket' }) });
  }
  const wanted = ui.draft.bucket?.bucket;
  const at = wanted === undefined ? 0 : names.indexOf(wanted);
  return led({ ...ui, view: { kind: 'choice', of: 'bucket', at: at < 0 ? names.length : at } });
}

/** The words are on the screen from now on, unless one is about to leave: then they are not shown at all. */
function shown(ui: Ui, { name, words, positions }: Extract<Happening, { what: 'words' }>): Led {
  if (ui.leaving) return led(ui, { do: 'wipe', words });
  return led(
    { ...ui, view: { kind: 'words', name, words, positions } },
    { do: 'note', store: storeOf(ui), name, state: 'shown' },
  );
}

function asked(ui: Ui, question: string): Led {
  if (ui.leaving) return led(ui, { do: 'refuse' });
  const under = ui.view.kind === 'hidden' ? ui.view.under : ui.view;
  return led({ ...ui, view: { kind: 'hidden', question, count: 0, seen: false, under } });
}

function failed(ui: Ui, { doing, error, cancelled }: Extract<Happening, { what: 'failed' }>): Led {
  const { message: text, hint } = error;
  const said: Said = cancelled
    ? { tone: 'plain', text: 'called off' }
    : { tone: 'bad', text, ...(hint === undefined ? {} : { hint }) };
  if (doing === 'note') return led({ ...ui, said });
  const there: Ui = { ...settled(ui), said };
  switch (doing) {
    case 'credentials':
    case 'posture':
      return led({ ...there, said: undefined, known: { ...ui.known, error } });
    case 'buckets': {
      const { buckets: _, ...known } = ui.known;
      const listing: Said = {
        tone: 'plain',
        text: `buckets are not listed: ${text}`,
        hint: 'type the name of one',
      };
      return led({ ...there, known, said: listing, view: typing(there, { what: 'bucket' }) });
    }
    // There is nothing to stand on without them: one step back.
    case 'stores':
    case 'keys':
      return saying(backFrom(there), said);
    case 'folder':
    case 'bucket':
    case 'prefix':
    case 'create':
    case 'register':
      return led(there);
    default:
      return doing satisfies never;
  }
}

/** To the step where the store is chosen, or the mode where the command line chose it. */
function backFrom(ui: Ui): Led {
  const step = ui.trail.at(-1);
  if (step !== 'store') {
    const at = 0;
    return led({
      ...ui,
      step: 'mode',
      trail: ui.trail.slice(0, -1),
      view: { kind: 'choice', of: 'mode', at },
    });
  }
  const stores = ui.known.stores ?? [];
  const at = Math.max(
    0,
    stores.findIndex(({ kind }) => kind === ui.draft.store),
  );
  return led({ ...ui, step, trail: ui.trail.slice(0, -1), view: { kind: 'choice', of: 'store', at } });
}
