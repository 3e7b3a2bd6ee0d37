/** What there is to choose from, in words. */
import type { KeyInfo, KeyStoreKind } from '../../model/keyref.ts';
import type { ModeKind } from '../../model/mode.ts';
import { KINDS, dateOf, grouped } from '../keys-screen/rows.ts';
import type { ChoiceOf, Ui } from './ui.ts';

export interface Option {
  /** Empty: none of them, something else. */
  readonly value: string;
  readonly label: string;
  /** A line or two. */
  readonly says: readonly string[];
  /** Why it cannot be chosen. */
  readonly why?: string;
}

interface ModeOption extends Option {
  readonly value: ModeKind;
}

/** Each in two lines of 64 cells. */
export const MODE_OPTIONS: readonly ModeOption[] = [
  {
    value: 'client',
    label: 'client',
    says: [
      'Sealed on this machine: the store and AWS see names and sizes,',
      'never the content. Lost key and lost words are lost data.',
    ],
  },
  {
    value: 'sse-c',
    label: 'sse-c',
    says: [
      'The store encrypts with your key, sent along with each request',
      'and not kept there. Many buckets must first be told to allow it.',
    ],
  },
  {
    value: 'sse-kms',
    label: 'sse-kms',
    says: [
      'The store encrypts with a key that AWS KMS holds: whoever may',
      'use that key can read. Each use is logged, counted and paid for.',
    ],
  },
  {
    value: 'dsse-kms',
    label: 'dsse-kms',
    says: [
      'As sse-kms, in two layers with a key each: for rules that ask',
      'for that. Costs more, twice the uses of KMS, and no Bucket Key.',
    ],
  },
  {
    value: 'sse-s3',
    label: 'sse-s3',
    says: [
      'The store encrypts with keys of its own: nothing to keep, and',
      'whoever may read the bucket reads the files.',
    ],
  },
];

export const STORE_WORDS: { readonly [K in KeyStoreKind]: string } = {
  keychain: 'OS keychain',
  file: 'key file',
  command: 'key command',
  credentials: 'systemd credentials',
};

/** Why a key does not do for a mode; undefined where it does. */
export function keyFits({ kind }: Pick<KeyInfo, 'kind'>, mode: ModeKind): string | undefined {
  return mode === 'sse-c' && kind !== 'aes-256' ? 'sse-c needs an AES-256 key' : undefined;
}

/** Stores that s3vault only reads. */
const READ_ONLY: ReadonlySet<KeyStoreKind> = new Set<KeyStoreKind>(['command', 'credentials']);

export function optionsOf(of: ChoiceOf, ui: Pick<Ui, 'known' | 'draft' | 'given'>): readonly Option[] {
  const { known, draft, given } = ui;
  switch (of) {
    case 'mode':
      return MODE_OPTIONS;
    case 'bucket':
      return [
        ...(known.buckets ?? []).map((name) => ({ value: name, label: name, says: [] })),
        { value: '', label: 'another', says: ['type the name of a bucket that is not listed here'] },
      ];
    case 'store':
      return (known.stores ?? []).map(({ kind, says, why }) => ({
        value: kind,
        label: STORE_WORDS[kind],
        says: [says],
        ...(why === undefined ? {} : { why }),
      }));
    case 'key': {
      const keys = (known.keys ?? []).map((key) => {
        const why = keyFits(key, draft.mode);
        const says = [`${KINDS[key.kind]}, ${grouped(key.fingerprint)}, made ${dateOf(key.created)}`];
        return { value: key.name, label: key.name, says, ...(why === undefined ? {} : { why }) };
      });
      const readOnly = READ_ONLY.has(given.store ?? draft.store ?? 'keychain');
      return readOnly
        ? keys
        : [
            ...keys,
            { value: '', label: 'a new key', says: ['created now; its 24 words are shown and asked back'] },
          ];
    }
    default:
      return of satisfies never;
  }
}
