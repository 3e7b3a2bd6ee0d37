import { Box, Text } from 'ink';
import { type ReactNode, useState } from 'react';
import { formatBytes, formatCount, plural } from '../model/display.ts';
import { type KmsGauge, quotaWords, rateWords } from '../model/kms.ts';
import type { PostureMark } from '../model/posture.ts';
import type { RecentLine, Snapshot } from '../model/snapshot.ts';
import { shownName } from './names.ts';
import {
  Bar,
  Fixed,
  Gap,
  Heading,
  Line,
  Name,
  ShortName,
  StateSign,
  Words,
  colour,
  percent,
} from './parts.tsx';
import { PostureLine } from './posture.tsx';
import { type Rows, keepRows, windowOf } from './rows.ts';
import type { Shown } from './store.ts';
import type { ScreenVault } from './run.tsx';
import { BAR, RecentRow, SHORT_BAR, TransferRow, remarkCells } from './transfer-rows.tsx';
import { progressWords, shareDone, stateOf, timeLeft, whyStopped } from './words.ts';

export interface DashboardProps {
  readonly vaults: readonly ScreenVault[];
  readonly shown: readonly Shown[];
  readonly selected: number;
  readonly width: number;
  /** Lines that may be used. */
  readonly height: number;
  /** Of the selected vault's bucket; undefined while it is not known. */
  readonly posture?: readonly PostureMark[] | undefined;
}

/** The first thing that gives way in a small window. */
const LEAST_FOR_POSTURE = { width: 60, height: 16 } as const;

/** Lines of the posture: a blank one, too. */
const BELOW = 2;

const KMS_BAR = 4;
/** From this width on LAST stands beside TRANSFERS. */
const BESIDE = 140;
/** Lines that LAST keeps below TRANSFERS: a blank, its title and some rows. */
const LEAST_LAST = 6;
const HEAD_LINES = 2;
/** From this width on each of several vaults shows its speed. */
const LEAST_FOR_PACE = 70;

/** Every vault in two lines, then what the selected one is doing and did last. */
export function Dashboard({ vaults, shown, selected, width, height, posture }: DashboardProps): ReactNode {
  const heads = Math.max(1, Math.min(vaults.length, Math.floor((height - 10) / HEAD_LINES)));
  const { from, to } = windowOf(selected, vaults.length, heads);
  const rest = Math.max(0, height - heads * HEAD_LINES - 1);
  const current = shown[selected];
  const room = width >= LEAST_FOR_POSTURE.width && height >= LEAST_FOR_POSTURE.height;
  const marks = room ? posture : undefined;
  const below = ((current?.snapshot.kms ?? null) === null ? 0 : 1) + (marks === undefined ? 0 : BELOW);
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      {vaults.slice(from, to).map((vault, at) => (
        <VaultHead
          key={from + at}
          vault={vault}
          shown={shown[from + at]}
          selected={from + at === selected}
          several={vaults.length > 1}
          width={width}
        />
      ))}
      <Line>
        <Text> </Text>
      </Line>
      {current !== undefined && (
        <Activity
          key={selected}
          snapshot={current.snapshot}
          width={width}
          height={Math.max(0, rest - below)}
        />
      )}
      {marks !== undefined && <Box flexGrow={1} />}
      {current !== undefined && current.snapshot.kms !== null && (
        <KmsLine gauge={current.snapshot.kms} width={width} />
      )}
      {marks !== undefined && <PostureLine marks={marks} />}
    </Box>
  );
}

/** What is asked of KMS, of how much. */
function KmsLine({ gauge, width }: { readonly gauge: KmsGauge; readonly width: number }): ReactNode {
  const { rate, limit, throttled } = gauge;
  return (
    <Line>
      <Fixed>
        <Text> KMS </Text>
        <Bar share={Math.min(1, rate / limit)} width={width < 100 ? KMS_BAR : BAR} />
        <Text> {rateWords(gauge)} </Text>
      </Fixed>
      <Words text={`(${quotaWords(gauge, width < 100)})`} />
      <Fixed>
        <Text {...colour(throttled > 0 ? 'yellow' : undefined)}> throttled {formatCount(throttled)}</Text>
      </Fixed>
    </Line>
  );
}

interface Place {
  readonly width: number;
  readonly height: number;
}

const BUSY: ReadonlySet<Snapshot['state']> = new Set<Snapshot['state']>(['starting', 'scanning', 'working']);

