import { Text, useIsScreenReaderEnabled } from 'ink';
import type { ReactNode } from 'react';
import { wordColumns } from '../../model/recovery.ts';
import { shownName } from '../names.ts';
import { Gap, Line } from '../parts.tsx';
import { Blank, Page, Sentence } from './dialogs.tsx';
import type { View } from './ui.ts';

/** The 24 words. The only view in which a key can be read. */
export function WordsView({
  view,
  height,
}: {
  readonly view: Extract<View, { kind: 'words' }>;
  readonly height: number;
}): ReactNode {
  const spoken = useIsScreenReaderEnabled();
  const words = view.words.use((bytes) => bytes.toString('utf8').split(' '));
  const lines = spoken ? spokenWords(words) : wordColumns(words);
  return (
    <Page title={shownName(`RECOVERY WORDS of ${view.name}`)} height={height}>
      {lines.map((line) => (
        <Line key={line}>
          <Gap cells={3} />
          <Text>{line}</Text>
        </Line>
      ))}
      <Blank />
      <Sentence text="Write them down on paper, in this order: they bring the key back." />
      <Sentence text="Whoever has them has the key. Enter hides them and asks for three." />
    </Page>
  );
}

/** In the order in which they are read, four a line. */
const spokenWords = (words: readonly string[]): readonly string[] =>
  Array.from({ length: Math.ceil(words.length / 4) }, (_, row) =>
    words
      .slice(row * 4, row * 4 + 4)
      .map((word, at) => `${row * 4 + at + 1} ${word}`)
      .join(', '),
  );
