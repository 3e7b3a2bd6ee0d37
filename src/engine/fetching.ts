/** Objects fetched and opened, whole or as a stream: the mirror of sealing and sending. */
import { type Opening, needsInstructionFile, startOpen } from '../crypto/open.ts';
import { onlyEnvelope } from '../crypto/envelope.ts';
import { sealedSize } from '../crypto/seal.ts';
import { type ObjectKey, objectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import type { ModeKind } from '../model/mode.ts';
import type { Keyring, Metadata, ObjectStat, ObjectStore, StoredObject } from '../model/ports.ts';
import type { RateLimit } from './budget.ts';
import { type Demanded, isProtected, orUnprotected, refuseUnprotected } from './protected.ts';
import { SINGLE_MAX } from './put.ts';
import type { Explain } from './underway.ts';

/** What it takes to read objects of one place. */
export interface Reader {
  readonly store: ObjectStore;
  readonly mode: ModeKind;
  readonly demanded: Demanded;
  /** Mode `client` only. */
  readonly keyring: Keyring | undefined;
  readonly commitment: 'require' | 'allow';
  readonly download: RateLimit;
  /** What a refusal says; default: that it is a stranger's object. */
  readonly explain?: Explain | undefined;
  /** Tries again what passes by itself. */
  readonly reach: <T>(work: () => Promise<T>) => Promise<T>;
}

export interface Wanted {
  readonly key: ObjectKey;
  /** As listed, in bytes as stored. */
  readonly size: number;
  readonly versionId?: string;
}

/** An object whose bytes come as they are read. */
export interface Fetched {
  readonly stat: ObjectStat;
  /** Bytes of plaintext. */
  readonly size: number;
  /** Undefined where the store decrypts. */
  readonly opening: Opening | undefined;
  /** All of it, verified; undefined for an object too large for that. */
  readonly whole: Buffer | undefined;
  /** The stored bytes of a large object from `first` (0) on, in order; several pieces are under way at a time. */
  body(first?: number): AsyncIterable<Uint8Array>;
  wipe(): void;
}

const TAG = sealedSize(0);
/** Objects up to this size, as stored, come in one request. */
export const WHOLE_MAX = SINGLE_MAX + TAG;
const PART = 8 * 2 ** 20;
const PARTS_AHEAD = 4;
const INSTRUCTIONS_MAX = 16 * 1024;
const INSTRUCTION_FILE = '.instruction';

/** Bytes of memory that one object needs while it is fetched. */
export const memoryOf = ({ size }: Pick<Wanted, 'size'>): number =>
  size <= WHOLE_MAX ? size * 2 : (PARTS_AHEAD + 1) * PART;

/** Bytes of plaintext of an object of `size` bytes as stored. */
export const plainSize = (mode: ModeKind, size: number): number =>
  mode === 'client' ? Math.max(0, size - TAG) : size;

/**
 * Fetches an object; what opens it is found right before this resolves, and a small one is verified whole. Codes beside
 * those of reading and opening: `not-sealed` (security): an object that nobody sealed, in a place of sealed ones;
 * `not-protected` (security): the store does not say that it is under the protection of its place;
 * `instruction-file`: it is one, and no file; `sealed` (file): needs mode `client`.
 */
export async function fetchObject(reader: Reader, wanted: Wanted, signal: AbortSignal): Promise<Fetched> {
  const fetched = await fetchIf(reader, wanted, () => true, signal);
  if (fetched === undefined) throw missing(wanted.key);
  return fetched;
}

/** As `fetchObject`; undefined where `wants` does not want what stands there now. */
export async function fetchIf(
  reader: Reader,
  wanted: Wanted,
  wants: (stat: ObjectStat) => boolean,
  signal: AbortSignal,
): Promise<Fetched | undefined> {
  const fetch = async (): Promise<Fetched | undefined> => {
    if (wanted.size > WHOLE_MAX) return fetchLarge(reader, wanted, wants, signal);
    const stored = await reader.store.get(wanted.key, { ...versionOf(wanted), signal });
    const wrong = !wants(stored.stat);
    // Written anew since it was listed.
    const large = stored.stat.size > WHOLE_MAX;
    if (wrong || large) await leave(stored);
    if (wrong) return undefined;
    return large ? fetchLarge(reader, wanted, wants, signal) : fetchSmall(reader, stored, wanted, signal);
  };
  return refusing(reader, wanted.key, () =>
    reader.reach(() => orUnprotected(reader.demanded, wanted.key, fetch)),
  );
}

/** Runs what may refuse an object, and has the refusal explained. */
export async function refusing<T>(
  { explain }: Pick<Reader, 'explain'>,
  key: ObjectKey,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw explain !== undefined && thrown instanceof VaultError ? await explain(key, thrown) : thrown;
  }
}

