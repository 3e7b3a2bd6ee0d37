/**
 * Sealed names: each segment of a path by AES-SIV (RFC 5297) under the vault's names key, with the sealed name of the folder
 * it stands in as associated data. One path has one name for ever, so that names can be looked up and listed; equal segments
 * in different folders have nothing in common, and an object that is moved to another folder has no name there.
 */
import { aessiv } from '@noble/ciphers/aes.js';
import { type NameKey, nameKey } from '../model/brands.ts';
import { META_NAME, type NameRead, type Names } from '../model/names.ts';
import type { Metadata } from '../model/ports.ts';
import type { Secret } from '../model/secret.ts';
import { base32Length, fromBase32, toBase32 } from './base32.ts';
import { Recent } from './recent.ts';

/** The tag, which is the synthetic nonce as well (RFC 5297, 2.6). */
const TAG = 16;
/** Two keys of AES-256. */
export const SIV_KEY = 64;
/** Longest name whose segments are whole. A prefix has 512 bytes at most, so each of these fits into S3's 1,024. */
const WHOLE_MAX = 512;
/** Before a segment of which only the beginning of the tag stands in the name: no letter of base32. */
const CUT = '_';
/** Enough to tell a million siblings apart, and little enough for deep trees: 80 bits, 16 letters. */
const CUT_BYTES = 10;
/** Segments remembered, so that a scan of 200,000 files seals none twice: some 50 MB at the most. */
const SEALED = 400_000;
/** Paths of folders, and of cut names. */
const READ = 50_000;

export interface SealedNamesOptions {
  /** Names the key and gives nothing of it away. */
  readonly id: string;
  /** Longest name in bytes, the prefix taken off. */
  readonly maxBytes: number;
  /** Bytes of user metadata that the envelope leaves for the whole name of a cut one. */
  readonly metadataRoom: number;
}

/** `key`: 64 bytes, AES-256-SIV; taken over, and wiped with `wipe`. */
export function sealedNames(key: Secret, { id, maxBytes, metadataRoom }: SealedNamesOptions): Names {
  const sealer = new Sealer(key);
  const room = metadataRoom - META_NAME.length;
  return {
    id,
    keyOf: (path) => sealer.keyOf(nameKey(path)),
    segment: (folder, segment) => sealer.segment(folder, segment),
    read: (name) => sealer.read(name),
    readCut: (name, metadata) => sealer.readCut(name, metadata),
    metadata: (path) => {
      const name = sealer.keyOf(nameKey(path));
      return isCut(name) ? { [META_NAME]: sealer.whole(name, path) } : {};
    },
    fits: (name, path) => name.length <= maxBytes && (!isCut(name) || wholeLength(path) <= room),
    wipe: () => sealer.wipe(),
  };
}

const isCut = (name: string): boolean => name.includes(CUT);

/** Characters of base64. */
const wholeLength = (path: string): number => Math.ceil((Buffer.byteLength(nameKey(path)) + TAG) / 3) * 4;

const FOREIGN: NameRead = { kind: 'foreign' };
const UNKNOWN: NameRead = { kind: 'cut' };

class Sealer {
  readonly #key: Secret;
  /** Folder's name and plain segment, to the sealed segment. */
  readonly #sealed = new Recent(SEALED);
  /** Names of folders, and cut names, to their paths. */
  readonly #read = new Recent(READ);

  constructor(key: Secret) {
    this.#key = key;
  }

  keyOf(path: string): NameKey {
    if (path === '') return '' as NameKey;
    const at = path.lastIndexOf('/');
    const folder = at < 0 ? '' : `${this.keyOf(path.slice(0, at))}/`;
    const name = folder + this.segment(folder, path.slice(at + 1));
    if (isCut(name)) this.#read.set('', name, path);
    return name as NameKey;
  }

  segment(folder: string, segment: string): string {
    const known = this.#sealed.get(folder, segment);
    if (known !== undefined) return known;
    const bytes = this.#encrypt(folder, segment);
    const whole = folder.length + base32Length(bytes.length) <= WHOLE_MAX;
    const sealed = whole ? toBase32(bytes) : CUT + toBase32(bytes.subarray(0, CUT_BYTES));
    this.#sealed.set(folder, segment, sealed);
    return sealed;
  }

  read(name: NameKey): NameRead {
    const at = name.lastIndexOf('/');
    const known = this.#read.get('', name);
    if (known !== undefined) return { kind: 'path', path: known };
    const folder = at < 0 ? undefined : this.#readFolder(name.slice(0, at));
    if (folder !== undefined && folder.kind !== 'path') return folder;
    const segment = name.slice(at + 1);
    if (segment.startsWith(CUT)) return /^_[a-z2-7]{16}$/.test(segment) ? UNKNOWN : FOREIGN;
    const plain = this.#open(name.slice(0, at + 1), segment);
    if (plain === undefined) return FOREIGN;
    return { kind: 'path', path: folder === undefined ? plain : `${folder.path}/${plain}` };
  }

  #readFolder(name: string): NameRead {
    const read = this.read(name as NameKey);
    if (read.kind === 'path') this.#read.set('', name, read.path);
    return read;
  }

  #open(folder: string, sealed: string): string | undefined {
    const bytes = fromBase32(sealed);
    if (bytes === undefined || bytes.length <= TAG) return undefined;
    const segment = this.#opened(folder, bytes);
    return segment?.includes('/') === true ? undefined : segment;
  }

  /** Bound to the name it goes with: no other object's is taken for it. */
  whole(name: string, path: string): string {
    return Buffer.from(this.#encrypt(aboutWhole(name), nameKey(path))).toString('base64');
  }

  readCut(name: NameKey, metadata: Metadata): string | undefined {
    const bytes = Buffer.from(metadata[META_NAME] ?? '', 'base64');
    const path = bytes.length <= TAG ? undefined : this.#opened(aboutWhole(name), bytes);
    // Its folders are known from now on as well.
    return path !== undefined && this.keyOf(path) === name && this.#rememberFolders(path) ? path : undefined;
  }

  #rememberFolders(path: string): true {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      this.#read.set('', this.keyOf(path.slice(0, at)), path.slice(0, at));
    return true;
  }

  #opened(about: string, bytes: Uint8Array): string | undefined {
    const key = this.#whole();
    try {
      const plain = key.use((secret) => aessiv(secret, Buffer.from(about, 'utf8')).decrypt(bytes));
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plain);
    } catch {
      return undefined;
    }
  }

  #encrypt(about: string, text: string): Uint8Array {
    return this.#whole().use((secret) =>
      aessiv(secret, Buffer.from(about, 'utf8')).encrypt(Buffer.from(text, 'utf8')),
    );
  }

  /** A wiped key throws rather than seal under one that anybody has. */
  #whole(): Secret {
    if (this.#key.length !== SIV_KEY) throw new Error('the names key is gone or of the wrong length');
    return this.#key;
  }

  wipe(): void {
    this.#key.wipe();
    this.#sealed.clear();
    this.#read.clear();
  }
}

/** No folder's name begins so. */
const aboutWhole = (name: string): string => `\n${name}`;
