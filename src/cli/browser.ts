/** The tree of a vault for the screen: what `ls`, `versions`, `restore` and `undelete` do, without a command line. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import type {
  BrowseLine,
  Browser,
  FileVersion,
  RestoreEnd,
  RestoreProgress,
  RestoreWish,
} from '../model/browser.ts';
import { safeName } from '../model/display.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Secret } from '../model/secret.ts';
import type { BrokenOff } from './broken-off.ts';
import type { OpenOptions } from '../vaults/options.ts';
import { type History, type Kept, type Peek, type Shown, openPeek } from '../vaults/peek.ts';
import type { ReadingOptions, Source } from '../vaults/reading.ts';
import { openRestore } from '../vaults/restore.ts';

/** Lines handed over together. */
const PAGE = 250;
/** Progress is told so often at most. */
const PROGRESS_MS = 100;
const PROBLEMS = 20;

export interface BrowserPlace {
  readonly source: Source;
  readonly prefix: string;
}

export interface OpenBrowser extends Browser {
  /** Ends what is under way and frees everything. Gives the restores that were. */
  close(): Promise<readonly BrokenOff[]>;
}

/**
 * Both are asked each time something is opened: the vault may have changed since. Nothing is opened before it is needed.
 * `from`: the folder of a registered vault.
 */
export function openBrowser(
  place: () => Promise<BrowserPlace>,
  options: () => Promise<OpenOptions>,
  from?: string,
  clock: Clock = systemClock,
): OpenBrowser {
  return new VaultBrowser(place, options, from, clock);
}

type Opened = Awaited<ReturnType<typeof openPeek>>;

class VaultBrowser implements OpenBrowser {
  ask: ((question: string) => Promise<Secret>) | undefined;
  readonly #place: () => Promise<BrowserPlace>;
  readonly #options: () => Promise<OpenOptions>;
  readonly #from: string | undefined;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  readonly #underWay = new Map<Promise<RestoreEnd>, RestoreWish>();
  #opened: Promise<Opened> | undefined;

  constructor(
    place: () => Promise<BrowserPlace>,
    options: () => Promise<OpenOptions>,
    from: string | undefined,
    clock: Clock,
  ) {
    this.#place = place;
    this.#options = options;
    this.#from = from;
    this.#clock = clock;
  }

