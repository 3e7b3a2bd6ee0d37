/** A real terminal for tests: a program in tmux, keys in, the screen out. Waits for what must show, never for time. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { describe } from 'vitest';
import { describeWithout } from './rgw.ts';

const hasTmux = spawnSync('tmux', ['-V']).status === 0;

const PATIENCE_MS = 40_000;

/** A suite that needs tmux. Where there is none it shows as skipped, or fails where skipping is forbidden. */
export function describeTerminal(name: string, suite: () => void): void {
  if (hasTmux) describe(`${name} [tmux]`, suite);
  else describeWithout(`${name} [tmux]`, suite, 'tmux is not installed: apt-get install tmux');
}

export class Terminal {
  readonly #name = `s3vault-${randomBytes(6).toString('hex')}`;

  /** Opens a shell of this size; the server is of this terminal alone. */
  constructor(columns: number, rows: number) {
    const size = ['-x', String(columns), '-y', String(rows)];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, 'env PS1="$ " sh');
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-L', this.#name, ...args], { encoding: 'utf8', env: plainEnv() });
  }

  /** Types a line and presses enter. */
  run(command: string): void {
    this.#tmux('send-keys', '-l', command);
    this.#tmux('send-keys', 'Enter');
  }

  /** Types a text without enter. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', text);
  }

  /** Presses keys by tmux's names: `p`, `Escape`, `C-c`, `Down`. */
  press(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** What stands on the screen. */
  screen(): string {
    return this.#tmux('capture-pane', '-p');
  }

  /** What stands on the screen and what was scrolled off it, of the alternate screen and of the normal one. */
  history(): string {
    return [['-a', '-q'], []].map((more) => this.#tmux('capture-pane', '-p', '-S', '-', ...more)).join('\n');
  }

  /** From now on programs get no alternate screen, as in some terminals: what they draw goes to the normal one. */
  noAlternateScreen(): void {
    this.#tmux('set-option', '-g', 'alternate-screen', 'off');
  }

  /**
   * Resolves with the screen once it fits and stands still (what is drawn can be met half way; what never stands still is
   * taken as it is after a while); rejects with the last one after 40 s (a passphrase costs seconds where processors are busy).
   */
  async shows(fits: RegExp | ((screen: string) => boolean)): Promise<string> {
    const test = typeof fits === 'function' ? fits : (screen: string) => fits.test(screen);
    const started = performance.now();
    let before: string | undefined;
    for (let fitting = 0; performance.now() - started < PATIENCE_MS; ) {
      const screen = this.screen();
      if (test(screen) && (screen === before || ++fitting > 20)) return screen;
      before = screen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the screen never showed ${String(fits)}:\n${this.screen()}`);
  }

  /** True while the alternate screen is up. */
  get alternate(): boolean {
    return this.#tmux('display-message', '-p', '#{alternate_on}').trim() === '1';
  }

  get cursorShown(): boolean {
    return this.#tmux('display-message', '-p', '#{cursor_flag}').trim() === '1';
  }

  /** True where text that is too long goes on in the next line. */
  get wraps(): boolean {
    return this.#tmux('display-message', '-p', '#{wrap_flag}').trim() === '1';
  }

  close(): void {
    spawnSync('tmux', ['-L', this.#name, 'kill-server'], { env: plainEnv() });
  }
}

/** As tmux starts it, whatever terminal the tests themselves run in. */
function plainEnv(): NodeJS.ProcessEnv {
  const { TMUX: _inside, ...env } = process.env;
  return { ...env, TERM: 'xterm-256color', LANG: 'C.UTF-8' };
}
