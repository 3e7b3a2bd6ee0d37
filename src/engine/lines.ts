import { type Action, type PlannedLine, SHOWN_LINES, bytesOf } from '../model/plan.ts';

/** An Action as people see it. */
export function plannedLine(action: Action): PlannedLine {
  const { kind, path, reason } = action;
  return { kind, path, reason, bytes: bytesOf(action) };
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
