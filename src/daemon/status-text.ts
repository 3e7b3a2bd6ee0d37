import { plural } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { VaultLine } from './protocol.ts';

const WORDS: { readonly [state in VaultLine['state']]: string } = {
  starting: 'starting',
  scanning: 'scanning',
  working: 'sending',
  idle: 'in step',
  paused: 'paused',
  offline: 'offline',
  'needs-you': 'needs you',
  stopped: 'stopped',
};

/** The state of one vault in words. */
export const wordOf = ({ state, problems }: Told): string =>
  state === 'idle' && problems > 0 ? `in step but for ${plural(problems, 'problem')}` : WORDS[state];

type Told = Pick<VaultLine, 'state' | 'problems'>;

/** `2 in step, 1 needs you`. */
export function statusText(lines: readonly Told[]): string {
  if (lines.length === 0) return 'no vaults yet';
  const counts = new Map<string, number>();
  for (const { state, problems } of lines) {
    const word = state === 'idle' && problems > 0 ? 'in step but for problems' : WORDS[state];
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

export const noDaemon = (): VaultError =>
  new VaultError('usage', 'no-daemon', 'no daemon runs', { hint: 'start it with: s3vault daemon start' });
