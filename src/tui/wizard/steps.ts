/** From one step to the next and back: what it shows, and what must be asked for it. Pure. */
import type { InitChoice } from '../../model/init-desk.ts';
import { MODE_OPTIONS, keyFits } from './options.ts';
import { type Draft, type Led, type Step, type TypedFor, type Ui, type View, type Work, led } from './ui.ts';

/** The step after one, as things stand. */
function after(step: Step, { draft, given }: Ui): Step {
  const keyed = draft.mode === 'client' || draft.mode === 'sse-c';
  switch (step) {
    case 'folder':
      return 'credentials';
    case 'credentials':
      return 'bucket';
    case 'bucket':
      return 'prefix';
    case 'prefix':
      return 'mode';
    case 'mode':
      if (keyed) return given.store === undefined ? 'store' : 'key';
      return draft.mode === 'sse-s3' ? 'posture' : 'kms-key';
    case 'store':
      return 'key';
    case 'key':
    case 'kms-key':
      return 'posture';
    case 'posture':
    case 'summary':
      return 'summary';
    default:
      return step satisfies never;
  }
}

export const next = (ui: Ui): Led =>
  entered({ ...ui, trail: [...ui.trail, ui.step], step: after(ui.step, ui) });

/** One step back; what was entered stays. */
export function previous(ui: Ui): Led {
  const step = ui.trail.at(-1);
  return step === undefined
    ? led({ ...ui, said: { tone: 'plain', text: 'this is the first step; ctrl+c leaves' } })
    : entered({ ...ui, trail: ui.trail.slice(0, -1), step, said: undefined });
}

/** The step's own view, from the beginning. */
export function entered(ui: Ui): Led {
  const { draft } = ui;
  switch (ui.step) {
    case 'folder':
    case 'prefix':
    case 'kms-key':
      return led(settled({ ...ui, view: typing(ui, { what: ui.step }) }));
    case 'credentials':
      return asking(
        { ...ui, view: { kind: 'found', what: 'credentials', line: 0 } },
        'looking for credentials',
        { do: 'credentials' },
      );
    case 'bucket':
      return asking({ ...ui, view: WAIT }, 'asking which buckets there are', { do: 'buckets' });
    case 'mode': {
      const at = MODE_OPTIONS.findIndex(({ value }) => value === draft.mode);
      return led(settled({ ...ui, view: { kind: 'choice', of: 'mode', at: Math.max(0, at) } }));
    }
    case 'store':
      return asking({ ...ui, view: WAIT }, 'asking where keys can be kept', { do: 'stores' });
    case 'key':
      return asking({ ...ui, view: WAIT }, 'reading the keys', { do: 'keys', store: storeOf(ui) });
    case 'posture':
      return asking({ ...ui, view: { kind: 'found', what: 'posture', line: 0 } }, 'looking at the bucket', {
        do: 'posture',
        choice: choiceOf(ui),
      });
    case 'summary':
      return led(settled({ ...ui, view: { kind: 'summary' } }));
    default:
      return ui.step satisfies never;
  }
}

const WAIT: View = { kind: 'wait' };

/** What may ask for a passphrase, or leaves something behind, is not called off. */
const FIRM: ReadonlySet<Work['do']> = new Set<Work['do']>(['keys', 'create', 'register']);

/** Asks for something; an older answer is not wanted any more. */
export function asking(ui: Ui, busy: string, work: Work): Led {
  const turn = ui.turn + 1;
  const known = { ...ui.known };
  delete known.error;
  if (work.do === 'credentials') delete known.credentials;
  if (work.do === 'posture') delete known.findings;
  return led({ ...ui, turn, busy, firm: FIRM.has(work.do), known }, { do: 'work', work, turn });
}

/** Nothing is under way any more. */
export const settled = (ui: Ui): Ui => ({ ...ui, turn: ui.turn + 1, busy: undefined, firm: false });

export function typing({ draft, keyName }: Ui, what: Exclude<TypedFor, { what: 'ask-back' }>): View {
  const proposed =
    what.what === 'prefix' ? (draft.folder?.prefix ?? '') : what.what === 'key-name' ? keyName : '';
  return { kind: 'typing', for: what, text: draft.texts[what.what] ?? proposed };
}

export const storeOf = ({ draft, given }: Pick<Ui, 'draft' | 'given'>): NonNullable<Draft['store']> =>
  given.store ?? draft.store ?? 'keychain';

/** What is to be registered. Must be asked for only once folder, bucket and prefix are known. */
export function choiceOf(ui: Pick<Ui, 'draft' | 'given'>): InitChoice {
  const { folder, bucket, prefix = '', mode, key, kmsKey } = ui.draft;
  if (folder === undefined || bucket === undefined)
    throw new Error('the wizard has gone past its first steps');
  const base = { root: folder.root, bucket, prefix, mode };
  if (mode === 'client' || mode === 'sse-c')
    return { ...base, store: storeOf(ui), ...(key === undefined ? {} : { key }) };
  return mode === 'sse-s3' || kmsKey === undefined ? base : { ...base, kmsKey };
}

/** The key that was chosen last, where it still fits; else the first that does. */
export function keyAt({ known, draft }: Pick<Ui, 'known' | 'draft'>): number {
  const keys = known.keys ?? [];
  const chosen = keys.findIndex(({ name }) => name === draft.key);
  const fits = keys.findIndex((key) => keyFits(key, draft.mode) === undefined);
  return chosen >= 0 ? chosen : fits >= 0 ? fits : keys.length;
}
