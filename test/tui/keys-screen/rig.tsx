/** The key screen in a test: keys by their names in, whole frames out. */
import { render } from 'ink';
import { vi } from 'vitest';
import { KeysApp } from '../../../src/tui/keys-screen/keys-app.tsx';
import { KeysStore } from '../../../src/tui/keys-screen/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { KEYS } from '../stage.tsx';
import { FakeStdin, FakeStdout } from '../terminal.ts';
import { FakeDesk, NOW } from './desk.ts';

export class Rig {
  readonly clock = new ManualClock(NOW);
  readonly desk: FakeDesk;
  readonly store: KeysStore;
  readonly stdout: FakeStdout;
  readonly stdin = new FakeStdin();
  readonly #screen: ReturnType<typeof render>;

  constructor(
    desk = new FakeDesk(),
    { columns = 80, rows = 24, spoken = false }: { columns?: number; rows?: number; spoken?: boolean } = {},
  ) {
    this.desk = desk;
    this.store = new KeysStore(desk, this.clock);
    this.stdout = new FakeStdout(columns, rows);
    this.#screen = render(<KeysApp store={this.store} place={desk.place} clock={this.clock} />, {
      stdout: this.stdout as unknown as NodeJS.WriteStream,
      stdin: this.stdin as unknown as NodeJS.ReadStream,
      debug: true,
      isScreenReaderEnabled: spoken,
      interactive: true,
      exitOnCtrlC: false,
      patchConsole: false,
    });
    this.store.start(async () => undefined);
  }

  close(): void {
    this.#screen.unmount();
  }

  /** The last frame with its colours, once all promises that can have run. */
  async raw(): Promise<string> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    await this.#screen.waitUntilRenderFlush();
    return (
      this.stdout.written.findLast((text) => text.replaceAll(/\u001b\[[?\d;]*\w/g, '').trim().length > 9) ??
      ''
    );
  }

  async frame(): Promise<string> {
    return (await this.raw()).replaceAll(/\u001b\[[0-9;]*m/g, '');
  }

  /** Presses keys of the table by their names; each has led to something before the next. */
  async press(...keys: readonly string[]): Promise<string> {
    for (const key of keys) {
      const before = this.store.get();
      this.stdin.press(KEYS[key] ?? key);
      await vi.waitUntil(() => this.store.get() !== before, { timeout: 2_000, interval: 1 });
      await this.frame();
    }
    return this.frame();
  }

  /** Types a text as one piece, as terminals send fast typing. */
  async type(text: string): Promise<string> {
    this.stdin.press(text);
    return this.frame();
  }

  paste(text: string): Promise<string> {
    return this.type(`\u001b[200~${text}\u001b[201~`);
  }
}
