/**
 * An object's plaintext into a file that nobody sees yet: from where an earlier run was interrupted, and proved as a whole. In
 * mode `client` the tag goes over what lay there as over what comes now; elsewhere each part has the digest it had when it came.
 */
import { type Hash, createHash } from 'node:crypto';
import type { DraftBytes, DraftSubject } from '../model/draft.ts';
import { safeName } from '../model/display.ts';
import { type ErrorKind, VaultError, asVaultError } from '../model/errors.ts';
import type { Fetched } from './fetching.ts';

export interface FillOptions<D> {
  /** `subject`: undefined for what comes in one piece, and is not worth going on with. */
  readonly begin: (subject: DraftSubject | undefined) => Promise<D>;
  /** Bytes of plaintext so far. */
  readonly onArrived: (bytes: number) => void;
  /** SHA-256 of the plaintext is wanted; only then `check` gets one, and has to throw where it is wrong. */
  readonly hashes: boolean;
  readonly check: (digest: Buffer) => void;
}

export interface Filled<D> {
  readonly draft: D;
  readonly digest: Buffer | undefined;
}

/** Gives a draft that is whole and verified, to be placed or discarded. Ends what it began where it rejects. */
export async function fillDraft<D extends DraftBytes>(
  fetched: Fetched,
  options: FillOptions<D>,
): Promise<Filled<D>> {
  for (;;) {
    const draft = await options.begin(fetched.whole === undefined ? subjectOf(fetched) : undefined);
    try {
      const hash = options.hashes ? createHash('sha256') : undefined;
      await pour(fetched, draft, hash, options.onArrived);
      const digest = hash?.digest();
      if (digest !== undefined) options.check(digest);
      return { draft, digest };
    } catch (thrown) {
      const error = asVaultError(thrown);
      await (PASSES.has(error.kind) ? draft.keep() : draft.discard());
      // What lay here may be at fault, and not the object: only what comes whole in one run says that.
      const doubtful = error.kind === 'security' || error.code === 'draft-damaged';
      if (draft.kept === 0 || !doubtful) throw error;
    }
  }
}

/** Another run, or another try, may get further. */
const PASSES: ReadonlySet<ErrorKind> = new Set(['cancelled', 'offline', 'transient', 'throttled', 'refused']);

const subjectOf = ({ stat, opening }: Fetched): DraftSubject => {
  const { key, etag, versionId, size } = stat;
  return { key, etag, versionId, size, tagged: opening !== undefined };
};

async function pour(
  fetched: Fetched,
  draft: DraftBytes,
  hash: Hash | undefined,
  onArrived: (bytes: number) => void,
): Promise<void> {
  const { whole, opening, size, stat } = fetched;
  if (whole !== undefined) {
    hash?.update(whole);
    await draft.write(whole, 0);
    return onArrived(whole.length);
  }
  let at = draft.kept;
  const kept = noted(draft.keptBytes(), hash);
  const pieces =
    opening === undefined ? behind(kept, fetched.body(at)) : opening.stream(fetched.body(at), kept);
  for await (const piece of pieces) {
    hash?.update(piece);
    await draft.write(piece, at);
    at += piece.length;
    onArrived(at);
  }
  if (at !== size) throw new VaultError('transient', 'cut-short', `${safeName(stat.key)} came incomplete`);
}

async function* noted(pieces: AsyncIterable<Uint8Array>, hash: Hash | undefined): AsyncIterable<Uint8Array> {
  for await (const piece of pieces) {
    hash?.update(piece);
    yield piece;
  }
}

/** `kept` is read to its end, which checks it; only what comes after it is handed on. */
async function* behind(
  kept: AsyncIterable<Uint8Array>,
  body: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  for await (const _ of kept);
  yield* body;
}
