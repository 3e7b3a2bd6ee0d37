import { safeName } from '../model/display.ts';
import { onceEnded } from '../model/errors.ts';
import { problemCount } from '../model/in-step.ts';
import type { Snapshot } from '../model/snapshot.ts';

/** Problems that are told after the screen. */
const TOLD = 10;

/** What is wrong when the screen ends, each with the way out, in lines; how many there are beyond those. */
export function lastProblems(snapshot: Snapshot): readonly string[] {
  const told = [...snapshot.problems.values()].slice(0, TOLD);
  const more = problemCount(snapshot) - told.length;
  return [
    ...told.flatMap(({ message, hint }) => [
      `! ${safeName(message)}`,
      ...(hint === undefined ? [] : [`  ${safeName(onceEnded(hint))}`]),
    ]),
    ...(more > 0
      ? [`! and ${more.toLocaleString('en')} more: P on the screen, r there tries all that failed`]
      : []),
  ];
}
