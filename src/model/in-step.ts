/**
 * What "in step" means, for every face of a vault: the screen, the daemon's status, plain lines, metrics, and the heartbeat.
 * Where nothing is left to do and nothing is short: where `sync --once` would end with 0.
 */
import { plural } from './display.ts';
import type { Shortfall } from './event.ts';
import type { Snapshot } from './snapshot.ts';

export const isInStep = ({ state, short }: Pick<Snapshot, 'state' | 'short'>): boolean =>
  state === 'idle' && short === null;

/** Files and removals that are not in step. */
const shortOf = ({ failed, unprotected, leftOut = 0 }: Shortfall): number => failed + unprotected + leftOut;

type Known = Pick<Snapshot, 'state' | 'short' | 'problems'>;

/** Problems that are counted and not listed, for only so many are: at least so many more. */
export function unlisted({ state, short, problems }: Known): number {
  if (state !== 'idle' || short === null) return 0;
  return Math.max(0, shortOf(short) - problems.size);
}

/** Problems that are open, listed or not. What is short is one at the least. */
export function problemCount(known: Known): number {
  const count = known.problems.size + unlisted(known);
  return known.state === 'idle' && known.short !== null ? Math.max(1, count) : count;
}

/** How a vault stands that has nothing left to do, with so many problems in all. */
export function inStepWords(problems: number): string {
  return problems === 0 ? 'in step' : `in step but for ${plural(problems, 'problem')}`;
}

/** What a vault is short of, by what it is: `3 files and 10 removals held back`. */
export function shortWords(short: Shortfall): string {
  const { declined = 0 } = short;
  const files = shortOf(short);
  const but = [
    ...(files === 0 ? [] : [plural(files, 'file')]),
    ...(declined === 0 ? [] : [`${plural(declined, 'removal')} held back`]),
  ];
  return but.join(' and ');
}
