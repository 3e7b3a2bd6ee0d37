/** get → open → verify → draft: brings one object to this machine, not yet into its place. */
import type { NameKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import type { FileTraits, IncomingFile, ObjectStat } from '../model/ports.ts';
import { factsOf } from './facts.ts';
import { fetchIf } from './fetching.ts';
import { fillDraft } from './filling.ts';
import { refuseOtherKind } from './kind.ts';
import { type World, keyIn, writerOf } from './world.ts';

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** `arrived` counts plaintext bytes. */
  readonly onArrived: (arrived: number) => void;
}

/** An object's plaintext, whole and proved, in a draft that the caller must place or discard. */
export interface Fetched {
  readonly draft: IncomingFile;
  readonly stat: ObjectStat;
  readonly facts: FileTraits;
  /** SHA-256 of the plaintext. */
  readonly digest: Buffer;
  readonly size: number;
}

/**
 * Fetches the object as it is now, listed with `size` bytes; undefined where `wants` does not want that one. Rejects with kind
 * `changed` where it is gone, `security` where it can't be opened: then nothing of it stays.
 */
export async function fetchObject(
  world: World,
  { key, remote: { size } }: { readonly key: NameKey; readonly remote: { readonly size: number } },
  { signal, onArrived }: FetchOptions,
  wants: (stat: ObjectStat) => boolean = () => true,
): Promise<Fetched | undefined> {
  const fetched = await fetchIf(world.reader, { key: keyIn(world, key), size }, wants, signal).catch(
    (thrown: unknown) => {
      if (!(thrown instanceof VaultError && thrown.code === 'object-missing')) throw thrown;
      throw gone(key);
    },
  );
  if (fetched === undefined) return undefined;
  const { stat, opening } = fetched;
  const facts = traitsOf(stat);
  const known = world.index.get(key);
  const wasLink = (): boolean => known?.etag === stat.etag && known.kind === 'link';
  try {
    if (facts.kind === 'link' && fetched.whole === undefined) throw tooLong(key);
    const { draft, digest } = await fillDraft(fetched, {
      begin: (subject) => writerOf(world).begin(subject),
      onArrived,
      hashes: true,
      check: (found) => refuseOtherKind({ stat, opening, digest: found, kind: facts.kind, wasLink }),
    });
    return { draft, stat, facts, digest: digest ?? Buffer.alloc(0), size: fetched.size };
  } finally {
    fetched.wipe();
  }
}

const gone = (key: string): VaultError =>
  new VaultError('changed', 'object-missing', `${safeName(key)} is no longer in the store`, {
    hint: RUN_AGAIN,
  });

const tooLong = (key: string): VaultError =>
  new VaultError('file', 'bad-link', `${safeName(key)} is a symbolic link that is too long for any system`, {
    hint: 's3vault cat shows what is stored',
  });

/** A file that nothing is said of is readable for its owner; nobody gets set-user-id bits from a bucket. */
const PLAIN = 0o644;

function traitsOf(stat: ObjectStat): FileTraits {
  const { kind, mode = PLAIN, mtime } = factsOf(stat);
  return { kind, permissions: mode, mtime };
}
