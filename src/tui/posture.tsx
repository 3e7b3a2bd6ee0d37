import { Text } from 'ink';
import type { ReactNode } from 'react';
import type { PostureMark } from '../model/posture.ts';
import { Fixed, Line, Words, colour } from './parts.tsx';

const SIGNS = { ok: '✓', problem: '!', unknown: '?' } as const;
const TONES = { ok: 'green', problem: 'yellow', unknown: undefined } as const;

/** What the bucket's settings are, in a few words; a place of its own, for it is no state of the sync. */
export function PostureLine({ marks }: { readonly marks: readonly PostureMark[] }): ReactNode {
  return (
    <Line>
      <Fixed>
        <Text> POSTURE</Text>
      </Fixed>
      {marks.map(({ state, words }) => (
        <Fixed key={words}>
          <Text>
            {'  '}
            <Text {...colour(TONES[state])}>{SIGNS[state]}</Text> {words}
          </Text>
        </Fixed>
      ))}
      <Words text="" />
    </Line>
  );
}
