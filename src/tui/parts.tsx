import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import type { Sign, Tone } from './words.ts';

/** The user's own colours; none where `NO_COLOR` is set and not empty (no-color.org): signs and words say it all. */
export const colour = (tone: Tone): { readonly color?: string } =>
  tone === undefined || (process.env['NO_COLOR'] ?? '') !== '' ? {} : { color: tone };

/** One line of full width, cut where it is too long. */
export function Line({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <Box height={1} flexShrink={0} overflow="hidden">
      {children}
    </Box>
  );
}

/** A name that gives way first and is shortened in its middle. Must have gone through `shownName`. */
export function Name({ text }: { readonly text: string }): ReactNode {
  return (
    <Box flexGrow={1} flexShrink={1} minWidth={8} height={1} overflow="hidden">
      <Text wrap="truncate-middle">{text}</Text>
    </Box>
  );
}

/** A name that takes what it needs, `most` cells at most. */
export function ShortName({ text, most }: { readonly text: string; readonly most: number }): ReactNode {
  return (
    <Box flexShrink={0} maxWidth={most} height={1} overflow="hidden">
      <Text wrap="truncate-middle">{text}</Text>
    </Box>
  );
}

/** Words that give way at their end. */
export function Words({ text }: { readonly text: string }): ReactNode {
  return (
    <Box flexGrow={1} flexShrink={1} height={1} overflow="hidden">
      <Text wrap="truncate-end">{text}</Text>
    </Box>
  );
}

/** A column of so many cells; `end` puts the text to its right. */
export function Cell({
  width,
  end,
  children,
}: {
  readonly width: number;
  readonly end?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <Box
      width={width}
      flexShrink={0}
      height={1}
      overflow="hidden"
      justifyContent={end === true ? 'flex-end' : 'flex-start'}
    >
      <Text wrap="truncate-end">{children}</Text>
    </Box>
  );
}

/** So many blank cells. */
export function Gap({ cells }: { readonly cells: number }): ReactNode {
  return <Box width={cells} flexShrink={0} height={1} />;
}

/** What never gives way. */
export function Fixed({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <Box flexShrink={0} height={1}>
      {children}
    </Box>
  );
}

export function Rule({ width }: { readonly width: number }): ReactNode {
  return (
    <Line>
      <Text dimColor aria-hidden>
        {'─'.repeat(Math.max(0, width))}
      </Text>
    </Line>
  );
}

/** `████░░░░` for a share from 0 to 1. */
export function barText(share: number, width: number): string {
  const full = Math.round(Math.max(0, Math.min(1, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** A bar; the percentage beside it says the same to a screen reader. */
export function Bar({ share, width }: { readonly share: number; readonly width: number }): ReactNode {
  return <Text aria-hidden>{barText(share, width)}</Text>;
}

export const percent = (share: number): string => `${Math.floor(share * 100)} %`;

export function StateSign({ sign }: { readonly sign: Sign }): ReactNode {
  return (
    <Text {...colour(sign.tone)}>
      {sign.sign} {sign.word}
    </Text>
  );
}

/** A title at the left and a remark at the right. */
export function Heading({ title, remark }: { readonly title: string; readonly remark?: string }): ReactNode {
  return (
    <Line>
      <Gap cells={1} />
      <Name text={title} />
      <Fixed>
        <Text dimColor>{remark ?? ''} </Text>
      </Fixed>
    </Line>
  );
}