/** TRANSFERS and LAST: one below the other, or side by side where there is room. */
function Activity({ snapshot, width, height }: Place & { readonly snapshot: Snapshot }): ReactNode {
  const { active, recent, state } = snapshot;
  const beside = width >= BESIDE;
  const below = Math.max(height - 1 - LEAST_LAST, Math.floor((height - 3) / 2));
  const limit = Math.max(0, beside ? height - 1 : below);
  const [before, setRows] = useState<Rows>([]);
  const rows = keepRows(before, [...active.keys()], limit, BUSY.has(state));
  if (rows !== before) setRows(rows);
  if (beside) {
    const left = Math.floor(width / 2);
    return (
      <Box height={height} overflow="hidden">
        <Box flexDirection="column" width={left} flexShrink={0}>
          <Transfers active={active} rows={rows} width={left} />
        </Box>
        <Box flexDirection="column" width={width - left} flexShrink={0}>
          <Last lines={recent} width={width - left} height={height} />
        </Box>
      </Box>
    );
  }
  return (
    <>
      <Transfers active={active} rows={rows} width={width} />
      {recent.length > 0 && (
        <Line>
          <Text> </Text>
        </Line>
      )}
      <Last lines={recent} width={width} height={height - rows.length - 2} />
    </>
  );
}

function Transfers({
  active,
  rows,
  width,
}: {
  readonly active: Snapshot['active'];
  readonly rows: Rows;
  readonly width: number;
}): ReactNode {
  const hidden = active.size - rows.filter((id) => id !== undefined).length;
  const count = active.size === 0 ? 'none' : `${active.size} under way`;
  return (
    <>
      <Heading title="TRANSFERS" remark={hidden > 0 ? `${count}, ${hidden} not shown` : count} />
      {rows.map((id, at) => {
        const transfer = id === undefined ? undefined : active.get(id);
        return <TransferRow key={at} width={width} {...(transfer === undefined ? {} : { transfer })} />;
      })}
    </>
  );
}

function Last({ lines, width, height }: Place & { readonly lines: readonly RecentLine[] }): ReactNode {
  if (lines.length === 0 || height < 2) return null;
  return (
    <>
      <Heading title="LAST" remark="proof" />
      {lines.slice(0, height - 1).map((line, at) => (
        <RecentRow key={at} line={line} width={width} remark={remarkCells(lines, width)} />
      ))}
    </>
  );
}

function VaultHead({
  vault,
  shown,
  selected,
  several,
  width,
}: {
  readonly vault: ScreenVault;
  readonly shown: Shown | undefined;
  readonly selected: boolean;
  readonly several: boolean;
  readonly width: number;
}): ReactNode {
  if (shown === undefined) return null;
  const { snapshot } = shown;
  const why = whyStopped(snapshot);
  // A question has the line to itself.
  const share = snapshot.state === 'needs-you' ? undefined : shareDone(snapshot);
  return (
    <>
      <Line>
        <Fixed>
          <Text>{selected ? ' ▶ ' : '   '}</Text>
        </Fixed>
        <ShortName text={shownName(vault.title)} most={Math.max(8, Math.floor(width * 0.4))} />
        <Fixed>
          <Text>{'  →  '}</Text>
        </Fixed>
        <Name text={shownName(vault.target)} />
        <Fixed>
          <Text>
            {'  '}
            {shownName(vault.mode)}
            {vault.key === '' ? '' : ` · ${shownName(vault.key)}`}{' '}
          </Text>
        </Fixed>
      </Line>
      <Line>
        <Gap cells={3} />
        <Fixed>
          <StateSign sign={stateOf(shown)} />
        </Fixed>
        <Gap cells={3} />
        <Words text={why === undefined ? progressWords(snapshot) : shownName(why)} />
        {several && <Pace shown={shown} width={width} />}
        {share !== undefined && share < 1 && width >= 60 && (
          <Fixed>
            <Text>{'  '}</Text>
            <Bar share={share} width={barCells(width)} />
            <Text> {percent(share).padStart(5)} </Text>
          </Fixed>
        )}
      </Line>
    </>
  );
}

/** As long as those of the transfers below where room is short: the counts come first. */
const barCells = (width: number): number => (width < 100 ? SHORT_BAR : width < BESIDE ? BAR : 2 * BAR);

/** What stands at the right of the title line: of all vaults together; of one, how it went and how long it will take. */
export function Overall({
  shown,
  selected: { sparkline, left },
}: {
  readonly shown: readonly Shown[];
  readonly selected: Shown;
}): ReactNode {
  const speed = shown.reduce((sum, one) => sum + one.speed, 0);
  const alone = shown.length === 1;
  return (
    <Box>
      <Text>{plural(shown.length, 'vault')}</Text>
      {speed > 0 && <Text> · {formatBytes(speed)}/s</Text>}
      {alone && speed > 0 && sparkline !== '' && <Text aria-hidden> {sparkline}</Text>}
      {alone && left !== undefined && <Text> · {timeLeft(left)} left</Text>}
      <Text> </Text>
    </Box>
  );
}

/** Of one vault among several, beside what it is doing. */
function Pace({
  shown: { speed, sparkline, left },
  width,
}: {
  readonly shown: Shown;
  readonly width: number;
}): ReactNode {
  if (speed === 0 || width < LEAST_FOR_PACE) return null;
  return (
    <Fixed>
      <Text> {formatBytes(speed)}/s</Text>
      {sparkline !== '' && <Text aria-hidden> {sparkline}</Text>}
      {left !== undefined && <Text> {timeLeft(left)} left</Text>}
    </Fixed>
  );
}
