/** The rows that change oftenest: transfers under way, and what happened last. */
import { type ReactNode, memo } from 'react';
import { formatBytes } from '../model/display.ts';
import type { ActiveTransfer, RecentLine } from '../model/snapshot.ts';
import { Cells, type Part } from './cells.tsx';
import { shownName } from './names.ts';
import { barText, percent } from './parts.tsx';
import { clockTime, outcomeOf, phaseWord, remarkOf } from './words.ts';

export const BAR = 20;
export const SHORT_BAR = 12;

const DIRECTIONS: { readonly [K in ActiveTransfer['direction']]: string } = {
  up: '↑',
  down: '↓',
  'remove-remote': '-',
  'remove-local': '-',
  rekey: '⟳',
};

interface TransferProps {
  readonly transfer?: ActiveTransfer;
  readonly width: number;
}

/** Without a transfer the row is blank: it is kept for the next one. */
function transferRow({ transfer, width }: TransferProps): ReactNode {
  if (transfer === undefined) return <Cells width={width} parts={[{ text: '' }]} />;
  const { path, bytes, sent, phase, direction } = transfer;
  const share = phase === 'sending' && sent > 0 && bytes > 0 ? Math.min(1, sent / bytes) : undefined;
  const bar = width < 100 ? SHORT_BAR : BAR;
  const progress: readonly Part[] =
    share === undefined
      ? [{ text: phaseWord(phase), cells: bar + 7 }]
      : [
          { text: barText(share, bar), cells: bar, silent: true },
          { text: ` ${percent(share).padStart(5)} `, cells: 7 },
        ];
  const parts: readonly Part[] = [
    { text: ` ${DIRECTIONS[direction]} `, cells: 3 },
    { text: shownName(path), middle: true },
    { text: formatBytes(bytes), cells: 11, end: true },
    { text: '', cells: 2 },
    ...progress,
  ];
  return <Cells width={width} parts={parts} />;
}

export const TransferRow = memo(transferRow);

const SIZE = 9;

/** Cells that the remarks of these lines are given: the proofs of KMS are longer. One vault has one mode. */
export function remarkCells(lines: readonly RecentLine[], width: number): number {
  if (width < 70) return 16;
  if (width >= 120) return 44;
  return lines.some(({ proof }) => proof?.mode === 'sse-kms' || proof?.mode === 'dsse-kms') ? 32 : 25;
}

export interface RecentProps {
  readonly line: RecentLine;
  readonly width: number;
  /** From `remarkCells`. */
  readonly remark: number;
  /** Selected in a list. */
  readonly chosen?: boolean;
}

function recentRow({ line, width, remark, chosen = false }: RecentProps): ReactNode {
  const { sign, tone } = outcomeOf(line);
  const sized = line.outcome !== 'failed' && line.outcome !== 'removed';
  const size: readonly Part[] = sized ? [{ text: formatBytes(line.bytes), cells: SIZE, end: true }] : [];
  const parts: readonly Part[] = [
    { text: `${chosen ? '▶' : ' '}${sign} `, cells: 3, tone, bold: chosen },
    { text: shownName(line.path), middle: true },
    ...size,
    { text: '', cells: 2 },
    // What went wrong needs the room more than the size of what was not sent.
    { text: shownName(remarkOf(line)), cells: sized ? remark : remark + SIZE },
    { text: `${clockTime(line.time)} `, cells: 10, end: true },
  ];
  return <Cells width={width} parts={parts} />;
}

/** One line of what happened; the same in the dashboard and in the log. */
export const RecentRow = memo(recentRow);
