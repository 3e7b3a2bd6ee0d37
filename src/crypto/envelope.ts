import { VaultError } from '../model/errors.ts';
import type { Keyring, Metadata, WrappedDataKey } from '../model/ports.ts';
import { COMMITMENT_BYTES, MESSAGE_ID_BYTES, SUITE, V2_NAME } from './derive.ts';
import { decodeBase64, readMap, undoWords, writeMap } from './encoding.ts';
import { cannotOpen, legacyFormat } from './fault.ts';

type Wrap = Keyring['wrap'];

/** What stands beside a sealed body, with lengths and names checked and nothing believed yet. */
export type Envelope = V3Envelope | V2Envelope;

export interface V3Envelope extends WrappedDataKey {
  readonly format: 'V3';
  readonly wrap: Wrap;
  readonly messageId: Buffer;
  readonly commitment: Buffer;
}

export interface V2Envelope extends WrappedDataKey {
  readonly format: 'V2';
  readonly wrap: Wrap;
  readonly iv: Buffer;
}

/** Codes of `x-amz-w` (s3ec 2.2). */
const WRAP_CODES: { readonly [wrap in Wrap]: string } = {
  'AES/GCM': '02',
  'kms+context': '12',
  'RSA-OAEP-SHA1': '22',
};
const WRAPS: readonly Wrap[] = ['AES/GCM', 'kms+context', 'RSA-OAEP-SHA1'];

const LEGACY_WRAPS: ReadonlySet<string> = new Set([
  'AESWrap',
  'kms',
  'RSA/ECB/OAEPWithSHA-256AndMGF1Padding',
]);
const LEGACY_CONTENT = 'AES/CBC/PKCS5Padding';

const MARKERS = ['x-amz-key', 'x-amz-key-v2', 'x-amz-3'] as const;
const V3_OBJECT = ['x-amz-c', 'x-amz-d', 'x-amz-i'] as const;
const V2_CONTENT = ['x-amz-iv', 'x-amz-cek-alg', 'x-amz-wrap-alg', 'x-amz-tag-len'] as const;
const MAPS = ['x-amz-matdesc', 'x-amz-m', 'x-amz-t'] as const;
const LENGTH_HINT = 'x-amz-unencrypted-content-length';

/** What an instruction file may hold (s3ec 8). */
const V3_MOVED: ReadonlySet<string> = new Set(['x-amz-3', 'x-amz-w', 'x-amz-m', 'x-amz-t']);
const V2_MOVED: ReadonlySet<string> = new Set([
  'x-amz-key',
  'x-amz-key-v2',
  ...V2_CONTENT,
  'x-amz-matdesc',
  LENGTH_HINT,
]);
const ENVELOPE_NAMES: ReadonlySet<string> = new Set([...V3_OBJECT, ...V3_MOVED, ...V2_MOVED]);
/** PHP writes these two as JSON numbers. */
const NUMBERS: ReadonlySet<string> = new Set(['x-amz-tag-len', LENGTH_HINT]);
const INSTRUCTION_FILE_MAX = 16 * 1024;

/** S3 takes about 2 KiB of user metadata; what is left is for `s3vault-*` (s3ec 2). */
const ENVELOPE_MAX = 1_792;

/**
 * Settles the format of an object and reads its envelope (s3ec 5, 8): syntax, lengths and known algorithm names, in
 * the object's metadata or, for an object that has it there, in the text of its instruction file. Mixtures are refused.
 * Errors: `cannot-open`, and `legacy-format` for V1, CBC and the unbound wrap algorithms.
 */
export function readEnvelope(metadata: Metadata, instructionFile?: string): Envelope {
  const own = envelopePart(metadata);
  refuseMixture(own);
  if (MARKERS.some((name) => own.has(name))) return parse(undoneWords(own));
  if (instructionFile === undefined) throw cannotOpen('no envelope in the metadata, and no instruction file');
  return parse(withInstructions(own, instructionFile));
}

/** True where the envelope is not (wholly) in the metadata: fetch `KEY.instruction`; refuse the object if there is none. */
export function needsInstructionFile(metadata: Metadata): boolean {
  const names = Object.keys(metadata).map((name) => name.toLowerCase());
  return !MARKERS.some((marker) => names.includes(marker));
}

/** The envelope as it is stored with an object. Error: `envelope-too-large`. */
export function writeEnvelope(envelope: Omit<V3Envelope, 'format'>): Metadata {
  const { wrap, wrapped, context, messageId, commitment } = envelope;
  const metadata = {
    'x-amz-c': SUITE,
    'x-amz-3': Buffer.from(wrapped).toString('base64'),
    'x-amz-w': WRAP_CODES[wrap],
    'x-amz-d': commitment.toString('base64'),
    'x-amz-i': messageId.toString('base64'),
    ...(Object.keys(context).length === 0
      ? {}
      : { [wrap === 'kms+context' ? 'x-amz-t' : 'x-amz-m']: writeMap(context) }),
  };
  if (Object.entries(metadata).join('').length > ENVELOPE_MAX) {
    throw new VaultError('usage', 'envelope-too-large', 'the envelope does not fit into S3 metadata', {
      hint: 'shorten the KMS encryption context, or use a shorter RSA key',
    });
  }
  return metadata;
}

/** Only the envelope of what is stored with an object, names in lower case. */
export function onlyEnvelope(metadata: Metadata): Metadata {
  return Object.fromEntries(envelopePart(metadata));
}

type Entries = ReadonlyMap<string, string>;

