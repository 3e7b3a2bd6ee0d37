import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { costOf, aboutDollars } from '../model/cost.ts';
import { formatBytes, plural } from '../model/display.ts';
import { unlisted } from '../model/in-step.ts';
import type { ModeKind } from '../model/mode.ts';
import type { PlannedLine } from '../model/plan.ts';
import type { Setting } from '../model/settings-desk.ts';
import { type Problem, type RecentLine, type Snapshot, problemKey } from '../model/snapshot.ts';
import { PlannedRow } from './planned-row.tsx';
import { RecentRow, remarkCells } from './transfer-rows.tsx';
import { planOf, problemsOf } from './lists.ts';
import { shownName } from './names.ts';
import { Cell, Fixed, Gap, Heading, Line, Name, colour } from './parts.tsx';
import type { ActivityShown, QueueShown } from './long-lists.ts';
import { windowOf } from './rows.ts';
import { type Typing, shownTyping } from './typing.ts';
import { aboutPath, clockTime, proofLine } from './words.ts';

export interface ListProps {
  readonly selected: number;
  readonly filter: string;
  readonly width: number;
  readonly height: number;
}

/** Lines with one selected, and below them what there is to say of that one. */
export function List<T>({
  title,
  remark,
  lines,
  first = 0,
  count = lines.length,
  selected,
  height,
  details,
  row,
  more,
}: {
  readonly title: string;
  readonly remark: string;
  readonly lines: readonly T[];
  /** Where they begin among all `count` lines of the list, if they are not all of them. */
  readonly first?: number;
  readonly count?: number;
  readonly selected: number;
  readonly height: number;
  /** Lines for `more`. */
  readonly details: number;
  readonly row: (line: T, chosen: boolean, at: number) => ReactNode;
  readonly more?: (line: T) => ReactNode;
}): ReactNode {
  const at = Math.max(0, Math.min(selected, count - 1));
  const current = lines[at - first];
  const below = current === undefined || more === undefined ? 0 : Math.min(details, Math.max(0, height - 3));
  const { from, to } = windowOf(at, count, height - 1 - below);
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading title={title} remark={remark} />
      {Array.from({ length: to - from }, (_, n) => {
        const line = lines[from + n - first];
        return line === undefined ? (
          <Unread key={from + n} chosen={from + n === at} />
        ) : (
          row(line, from + n === at, from + n)
        );
      })}
      {current !== undefined && more !== undefined && (
        <Box flexDirection="column" height={below} overflow="hidden" paddingX={1} flexShrink={0}>
          <Text> </Text>
          {more(current)}
        </Box>
      )}
    </Box>
  );
}

/** A line that is on its way. */
const Unread = ({ chosen }: { readonly chosen: boolean }): ReactNode => (
  <Line>
    <Mark chosen={chosen} />
    <Name text="…" />
  </Line>
);

/** `3 of 12`, or how many lines the filter leaves. */
export function placeOf(selected: number, count: number, filter: string, none: string): string {
  if (count === 0) return filter === '' ? none : 'no line fits the filter';
  return `${(Math.min(selected, count - 1) + 1).toLocaleString()} of ${count.toLocaleString()}`;
}

export const titled = (title: string, filter: string): string =>
  filter === '' ? title : `${title}  /${shownName(filter)}`;

/** The mark of the selected line. */
export function Mark({
  chosen,
  sign = ' ',
}: {
  readonly chosen: boolean;
  readonly sign?: string;
}): ReactNode {
  return (
    <Fixed>
      <Text bold={chosen}>{chosen ? ' ▶ ' : ` ${sign} `}</Text>
    </Fixed>
  );
}

/** Each problem in one line; the selected one with its whole message and what to do. */
export function Problems({ snapshot, ...place }: ListProps & { readonly snapshot: Snapshot }): ReactNode {
  const lines = problemsOf(snapshot, place.filter);
  const more = unlisted(snapshot);
  const others = more === 0 ? '' : `, and ${more.toLocaleString()} more: r tries all that failed`;
  return (
    <List<Problem>
      {...place}
      title={titled('PROBLEMS', place.filter)}
      remark={placeOf(place.selected, lines.length, place.filter, 'none') + others}
      lines={lines}
      details={5}
      row={(problem, chosen) => (
        <Line key={problemKey(problem)}>
          <Fixed>
            <Text {...colour('yellow')}>{chosen ? ' ▶ ' : ' ! '}</Text>
          </Fixed>
          <Name text={`${shownName(problem.path)}: ${shownName(aboutPath(problem.message, problem.path))}`} />
          <Fixed>
            <Text>
              {problem.again ? '  trying again' : ''} {clockTime(problem.time)}{' '}
            </Text>
          </Fixed>
        </Line>
      )}
      more={(problem) => (
        <>
          <Text wrap="wrap">{shownName(problem.message)}</Text>
          {problem.hint !== undefined && <Text wrap="wrap">→ {shownName(problem.hint)}</Text>}
        </>
      )}
    />
  );
}

/** What happened, newest first, in this run and before; the selected line with its proof. */
export function Activity({
  activity,
  ...place
}: ListProps & { readonly activity: ActivityShown }): ReactNode {
  const { total, from, lines, reading } = activity;
  const remark = placeOf(place.selected, total, place.filter, 'nothing yet');
  return (
    <List<RecentLine>
      {...place}
      title={titled('ACTIVITY', place.filter)}
      remark={reading && total === 0 ? 'looking…' : remark}
      lines={lines}
      first={from}
      count={total}
      details={4}
      row={(line, chosen, at) => (
        <RecentRow
          key={at}
          line={line}
          width={place.width}
          chosen={chosen}
          remark={remarkCells(lines, place.width)}
        />
      )}
      more={(line) => (
        <>
          <Text wrap="wrap">{shownName(line.path)}</Text>
          <Text wrap="wrap">{shownName(line.message ?? proofLine(line))}</Text>
        </>
      )}
    />
  );
}

