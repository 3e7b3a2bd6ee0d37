/** Keys in words. */
import { formatCount, plural } from '../../model/display.ts';
import type { KeyFormat, KeyRow } from '../../model/key-desk.ts';
import type { Sign } from '../words.ts';
import type { Ui } from './ui.ts';

/** The keys that fit the filter: by name, kind, fingerprint or folder. */
export function shownRows({ rows = [], filter }: Pick<Ui, 'rows' | 'filter'>): readonly KeyRow[] {
  const wanted = filter.toLowerCase();
  return rows.filter((row) =>
    [row.name, KINDS[row.kind], row.fingerprint, ...row.uses.map(({ root }) => root)].some((text) =>
      text.toLowerCase().includes(wanted),
    ),
  );
}

/** The selected key; the first where the selected one is not shown. */
export function selectedRow(ui: Pick<Ui, 'rows' | 'filter' | 'selected'>): KeyRow | undefined {
  const shown = shownRows(ui);
  return shown.find(({ name }) => name === ui.selected) ?? shown[0];
}

export const KINDS: { readonly [K in KeyRow['kind']]: string } = {
  'aes-256': 'AES-256',
  rsa: 'RSA',
  'rsa-public': 'RSA pub.',
  kms: 'KMS',
};

export const KINDS_LONG: { readonly [K in KeyRow['kind']]: string } = {
  'aes-256': 'AES-256, one secret key that seals and opens',
  rsa: 'RSA key pair; its public half can be given to machines that only send',
  'rsa-public': 'public half of an RSA key: seals, and opens nothing',
  kms: 'KMS key: AWS uses it for us, and it is never here',
};

export const STORES: { readonly [K in KeyRow['store']]: string } = {
  keychain: 'OS keychain',
  file: 'key file',
  command: 'command',
  credentials: 'credentials',
  kms: 'AWS KMS',
};

/** `a3f9 41c0 77be 0011`; the id of a KMS key as it is. */
export const grouped = (fingerprint: string): string =>
  /^[0-9a-f]{16}$/.test(fingerprint) ? fingerprint.replace(/(.{4})(?=.)/g, '$1 ') : fingerprint;

/** As much of it as fits into a narrow column: `a3f9 41c0…`, `…/1c2d3e4f`. */
export const clippedPrint = ({ fingerprint, kind }: Pick<KeyRow, 'fingerprint' | 'kind'>): string =>
  kind === 'kms' ? `…${fingerprint.slice(-9)}` : `${grouped(fingerprint).slice(0, 9)}…`;

export const objectsOf = ({ uses }: Pick<KeyRow, 'uses'>): number =>
  uses.reduce((sum, { objects }) => sum + objects, 0);

/** `2 vaults`; `–` where none uses it. */
export const vaultsWord = ({ uses }: Pick<KeyRow, 'uses'>): string =>
  uses.length === 0 ? '–' : plural(uses.length, 'vault');

/** `5,310`, blank where no vault uses it. */
export const objectsWord = (row: Pick<KeyRow, 'uses'>): string =>
  row.uses.length === 0 ? '' : formatCount(objectsOf(row));

/** What is known of the recovery words. */
export function wordsSign({ words, kind }: Pick<KeyRow, 'words' | 'kind'>): Sign {
  switch (words) {
    case 'never':
      return { sign: '!', word: 'never shown', tone: 'yellow' };
    case 'shown':
      return { sign: '·', word: 'shown', tone: undefined };
    case 'checked':
      return { sign: '✓', word: 'checked', tone: 'green' };
    case 'none':
      if (kind === 'kms') return { sign: '–', word: 'held by AWS', tone: undefined };
      return { sign: '–', word: kind === 'rsa' ? 'by export' : 'not needed', tone: undefined };
    default:
      return words satisfies never;
  }
}

/** What cannot be read any more without the key. */
export function needsOf({ uses, versionsIn }: Pick<KeyRow, 'uses' | 'versionsIn'>): readonly string[] {
  return [
    ...uses.map(({ root, objects }) => `${root} (${plural(objects, 'object')})`),
    ...versionsIn.map((place) => `older versions in ${place}`),
  ];
}

