import type { Taken } from '../model/settings-desk.ts';
import type { VaultLine } from './protocol.ts';

/** From when on a changed setting holds for a vault that was told to take it over. */
export function takenBy(line: Pick<VaultLine, 'phase' | 'underWay'> | undefined): Taken {
  if (line === undefined || line.phase === 'waiting' || line.phase === 'released') return 'at-next-start';
  return line.phase === 'closing' && line.underWay > 0 ? 'after-transfers' : 'now';
}
