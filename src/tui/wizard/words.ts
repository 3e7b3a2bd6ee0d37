/** The steps in words. */
import type { Finding } from '../../model/bucket.ts';
import type { Sign } from '../words.ts';
import { STORE_WORDS } from './options.ts';
import { choiceOf } from './steps.ts';
import type { ChoiceOf, Step, TypedFor, Ui } from './ui.ts';

/** What is asked for, in parts as people count them. */
const PARTS: readonly (readonly Step[])[] = [
  ['folder'],
  ['credentials'],
  ['bucket', 'prefix'],
  ['mode'],
  ['store', 'key', 'kms-key'],
  ['posture'],
  ['summary'],
];

/** `step 3 of 7`. */
export const partOf = (step: Step): string =>
  `step ${PARTS.findIndex((steps) => steps.includes(step)) + 1} of ${PARTS.length}`;

export const STEP_TITLES: { readonly [S in Step]: string } = {
  folder: 'FOLDER',
  credentials: 'CREDENTIALS',
  bucket: 'BUCKET',
  prefix: 'PREFIX',
  mode: 'PROTECTION',
  store: 'KEY STORE',
  key: 'KEY',
  'kms-key': 'KMS KEY',
  posture: 'IS THE BUCKET SAFE?',
  summary: 'ALL TOGETHER',
};

export interface Prompt {
  readonly title: string;
  readonly label: string;
  readonly before: readonly string[];
}

export function promptOf(what: TypedFor, { draft }: Pick<Ui, 'draft'>): Prompt {
  switch (what.what) {
    case 'folder':
      return {
        title: 'FOLDER: what is to be kept in step?',
        label: 'folder',
        before: [
          'Everything in this folder is sent to a bucket, encrypted, and kept in step from then on.',
          'A folder that is not there yet is made at the end.',
        ],
      };
    case 'bucket':
      return {
        title: 'BUCKET: where to?',
        label: 'bucket',
        before: ['The name of a bucket that is there already. It is asked for before you go on.'],
      };
    case 'prefix':
      return {
        title: `PREFIX: where in ${draft.bucket?.bucket ?? 'the bucket'}?`,
        label: 'prefix',
        before: [
          'What the names of the objects begin with. Each vault needs a prefix of its own.',
          'Empty means the whole bucket.',
        ],
      };
    case 'key-name':
      return {
        title: 'A NEW KEY: what is it called?',
        label: 'name',
        before: [
          'Letters, digits, dots, underscores and hyphens. It is an AES-256 key.',
          'A name that says which machine it is from helps later.',
        ],
      };
    case 'kms-key':
      return {
        title: 'KMS KEY: which one?',
        label: 'KMS key',
        before: [
          'A key id, an ARN, or alias/NAME. It must be in the region of the bucket.',
          'The credentials need kms:GenerateDataKey and kms:Decrypt on it.',
        ],
      };
    case 'ask-back':
      return {
        title: `RECOVERY WORDS of ${what.name}: ${what.at + 1} of ${what.positions.length}`,
        label: `word ${(what.positions[what.at] ?? 0) + 1}`,
        before: ['To be sure that you have them: type this word from your paper.'],
      };
    default:
      return what satisfies never;
  }
}

export const CHOICE_TITLES: { readonly [C in ChoiceOf]: string } = {
  bucket: 'BUCKET: where to?',
  mode: 'PROTECTION: how? client is the default',
  store: 'KEY STORE: where are keys kept on this machine?',
  key: 'KEY: which one?',
};

/** One finding in a sign and a word. */
export function signOf({ state, severity }: Pick<Finding, 'state' | 'severity'>): Sign {
  switch (state) {
    case 'ok':
      return { sign: '✓', word: 'ok', tone: 'green' };
    case 'problem':
      return severity === 'low'
        ? { sign: '!', word: severity, tone: 'yellow' }
        : { sign: '✗', word: severity, tone: 'red' };
    case 'unknown':
      return { sign: '?', word: 'unknown', tone: 'yellow' };
    case 'note':
      return { sign: '·', word: 'note', tone: undefined };
    default:
      return state satisfies never;
  }
}

const ORDER: readonly Finding['state'][] = ['problem', 'unknown', 'note', 'ok'];

/** What wants something comes first. */
export const inOrder = (findings: readonly Finding[]): readonly Finding[] =>
  findings.toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));

/** Everything that was chosen: a word and what it is. */
export function summaryOf(ui: Ui): readonly (readonly [string, string])[] {
  const { draft, checked, created } = ui;
  const choice = choiceOf(ui);
  const { bucket, prefix, mode, store, key, kmsKey } = choice;
  const words =
    key === undefined || !created.includes(key)
      ? []
      : [
          [
            'words',
            checked.includes(key) ? '✓ asked back, all three right' : '! not asked back yet',
          ] as const,
        ];
  return [
    ['folder', `${draft.folder?.shown ?? choice.root}${draft.folder?.exists === false ? ' (made now)' : ''}`],
    ['kept in', `s3://${bucket.bucket}/${prefix}`],
    ['region', bucket.region],
    ...(bucket.endpoint === undefined ? [] : [['endpoint', bucket.endpoint] as const]),
    ['mode', mode],
    ...(key === undefined ? [] : [['key', `${key}, in the ${STORE_WORDS[store ?? 'keychain']}`] as const]),
    ...words,
    ...(kmsKey === undefined ? [] : [['KMS key', kmsKey] as const]),
  ];
}