const versionOf = ({ versionId }: Wanted): { versionId?: string } =>
  versionId === undefined ? {} : { versionId };

const leave = ({ body }: StoredObject): Promise<unknown> =>
  Promise.resolve(body[Symbol.asyncIterator]().return?.());

async function fetchSmall(
  reader: Reader,
  stored: StoredObject,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Fetched> {
  const { stat } = stored;
  try {
    refuseTaking(reader, stat);
  } catch (thrown) {
    await leave(stored);
    throw thrown;
  }
  const bytes = await allOf(stored, stat.size);
  await reader.download.take(bytes.length, signal);
  const opening = await openingOf(reader, stat, wanted, signal);
  try {
    const whole = opening === undefined ? bytes : opening.whole(bytes);
    return { ...fetched(stat, opening, whole.length), whole, body: none };
  } catch (thrown) {
    opening?.wipe();
    throw thrown;
  }
}

async function fetchLarge(
  reader: Reader,
  wanted: Wanted,
  wants: (stat: ObjectStat) => boolean,
  signal: AbortSignal,
): Promise<Fetched | undefined> {
  const stat = await reader.store.head(wanted.key, { ...versionOf(wanted), signal });
  if (stat === undefined) throw missing(wanted.key);
  if (!wants(stat)) return undefined;
  const opening = await openingOf(reader, stat, wanted, signal);
  const size = opening === undefined ? stat.size : stat.size - TAG;
  return {
    ...fetched(stat, opening, size),
    whole: undefined,
    body: (first = 0) => inOrder(reader, stat, wanted, first, signal),
  };
}

const fetched = (stat: ObjectStat, opening: Opening | undefined, size: number) => ({
  stat,
  size,
  opening,
  wipe: () => opening?.wipe(),
});

async function* none(): AsyncIterable<Uint8Array> {
  // A small object is whole.
}

const missing = (key: string): VaultError =>
  new VaultError('file', 'object-missing', `${safeName(key)} is not in the store`, {
    hint: 'it may have been removed by somebody else',
  });

async function allOf({ body }: StoredObject, size: number): Promise<Buffer> {
  const all = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for await (const chunk of body) {
    if (at + chunk.length > size) break;
    all.set(chunk, at);
    at += chunk.length;
  }
  if (at === size) return all;
  throw new VaultError('transient', 'cut-short', `the store sent other than ${size} bytes`);
}

// ------------------------------------------------------------------------------------------------------------- opening

/** Something of an envelope stands with the object; a mark of other clients on their instruction files is none. */
export const hasEnvelope = (metadata: Metadata): boolean => Object.keys(onlyEnvelope(metadata)).length > 0;

/** Where the store decrypts: an object that is sealed, or not as protected as its place is, is not taken for a file. */
export function refuseTaking(
  { keyring, demanded }: Pick<Reader, 'keyring' | 'demanded'>,
  stat: ObjectStat,
): void {
  if (keyring !== undefined) return;
  if (hasEnvelope(stat.metadata)) throw sealed(stat.key);
  refuseUnprotected(demanded, stat);
}

/** The data key of an object, found right; undefined where the store decrypts. */
export async function openingOf(
  reader: Pick<Reader, 'store' | 'keyring' | 'commitment' | 'demanded'>,
  stat: ObjectStat,
  wanted: Pick<Wanted, 'key'>,
  signal: AbortSignal,
): Promise<Opening | undefined> {
  const { keyring, commitment, demanded } = reader;
  const { metadata } = stat;
  if (keyring === undefined) {
    refuseTaking({ keyring, demanded }, stat);
    return undefined;
  }
  if (!needsInstructionFile(metadata)) return noting(startOpen(keyring, metadata, { commitment, signal }));
  if (!hasEnvelope(metadata) && wanted.key.endsWith(INSTRUCTION_FILE)) throw instructions(wanted.key);
  const instructionFile = await instructionsOf(reader, wanted.key, signal);
  if (instructionFile === undefined) throw notSealed(wanted.key);
  return noting(startOpen(keyring, metadata, { commitment, signal, instructionFile }));
}

/** Nobody is told how far an object got before it failed; whether to go on with others hangs on it all the same. */
const keyFaults = new WeakSet<VaultError>();

/** True where the key did not open the object's own; false where it did, and what it opened was not whole. */
export const isKeyFault = (error: VaultError): boolean => error.code === 'wrong-key' || keyFaults.has(error);

async function noting(opening: Promise<Opening>): Promise<Opening> {
  try {
    return await opening;
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.code === 'cannot-open') keyFaults.add(thrown);
    throw thrown;
  }
}

