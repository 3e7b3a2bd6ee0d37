/** What is known of the place in the tree that is looked at; reads on as one scrolls. One restore at a time. */
import type {
  BrowseLine,
  Browser,
  FileVersion,
  RestoreEnd,
  RestoreProgress,
  RestoreWish,
} from '../../model/browser.ts';
import { formatBytes, plural } from '../../model/display.ts';
import { asVaultError } from '../../model/errors.ts';
import { HiddenLine } from '../hidden-line.ts';
import { filesOf } from '../lists.ts';
import type { Pacer } from '../pacer.ts';
import type { BrowsePlace } from '../ui.ts';

export interface BrowseShown {
  /** Of the folder, as far as it was read. */
  readonly lines: readonly BrowseLine[];
  /** Of the file that is looked at. */
  readonly versions: readonly FileVersion[] | undefined;
  /** `more`: what stands further down is read once it is near. `full`: more than is kept. */
  readonly state: 'reading' | 'more' | 'full' | 'all' | 'failed';
  /** What the last reading failed with, and what to do. */
  readonly failure: string;
  readonly restoring: { readonly out: string; readonly progress: RestoreProgress | undefined } | undefined;
  /** How the last restore ended. */
  readonly restored: { readonly good: boolean; readonly text: string } | undefined;
  /** A passphrase is asked for. */
  readonly hidden: HiddenLine['shown'];
}

const EMPTY: BrowseShown = {
  lines: [],
  versions: undefined,
  state: 'reading',
  failure: '',
  restoring: undefined,
  restored: undefined,
  hidden: undefined,
};

/** Lines kept of one folder: whoever has more is better served by a filter in a folder below, or by `ls`. */
const MOST = 50_000;

/** Pages without anything that fits the filter are read so many at a time. */
const PAGES = 20;

interface Reading {
  readonly abort: AbortController;
  readonly pages: AsyncIterator<readonly BrowseLine[]>;
  busy: boolean;
}

