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

/** `2 in step, 1 needs you`. */
export function statusText(lines: readonly Pick<VaultLine, 'state'>[]): string {
  if (lines.length === 0) return 'no vaults yet';
  const counts = new Map<string, number>();
  for (const { state } of lines) counts.set(WORDS[state], (counts.get(WORDS[state]) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}

export const noDaemon = (): VaultError =>
  new VaultError('usage', 'no-daemon', 'no daemon runs', { hint: 'start it with: s3vault daemon start' });
