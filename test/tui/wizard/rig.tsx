/** The wizard in a test: keys by their orders in, whole frames out. */
import { render } from 'ink';
import { type Order, WIZARD_BINDINGS } from '../../../src/tui/wizard/bindings.ts';
import { WizardStore } from '../../../src/tui/wizard/store.ts';
import { WizardApp } from '../../../src/tui/wizard/wizard-app.tsx';
import { ManualClock } from '../../support/manual-clock.ts';
import { KEYS } from '../stage.tsx';
import { FakeStdin, FakeStdout } from '../terminal.ts';
import { FakeDesk, WORDS } from './desk.ts';

/** A string without an escape in it is shown as such; colours are told by these. */
const ESCAPES = /\u001b\[[?\d;]*\w/g;

export class Rig {
  readonly desk: FakeDesk;
  readonly store: WizardStore;
  readonly stdout: FakeStdout;
  readonly stdin = new FakeStdin();
  left = false;
  readonly #screen: ReturnType<typeof render>;

  constructor(
    desk = new FakeDesk(),
    { columns = 80, rows = 24, spoken = false }: { columns?: number; rows?: number; spoken?: boolean } = {},
  ) {
    this.desk = desk;
    this.store = new WizardStore(desk, new ManualClock());
    void this.store.left.then(() => {
      this.left = true;
    });
    this.stdout = new FakeStdout(columns, rows);
    this.#screen = render(<WizardApp store={this.store} harden={(choice) => desk.hardenCommand(choice)} />, {
      stdout: this.stdout as unknown as NodeJS.WriteStream,
      stdin: this.stdin as unknown as NodeJS.ReadStream,
      debug: true,
      isScreenReaderEnabled: spoken,
      interactive: true,
      exitOnCtrlC: false,
      patchConsole: false,
    });
  }

  close(): void {
    this.#screen.unmount();
  }

  /** The last frame, once all promises that can have run. */
  async frame(): Promise<string> {
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
    await this.#screen.waitUntilRenderFlush();
    const last = this.stdout.written.findLast((text) => text.replaceAll(ESCAPES, '').trim().length > 9) ?? '';
    return last.replaceAll(ESCAPES, '');
  }

  async press(...orders: readonly Order[]): Promise<string> {
    for (const order of orders) {
      const key = WIZARD_BINDINGS.find((binding) => binding.order === order)?.keys[0] ?? '';
      this.store.press(key, 10);
      await this.frame();
    }
    return this.frame();
  }

  /** A key as the terminal sends it. */
  async key(name: string): Promise<string> {
    this.stdin.press(KEYS[name] ?? name);
    return this.frame();
  }

  async type(text: string): Promise<string> {
    this.stdin.press(text);
    return this.frame();
  }

  paste(text: string): Promise<string> {
    return this.type(`\u001b[200~${text}\u001b[201~`);
  }

  /** Answers all three questions for words. */
  async answerWords(): Promise<string> {
    for (;;) {
      const { view } = this.store.get();
      if (view.kind !== 'typing' || view.for.what !== 'ask-back') return this.frame();
      await this.type(WORDS[view.for.positions[view.for.at] ?? 0] ?? '');
      await this.press('done');
    }
  }

  /** To the step where a mode is chosen. */
  async toMode(folder = '/files'): Promise<string> {
    await this.type(folder);
    return this.press('done', 'go-on', 'choose', 'done');
  }

  /** With mode client, to the choice of a key. */
  async toKey(): Promise<string> {
    await this.toMode();
    return this.press('choose', 'choose');
  }

  /** To the summary, with a new key whose words were asked back. */
  async toSummary(): Promise<string> {
    await this.toKey();
    await this.press('choose', 'done', 'check');
    await this.answerWords();
    return this.press('go-on');
  }
}