export class BrowseStore {
  readonly hidden = new HiddenLine(() => this.#show({ hidden: this.hidden.shown }));
  readonly #browser: Browser;
  readonly #pacer: Pick<Pacer, 'soon'>;
  readonly #publish = (): void => this.#listeners.forEach((listener) => listener());
  readonly #say: (message: string) => void;
  readonly #listeners = new Set<() => void>();
  #shown = EMPTY;
  #place: Pick<BrowsePlace, 'folder' | 'file' | 'removed'> | undefined;
  #reading: Reading | undefined;
  #wanted = { lines: 0, filter: '' };
  #restore: AbortController | undefined;
  readonly #ended = new AbortController();

  constructor(browser: Browser, say: (message: string) => void, pacer: Pick<Pacer, 'soon'>) {
    this.#browser = browser;
    this.#pacer = pacer;
    this.#say = say;
    browser.ask = this.hidden.ask;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly get = (): BrowseShown => this.#shown;

  /** Shows a place; where it is shown already, only what is not read yet of `lines` lines that fit the filter. */
  look(place: BrowsePlace, lines: number, filter: string): void {
    this.#wanted = { lines, filter };
    const before = this.#place;
    this.#place = place;
    const sameFolder = before?.folder === place.folder && before.removed === place.removed;
    if (!sameFolder) this.#begin(place);
    if (place.file !== before?.file) void this.#readVersions(place.file);
    void this.#pull();
  }

  /** Nothing is looked at any more: the next look reads anew. */
  leave(): void {
    this.#drop();
    this.#place = undefined;
    this.#show({ lines: [], versions: undefined });
  }

  async restore(wish: RestoreWish): Promise<void> {
    if (this.#restore !== undefined) return;
    const abort = new AbortController();
    this.#restore = abort;
    const progressed = (progress: RestoreProgress): void => {
      if (this.#restore !== abort) return;
      // As often as there are files: the screen hears of it when the pacer lets it.
      this.#shown = { ...this.#shown, restoring: { out: wish.out, progress } };
      this.#pacer.soon(this.#publish);
    };
    this.#show({ restoring: { out: wish.out, progress: undefined }, restored: undefined });
    const restored = await this.#browser
      .restore(wish, progressed, { signal: abort.signal })
      .then(endWords, (thrown: unknown) => ({ good: false, text: sentence(asVaultError(thrown)) }));
    this.#restore = undefined;
    this.#show({ restoring: undefined, restored });
    this.#say(restored.text);
  }

  stop(): void {
    this.hidden.refuse();
    this.#restore?.abort();
  }

  async undelete(path: string): Promise<void> {
    try {
      await this.#browser.undelete(path, { signal: this.#ended.signal });
      this.#say('it is back in the bucket; g restores it into a folder here');
    } catch (thrown) {
      this.#say(sentence(asVaultError(thrown)));
    }
    this.#again();
  }

  /** Nothing is shown any more. A restore is ended by whoever closes the browser, who can still say so. */
  close(): void {
    this.#ended.abort();
    this.hidden.refuse();
    this.leave();
    this.#browser.ask = undefined;
  }

  #again(): void {
    const place = this.#place;
    if (place === undefined) return;
    this.#place = undefined;
    this.look({ ...place, above: [] }, this.#wanted.lines, this.#wanted.filter);
  }

  #begin({ folder, removed }: BrowsePlace): void {
    this.#drop();
    const abort = new AbortController();
    const pages = this.#browser.list(folder, { removed, signal: abort.signal })[Symbol.asyncIterator]();
    this.#reading = { abort, pages, busy: false };
    this.#show({ lines: [], state: 'reading', failure: '' });
  }

  #drop(): void {
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.abort.abort();
    void reading?.pages.return?.().catch(() => undefined);
  }

  /** Reads on until there is enough for what is looked at; long readings are shown every so often. */
  async #pull(): Promise<void> {
    const reading = this.#reading;
    if (reading === undefined || reading.busy) return;
    reading.busy = true;
    try {
      while (this.#reading === reading && this.#needsMore()) {
        const lines = await this.#readPages(reading);
        if (this.#reading !== reading) return;
        if (lines === undefined) return this.#end('all');
        this.#show({ lines: [...this.#shown.lines, ...lines], state: 'more' });
        if (this.#shown.lines.length >= MOST) return this.#end('full');
      }
    } catch (thrown) {
      if (this.#reading !== reading) return;
      this.#end('failed', sentence(asVaultError(thrown)));
    } finally {
      reading.busy = false;
    }
  }

  /** At most PAGES pages, fewer where one of them has what is filtered for. Undefined at the end. */
  async #readPages({ pages }: Reading): Promise<readonly BrowseLine[] | undefined> {
    const lines: BrowseLine[] = [];
    for (let n = 0; n < PAGES; n++) {
      const page = await pages.next();
      if (page.done === true) return lines.length === 0 ? undefined : lines;
      lines.push(...page.value);
      if (filesOf(page.value, this.#wanted.filter).length > 0) return lines;
    }
    return lines;
  }

  #end(state: BrowseShown['state'], failure = ''): void {
    this.#drop();
    this.#show({ state, failure });
  }

  #needsMore(): boolean {
    const { lines, filter } = this.#wanted;
    return filesOf(this.#shown.lines, filter).length < lines;
  }

  async #readVersions(file: string | undefined): Promise<void> {
    this.#show({ versions: undefined });
    if (file === undefined) return;
    const mine = (): boolean => this.#place?.file === file;
    try {
      const versions = await this.#browser.versions(file, { signal: this.#ended.signal });
      if (mine()) this.#show({ versions });
    } catch (thrown) {
      if (!mine()) return;
      this.#show({ versions: [] });
      this.#say(sentence(asVaultError(thrown)));
    }
  }

  #show(part: Partial<BrowseShown>): void {
    this.#shown = { ...this.#shown, ...part };
    this.#publish();
  }
}

export const sentence = ({
  message,
  hint,
}: {
  readonly message: string;
  readonly hint?: string | undefined;
}): string => (hint === undefined ? message : `${message}; ${hint}`);

function endWords({ out, files, bytes, failed, stopped, whole, problems }: RestoreEnd): {
  readonly good: boolean;
  readonly text: string;
} {
  const done = `${plural(files, 'file')} restored into ${out}, ${formatBytes(bytes)}`;
  if (whole)
    return {
      good: true,
      text: files === 0 ? `all of it stood in ${out} already` : done,
    };
  if (stopped) return { good: false, text: `stopped: ${done}; the same restore again goes on` };
  const [first] = problems;
  const count = failed > 1 ? `${plural(failed, 'file')} failed, such as: ` : '';
  const why = first === undefined ? 'not everything could be restored' : sentence(first);
  return { good: false, text: files > 0 ? `${done}; ${count}${why}` : `${count}${why}` };
}
