import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: unknown;

/**
 * Collects garbage now. Keys are wiped where they are; what the runtime copied on their way here (the output of a key
 * command, say) is garbage by then, and would lie in memory until memory is needed.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc');
  }
  if (typeof collect === 'function') collect();
}
