import { execFile } from 'node:child_process';
import { formatCount, plural, safeName } from '../model/display.ts';
import type { EngineState, Event } from '../model/event.ts';
import type { ConsentReason } from '../model/plan.ts';
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
/** Nobody is asked any more. */
const UNASKED: ReadonlySet<EngineState> = new Set(['starting', 'scanning', 'working', 'idle', 'stopped']);

interface Why {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/**
 * Says so each time a vault begins to need somebody, and not again while it does for the same reason: one that cannot be
 * opened is tried again and again.
 */
export class NeedsYou {
  readonly #notify: Notify;
  /** Vaults that need somebody, and for what that was said. */
  readonly #needing = new Map<string, string>();
  readonly #asked = new Map<string, Why>();
  readonly #last = new Map<string, Why>();
  /** Files that failed for good, as far as that was said. */
  readonly #failed = new Map<string, number>();

  constructor(notify: Notify) {
    this.#notify = notify;
  }

  hear(event: Event, vault: Vault | undefined): void {
    if (vault === undefined) return;
    const { id } = vault;
    // What is the matter with one file stops no vault.
    if (event.event === 'warning' && event.path === undefined) this.#last.set(id, event);
    if (event.event === 'consent') this.#asked.set(id, asking(event.reason));
    const state = event.event === 'idle' ? 'idle' : event.event === 'state' ? event.state : undefined;
    if (event.event === 'answered' || (state !== undefined && UNASKED.has(state))) this.#asked.delete(id);
    if (event.event === 'idle') this.#last.delete(id);
    if (event.event === 'idle') this.#short(vault, event.short?.failed ?? 0);
    if (state !== undefined && WELL.has(state)) this.#needing.delete(id);
    if (state === 'needs-you') this.#needs(vault);
  }

  #needs({ id, root }: Vault): void {
    const { code, message, hint } = this.#asked.get(id) ?? this.#last.get(id) ?? UNKNOWN;
    if (code === 'locked' || this.#needing.get(id) === message) return;
    this.#needing.set(id, message);
    this.#say(root, hint === undefined ? [message] : [message, hint]);
  }

  /** Nothing is left to do and files failed, which nobody sees who does not look: said again where it is more. */
  #short({ id, root }: Vault, failed: number): void {
    const more = failed > (this.#failed.get(id) ?? 0);
    this.#failed.set(id, failed);
    if (more)
      this.#say(root, [`in step but for ${plural(failed, 'file')} that failed`, 'see: s3vault attach, P']);
  }

  #say(root: string, lines: readonly string[]): void {
    this.#notify(`s3vault needs you: ${safeName(root)}`, lines.map(safeName).join('\n'));
  }
}

const UNKNOWN: Why = { code: 'unknown', message: 'see: s3vault attach' };

const ANSWER = 'answer on the screen: s3vault attach';

/** What is asked, in a line. */
function asking(reason: ConsentReason): Why {
  const changed = 'again' in reason ? 'the plan has changed: ' : '';
  switch (reason.kind) {
    case 'many-removals': {
      const local = reason.first?.some(({ kind }) => kind === 'remove-local') === true;
      const here = reason.here !== undefined || local;
      const what = `remove ${formatCount(reason.removals)} of ${plural(reason.of, 'file')}`;
      const message = `${changed}${what} ${here ? 'here' : 'in the bucket'}?`;
      return { code: reason.kind, message, hint: ANSWER };
    }
    case 'plan-review':
      return { code: reason.kind, message: `${changed}the first plan is to be confirmed`, hint: ANSWER };
    case 'lost-source':
      return { code: reason.kind, message: 'is this still the right folder?', hint: ANSWER };
    default:
      return reason satisfies never;
  }
}
