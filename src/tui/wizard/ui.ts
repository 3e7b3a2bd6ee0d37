/** The state of the wizard, what happens to it, and what it asks to be done. No secret is in it as text. */
import type { Finding } from '../../model/bucket.ts';
import type { ErrorReport } from '../../model/errors.ts';
import type {
  BucketFound,
  CredentialsFound,
  FolderFound,
  InitChoice,
  InitDesk,
  KeyPlace,
} from '../../model/init-desk.ts';
import type { KeyInfo, KeyStoreKind } from '../../model/keyref.ts';
import type { ModeKind } from '../../model/mode.ts';
import type { Secret } from '../../model/secret.ts';

export type Step =
  | 'folder'
  | 'credentials'
  | 'bucket'
  | 'prefix'
  | 'mode'
  | 'store'
  | 'key'
  | 'kms-key'
  | 'posture'
  | 'summary';

/** Recovery words on the screen, or being asked back. */
export interface Shown {
  readonly name: string;
  readonly words: Secret;
  readonly positions: readonly number[];
}

export type TypedFor =
  | { readonly what: 'folder' | 'bucket' | 'prefix' | 'key-name' | 'kms-key' }
  | ({ readonly what: 'ask-back' /** Of `positions`. */; readonly at: number } & Shown);

export type ChoiceOf = 'bucket' | 'mode' | 'store' | 'key';

export type View =
  | { readonly kind: 'typing'; readonly for: TypedFor; readonly text: string }
  /** A question of the desk, in the middle of something; `under` is where it goes on. */
  | {
      readonly kind: 'hidden';
      readonly question: string;
      readonly count: number;
      readonly seen: boolean;
      readonly under: View;
    }
  | { readonly kind: 'choice'; readonly of: ChoiceOf; readonly at: number }
  /** What was found out, or why not. */
  | { readonly kind: 'found'; readonly what: 'credentials' | 'posture'; readonly line: number }
  | ({ readonly kind: 'words' } & Shown)
  | { readonly kind: 'summary' }
  /** Nothing to be done here until an answer comes. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'help'; readonly line: number; readonly under: View };

export type Place = View['kind'];

/** What was entered so far. It outlives the way back. */
export interface Draft {
  /** Texts as they were typed, by their field. */
  readonly texts: { readonly [F in TypedFor['what']]?: string };
  readonly folder?: FolderFound;
  readonly bucket?: BucketFound;
  readonly prefix?: string;
  readonly mode: ModeKind;
  readonly store?: KeyStoreKind;
  readonly key?: string;
  readonly kmsKey?: string;
}

/** What the desk answered last. */
export interface Known {
  readonly credentials?: CredentialsFound;
  /** Undefined: they may not be listed, or were not asked for yet. */
  readonly buckets?: readonly string[];
  readonly stores?: readonly KeyPlace[];
  readonly keys?: readonly KeyInfo[];
  readonly findings?: readonly Finding[];
  /** Why the answer that a `found` view is about did not come. */
  readonly error?: ErrorReport;
}

/** One sentence for the user; gone with the next key. */
export interface Said {
  readonly tone: 'good' | 'bad' | 'plain';
  readonly text: string;
  readonly hint?: string;
}

export interface Ui {
  readonly step: Step;
  /** The steps that led here. */
  readonly trail: readonly Step[];
  readonly view: View;
  readonly draft: Draft;
  readonly known: Known;
  readonly given: InitDesk['given'];
  /** A name for a first key. */
  readonly keyName: string;
  /** What is under way, in words; one thing at a time. */
  readonly busy: string | undefined;
  /** It cannot be called off: its end is waited for. */
  readonly firm: boolean;
  /** Answers to what was asked before are not wanted any more. */
  readonly turn: number;
  readonly said: Said | undefined;
  /** Keys that were made here, and those whose words were asked back. */
  readonly created: readonly string[];
  readonly checked: readonly string[];
  /** The vault, once it is registered. */
  readonly registered: string | undefined;
  /** Leaving was asked for while something firm was under way. */
  readonly leaving: boolean;
}

export function startOf(given: InitDesk['given'], keyName: string): Ui {
  const text = given.dir ?? '';
  return {
    step: 'folder',
    trail: [],
    view: { kind: 'typing', for: { what: 'folder' }, text },
    draft: { texts: { folder: text }, mode: 'client' },
    known: {},
    given,
    keyName,
    busy: undefined,
    firm: false,
    turn: 0,
    said: undefined,
    created: [],
    checked: [],
    registered: undefined,
    leaving: false,
  };
}

/** What is asked of the world; its answer comes as a Happening of the same turn. */
export type Work =
  | { readonly do: 'folder'; readonly path: string }
  | { readonly do: 'credentials' }
  | { readonly do: 'buckets' }
  | { readonly do: 'bucket'; readonly name: string }
  | { readonly do: 'prefix'; readonly root: string; readonly bucket: string; readonly prefix: string }
  | { readonly do: 'stores' }
  | { readonly do: 'keys'; readonly store: KeyStoreKind }
  | { readonly do: 'create'; readonly store: KeyStoreKind; readonly name: string }
  | { readonly do: 'posture'; readonly choice: InitChoice }
  | { readonly do: 'register'; readonly choice: InitChoice };

export type Effect =
  | { readonly do: 'work'; readonly work: Work; readonly turn: number }
  | {
      readonly do: 'note';
      readonly store: KeyStoreKind;
      readonly name: string;
      readonly state: 'shown' | 'checked';
    }
  | { readonly do: 'type'; readonly text: string }
  | { readonly do: 'erase' | 'clear' | 'answer' | 'refuse' | 'leave' }
  | { readonly do: 'wipe'; readonly words: Secret };

export type Happening =
  | { readonly what: 'folder'; readonly found: FolderFound }
  | { readonly what: 'credentials'; readonly found: CredentialsFound }
  | { readonly what: 'buckets'; readonly names: readonly string[] }
  | { readonly what: 'bucket'; readonly found: BucketFound }
  | { readonly what: 'prefix'; readonly prefix: string }
  | { readonly what: 'stores'; readonly stores: readonly KeyPlace[] }
  | { readonly what: 'keys'; readonly keys: readonly KeyInfo[] }
  | { readonly what: 'created'; readonly name: string }
  | ({ readonly what: 'words' } & Shown)
  | { readonly what: 'posture'; readonly findings: readonly Finding[] }
  | { readonly what: 'registered'; readonly id: string }
  | { readonly what: 'asked'; readonly question: string }
  | {
      readonly what: 'failed';
      readonly doing: Work['do'] | 'note';
      readonly error: ErrorReport;
      /** Somebody called it off: nothing to report. */
      readonly cancelled: boolean;
    }
  /** The program was told to end. */
  | { readonly what: 'end' };

export interface Led {
  readonly ui: Ui;
  readonly effects: readonly Effect[];
}

export const led = (ui: Ui, ...effects: readonly Effect[]): Led => ({ ui, effects });
