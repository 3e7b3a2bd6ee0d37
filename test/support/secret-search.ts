/**
 * Looks for secrets wherever they must not be: in every form in which a program lets slip what it holds, whole or in part,
 * also inside of something longer.
 */
import { createPrivateKey } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Needle {
  /** Whose secret, in words. */
  readonly what: string;
  readonly form: string;
  readonly bytes: Buffer;
}

export interface Found {
  readonly what: string;
  readonly form: string;
  /** File or stream. */
  readonly where: string;
}

const WINDOW = 16;

/**
 * Bytes in all forms. Each window of 16 bytes is looked for by itself: a key that was cut, wrapped into lines or clipped
 * is found all the same.
 */
export function needlesOfBytes(what: string, secret: Uint8Array): readonly Needle[] {
  const all = Buffer.from(secret);
  const needles: Needle[] = [];
  for (let at = 0; at === 0 || at + WINDOW <= all.length; at += WINDOW / 2)
    needles.push(...formsOf(what, all.subarray(at, at + WINDOW)));
  return needles;
}

function formsOf(what: string, bytes: Buffer): readonly Needle[] {
  const hex = bytes.toString('hex');
  const texts: (readonly [form: string, text: string])[] = [
    ['hex', hex],
    ['HEX', hex.toUpperCase()],
    ['hex with colons', hex.replace(/..(?=.)/g, '$&:')],
    ['numbers', [...bytes].join(',')],
    ['numbers with blanks', [...bytes].join(', ')],
  ];
  for (const shift of [0, 1, 2]) {
    const inner = base64Within(bytes, shift);
    texts.push([`base64 at ${shift}`, inner]);
    if (/[+/]/.test(inner))
      texts.push([`base64url at ${shift}`, inner.replaceAll('+', '-').replaceAll('/', '_')]);
  }
  return [
    { what, form: 'raw', bytes },
    // What V8 keeps of a latin1 string with a wider character in it, and of an array of small numbers.
    { what, form: 'raw in UTF-16', bytes: Buffer.from(bytes.toString('latin1'), 'utf16le') },
    { what, form: 'raw as UTF-8 text', bytes: Buffer.from(bytes.toString('latin1'), 'utf8') },
    ...texts.flatMap(([form, text]) => textForms(what, form, text)),
  ];
}

/** The characters of base64 that are fixed by `bytes` when `shift` bytes modulo 3 stand before them. */
function base64Within(bytes: Buffer, shift: number): string {
  const padded = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  const first = Math.ceil((shift * 8) / 6);
  return padded.slice(first, Math.floor(((shift + bytes.length) * 8) / 6));
}

const textForms = (what: string, form: string, text: string): readonly Needle[] => [
  { what, form, bytes: Buffer.from(text, 'utf8') },
  { what, form: `${form} in UTF-16`, bytes: Buffer.from(text, 'utf16le') },
];

/** A passphrase: as text and in all forms of its bytes. */
export function needlesOfText(what: string, text: string): readonly Needle[] {
  return [...textForms(what, 'text', text), ...needlesOfBytes(what, Buffer.from(text))];
}

/** Four words that follow each other; a single one is in every dictionary. */
export function needlesOfWords(what: string, words: string): readonly Needle[] {
  const list = words.split(' ');
  const runs = list.slice(0, -3).map((_, at) => list.slice(at, at + 4));
  return runs.flatMap((run) =>
    [' ', '\n', ', ', ',', '","', '  '].flatMap((between) => textForms(what, 'words', run.join(between))),
  );
}

/** The private numbers of an RSA key, which are also what its PEM is made of. */
export function needlesOfRsa(what: string, pem: string): readonly Needle[] {
  const { d, p, q, dp, dq, qi } = createPrivateKey(pem).export({ format: 'jwk' });
  return [d, p, q, dp, dq, qi].flatMap((number) =>
    needlesOfBytes(what, Buffer.from(number ?? '', 'base64url')),
  );
}

// ------------------------------------------------------------------------------------------------------------ haystacks

export function findIn(needles: readonly Needle[], haystack: Buffer | string, where: string): Found[] {
  const bytes = typeof haystack === 'string' ? Buffer.from(haystack) : haystack;
  return [...matches(needles, bytes)].map(({ what, form }) => ({ what, form, where }));
}

/** All needles in one pass: by their first two bytes, then by four, then whole. A heap has tens of megabytes. */
function matches(needles: readonly Needle[], bytes: Buffer): ReadonlySet<Needle> {
  const begins = new Uint8Array(1 << 16);
  const byStart = new Map<number, Needle[]>();
  for (const needle of needles) {
    if (needle.bytes.length < 4)
      throw new Error(`${needle.form} of ${needle.what} is too short to be looked for`);
    begins[needle.bytes.readUInt16LE(0)] = 1;
    const start = needle.bytes.readUInt32LE(0);
    byStart.set(start, [...(byStart.get(start) ?? []), needle]);
  }
  const found = new Set<Needle>();
  for (let at = 0, two = bytes[0] ?? 0; at + 4 <= bytes.length; at++) {
    two |= (bytes[at + 1] ?? 0) << 8;
    if (begins[two] === 1) {
      for (const needle of byStart.get(bytes.readUInt32LE(at)) ?? [])
        if (bytes.subarray(at, at + needle.bytes.length).equals(needle.bytes)) found.add(needle);
    }
    two >>= 8;
  }
  return found;
}

/** Every file below a folder, names of files too; `except` are names of files that may hold it. */
export function findInFolder(
  needles: readonly Needle[],
  folder: string,
  except: readonly string[] = [],
): readonly Found[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const found = findIn(needles, path, `the name ${path}`);
    if (!entry.isFile() || except.includes(entry.name)) return found;
    return [...found, ...findIn(needles, readFileSync(path), path)];
  });
}
