/**
 * Drafts that a later run can go on with. Beside such a draft lies its journal: the first line says what the draft is for, and
 * each further one is the SHA-256 of the next part, written once the part was. What the disk did not keep of a part after all (a
 * power cut) is noticed by that. Where a tag at the end is over all of it, that notices it, and the line only counts the part:
 * a digest would cost as much of a processor as the opening itself.
 */
import {
  type Stats,
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { type Hash, createHash } from 'node:crypto';
import type { ObjectKey } from '../model/brands.ts';
import type { DraftSubject } from '../model/draft.ts';
import { VaultError } from '../model/errors.ts';

const PART = 8 * 2 ** 20;
/** Longer nobody comes back for it, and the disk is not ours alone. */
export const KEPT_MS = 7 * 86_400_000;
const NOFOLLOW = constants.O_NOFOLLOW ?? 0;
const DIGEST = /^[A-Za-z0-9+/]{43}=$/;

export const journalOf = (draft: string): string => `${draft}s`;

/** What a draft at `path` is for, in one line. */
export const subjectLine = (
  path: string,
  { key, etag, versionId, size, tagged = false }: DraftSubject,
): string =>
  JSON.stringify([tagged ? TAGGED : 's3vault-draft 1', path, key, etag, versionId ?? null, size, PART]);

/** What such a line says; undefined where it is of another format, so that nobody goes on with the draft. */
export function readSubject(
  line: string,
): { readonly path: string; readonly subject: DraftSubject } | undefined {
  let said: unknown;
  try {
    said = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(said)) return undefined;
  const [title, path, key, etag, version, size]: unknown[] = said;
  if (typeof path !== 'string' || typeof key !== 'string' || typeof etag !== 'string') return undefined;
  if (typeof size !== 'number') return undefined;
  const versionId = typeof version === 'string' ? { versionId: version } : {};
  const subject = { key: key as ObjectKey, etag, ...versionId, size, tagged: title === TAGGED };
  return subjectLine(path, subject) === line ? { path, subject } : undefined;
}

const TAGGED = 's3vault-draft 1 tagged';
/** In place of a digest. */
const COUNTED = '-';
const isTagged = (subject: string): boolean => subject.startsWith(JSON.stringify([TAGGED]).slice(0, -1));

/** A draft with its parts, as a dead process or an ended transfer left it. */
export interface LeftDraft {
  readonly draft: string;
  readonly subject: string;
  readonly digests: readonly string[];
}

/**
 * What is left of a draft; undefined where it is worth nothing: without a whole part, too old, or not certainly our own. Others
 * may write where it lies, and what a server-side mode fetched has no tag.
 */
export function leftDraft(draft: string, now: number): LeftDraft | undefined {
  const data = ownFile(draft);
  const journal = ownFile(journalOf(draft));
  if (data === undefined || journal === undefined || now - journal.mtimeMs > KEPT_MS) return undefined;
  const [subject = '', ...lines] = readFileSync(journalOf(draft), 'utf8').split('\n').slice(0, -1);
  const tagged = isTagged(subject);
  const bad = lines.findIndex((line) => (tagged ? line !== COUNTED : !DIGEST.test(line)));
  const whole = Math.floor(data.size / PART);
  const digests = lines.slice(0, Math.min(bad < 0 ? lines.length : bad, whole));
  return digests.length === 0 ? undefined : { draft, subject, digests };
}

function ownFile(path: string): Stats | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  const uid = process.getuid?.();
  const own = uid === undefined || (stat?.uid === uid && (stat.mode & 0o077) === 0);
  return stat?.isFile() === true && stat.nlink === 1 && own ? stat : undefined;
}

/** Draft and journal, whatever there is of them. */
export function removeDraft(draft: string): void {
  for (const path of [draft, journalOf(draft)]) {
    try {
      rmSync(path, { force: true });
    } catch {
      // It is found again by its name.
    }
  }
}

/** The journal of a draft that is being written. */
export class PartJournal {
  readonly #file: number;
  readonly #draft: string;
  readonly #subject: string;
  readonly #digests: string[];
  #hash: Hash | undefined;
  #filled = 0;
  #open = true;

  constructor(draft: string, subject: string, digests: readonly string[] = []) {
    this.#draft = draft;
    this.#subject = subject;
    this.#digests = [...digests];
    this.#hash = isTagged(subject) ? undefined : createHash('sha256');
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NOFOLLOW;
    this.#file = openSync(journalOf(draft), flags, 0o600);
    writeSync(this.#file, [subject, ...digests, ''].join('\n'));
  }

  /** Takes bytes that were written, in their order. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + PART - this.#filled);
      this.#hash?.update(piece);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === PART) this.#part();
    }
  }

  #part(): void {
    const digest = this.#hash?.digest('base64') ?? COUNTED;
    writeSync(this.#file, `${digest}\n`);
    this.#digests.push(digest);
    if (this.#hash !== undefined) this.#hash = createHash('sha256');
    this.#filled = 0;
  }

  close(): void {
    if (this.#open) closeSync(this.#file);
    this.#open = false;
  }

  /** What a later transfer can go on with. */
  get left(): LeftDraft | undefined {
    if (this.#digests.length === 0) return undefined;
    return { draft: this.#draft, subject: this.#subject, digests: this.#digests };
  }
}

/** A new draft and its journal. */
export function startDraft(draft: string, subject: string): OpenDraft {
  const file = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NOFOLLOW, 0o600);
  try {
    return { file, journal: new PartJournal(draft, subject) };
  } catch (thrown) {
    closeSync(file);
    removeDraft(draft);
    throw thrown;
  }
}

export interface OpenDraft {
  readonly file: number;
  readonly journal: PartJournal;
}

/** A draft that is there becomes the one at `to`, cut to its whole parts; undefined where that does not work out. */
export function takeOver(left: LeftDraft, to: string): OpenDraft | undefined {
  let file: number | undefined;
  try {
    renameSync(left.draft, to);
    rmSync(journalOf(left.draft), { force: true });
    file = openSync(to, constants.O_WRONLY | NOFOLLOW);
    ftruncateSync(file, keptOf(left));
    return { file, journal: new PartJournal(to, left.subject, left.digests) };
  } catch {
    if (file !== undefined) closeSync(file);
    removeDraft(left.draft);
    removeDraft(to);
    return undefined;
  }
}

export const keptOf = ({ digests }: Pick<LeftDraft, 'digests'>): number => digests.length * PART;

/** The whole parts of a draft, each compared with its journal. A piece is good until the next one is asked for. */
export async function* keptParts(draft: string, digests: readonly string[]): AsyncIterable<Uint8Array> {
  if (digests.length === 0) return;
  const file = await open(draft, constants.O_RDONLY | NOFOLLOW);
  try {
    const part = Buffer.allocUnsafeSlow(PART);
    for (const [n, digest] of digests.entries()) {
      let filled = 0;
      while (filled < PART) {
        const { bytesRead } = await file.read(part, filled, PART - filled, n * PART + filled);
        if (bytesRead === 0) throw damaged();
        filled += bytesRead;
      }
      if (digest !== COUNTED && createHash('sha256').update(part).digest('base64') !== digest)
        throw damaged();
      yield part;
    }
  } finally {
    await file.close();
  }
}

const damaged = (): VaultError =>
  new VaultError('changed', 'draft-damaged', 'what an interrupted run left on the disk is damaged', {
    hint: 'it is fetched from its beginning',
  });
