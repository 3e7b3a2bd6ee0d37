import { VaultError } from '../model/errors.ts';
import { inStepWords } from '../model/in-step.ts';
import { FLOW_WORDS } from '../model/plan.ts';
import type { VaultLine } from './protocol.ts';

const WORDS: { readonly [state in VaultLine['state']]: string } = {
  starting: 'starting',
  scanning: 'scanning',
  working: 'working',
  idle: inStepWords(0),
  paused: 'paused',
  offline: 'offline',
  'needs-you': 'needs you',
  stopped: 'stopped',
};

/** The state of one vault in words. */
export const wordOf = ({ state, problems, flow }: Told): string =>
  state === 'idle' ? inStepWords(problems) : state === 'working' ? FLOW_WORDS[flow] : WORDS[state];

type Told = Pick<VaultLine, 'state' | 'problems' | 'flow'>;

/** `2 in step, 1 needs you`. */
export function statusText(lines: readonly Told[]): string {
  if (lines.length === 0) return 'no vaults yet';
  const counts = new Map<string, number>();
  for (const line of lines) {
    const word = line.state === 'idle' && line.problems > 0 ? 'in step but for problems' : wordOf(line);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

export const noDaemon = (): VaultError =>
  new VaultError('usage', 'no-daemon', 'no daemon runs', { hint: 'start it with: s3vault daemon start' });
