import { type Entry, sameStamp } from '../model/entry.ts';
import type { Action } from '../model/plan.ts';

/** Both do the same to the same file and the same object. */
export function sameAction(a: Action, b: Action): boolean {
  if (a.kind !== b.kind) return false;
  const local = (action: Action): Entry | undefined => ('local' in action ? action.local : undefined);
  const etag = (action: Action): string | undefined =>
    'remote' in action ? action.remote?.etag : 'record' in action ? action.record?.etag : undefined;
  const [one, other] = [local(a), local(b)];
  const sameFile = one === undefined || other === undefined ? one === other : sameStamp(one, other);
  // What is sent is sent whatever stands there, unless it is compared first.
  const sends = a.kind === 'put' && b.kind === 'put' && a.doubt === b.doubt;
  return sameFile && (sends || etag(a) === etag(b));
}
