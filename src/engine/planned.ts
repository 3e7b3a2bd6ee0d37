/** What holds a run to a Plan that a person has seen. */
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Action } from '../model/plan.ts';
import { planFileLine } from '../model/plan-line.ts';

/** Differences named in the refusal. */
const NAMED = 5;

/** Holds a run to the Actions of a plan file. */
export class Planned {
  readonly #lines: ReadonlySet<string>;
  readonly #paths = new Set<string>();

  constructor(lines: readonly string[]) {
    this.#lines = new Set(lines);
    for (const line of lines) this.#paths.add((JSON.parse(line) as { readonly path: string }).path);
  }

  /**
   * The Actions, once all of them are known to be those of the file and none is missing. Else rejects with kind `consent`,
   * code `plan-changed`, before the caller has seen the last one. Skips pass: they do nothing.
   */
  async *exactly(actions: AsyncIterable<Action>): AsyncIterable<Action> {
    const other = new Set<string>();
    const missing = new Set(this.#lines);
    for await (const action of actions) {
      const line = planFileLine(action);
      if (action.kind !== 'skip' && !missing.delete(line)) other.add(action.path);
      yield action;
    }
    for (const line of missing) other.add((JSON.parse(line) as { readonly path: string }).path);
    if (other.size > 0) throw movedOn([...other]);
  }

  /** Later looks at single paths: only what is in the file is done; `onOther` hears of paths that came to be otherwise. */
  async *only(actions: AsyncIterable<Action>, onOther: (path: string) => void): AsyncIterable<Action> {
    for await (const action of actions) {
      if (action.kind === 'skip' || this.#lines.has(planFileLine(action))) yield action;
      else if (this.#paths.has(action.path)) onOther(action.path);
    }
  }
}

export function movedOn(paths: readonly string[]): VaultError {
  const named = paths.slice(0, NAMED).map((path) => safeName(path));
  const more = paths.length > NAMED ? ` and ${paths.length - NAMED} more` : '';
  return new VaultError(
    'consent',
    'plan-changed',
    `the plan no longer fits the world: ${named.join(', ')}${more}`,
    {
      hint: 'make a new plan with sync --plan FILE and look at it',
    },
  );
}
