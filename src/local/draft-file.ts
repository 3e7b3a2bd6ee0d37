/** A file in the making: its bytes in their order, its journal, and how it ends. */
import { closeSync, constants, fchmodSync, fstatSync, fsync, futimesSync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import type { DraftBytes } from '../model/draft.ts';
import type { FileFacts } from '../model/target.ts';
import { setTime } from './placing.ts';
import {
  type LeftDraft,
  type OpenDraft,
  keptOf,
  keptParts,
  removeDraft,
  startDraft,
  takeOver,
} from './resumable.ts';

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const writeAt = promisify(write);
const flush = promisify(fsync);

export interface DraftOptions {
  /** Absolute path of the draft, which must be free. */
  readonly at: string;
  /** What it is for; undefined: nobody goes on with it. */
  readonly line: string | undefined;
  /** What an interrupted run left of just that. */
  readonly left: LeftDraft | undefined;
  /** What to say of a write that failed. */
  readonly failed: (thrown: unknown) => Error;
  /** It was kept or discarded; what a later run can go on with, where it was kept. */
  readonly onEnd?: (left?: LeftDraft) => void;
}

export class DraftFile implements DraftBytes {
  readonly at: string;
  readonly #options: DraftOptions;
  readonly #file: number;
  readonly #journal: OpenDraft['journal'] | undefined;
  readonly #digests: readonly string[];
  #open = true;
  #ended = false;

  /** Throws what the disk says. */
  constructor(options: DraftOptions) {
    const { at, line, left } = options;
    this.at = at;
    this.#options = options;
    const taken = left === undefined ? undefined : takeOver(left, at);
    const opened: Pick<OpenDraft, 'file'> & Partial<OpenDraft> =
      taken ?? (line === undefined ? { file: openSync(at, FLAGS, 0o600) } : startDraft(at, line));
    this.#digests = taken === undefined ? [] : (left?.digests ?? []);
    this.#file = opened.file;
    this.#journal = opened.journal;
  }

  get kept(): number {
    return keptOf({ digests: this.#digests });
  }

  keptBytes(): AsyncIterable<Uint8Array> {
    return keptParts(this.at, this.#digests);
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; )
        done += (await writeAt(this.#file, bytes, done, bytes.length - done, at + done)).bytesWritten;
      this.#journal?.add(bytes);
    } catch (thrown) {
      throw this.#options.failed(thrown);
    }
  }

  /** Its permissions and time, then all of it on the disk. What is left to do is its name; then `discard`. */
  async finish({ mtime, mode }: FileFacts): Promise<void> {
    const file = this.#file;
    fchmodSync(file, mode === undefined ? 0o666 & ~process.umask() : mode & 0o777);
    setTime(
      mtime,
      (time) => futimesSync(file, time, time),
      () => fstatSync(file, { bigint: true }).mtimeNs,
    );
    await flush(file);
    this.#close();
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#file);
    this.#journal?.close();
  }

  async keep(): Promise<void> {
    const left = this.#journal?.left;
    if (!this.#open || left === undefined) return this.discard();
    this.#close();
    this.#end(left);
  }

  async discard(): Promise<void> {
    this.#close();
    if (this.#ended) return;
    removeDraft(this.at);
    this.#end();
  }

  #end(left?: LeftDraft): void {
    this.#ended = true;
    this.#options.onEnd?.(left);
  }
}
