/** The whole screen on a stage: an App over engines that do what the test says, whole frames out, keys in. */
import { render } from 'ink';
import { vi } from 'vitest';
import type { Browser } from '../../src/model/browser.ts';
import type { ConflictDesk } from '../../src/model/conflicts.ts';
import type { EventBody, TransferFacts } from '../../src/model/event.ts';
import type { KeyDesk } from '../../src/model/key-desk.ts';
import type { PostureDesk } from '../../src/model/posture.ts';
import type { SettingsDesk } from '../../src/model/settings-desk.ts';
import { App } from '../../src/tui/app.tsx';
import { Pacer } from '../../src/tui/pacer.ts';
import type { Memory } from '../../src/tui/ui.ts';
import { ScreenStore } from '../../src/tui/store.ts';
import type { ManualClock } from '../support/manual-clock.ts';
import { FakeHandle, FakeStdin, FakeStdout } from './terminal.ts';

/** What a terminal sends for a key, by the name that the tables of keys have for it; letters send themselves. */
export const KEYS: { readonly [name: string]: string } = {
  escape: '\u001b',
  return: '\r',
  up: '\u001b[A',
  down: '\u001b[B',
  pageup: '\u001b[5~',
  pagedown: '\u001b[6~',
  home: '\u001b[H',
  end: '\u001b[F',
  tab: '\t',
  space: ' ',
  backspace: '\u007f',
  'ctrl+c': '\u0003',
  'ctrl+d': '\u0004',
  'ctrl+u': '\u0015',
};

export interface StageOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly note?: string;
  readonly vaults?: number;
  readonly spoken?: boolean;
  readonly settings?: SettingsDesk;
  readonly mode?: 'client' | 'sse-kms';
  readonly browser?: Browser;
  readonly conflicts?: ConflictDesk;
  readonly posture?: PostureDesk;
  readonly keyDesk?: () => Promise<KeyDesk>;
  readonly memory?: Memory;
}

export class Stage {
  readonly handle: FakeHandle;
  readonly stdout: FakeStdout;
  readonly stdin = new FakeStdin();
  readonly store: ScreenStore;
  readonly screen: ReturnType<typeof render>;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, options: StageOptions = {}, handle = new FakeHandle(clock)) {
    const { columns = 80, rows = 24, note, vaults: count = 1, spoken = false, keyDesk } = options;
    const memory = options.memory === undefined ? {} : { memory: options.memory };
    const { settings, browser, conflicts, posture } = options;
    this.#clock = clock;
    this.handle = handle;
    this.stdout = new FakeStdout(columns, rows);
    this.store = new ScreenStore(handle, clock);
    const vaults = Array.from({ length: count }, (_, at) => ({
      title: at === 0 ? '~/Documents' : `~/Folder-${at}`,
      target: 's3://acme-vault/docs/',
      mode: options.mode ?? ('client' as const),
      key: 'key laptop',
      handle,
      ...(settings === undefined ? {} : { settings }),
      ...(browser === undefined ? {} : { browser }),
      ...(conflicts === undefined ? {} : { conflicts }),
      ...(posture === undefined ? {} : { posture }),
    }));
    const keys =
      keyDesk === undefined ? {} : { keys: { desk: keyDesk, clock, drawn: async () => undefined } };
    const stores = vaults.map(() => this.store);
    this.screen = render(
      <App
        vaults={vaults}
        stores={stores}
        pacer={new Pacer(clock)}
        clock={clock}
        {...keys}
        {...memory}
        {...(note === undefined ? {} : { note })}
      />,
      {
        stdout: this.stdout as unknown as NodeJS.WriteStream,
        stdin: this.stdin as unknown as NodeJS.ReadStream,
        debug: true,
        isScreenReaderEnabled: spoken,
        interactive: true,
        exitOnCtrlC: false,
        patchConsole: false,
      },
    );
  }

  /** In debug mode Ink writes every frame whole; what else it writes are control sequences. */
  get frames(): readonly string[] {
    return this.stdout.written.filter((text) => text.includes('s3vault'));
  }

  /** The last frame, once all that was emitted is shown. */
  async frame(): Promise<string> {
    this.#clock.advance(125);
    await this.screen.waitUntilRenderFlush();
    return (this.frames.at(-1) ?? '').replaceAll(/\u001b\[[0-9;]*m/g, '');
  }

  /** Presses a key of the bindings table by its name and waits until it has led to something. */
  async press(key: string): Promise<string> {
    const progress = () => this.frames.length + this.handle.commands.length;
    const before = progress();
    this.stdin.press(KEYS[key] ?? key);
    await vi.waitUntil(() => progress() > before, { timeout: 2_000, interval: 1 });
    return this.frame();
  }

  /** Waits until a frame fits. */
  async shows(fits: RegExp): Promise<string> {
    for (let turn = 0; turn < 200; turn++) {
      const frame = await this.frame();
      if (fits.test(frame)) return frame;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`never showed ${String(fits)}:\n${await this.frame()}`);
  }

  close(): void {
    this.screen.unmount();
    this.store.close();
  }
}

export const facts = (id: number, path: string, bytes: number): TransferFacts => ({
  id,
  path,
  key: `docs/${path}`,
  direction: 'up',
  bytes,
  mode: 'client',
});

export const proof = {
  mode: 'client',
  format: 'V3',
  key: 'a3f941c077be0011',
  checksum: { algorithm: 'crc32', value: 'AAAAAA==' },
} as const;

export const done = (id: number, path: string, bytes: number): EventBody => ({
  event: 'transfer.done',
  ...facts(id, path, bytes),
  versionId: '3LgXyz',
  proof,
  attempts: 1,
  ms: 5,
  result: 'written',
});

export const failed = (id: number, path: string): EventBody => ({
  event: 'transfer.failed',
  ...facts(id, path, 5),
  versionId: null,
  proof: null,
  attempts: 1,
  ms: 5,
  error: {
    code: 'unreadable',
    message: `${path} cannot be read: permission denied`,
    hint: 'check its owner',
  },
  again: false,
});