/** The envelope of an object that other clients keep in an object beside it (s3ec 8). */
async function instructionsOf(
  { store }: Pick<Reader, 'store'>,
  key: ObjectKey,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const stored = await store.get(objectKey(key + INSTRUCTION_FILE), { signal });
    if (stored.stat.size <= INSTRUCTIONS_MAX) return (await allOf(stored, stored.stat.size)).toString('utf8');
    await leave(stored);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof VaultError && thrown.code === 'object-missing') return undefined;
    throw thrown;
  }
}

const sealed = (key: string): VaultError =>
  new VaultError('file', 'sealed', `${safeName(key)} was sealed before it was sent`, {
    hint: 'it opens with --mode client and the --key it was sealed with',
  });

const notSealed = (key: string): VaultError =>
  new VaultError(
    'security',
    'not-sealed',
    `${safeName(key)} is not sealed, so anybody could have put it there`,
    {
      hint: "if it is another program's, read it with --mode sse-s3; if it should be yours, look at its older versions",
    },
  );

const instructions = (key: string): VaultError =>
  new VaultError('file', 'instruction-file', `${safeName(key)} belongs to another object and is no file`);

// -------------------------------------------------------------------------------------------------------------- ranges

/** The stored bytes in their order, fetched in ranges of which some are ahead; all of one and the same object. */
async function* inOrder(
  reader: Reader,
  stat: ObjectStat,
  wanted: Wanted,
  first: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const ahead: Promise<Buffer>[] = [];
  let next = first;
  const fill = (): void => {
    while (ahead.length < PARTS_AHEAD && next < stat.size) {
      const part = fetchPart(reader, stat, wanted, next, both);
      // It is awaited in its turn; until then nobody listens.
      part.catch(() => undefined);
      ahead.push(part);
      next += PART;
    }
  };
  try {
    fill();
    for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
      const bytes = await part;
      fill();
      yield bytes;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(ahead);
  }
}

const replaced = (key: string): VaultError =>
  new VaultError('changed', 'precondition', `${safeName(key)} was written anew while it was fetched`, {
    hint: `${RUN_AGAIN}: the new one is fetched then`,
  });

async function fetchPart(
  reader: Reader,
  stat: ObjectStat,
  wanted: Wanted,
  first: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const last = Math.min(first + PART, stat.size) - 1;
  const range = { first, last };
  await reader.download.take(last - first + 1, signal);
  return reader.reach(async () => {
    const options = { ...versionOf(wanted), range, ifMatch: stat.etag, signal };
    const stored = await reader.store.get(wanted.key, options).catch((thrown: unknown) => {
      const changed = thrown instanceof VaultError && thrown.code === 'precondition';
      throw changed ? replaced(wanted.key) : thrown;
    });
    // A store, or something before it, may not keep the condition.
    if (stored.stat.etag !== stat.etag || stored.stat.versionId !== stat.versionId) {
      await leave(stored);
      throw replaced(wanted.key);
    }
    if (!isProtected(reader.demanded, stored.stat)) await leave(stored);
    refuseUnprotected(reader.demanded, stored.stat);
    return allOf(stored, last - first + 1);
  });
}
