import { type RelPath, relPath } from '../model/brands.ts';
import type { OddityReason } from '../model/entry.ts';
import type { Action, SkipReason } from '../model/plan.ts';
import type { Emitter } from './emitter.ts';

export type SkipAction = Extract<Action, { kind: 'skip' }>;

/** Skips told one by one; beyond this only counted. */
const TOLD = 1_000;

interface Wording {
  readonly message: string;
  readonly hint: string;
  /** The file holds something that is now not in the bucket: the run does not end with 0. */
  readonly unprotected: boolean;
}

const WORDING: { readonly [R in SkipReason]: Wording } = {
  unreadable: { message: 'cannot be read', hint: 'check its permissions and owner', unprotected: true },
  socket: { message: 'is a socket and is skipped', hint: 'nothing to do', unprotected: false },
  device: { message: 'is a device and is skipped', hint: 'nothing to do', unprotected: false },
  fifo: { message: 'is a named pipe and is skipped', hint: 'nothing to do', unprotected: false },
  'key-too-long': {
    message: 'has a name too long for S3: over 1,024 bytes with the prefix, as it stands in the bucket',
    hint: 'shorten the path, or use a shorter prefix; encrypted names take more room than plain ones',
    unprotected: true,
  },
  'not-utf8': { message: 'has a name that is not valid UTF-8', hint: 'rename it', unprotected: true },
  'name-clash': {
    message: 'has the same name as another file but for case or Unicode form',
    hint: 'rename one of them',
    unprotected: true,
  },
  'own-name': {
    message: 'has a name that s3vault or the S3 Encryption Client keeps for itself',
    hint: 'rename it',
    unprotected: true,
  },
  'too-large': {
    message: 'is larger than this mode can store',
    hint: 'split it, or use a server-side mode',
    unprotected: true,
  },
  'removal-off': {
    message: 'is gone here and kept in the bucket',
    hint: '--delete lets removals through',
    unprotected: false,
  },
  'kept-here': {
    message: 'is gone in the bucket and kept here',
    hint: '--delete lets removals through',
    unprotected: false,
  },
  'local-only': {
    message: 'is here only and is not sent',
    hint: '--direction both would send it',
    unprotected: false,
  },
  'local-changed': {
    message: 'was changed here and is left as it is; the change is not sent',
    hint: '--direction both would send it',
    unprotected: false,
  },
  'remote-name': {
    message: 'is in the bucket under a name that cannot be a file here',
    hint: 'rename the object, or leave it; nothing was written',
    unprotected: false,
  },
  'foreign-name': {
    message: 'is in the bucket under a name that does not open with the key of this vault',
    hint: 'somebody else wrote it, or moved it; it is left alone',
    unprotected: false,
  },
  'remote-only': {
    message: 'is in the bucket only',
    hint: '--direction both would fetch it',
    unprotected: false,
  },
};

type KeptReason = 'removal-off' | 'kept-here';

/** Gathers what a Plan skips and tells it: each oddity by name, removals held back as one line. */
export class Skips {
  readonly #emitter: Emitter;
  #waiting: SkipAction[] = [];
  /** Removals held back, by the side that would lose the file: told as one line each. */
  #keptBack = { 'removal-off': 0, 'kept-here': 0 };
  readonly #known = new Map<string, SkipReason>();
  #unprotected = 0;
  /** Known ones that are told by name: all but removals held back. */
  readonly #named = new Set<string>();
  /** Named ones that are being looked at again: what is not found again is over. */
  readonly #looked = new Set<string>();
  readonly #toldKept = new Set<KeptReason>();
  #scanning = false;

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  get count(): number {
    return this.#known.size;
  }

  /** Files that are not in the bucket and ought to be. */
  get unprotected(): number {
    return this.#unprotected;
  }

  /** What may be readable by now: tried again with all that failed. */
  unreadable(): readonly RelPath[] {
    return [...this.#named].filter((path) => this.#known.get(path) === 'unreadable').map(relPath);
  }

  /** Whether this is one of them. */
  isUnprotected(path: string): boolean {
    const reason = this.#known.get(path);
    return reason !== undefined && WORDING[reason].unprotected;
  }

  /** A scan of everything begins: what was known is found again or gone. */
  restart(): void {
    this.#scanning = true;
    for (const path of this.#named) this.#looked.add(path);
    this.#named.clear();
    this.#known.clear();
    this.#unprotected = 0;
    this.#waiting = [];
    this.#keptBack = { 'removal-off': 0, 'kept-here': 0 };
  }

  /** A look at some paths begins. */
  lookingAt(covers: (path: string) => boolean): void {
    for (const path of this.#named) if (covers(path)) this.#looked.add(path);
  }

  add(skip: SkipAction): void {
    this.#looked.delete(skip.path);
    if (this.#known.get(skip.path) === skip.reason) return;
    this.#drop(skip.path);
    if (WORDING[skip.reason].unprotected) this.#unprotected++;
    this.#known.set(skip.path, skip.reason);
    if (skip.reason === 'removal-off' || skip.reason === 'kept-here') {
      this.#keptBack[skip.reason]++;
      return;
    }
    this.#named.add(skip.path);
    if (this.#waiting.length < TOLD) this.#waiting.push(skip);
  }

  /** The file could be taken after all. */
  forget(path: string): void {
    if (this.#drop(path)) this.#emitter.cleared([path], 'warning');
  }

  #drop(path: string): boolean {
    const reason = this.#known.get(path);
    if (reason !== undefined && WORDING[reason].unprotected) this.#unprotected--;
    this.#known.delete(path);
    return this.#named.delete(path);
  }

  /** The scan or look is over. */
  report(): void {
    const over = [...this.#looked];
    for (const path of over) this.#drop(path);
    this.#looked.clear();
    this.#emitter.cleared(over, 'warning');
    for (const { path, reason } of this.#waiting) {
      const { message, hint } = WORDING[reason];
      this.#emitter.emit({
        event: 'warning',
        code: reason satisfies OddityReason | SkipReason,
        path,
        message: `${path} ${message}`,
        hint,
      });
    }
    this.#waiting = [];
    this.#reportKept('removal-off');
    this.#reportKept('kept-here');
    this.#scanning = false;
  }

  #reportKept(reason: KeptReason): void {
    const count = this.#keptBack[reason];
    if (count === 0) {
      if (this.#scanning && this.#toldKept.delete(reason)) this.#emitter.cleared([reason], 'warning');
      return;
    }
    this.#toldKept.add(reason);
    this.#keptBack[reason] = 0;
    const files = count === 1 ? '1 file' : `${count} files`;
    const { message, hint } = WORDING[reason];
    const many = count === 1 ? message : message.replace(/^is /, 'are ');
    this.#emitter.emit({ event: 'warning', code: reason, message: `${files} ${many}`, hint });
  }
}
