import { type Action, type PlannedLine, SHOWN_LINES } from '../model/plan.ts';

/** An Action as people see it. */
export function plannedLine(action: Action): PlannedLine {
  const { kind, path, reason } = action;
  return { kind, path, reason, bytes: bytesOf(action) };
}

function bytesOf(action: Action): number {
  if (action.kind === 'put') return action.local.size;
  return action.kind === 'get' ? action.remote.size : 0;
}

/** The beginning of a list of Actions, for people. */
export const firstLines = (actions: Iterable<Action>): readonly PlannedLine[] => {
  const lines: PlannedLine[] = [];
  for (const action of actions) {
    if (lines.length >= SHOWN_LINES) break;
    lines.push(plannedLine(action));
  }
  return lines;
};