/** What waits, in the order of sending. */
export function Queue({ queue, ...place }: ListProps & { readonly queue: QueueShown }): ReactNode {
  const { total, from, lines, waiting, reading } = queue;
  const all = waiting > total && total > 0 ? `, ${plural(waiting, 'file')} wait in all` : '';
  const remark = placeOf(place.selected, total, place.filter, 'nothing waits') + all;
  return (
    <List<PlannedLine>
      {...place}
      title={titled('QUEUE', place.filter)}
      remark={reading ? 'looking…' : remark}
      lines={lines}
      first={from}
      count={total}
      details={0}
      row={(line, chosen, at) => <PlannedRow key={at} line={line} width={place.width} chosen={chosen} />}
    />
  );
}

/** Counts, bytes, requests and cost of the Plan; the lines of one that waits for an answer. */
export function PlanView({
  snapshot,
  mode,
  ...place
}: ListProps & { readonly snapshot: Snapshot; readonly mode: ModeKind }): ReactNode {
  const { consent } = snapshot;
  const totals = consent?.kind === 'plan-review' ? consent.totals : snapshot.plan;
  const { requests, kms, dollars } = costOf(totals, mode);
  const counts: readonly (readonly [number, string])[] = [
    [totals.put, 'to send'],
    [totals.get, 'to fetch'],
    [totals.removeRemote, 'to remove in the bucket'],
    [totals.removeLocal, 'to remove here'],
    [totals.conflict, 'in conflict'],
    [totals.skip, 'left out'],
  ];
  const shown = counts.filter(([count]) => count > 0);
  const lines = planOf(snapshot, place.filter);
  const kmsWords = kms === 0 ? '' : ` and ${kms.toLocaleString()} of KMS`;
  const head = Math.max(1, shown.length) + 5;
  return (
    <Box flexDirection="column" height={place.height} overflow="hidden">
      <Heading title="PLAN" remark={planState(snapshot)} />
      {shown.length === 0 && (
        <Line>
          <Gap cells={3} />
          <Name text="nothing to do" />
        </Line>
      )}
      {shown.map(([count, words]) => (
        <Line key={words}>
          <Cell width={18} end>
            {count.toLocaleString()}
          </Cell>
          <Gap cells={1} />
          <Name text={`${count === 1 ? 'file' : 'files'} ${words}`} />
        </Line>
      ))}
      {[
        [formatBytes(totals.bytes), 'to move'],
        [requests.toLocaleString(), `${requests === 1 ? 'request' : 'requests'}${kmsWords}`],
        [aboutDollars(dollars), 'on Amazon S3 (us-east-1, Standard)'],
      ].map(([amount, words = '']) => (
        <Line key={words}>
          <Cell width={18} end>
            {amount}
          </Cell>
          <Gap cells={1} />
          <Name text={words} />
        </Line>
      ))}
      <Line>
        <Text> </Text>
      </Line>
      {lines.length > 0 && (
        <List<PlannedLine>
          {...place}
          height={Math.max(1, place.height - head)}
          title={titled(consent?.kind === 'many-removals' ? 'REMOVALS' : 'LINES', place.filter)}
          remark={placeOf(place.selected, lines.length, place.filter, '') + moreOf(consent)}
          lines={lines}
          details={0}
          row={(line, chosen, at) => <PlannedRow key={at} line={line} width={place.width} chosen={chosen} />}
        />
      )}
    </Box>
  );
}

function planState({ consent, state }: Snapshot): string {
  if (consent !== null) return 'waits for y or n';
  return state === 'idle' || state === 'stopped' ? 'the last one: done' : 'under way';
}

/** Said where not all lines of a Plan are listed. */
function moreOf(consent: Snapshot['consent']): string {
  if (consent?.kind !== 'many-removals') return '';
  const listed = consent.first?.length ?? 0;
  return listed < consent.removals ? `, the first of ${consent.removals.toLocaleString()}` : '';
}

/** The settings of the selected vault; one that is typed shows what is typed. */
export function Settings({
  settings,
  typing,
  ...place
}: Omit<ListProps, 'filter'> & {
  readonly settings: readonly Setting[];
  readonly typing: Typing | undefined;
}): ReactNode {
  return (
    <List<Setting>
      {...place}
      title="SETTINGS"
      remark={settings.length === 0 ? 'not known here' : 'esc goes back'}
      lines={settings}
      details={3}
      row={(setting, chosen) => (
        <Line key={setting.name}>
          <Mark chosen={chosen} />
          <Cell width={34}>{setting.says}</Cell>
          <Name text={chosen && typing?.for === 'setting' ? shownTyping(typing) : shownName(setting.value)} />
        </Line>
      )}
      more={({ change }) => <Text wrap="wrap">{changeWords(change)}</Text>}
    />
  );
}

function changeWords(change: Setting['change']): string {
  switch (change.kind) {
    case 'choice':
      return `enter: the next of ${change.choices.join(', ')}`;
    case 'text':
      return `enter: type another, like ${change.example}`;
    case 'no':
      return change.instead;
    default:
      return change satisfies never;
  }
}
