import { type ReactNode, memo } from 'react';
import { formatBytes } from '../model/display.ts';
import type { PlannedLine } from '../model/plan.ts';
import { Cells, type Part } from './cells.tsx';
import { shownName } from './names.ts';
import { actionWord, reasonWord } from './words.ts';

interface PlannedProps {
  readonly line: PlannedLine;
  readonly width: number;
  readonly chosen: boolean;
}

function plannedRow({ line, width, chosen }: PlannedProps): ReactNode {
  const { sign, word } = actionWord(line.kind);
  const parts: readonly Part[] = [
    { text: chosen ? ' ▶ ' : ` ${sign} `, cells: 3, bold: chosen },
    { text: shownName(line.path), middle: true },
    { text: line.bytes === 0 ? '' : formatBytes(line.bytes), cells: 9, end: true },
    { text: '', cells: 2 },
    { text: `${word}: ${reasonWord(line.reason)}`, cells: 28 },
  ];
  return <Cells width={width} parts={parts} />;
}

/** One line of what is to be done; the same in the queue and in a Plan. A long list of them is scrolled: text, not boxes. */
export const PlannedRow = memo(plannedRow);
