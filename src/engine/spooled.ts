import type { Action } from '../model/plan.ts';
import type { SpoolLine } from '../model/ports.ts';
import { findable } from '../model/queue.ts';

type Spooled = Extract<Action, { kind: 'put' | 'get' }>;

export const canSpool = (action: Action): action is Spooled => action.kind === 'put' || action.kind === 'get';

/** The Record is left out: it is read again from the Index when the Action is drawn. */
export const spoolLine = (action: Spooled): SpoolLine => ({
  key: action.key,
  find: findable(action),
  line: JSON.stringify({ ...action, record: undefined }),
});

export const unspooled = (line: string): Action => JSON.parse(line) as Spooled;