/** The same without numbers, to be compared. */
export const neededBy = ({ uses, versionsIn }: Pick<KeyRow, 'uses' | 'versionsIn'>): readonly string[] => [
  ...uses.map(({ root }) => root),
  ...versionsIn,
];

/** Time since, under a day; the date after that. */
export function since(iso: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(iso)) / 60_000);
  if (Number.isNaN(minutes)) return '–';
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 24 * 60 ? `${Math.floor(minutes / 60)} h ago` : dateOf(iso);
}

/** `2026-10-02`, in the user's zone; `–` where it is not known. */
export function dateOf(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '–';
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0'));
  return `${date.getFullYear()}-${month}-${day}`;
}

/** `passed 5 min ago`. */
export function testWord({ lastTest }: Pick<KeyRow, 'lastTest'>, now: number): string {
  if (lastTest === undefined) return 'never tested';
  return `test ${lastTest.ok ? 'passed' : 'failed'} ${since(lastTest.time, now)}`;
}

/** The sentence below the list. */
export function summaryOf(row: KeyRow, now: number): string {
  const opens =
    row.uses.length === 0
      ? 'no vault uses it'
      : `${row.kind === 'rsa-public' ? 'seals' : 'opens'} ${row.uses.map(({ root }) => root).join(', ')}`;
  const used = row.lastUsed === undefined ? [] : [`last used ${since(row.lastUsed, now)}`];
  const versions = row.versionsIn.map((place) => `older versions in ${place} need it`);
  const moving =
    row.rotatingTo === undefined ? [] : [`its rotation to ${row.rotatingTo} is not ended: r goes on`];
  return `${row.name}: ${[opens, ...moving, ...versions, ...used, testWord(row, now)].join(' · ')}`;
}

export interface Option<V extends string = string> {
  readonly value: V;
  readonly label: string;
  readonly says: string;
  /** Why it cannot be chosen. */
  readonly why?: string;
}

export const KIND_OPTIONS: readonly Option<'aes-256' | 'rsa'>[] = [
  { value: 'aes-256', label: 'AES-256', says: 'for modes client and sse-c; 24 words bring it back' },
  {
    value: 'rsa',
    label: 'RSA key pair',
    says: 'for mode client; machines with the public half can only send',
  },
];

export const IMPORT_OPTIONS: readonly Option<KeyFormat>[] = [
  { value: 'words', label: 'words', says: 'the 24 recovery words of an AES key' },
  { value: 'base64', label: 'base64', says: 'the 32 bytes of an AES key, 44 characters' },
  { value: 'pem', label: 'PEM', says: 'an RSA key, private or public' },
  { value: 'age', label: 'age', says: 'a key that was exported as an age file, and its passphrase' },
];

const NO_WORDS = 'an RSA key has no such form';

/** The forms in which a key of this kind can go out, and why not in the others. */
export function exportOptions(kind: KeyRow['kind']): readonly Option<KeyFormat>[] {
  const aes = kind === 'aes-256' ? {} : { why: NO_WORDS };
  const rsa = kind === 'aes-256' ? { why: 'only RSA keys have this form' } : {};
  const half = kind === 'rsa-public' ? { why: 'a public half is no secret: take PEM' } : {};
  return [
    { value: 'age', label: 'age', says: 'sealed with a passphrase; the age program opens it', ...half },
    { value: 'words', label: 'words', says: '24 words, in the clear', ...aes },
    { value: 'base64', label: 'base64', says: 'the 32 bytes, in the clear', ...aes },
    {
      value: 'pem',
      label: 'PEM',
      says: kind === 'rsa-public' ? 'for machines that only send' : 'the private key, in the clear',
      ...rsa,
    },
  ];
}

const ENDINGS: { readonly [K in KeyFormat]: string } = {
  words: 'words.txt',
  base64: 'base64.txt',
  pem: 'pem',
  age: 'age',
};

/** The path that is proposed for an export. */
export const exportPath = (name: string, format: KeyFormat): string => `~/${name}.${ENDINGS[format]}`;
