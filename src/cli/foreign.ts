/** Objects of others among those of a vault with encrypted names: left out of what is shown, and said. */
import { systemClock } from '../clock.ts';
import { plural, safeName } from '../model/display.ts';
import type { ErrorReport } from '../model/errors.ts';
import type { Out } from './out.ts';

/** Named one by one; more are counted. */
const NAMED = 10;

export class Foreign {
  readonly #names: string[] = [];
  #count = 0;

  /** True where it is somebody else's. */
  leavesOut({ name, foreign }: { readonly name: string; readonly foreign?: true }): boolean {
    if (foreign !== true) return false;
    this.#count++;
    if (this.#names.length < NAMED) this.#names.push(safeName(name));
    return true;
  }

  /** One word about all of them, beside what was asked for. */
  async tell(out: Out, json: boolean | undefined): Promise<void> {
    if (this.#count === 0) return;
    const more = this.#count - this.#names.length;
    const names = `${this.#names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    const message = `${plural(this.#count, 'name')} in the bucket cannot be opened with the key of this vault: ${names}`;
    const hint = 'somebody else wrote that, or moved it; it is left alone, and left out here';
    await tellWarning(out, { code: 'foreign-name', message, hint }, json);
  }
}

/** One line among the others with `--json`, else beside them. */
export async function tellWarning(out: Out, said: ErrorReport, json: boolean | undefined): Promise<void> {
  const { message, hint } = said;
  if (json !== true) {
    process.stderr.write(`! ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`);
    return;
  }
  const time = new Date(systemClock.now()).toISOString();
  await out.line(JSON.stringify({ event: 'warning', time, ...said }));
}
