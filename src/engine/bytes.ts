import type { Action } from '../model/plan.ts';
import type { World } from './world.ts';

/** Plaintext bytes that move. */
export function bytesOf(action: Action, { sealing }: Pick<World, 'sealing'>): number {
  if (action.kind === 'put') return action.local.size;
  if (action.kind !== 'get' && action.kind !== 'conflict') return 0;
  return Math.max(0, action.remote.size - sealing.storedSize(0));
}
