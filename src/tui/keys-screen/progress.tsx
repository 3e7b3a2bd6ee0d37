/** A rotation under way, and what a test found. */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { formatBytes, formatCount, plural } from '../../model/display.ts';
import type { KeyTest } from '../../model/key-desk.ts';
import { shownName } from '../names.ts';
import { Bar, Fixed, Gap, Heading, Line, Name, colour, percent } from '../parts.tsx';
import { Blank, Page, Sentence } from './dialogs.tsx';
import type { View } from './ui.ts';

type Of<K extends View['kind']> = Extract<View, { kind: K }>;

export function Rotation({
  view: { name, progress, stopping },
  width,
  height,
}: {
  readonly view: Of<'rotation'>;
  readonly width: number;
  readonly height: number;
}): ReactNode {
  const what = stopping
    ? 'interrupting: what is under way ends first'
    : 's interrupts; it goes on where it was';
  return (
    <Page title={shownName(`ROTATE ${name}`)} height={height}>
      {progress === undefined ? (
        <Sentence text="looking at what there is to move…" />
      ) : (
        <>
          <Sentence text={shownName(progress.root)} />
          <Moved done={progress.done} all={progress.all} width={width} />
          <Sentence text={throughWords(progress.bytes, progress.failed)} />
        </>
      )}
      <Blank />
      <Sentence text="At every moment each object is under the old key or the new one." />
      <Sentence text={what} />
    </Page>
  );
}

function Moved({
  done,
  all,
  width,
}: {
  readonly done: number;
  readonly all: number;
  readonly width: number;
}): ReactNode {
  // Not before the last one is proved.
  const share = all === 0 ? 0 : Math.min(done >= all ? 1 : 0.99, done / all);
  return (
    <Line>
      <Gap cells={3} />
      <Fixed>
        <Text>
          {formatCount(done)} of {plural(all, 'object')}
          {'  '}
        </Text>
        <Bar share={share} width={width < 100 ? 20 : 40} />
        <Text> {percent(share)}</Text>
      </Fixed>
    </Line>
  );
}

const throughWords = (bytes: number, failed: number): string =>
  (bytes === 0
    ? 'nothing had to go through this machine'
    : `${formatBytes(bytes)} went through this machine`) +
  (failed === 0 ? '' : `, ${plural(failed, 'object')} failed`);

/** One line for each vault; the selected one with its whole message. */
export function Results({
  view,
  height,
}: {
  readonly view: Of<'results'>;
  readonly height: number;
}): ReactNode {
  const { name, results, line } = view;
  const failed = results.filter(({ error }) => error !== undefined).length;
  const none = results.every(({ path, error }) => path === undefined && error === undefined);
  const remark = failed > 0 ? `${failed} failed` : none ? 'nothing to open yet' : 'passed';
  const current = results[line];
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading title={shownName(`TEST of ${name}`)} remark={remark} />
      {results.slice(Math.max(0, line - 2), Math.max(0, line - 2) + Math.max(1, height - 5)).map((result) => (
        <Result key={result.root} result={result} selected={result === current} />
      ))}
      <Blank />
      {current?.error !== undefined && (
        <Sentence
          text={shownName(
            `${current.error.message}${current.error.hint === undefined ? '' : ` → ${current.error.hint}`}`,
          )}
        />
      )}
    </Box>
  );
}

function Result({ result, selected }: { readonly result: KeyTest; readonly selected: boolean }): ReactNode {
  const { sign, word, tone } = foundIn(result);
  return (
    <Line>
      <Fixed>
        <Text {...colour(tone)}>
          {selected ? ' ▶ ' : '   '}
          {sign}{' '}
        </Text>
      </Fixed>
      <Name text={shownName(`${result.root}  ${word}`)} />
    </Line>
  );
}

function foundIn({ path, error }: KeyTest): {
  readonly sign: string;
  readonly word: string;
  readonly tone: 'green' | 'red' | undefined;
} {
  if (error !== undefined) return { sign: '✗', word: error.message, tone: 'red' };
  if (path === undefined) return { sign: '–', word: 'has no objects yet', tone: undefined };
  return { sign: '✓', word: `${path} was fetched and opens`, tone: 'green' };
}
