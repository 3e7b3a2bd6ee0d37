import { VaultError } from '../model/errors.ts';
import { inStepWords } from '../model/in-step.ts';
import { FLOW_WORDS } from '../model/plan.ts';
import type { VaultLine } from './protocol.ts';

const WORDS: { readonly [S in Exclude<VaultLine['state'], 'idle' | 'working'>]: string } = {
  starting: 'starting',
  scanning: 'scanning',
  paused: 'paused',
  offline: 'offline',
  'needs-you': 'needs you',
  stopped: 'stopped',
};

/** The state of one vault in words. */
export function wordOf({ state, phase, problems, flow }: Told): string {
  if (state === 'working') return FLOW_WORDS[flow];
  if (state !== 'idle') return WORDS[state];
  // Nothing was left to do for an engine that ends, or has ended: that says nothing of now.
  return phase === 'running' ? inStepWords(problems) : 'stopping';
}

type Told = Pick<VaultLine, 'state' | 'phase' | 'problems' | 'flow'>;

/** `2 in step, 1 needs you`. */
export function statusText(lines: readonly Told[]): string {
  if (lines.length === 0) return 'no vaults yet';
  const counts = new Map<string, number>();
  for (const line of lines) {
    const idle = line.state === 'idle' && line.phase === 'running';
    const word = idle && line.problems > 0 ? 'in step but for problems' : wordOf(line);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

export const noDaemon = (): VaultError =>
  new VaultError('usage', 'no-daemon', 'no daemon runs', { hint: 'start it with: s3vault daemon start' });
