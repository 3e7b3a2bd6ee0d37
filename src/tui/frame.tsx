/** Footer and help, from a table of keys. */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { type KeyLine, keySign, saysWhere } from './bindings.ts';
import { Cell, Fixed, Gap, Heading, Line, Name } from './parts.tsx';
import { windowOf } from './rows.ts';

/** The first line of a screen. `children`: at its right. */
export function TitleLine({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <Line>
      <Fixed>
        <Text bold> s3vault</Text>
      </Fixed>
      <Name text="" />
      <Fixed>{children}</Fixed>
    </Line>
  );
}

/** A key and its word in the footer. */
export interface Hint {
  readonly order: string;
  readonly key: string;
  readonly word: string;
  /** Stays however narrow it is: how to leave and to learn more. */
  readonly always: boolean;
}

/** What does not fit into so many lines is hidden, but for what is `always` there. */
export function Footer({
  hints,
  lines = 1,
}: {
  readonly hints: readonly Hint[];
  readonly lines?: number;
}): ReactNode {
  const hint = ({ order, key, word }: Hint): ReactNode => (
    <Box key={order} flexShrink={0} height={1}>
      <Text>
        {' '}
        <Text bold>{keySign(key)}</Text> {word}{' '}
      </Text>
    </Box>
  );
  return (
    <Box height={lines} flexShrink={0} overflow="hidden">
      <Box flexGrow={1} flexShrink={1} flexWrap="wrap" height={lines} overflow="hidden">
        {hints.filter(({ always }) => !always).map(hint)}
      </Box>
      {hints.filter(({ always }) => always).map(hint)}
    </Box>
  );
}

/** All keys, from the table. */
export function Help({
  bindings,
  selected,
  height,
}: {
  readonly bindings: readonly KeyLine[];
  readonly selected: number;
  readonly height: number;
}): ReactNode {
  const { from, to } = windowOf(selected, bindings.length, Math.max(0, height - 1));
  const rows = bindings.slice(from, to);
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading title="KEYS" remark={`${to < bindings.length ? 'more below; ' : ''}esc goes back`} />
      {rows.map((line) => (
        <Line key={line.order}>
          <Gap cells={3} />
          <Cell width={18}>{line.keys.map(keySign).join(', ')}</Cell>
          <Name text={saysWhere(line)} />
        </Line>
      ))}
    </Box>
  );
}
