/** The state of the key screen, what happens to it, and what it asks to be done. No secret is in it as text. */
import type { ErrorReport } from '../../model/errors.ts';
import type { KeyFormat, KeyRow, KeyTest, RotateEnd, RotateProgress } from '../../model/key-desk.ts';
import type { KeyInfo } from '../../model/keyref.ts';
import type { Secret } from '../../model/secret.ts';

export type NewKind = 'aes-256' | 'rsa';

/** What one of some options is chosen for. */
export type ChoiceFor =
  | { readonly what: 'create' }
  | { readonly what: 'import' }
  | { readonly what: 'export'; readonly name: string; readonly kind: KeyRow['kind'] };

/** What is typed, and shown while it is typed. */
export type TypedFor =
  | { readonly what: 'filter'; readonly before: string }
  | { readonly what: 'new-name'; readonly kind: NewKind }
  | { readonly what: 'import-name'; readonly format: KeyFormat }
  | { readonly what: 'export-path'; readonly name: string; readonly format: KeyFormat }
  | { readonly what: 'delete'; readonly name: string }
  | {
      readonly what: 'ask-back';
      readonly name: string;
      readonly words: Secret;
      readonly positions: readonly number[];
      /** Of `positions`. */
      readonly at: number;
    };

/** What is typed without being shown; its text is kept outside of the state. */
export type HiddenFor =
  | { readonly what: 'import-text'; readonly name: string; readonly format: KeyFormat }
  /** A question of the desk, in the middle of something; `under` is where it goes on. */
  | { readonly what: 'answer'; readonly question: string; readonly under: View };

/** What is done only after a yes. */
export type AskedFor =
  | { readonly what: 'words'; readonly name: string }
  | { readonly what: 'export'; readonly name: string; readonly format: KeyFormat; readonly path: string }
  | { readonly what: 'rotate'; readonly name: string };

export type View =
  | { readonly kind: 'list' }
  | { readonly kind: 'detail'; readonly line: number }
  | { readonly kind: 'help'; readonly line: number; readonly under: View }
  /** Nothing is open: it was locked, or it could not be opened. */
  | { readonly kind: 'locked'; readonly error?: ErrorReport }
  | { readonly kind: 'choice'; readonly for: ChoiceFor; readonly at: number }
  | { readonly kind: 'typing'; readonly for: TypedFor; readonly text: string }
  | {
      readonly kind: 'hidden';
      readonly for: HiddenFor;
      /** Characters typed so far. */
      readonly count: number;
      /** The last of it was pasted: enter ends it, whatever the format. */
      readonly pasted: boolean;
      /** It may be seen, because somebody asked for that. */
      readonly seen: boolean;
    }
  | { readonly kind: 'question'; readonly for: AskedFor }
  | {
      readonly kind: 'words';
      readonly name: string;
      readonly words: Secret;
      readonly positions: readonly number[];
    }
  | {
      readonly kind: 'rotation';
      readonly name: string;
      readonly stopping: boolean;
      readonly progress?: RotateProgress;
    }
  | {
      readonly kind: 'results';
      readonly name: string;
      readonly results: readonly KeyTest[];
      readonly line: number;
    }
  /** How something ended, in sentences, until it is closed. */
  | { readonly kind: 'report'; readonly title: string; readonly sentences: readonly string[] };

export type Place = View['kind'];

/** One sentence for the user; gone with the next key. */
export interface Said {
  readonly tone: 'good' | 'bad' | 'plain';
  readonly text: string;
  readonly hint?: string;
}

export interface Ui {
  readonly view: View;
  /** Where `esc` leads from everything else. */
  readonly base: 'list' | 'detail';
  /** Undefined until the keys were read, and after a lock. */
  readonly rows: readonly KeyRow[] | undefined;
  /** The name of the selected key. */
  readonly selected: string | undefined;
  readonly filter: string;
  /** What is under way, in words; one thing at a time. */
  readonly busy: string | undefined;
  readonly said: Said | undefined;
  /** Quitting was asked for while something was under way. */
  readonly leaving: boolean;
}

export const START: Ui = {
  view: { kind: 'list' },
  base: 'list',
  rows: undefined,
  selected: undefined,
  filter: '',
  busy: 'reading the keys',
  said: undefined,
  leaving: false,
};

/** What is to be done in the world. */
export type Effect =
  | { readonly do: 'list' }
  | { readonly do: 'create'; readonly name: string; readonly kind: NewKind }
  /** With the hidden text. */
  | { readonly do: 'import'; readonly name: string; readonly format: KeyFormat }
  | { readonly do: 'export'; readonly name: string; readonly format: KeyFormat; readonly path: string }
  | { readonly do: 'words'; readonly name: string }
  | { readonly do: 'note'; readonly name: string; readonly state: 'shown' | 'checked' }
  | { readonly do: 'test'; readonly name: string }
  | { readonly do: 'rotate'; readonly name: string }
  | { readonly do: 'stop' }
  /** `needs`: `neededBy` when the user agreed; where there is more now, nothing is deleted. */
  | { readonly do: 'delete'; readonly name: string; readonly needs: readonly string[] }
  | { readonly do: 'lock' }
  /** The desk's question gets the hidden text, or none. */
  | { readonly do: 'answer' }
  | { readonly do: 'refuse' }
  | { readonly do: 'type'; readonly text: string }
  | { readonly do: 'erase' }
  | { readonly do: 'clear' }
  | { readonly do: 'wipe'; readonly words: Secret }
  | { readonly do: 'leave' };

/** What came of an effect. */
export type Happening =
  /** `noted`: beside what is under way. */
  | { readonly what: 'listed' | 'noted'; readonly rows: readonly KeyRow[] }
  | { readonly what: 'created' | 'imported'; readonly info: KeyInfo; readonly rows: readonly KeyRow[] }
  | {
      readonly what: 'words';
      readonly name: string;
      readonly words: Secret;
      readonly positions: readonly number[];
    }
  | {
      readonly what: 'exported';
      readonly name: string;
      readonly path: string;
      readonly rows: readonly KeyRow[];
    }
  | {
      readonly what: 'tested';
      readonly name: string;
      readonly results: readonly KeyTest[];
      readonly rows: readonly KeyRow[];
    }
  | { readonly what: 'progress'; readonly progress: RotateProgress }
  | {
      readonly what: 'rotated';
      readonly name: string;
      readonly end: RotateEnd;
      readonly rows: readonly KeyRow[];
    }
  | { readonly what: 'deleted' | 'still-needed'; readonly name: string; readonly rows: readonly KeyRow[] }
  | { readonly what: 'asked'; readonly question: string }
  | {
      readonly what: 'failed';
      readonly error: ErrorReport;
      /** Somebody called it off: nothing to report. */
      readonly cancelled: boolean;
      /** Where they could be read. */
      readonly rows?: readonly KeyRow[];
    }
  /** The program was told to end. */
  | { readonly what: 'end' };

export interface Led {
  readonly ui: Ui;
  readonly effects: readonly Effect[];
}

export const led = (ui: Ui, ...effects: readonly Effect[]): Led => ({ ui, effects });
