import { execFile } from 'node:child_process';
import { plural, safeName } from '../model/display.ts';
import type { EngineState, Event } from '../model/event.ts';
import type { Vault } from '../model/vault.ts';

export type Notify = (title: string, body: string) => void;

/** Shows a notification where a session bus and `notify-send` are there; never waits, never fails. */
export function desktopNotify(env: NodeJS.ProcessEnv): Notify | undefined {
  const bus = env['DBUS_SESSION_BUS_ADDRESS'];
  if (bus === undefined || bus === '') return undefined;
  return (title, body) => {
    const words = ['--app-name=s3vault', '--icon=dialog-warning', '--', title, escaped(body)];
    const child = execFile('notify-send', words, { env, timeout: 5_000 }, () => undefined);
    child.on('error', () => undefined);
  };
}

/** Bodies are markup (Desktop Notifications Specification, "Markup"). */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** It got past what was in its way. */
const WELL: ReadonlySet<EngineState> = new Set(['working', 'idle']);

/**
 * Says so each time a vault begins to need somebody, and not again while it does for the same reason: one that cannot be
 * opened is tried again and again.
 */
export class NeedsYou {
  readonly #notify: Notify;
  /** Vaults that need somebody, and for what that was said. */
  readonly #needing = new Map<string, string>();
  readonly #last = new Map<string, string>();
  /** Files that failed for good, as far as that was said. */
  readonly #failed = new Map<string, number>();

  constructor(notify: Notify) {
    this.#notify = notify;
  }

  hear(event: Event, vault: Vault | undefined): void {
    if (vault === undefined) return;
    if (event.event === 'warning') this.#last.set(vault.id, event.message);
    if (event.event === 'consent') this.#last.set(vault.id, 'many files were removed: is that right?');
    if (event.event === 'idle') this.#last.delete(vault.id);
    if (event.event === 'idle') this.#short(vault, event.short?.failed ?? 0);
    if (event.event === 'idle' || (event.event === 'state' && WELL.has(event.state)))
      this.#needing.delete(vault.id);
    if (event.event !== 'state' || event.state !== 'needs-you') return;
    const why = this.#last.get(vault.id) ?? 'see: s3vault attach';
    if (this.#needing.get(vault.id) === why || why.startsWith('locked')) return;
    this.#needing.set(vault.id, why);
    this.#say(vault, why);
  }

  /** Nothing is left to do and files failed, which nobody sees who does not look: said again where it is more. */
  #short(vault: Vault, failed: number): void {
    const more = failed > (this.#failed.get(vault.id) ?? 0);
    this.#failed.set(vault.id, failed);
    if (more)
      this.#say(vault, `in step but for ${plural(failed, 'file')} that failed; see: s3vault attach, P`);
  }

  #say(vault: Vault, why: string): void {
    this.#notify(`s3vault needs you: ${safeName(vault.root)}`, safeName(why));
  }
}
