import { Box, Text } from 'ink';
import { type ReactNode, memo } from 'react';
import { formatBytes, plural, safeName } from '../model/display.ts';
import type { ActiveTransfer, RecentLine } from '../model/snapshot.ts';
import { Cell, Fixed, Gap, Heading, Line, Name, StateSign, barText, colour, percent } from './parts.tsx';
import type { Shown } from './store.ts';
import type { ScreenVault } from './run.tsx';
import {
  clockTime,
  outcomeOf,
  phaseWord,
  progressWords,
  remarkOf,
  shareDone,
  stateOf,
  timeLeft,
} from './words.ts';

export interface DashboardProps {
  readonly vaults: readonly ScreenVault[];
  readonly shown: readonly Shown[];
  readonly selected: number;
  readonly width: number;
  /** Lines that may be used. */
  readonly height: number;
}

const BAR = 20;

/** Every vault in two lines, then what the selected one is doing and did last. */
export function Dashboard({ vaults, shown, selected, width, height }: DashboardProps): ReactNode {
  const current = shown[selected];
  const heads = vaults.length * 2 + 1;
  const rest = Math.max(0, height - heads);
  const active = [...(current?.snapshot.active.values() ?? [])];
  const share = sharedLines(rest, active.length, current?.snapshot.recent.length ?? 0);
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      {vaults.map((vault, at) => (
        <VaultHead
          key={vault.title}
          vault={vault}
          shown={shown[at]}
          selected={at === selected}
          width={width}
        />
      ))}
      <Line>
        <Text> </Text>
      </Line>
      {share.active > 0 && (
        <Heading title="TRANSFERS" remark={active.length === 0 ? 'none' : `${active.length} under way`} />
      )}
      {active.slice(0, share.active - 1).map((transfer) => (
        <TransferLine key={transfer.id} transfer={transfer} width={width} />
      ))}
      {share.recent > 1 && (
        <>
          <Line>
            <Text> </Text>
          </Line>
          <Heading title="LAST" remark="proof" />
        </>
      )}
      {current?.snapshot.recent.slice(0, Math.max(0, share.recent - 2)).map((line, at) => (
        <RecentRow key={`${line.time} ${line.path} ${at}`} line={line} width={width} />
      ))}
    </Box>
  );
}

/** Lines for TRANSFERS (title included) and LAST (blank and title included). */
export function sharedLines(
  rest: number,
  active: number,
  recent: number,
): { readonly active: number; readonly recent: number } {
  const least = Math.min(rest, recent === 0 ? 0 : 5);
  const forActive = Math.min(active + 1, Math.max(1, rest - least), Math.max(1, Math.ceil(rest * 0.6)));
  return { active: Math.min(rest, forActive), recent: recent === 0 ? 0 : Math.max(0, rest - forActive) };
}

function VaultHead({
  vault,
  shown,
  selected,
  width,
}: {
  readonly vault: ScreenVault;
  readonly shown: Shown | undefined;
  readonly selected: boolean;
  readonly width: number;
}): ReactNode {
  if (shown === undefined) return null;
  const { snapshot } = shown;
  const share = shareDone(snapshot);
  const bar = width < 60 ? 0 : BAR;
  return (
    <>
      <Line>
        <Fixed>
          <Text>{selected ? ' ▶ ' : '   '}</Text>
        </Fixed>
        <Name text={safeName(vault.title)} grow={false} />
        <Fixed>
          <Text>{'  →  '}</Text>
        </Fixed>
        <Name text={safeName(vault.target)} />
        <Fixed>
          <Text>
            {'  '}
            {safeName(vault.mode)}
            {vault.key === '' ? '' : ` · ${safeName(vault.key)}`}{' '}
          </Text>
        </Fixed>
      </Line>
      <Line>
        <Gap cells={3} />
        <Fixed>
          <StateSign sign={stateOf(shown)} />
        </Fixed>
        <Gap cells={3} />
        <Name text={progressWords(snapshot)} />
        {share !== undefined && share < 1 && bar > 0 && (
          <Fixed>
            <Text>
              {barText(share, bar)} {percent(share).padStart(5)}{' '}
            </Text>
          </Fixed>
        )}
      </Line>
    </>
  );
}

function transferRow({
  transfer,
  width,
}: {
  readonly transfer: ActiveTransfer;
  readonly width: number;
}): ReactNode {
  const { path, bytes, sent, phase, direction } = transfer;
  const measured = phase === 'sending' && sent > 0 && bytes > 0;
  const bar = width < 100 ? 12 : BAR;
  return (
    <Line>
      <Fixed>
        <Text> {direction === 'down' ? '↓' : direction === 'up' ? '↑' : '-'} </Text>
      </Fixed>
      <Name text={safeName(path)} />
      <Cell width={11} end>
        {formatBytes(bytes)}
      </Cell>
      <Gap cells={2} />
      <Cell width={bar + 7}>
        {measured ? `${barText(sent / bytes, bar)} ${percent(sent / bytes).padStart(5)}` : phaseWord(phase)}
      </Cell>
    </Line>
  );
}

const TransferLine = memo(transferRow);

function recentRow({ line, width }: { readonly line: RecentLine; readonly width: number }): ReactNode {
  const { sign, tone } = outcomeOf(line);
  const wide = width >= 120 ? 44 : width >= 70 ? 30 : 16;
  return (
    <Line>
      <Fixed>
        <Text {...colour(tone)}> {sign} </Text>
      </Fixed>
      <Name text={safeName(line.path)} />
      <Cell width={11} end>
        {line.outcome === 'removed' ? '' : formatBytes(line.bytes)}
      </Cell>
      <Gap cells={2} />
      <Cell width={wide}>{safeName(remarkOf(line))}</Cell>
      <Cell width={10} end>
        {`${clockTime(line.time)} `}
      </Cell>
    </Line>
  );
}

/** One line of what happened; the same in the dashboard and in the log. */
export const RecentRow = memo(recentRow);

/** What stands at the right of the title line. */
export function overall(vaults: number, { speed, sparkline, left }: Shown): string {
  const parts = [plural(vaults, 'vault')];
  if (speed > 0) parts.push(`${formatBytes(speed)}/s${sparkline === '' ? '' : ` ${sparkline}`}`);
  if (left !== undefined) parts.push(`${timeLeft(left)} left`);
  return parts.join(' · ');
}
