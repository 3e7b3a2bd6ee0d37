/** A desk of keys in memory, for the key screen. */
import { VaultError } from '../../../src/model/errors.ts';
import type {
  KeyDesk,
  KeyFormat,
  KeyRow,
  KeyTest,
  RotateEnd,
  RotateProgress,
} from '../../../src/model/key-desk.ts';
import type { KeyInfo } from '../../../src/model/keyref.ts';
import { Secret } from '../../../src/model/secret.ts';

export const NOW = Date.UTC(2026, 10, 24, 12, 4, 29);

export const keyRow = (name: string, over: Partial<KeyRow> = {}): KeyRow => ({
  name,
  kind: 'aes-256',
  fingerprint: 'a3f941c077be0011',
  created: '2026-10-02T08:00:00.000Z',
  store: 'file',
  words: 'never',
  uses: [],
  versionsIn: [],
  ...over,
});

export const LAPTOP = keyRow('laptop', {
  words: 'checked',
  uses: [
    { root: '~/Documents', mode: 'client', objects: 5_000 },
    { root: '~/Photos', mode: 'sse-c', objects: 310 },
  ],
  lastUsed: '2026-11-24T12:00:00.000Z',
  lastTest: { time: '2026-11-24T08:00:00.000Z', ok: true },
});
export const ARCHIVE = keyRow('archive', {
  kind: 'rsa',
  fingerprint: '9b025e1d04aa0022',
  words: 'none',
  uses: [{ root: '~/Archive', mode: 'client', objects: 412 }],
});
export const SENDER = keyRow('sender', { kind: 'rsa-public', words: 'none' });
export const SPARE = keyRow('spare', { fingerprint: '0011223344556677' });

export const WORDS = Array.from({ length: 24 }, (_, at) => `word${String.fromCharCode(97 + at)}`);

export class FakeDesk implements KeyDesk {
  readonly place = 'the key file';
  ask: KeyDesk['ask'];
  rows: readonly KeyRow[];
  /** What was called, with its arguments; secrets as text. */
  readonly calls: string[] = [];
  /** The next call that is named so rejects with this. */
  fails: { [call: string]: VaultError } = {};
  /** Asked before the keys are read, while nothing is open. */
  question: string | undefined;
  /** A rotation that is under way. */
  rotation:
    | { readonly progress: (progress: RotateProgress) => void; readonly end: (end: RotateEnd) => void }
    | undefined;
  readonly given: Secret[] = [];
  #open = false;

  constructor(rows: readonly KeyRow[] = [LAPTOP, ARCHIVE, SENDER, SPARE]) {
    this.rows = rows;
  }

  #called(call: string, ...args: readonly string[]): void {
    this.calls.push([call, ...args].join(' '));
    const error = this.fails[call];
    delete this.fails[call];
    if (error !== undefined) throw error;
  }

  async list(): Promise<readonly KeyRow[]> {
    const error = this.fails['list'];
    delete this.fails['list'];
    if (error !== undefined) throw error;
    if (this.question !== undefined && !this.#open) await this.asked(this.question);
    this.#open = true;
    return this.rows;
  }

  async asked(question: string): Promise<void> {
    const answer = await this.ask?.(question);
    this.calls.push(`answer ${answer?.use((bytes) => bytes.toString('utf8'))}`);
  }

  #add(name: string, over: Partial<KeyRow>): KeyInfo {
    const row = keyRow(name, {
      fingerprint: 'ffff000011112222',
      created: '2026-11-24T12:04:29.000Z',
      ...over,
    });
    this.rows = [...this.rows, row];
    const { fingerprint, created } = row;
    return { name, kind: over.kind === 'rsa' ? 'rsa' : 'aes-256', fingerprint, created, store: 'file' };
  }

  async create(name: string, kind: 'aes-256' | 'rsa'): Promise<KeyInfo> {
    this.#called('create', name, kind);
    return this.#add(name, { kind, words: kind === 'rsa' ? 'none' : 'never' });
  }

  async bringIn(name: string, format: KeyFormat, text: Secret): Promise<KeyInfo> {
    const typed = text.use((bytes) => bytes.toString('utf8'));
    text.wipe();
    this.#called('bringIn', name, format, typed);
    return this.#add(name, {});
  }

  async words(name: string): Promise<Secret> {
    this.#called('words', name);
    const words = new Secret(Buffer.from(WORDS.join(' ')));
    this.given.push(words);
    return words;
  }

  async noteWords(name: string, state: 'shown' | 'checked'): Promise<void> {
    this.#called('noteWords', name, state);
    this.rows = this.rows.map((row) =>
      row.name === name && row.words !== 'checked' ? { ...row, words: state } : row,
    );
  }

  async exportTo(name: string, format: KeyFormat, path: string): Promise<string> {
    this.#called('exportTo', name, format, path);
    if (format === 'age') await this.asked('new passphrase for the age file: ');
    return path.replace('~', '/home/ann');
  }

  async test(name: string): Promise<readonly KeyTest[]> {
    this.#called('test', name);
    const uses = this.rows.find((row) => row.name === name)?.uses ?? [];
    return uses.map(({ root }, at) =>
      at === 0
        ? { root, path: 'notes/todo.md' }
        : { root, error: { code: 'cannot-open', message: 'it does not open', hint: 'look at the key' } },
    );
  }

  rotate(
    name: string,
    onProgress: (progress: RotateProgress) => void,
    signal: AbortSignal,
  ): Promise<RotateEnd> {
    this.#called('rotate', name);
    return new Promise((resolve) => {
      const end = (result: RotateEnd): void => {
        this.rotation = undefined;
        resolve(result);
      };
      this.rotation = { progress: onProgress, end };
      const error = { code: 'interrupted', message: 'it was interrupted', hint: 'begin it again' };
      signal.addEventListener('abort', () => end({ next: `${name}-2`, done: 1, failed: 0, error }));
    });
  }

  async remove(name: string): Promise<void> {
    this.#called('remove', name);
    this.rows = this.rows.filter((row) => row.name !== name);
  }

  lock(): void {
    this.calls.push('lock');
    this.#open = false;
  }
}

export const refused = (message: string, kind: 'usage' | 'cancelled' = 'usage'): VaultError =>
  new VaultError(kind, 'test', message, { hint: 'do something else' });
