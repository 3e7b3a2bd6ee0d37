import type { Metadata } from '../model/ports.ts';
import { cannotOpen } from './fault.ts';

/**
 * Strict base64 (standard alphabet, padded, no line breaks): `Buffer.from` skips foreign characters silently, so the
 * result must encode to the same text again.
 */
export function decodeBase64(name: string, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (text === '' || bytes.toString('base64') !== text) throw cannotOpen(`${name} is not base64`);
  return bytes;
}

/** A flat map as JSON in pure ASCII: S3 re-encodes header values that hold anything else (s3ec 2.3). */
export function writeMap(map: Metadata): string {
  return JSON.stringify(map).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const EMPTY_MAP = /^[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*$/;
const MAP_START = /[ \t\r\n]*\{/y;
const PAIR =
  /[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*("(?:[^"\\]|\\.)*"|0|[1-9][0-9]*)[ \t\r\n]*([,}])/y;
const MAP_END = /^[ \t\r\n]*$/;

/**
 * Reads a flat JSON map of strings; whole numbers are taken, as text, for the names in `numbers` only. Nested values,
 * other types and duplicate names are refused: two readers that disagree about a duplicate are an attack, and
 * `JSON.parse` hides it.
 */
export function readMap(name: string, text: string, numbers?: ReadonlySet<string>): Metadata {
  if (EMPTY_MAP.test(text)) return {};
  const map = new Map<string, string>();
  for (const [key, value] of pairs(name, text)) {
    const isNumber = !value.startsWith('"');
    if (isNumber && numbers?.has(key) !== true) throw cannotOpen(`${name} holds a number`);
    if (map.has(key)) throw cannotOpen(`${name} holds a name twice`);
    map.set(key, isNumber ? value : unquote(name, value));
  }
  return Object.fromEntries(map);
}

/** Names unquoted, values as they stand. */
function* pairs(name: string, text: string): Generator<readonly [key: string, value: string]> {
  MAP_START.lastIndex = 0;
  let at = MAP_START.test(text) ? MAP_START.lastIndex : -1;
  for (let more = at >= 0; more; ) {
    PAIR.lastIndex = at;
    const [, key = '', value = '', end] = PAIR.exec(text) ?? [];
    if (end === undefined) throw cannotOpen(`${name} is not a JSON map of strings`);
    at = PAIR.lastIndex;
    yield [unquote(name, key), value];
    more = end === ',';
  }
  if (at < 0 || !MAP_END.test(text.slice(at))) throw cannotOpen(`${name} is not a JSON map of strings`);
}

/** Escapes and forbidden control characters are left to `JSON.parse`. */
function unquote(name: string, token: string): string {
  try {
    return JSON.parse(token) as string;
  } catch (thrown) {
    throw cannotOpen(new Error(`${name} holds a malformed string`, { cause: thrown }));
  }
}

const WORD = /=\?utf-8\?([bq])\?(\S*?)\?=(?:\s+|(?==\?)|$)/iy;

/**
 * Undoes what S3 does to raw UTF-8 in metadata headers (s3ec 2.3): it takes the bytes for Latin-1 and answers with
 * RFC 2047 words of their UTF-8 form. Words may end inside a character, so they are joined before anything is read.
 * A value that does not begin with `=?` is returned untouched.
 */
export function undoWords(name: string, value: string): string {
  if (!value.startsWith('=?')) return value;
  const parts: Buffer[] = [];
  WORD.lastIndex = 0;
  while (WORD.lastIndex < value.length) {
    const [, kind, text = ''] = WORD.exec(value) ?? [];
    if (kind === undefined) throw cannotOpen(`${name} is not a sequence of RFC 2047 words`);
    parts.push(kind.toLowerCase() === 'b' ? decodeBase64(name, text) : decodeQ(text));
  }
  const latin1 = readUtf8(name, Buffer.concat(parts));
  if (/[^\u0000-\u00ff]/.test(latin1)) throw cannotOpen(`${name} is not doubly encoded`);
  return readUtf8(name, Buffer.from(latin1, 'latin1'));
}

/** RFC 2047 section 4.2: `_` is a space, `=XX` a byte, the rest stands for itself. */
function decodeQ(text: string): Buffer {
  const plain = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1');
}

function readUtf8(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (thrown) {
    throw cannotOpen(new Error(`${name} is not UTF-8`, { cause: thrown }));
  }
}