  async *list(
    folder: string,
    { removed = false, signal }: Waits & { readonly removed?: boolean } = {},
  ): AsyncIterable<readonly BrowseLine[]> {
    const peek = await this.#peek();
    const name = folder.replace(/\/$/, '');
    const found = removed ? peek.kept(name, { signal }) : peek.ls(name, { recursive: false, signal });
    let page: BrowseLine[] = [];
    for await (const shown of found) {
      // A file may have the name of the folder.
      if (!shown.name.startsWith(folder) || shown.foreign === true) continue;
      page.push(lineOf(shown));
      if (page.length < PAGE) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  async versions(path: string, options: Waits = {}): Promise<readonly FileVersion[]> {
    const peek = await this.#peek();
    const history = await historyOf(peek, path, options);
    return (history?.versions ?? []).map(({ versionId, size, modified, latest, marker }) => ({
      versionId,
      bytes: marker ? 0 : peek.plainSize(size),
      modified,
      latest,
      marker,
    }));
  }

  async undelete(path: string, options: Waits = {}): Promise<void> {
    const peek = await this.#peek();
    const history = await historyOf(peek, path, options);
    if (history === undefined || peek.removals(history) === undefined) {
      throw new VaultError('file', 'not-removed', `${safeName(path)} is not removed`, {
        hint: 'its versions show what there is of it',
      });
    }
    await peek.undelete(history);
  }

  restore(
    wish: RestoreWish,
    onProgress: (progress: RestoreProgress) => void,
    { signal }: Waits = {},
  ): Promise<RestoreEnd> {
    const ending = this.#restore(wish, onProgress, signal);
    this.#underWay.set(ending, wish);
    const over = (): void => void this.#underWay.delete(ending);
    ending.then(over, over);
    return ending;
  }

  async #restore(
    { path, versionId, out }: RestoreWish,
    onProgress: (progress: RestoreProgress) => void,
    signal: AbortSignal | undefined,
  ): Promise<RestoreEnd> {
    const target = targetOf(out);
    const { source } = await this.#place();
    const wanted = { paths: [path.replace(/\/$/, '')], versionId, force: false };
    const reading = await this.#reading(versionId !== undefined);
    const { restore, run } = await openRestore(source, target, wanted, reading);
    const either = AbortSignal.any([this.#ended.signal, ...(signal === undefined ? [] : [signal])]);
    // Once: what is under way ends; twice: at once. What is whole stays.
    const stop = (): void => {
      restore.command({ command: 'stop' });
      restore.command({ command: 'stop' });
    };
    either.addEventListener('abort', stop, { once: true });
    if (either.aborted) stop();
    let callOff: (() => void) | undefined;
    let written = { files: 0, bytes: 0 };
    restore.subscribe((event) => {
      if (event.event === 'summary') written = event;
      callOff ??= this.#clock.after(PROGRESS_MS, () => {
        callOff = undefined;
        onProgress(progressOf(restore.snapshot()));
      });
    });
    let exit: number;
    try {
      ({ exit } = await run());
    } finally {
      callOff?.();
      either.removeEventListener('abort', stop);
    }
    const snapshot = restore.snapshot();
    return {
      out: target,
      files: written.files,
      bytes: written.bytes,
      failed: snapshot.failed,
      stopped: either.aborted,
      whole: exit === EXIT.inStep,
      problems: [...snapshot.problems.values()].slice(0, PROBLEMS),
    };
  }

  async close(): Promise<readonly BrokenOff[]> {
    this.#ended.abort();
    const from = this.#from;
    const broken = await Promise.all(
      Array.from(this.#underWay, async ([ending, wish]) => {
        const end = await ending.catch(() => undefined);
        return end === undefined ? [] : [{ wish, end, from }];
      }),
    );
    await (await this.#opened?.catch(() => undefined))?.close();
    this.#opened = undefined;
    return broken.flat();
  }

  /** Opened once for all listings; anew after a failure. */
  async #peek(): Promise<Peek> {
    this.#opened ??= this.#open();
    try {
      return (await this.#opened).peek;
    } catch (thrown) {
      this.#opened = undefined;
      throw thrown;
    }
  }

  async #open(): Promise<Opened> {
    const { source } = await this.#place();
    return openPeek(source, { ...(await this.#reading(true)), keyless: true });
  }

  async #reading(anyKey: boolean): Promise<ReadingOptions> {
    const options = await this.#options();
    const keys = { ...options.keys, prompt: this.ask };
    return { ...options, keys, commitment: 'require', anyKey };
  }
}

const lineOf = (shown: Shown | Kept): BrowseLine =>
  shown.kind === 'folder'
    ? { kind: 'folder', path: shown.name }
    : {
        kind: 'file',
        path: shown.name,
        bytes: shown.bytes,
        modified: shown.modified,
        removed: 'removed' in shown && shown.removed,
      };

/** Of exactly this file: the first of all that its name begins. */
async function historyOf(peek: Peek, path: string, options: Waits): Promise<History | undefined> {
  for await (const history of peek.histories(path, options))
    return history.name === path ? history : undefined;
  return undefined;
}

const progressOf = ({ plan, done, failed, active }: Snapshot): RestoreProgress => {
  let sent = 0;
  for (const transfer of active.values()) sent += transfer.sent;
  return { files: done.files, ofFiles: plan.get, bytes: done.bytes + sent, ofBytes: plan.bytes, failed };
};

function targetOf(typed: string): string {
  const out = typed.trim();
  if (out === '') {
    throw new VaultError('usage', 'no-target', 'it is not said where the files are to go', {
      hint: 'type a folder, such as ~/restored',
    });
  }
  return out === '~' || out.startsWith('~/') ? join(homedir(), out.slice(1)) : resolve(out);
}