/** Names are case-insensitive; one name in two spellings is an ambiguity that nobody writes. */
function envelopePart(metadata: Metadata): Entries {
  const part = new Map<string, string>();
  for (const [spelt, value] of Object.entries(metadata)) {
    const name = spelt.toLowerCase();
    if (!ENVELOPE_NAMES.has(name)) continue;
    if (part.has(name)) throw cannotOpen(`${name} is there twice`);
    part.set(name, value);
  }
  return part;
}

/** s3ec 5, rules 1 and 2. */
function refuseMixture(own: Entries): void {
  if (MARKERS.filter((name) => own.has(name)).length > 1) throw cannotOpen('more than one wrapped data key');
  const v3 = V3_OBJECT.some((name) => own.has(name));
  const v2 = ['x-amz-key', 'x-amz-key-v2', ...V2_CONTENT].some((name) => own.has(name));
  if (v3 && v2) throw cannotOpen('metadata of V3 and of older formats together');
}

function undoneWords(own: Entries): Entries {
  const undone = new Map(own);
  for (const name of MAPS) {
    const value = own.get(name);
    if (value !== undefined) undone.set(name, undoWords(name, value));
  }
  return undone;
}

/** Object metadata and instruction file as one envelope; each may hold only its own share (s3ec 8). */
function withInstructions(own: Entries, text: string): Entries {
  if (text.length > INSTRUCTION_FILE_MAX) throw cannotOpen('instruction file is too large');
  const v3 = V3_OBJECT.some((name) => own.has(name));
  const moved = v3 ? V3_MOVED : V2_MOVED;
  for (const [name, value] of own) {
    if (moved.has(name) && name !== LENGTH_HINT && value !== '') {
      throw cannotOpen(`${name} is in the metadata of an object with an instruction file`);
    }
  }
  const file = readMap('instruction file', text, NUMBERS);
  for (const name of Object.keys(file)) {
    if (!moved.has(name)) throw cannotOpen('instruction file holds a name that does not belong there');
  }
  const whole = new Map([...own, ...Object.entries(file)]);
  refuseMixture(whole);
  return whole;
}

function parse(entries: Entries): Envelope {
  if (entries.has('x-amz-3')) return parseV3(entries);
  if (entries.has('x-amz-key-v2')) return parseV2(entries);
  wanted(entries, 'x-amz-key');
  wanted(entries, 'x-amz-iv');
  throw legacyFormat('V1');
}

function parseV3(entries: Entries): V3Envelope {
  if (wanted(entries, 'x-amz-c') !== SUITE) throw cannotOpen('unknown content algorithm');
  const code = wanted(entries, 'x-amz-w');
  const wrap = WRAPS.find((name) => WRAP_CODES[name] === code);
  if (wrap === undefined) throw cannotOpen('unknown wrap algorithm');
  return {
    format: 'V3',
    wrap,
    wrapped: bytes(entries, 'x-amz-3'),
    messageId: random(entries, 'x-amz-i', MESSAGE_ID_BYTES),
    commitment: bytes(entries, 'x-amz-d', COMMITMENT_BYTES),
    context: mapOf(entries, wrap === 'kms+context' ? 'x-amz-t' : 'x-amz-m'),
  };
}

function parseV2(entries: Entries): V2Envelope {
  const content = wanted(entries, 'x-amz-cek-alg');
  const wrapName = wanted(entries, 'x-amz-wrap-alg');
  wanted(entries, 'x-amz-iv');
  refuseLegacy(content, wrapName);
  const wrap = WRAPS.find((name) => name === wrapName);
  if (wrap === undefined) throw cannotOpen('unknown wrap algorithm');
  if (content !== V2_NAME) throw cannotOpen('unknown content algorithm');
  if (wanted(entries, 'x-amz-tag-len') !== '128') throw cannotOpen('tag length is not 128 bits');
  return {
    format: 'V2',
    wrap,
    wrapped: bytes(entries, 'x-amz-key-v2'),
    iv: random(entries, 'x-amz-iv', 12),
    context: mapOf(entries, 'x-amz-matdesc'),
  };
}

/** CBC beside a current wrap algorithm was never written by anyone: that is tampering, not a legacy object (s3ec 11). */
function refuseLegacy(content: string, wrap: string): void {
  if (!LEGACY_WRAPS.has(wrap)) return;
  if (content === LEGACY_CONTENT) throw legacyFormat('AES-CBC content');
  if (content === V2_NAME) throw legacyFormat(`wrap algorithm ${wrap}`);
}

function wanted(entries: Entries, name: string): string {
  const value = entries.get(name);
  if (value === undefined) throw cannotOpen(`${name} is missing`);
  return value;
}

function bytes(entries: Entries, name: string, length?: number): Buffer {
  const decoded = decodeBase64(name, wanted(entries, name));
  if (length !== undefined && decoded.length !== length) throw cannotOpen(`${name} is not ${length} bytes`);
  return decoded;
}

/** All zeros are the sign of a broken random source (s3ec 3). */
function random(entries: Entries, name: string, length: number): Buffer {
  const value = bytes(entries, name, length);
  if (value.every((byte) => byte === 0)) throw cannotOpen(`${name} is all zeros`);
  return value;
}

/** Absent, empty and `null` stand for the empty map: Go and old .NET writers leave these (s3ec 2.1, 2.2). */
function mapOf(entries: Entries, name: string): Metadata {
  const text = entries.get(name) ?? '';
  return text === '' || text === 'null' ? {} : readMap(name, text);
}
