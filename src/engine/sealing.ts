import { MAX_PLAINTEXT, type Seal, resumeSeal, sealedSize, startSeal } from '../crypto/seal.ts';
import type { Kind } from '../model/entry.ts';
import { released } from './memory.ts';
import type { Keyring, Metadata, Waits } from '../model/ports.ts';

/**
 * How bytes become what is stored: sealed here (`client`) or left as they are for the store to encrypt. The engine
 * works with this one shape in all modes.
 */
export interface Sealing {
  /** Undefined for server-side modes. */
  readonly keyring: Keyring | undefined;
  readonly maxPlaintext: number;
  storedSize(plaintext: number): number;
  start(options?: Waits): Promise<Wrapping>;
  /** The same data key and message id once more, from stored metadata; undefined where the key can't open. */
  resume(metadata: Metadata, options?: Waits): Promise<Wrapping | undefined>;
}

/** One object's protection. `whole` or `stream`, once. */
export interface Wrapping {
  /** Metadata that must be stored with the object: the envelope. */
  readonly metadata: Metadata;
  /** Keyed digest for `s3vault-mac`; undefined where there is no key to keep it from the store. */
  mac(digest: Uint8Array, kind: Kind): string | undefined;
  whole(plaintext: Buffer): Buffer;
  stream(chunks: AsyncIterable<Buffer>, partSize: number): AsyncIterable<Uint8Array>;
  wipe(): void;
}

/** Largest object S3 takes: 10,000 parts of 5 GiB (S3 User Guide, "Multipart upload limits"). */
const MAX_OBJECT = 10_000 * 5 * 2 ** 30;

export function clientSealing(keyring: Keyring): Sealing {
  return {
    keyring,
    maxPlaintext: MAX_PLAINTEXT,
    storedSize: sealedSize,
    start: async (options) => sealed(await startSeal(keyring, options)),
    resume: async (metadata, options) =>
      keyring.canOpen ? sealed(await resumeSeal(keyring, metadata, options)) : undefined,
  };
}

function sealed(seal: Seal): Wrapping {
  return {
    metadata: seal.metadata,
    mac: (digest, kind) => seal.mac(digest, kind),
    whole: (plaintext) => seal.whole(plaintext),
    // Sealing copies: the plaintext is not needed any more.
    stream: (chunks, partSize) => seal.stream(released(chunks), partSize),
    wipe: () => seal.wipe(),
  };
}

const BARE: Wrapping = {
  metadata: {},
  mac: () => undefined,
  whole: (plaintext) => plaintext,
  stream: (chunks) => chunks,
  wipe: () => undefined,
};

/** The store encrypts; bytes pass as they are. */
export const serverSealing: Sealing = {
  keyring: undefined,
  maxPlaintext: MAX_OBJECT,
  storedSize: (plaintext) => plaintext,
  start: async () => BARE,
  resume: async () => BARE,
};
