/**
 * Looks for secrets wherever they must not be: in every form in which a program lets slip what it holds, whole or in part,
 * also inside of something longer.
 */
import { createPrivateKey } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, readdirSync } from 'node:fs';
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
  /** File, stream or address. */
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
  const texts: (readonly [string, string])[] = [
    ['hex', hex],
    ['HEX', hex.toUpperCase()],
    ['hex with colons', hex.replace(/..(?=.)/g, '$&:')],
    ['numbers', [...bytes].join(',')],
    ['numbers with blanks', [...bytes].join(', ')],
    ...[0, 1, 2].flatMap((shift) => {
      const inner = base64Within(bytes, shift);
      const url = inner.replaceAll('+', '-').replaceAll('/', '_');
      return [
        [`base64 at ${shift}`, inner],
        ...(url === inner ? [] : [[`base64url at ${shift}`, url]]),
      ] as (readonly [string, string])[];
    }),
  ];
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
  return needles
    .filter((needle) => bytes.includes(needle.bytes))
    .map(({ what, form }) => ({ what, form, where }));
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

const SLICE = 32 * 2 ** 20;

/** The readable and writable memory of a process, on Linux: what is on the heap, off it, and what was freed and not wiped. */
export function findInMemory(needles: readonly Needle[], pid: number): readonly Found[] {
  const overlap = Math.max(...needles.map(({ bytes }) => bytes.length));
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const buffer = Buffer.alloc(SLICE + overlap);
  const found = new Map<string, Found>();
  try {
    for (const { from, to } of writableRegions(pid)) {
      for (let at = from; at < to; at += SLICE) {
        const length = readAt(memory, buffer, Math.min(buffer.length, to - at), at);
        const where = `memory from ${at.toString(16)}`;
        for (const one of findIn(needles, buffer.subarray(0, length), where))
          found.set(`${one.what} ${one.form}`, one);
      }
    }
  } finally {
    closeSync(memory);
  }
  return [...found.values()];
}

function writableRegions(pid: number): readonly { readonly from: number; readonly to: number }[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => /^\S+ rw/.test(line) && !/\[v(var|syscall)|\/dev\//.test(line))
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+)/.exec(line))
    .map((match) => ({
      from: Number.parseInt(match?.[1] ?? '0', 16),
      to: Number.parseInt(match?.[2] ?? '0', 16),
    }));
}

/** A region may be gone or unreadable meanwhile. */
function readAt(memory: number, buffer: Buffer, length: number, at: number): number {
  try {
    return readSync(memory, buffer, 0, length, at);
  } catch {
    return 0;
  }
}
