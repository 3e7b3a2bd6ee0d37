/** What an attached screen shows while no daemon runs. */
import { Box, Text, useInput, useWindowSize } from 'ink';
import type { ReactNode } from 'react';
import { safeText } from '../model/display.ts';
import type { VaultError } from '../model/errors.ts';
import { keyName } from './bindings.ts';
import { Footer, TitleLine } from './frame.tsx';
import { Rule, StateSign } from './parts.tsx';

export interface WaitingProps {
  /** Of the daemon that was there. */
  readonly pid: number;
  /** What answers in its place, and is no daemon yet. */
  readonly trouble?: Pick<VaultError, 'message' | 'hint'> | undefined;
  readonly onQuit: () => void;
}

const QUIT: ReadonlySet<string> = new Set(['q', 'ctrl+c']);

export function Waiting({ pid, trouble, onQuit }: WaitingProps): ReactNode {
  const { columns, rows: all } = useWindowSize();
  // On Windows a full window is cleared at each frame.
  const rows = process.platform === 'win32' ? all - 1 : all;
  useInput((input, key) => {
    if (QUIT.has(keyName(input, key))) onQuit();
  });
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <TitleLine>
        <StateSign sign={{ sign: '…', word: 'waiting for a daemon ', tone: 'yellow' }} />
      </TitleLine>
      <Rule width={columns} />
      <Box flexDirection="column" flexGrow={1} flexShrink={1} paddingX={1} overflow="hidden">
        <Text>The daemon (process {pid}) has ended. The screen comes back when one runs again.</Text>
        <Text>Start it with: s3vault daemon start</Text>
        {trouble === undefined ? null : (
          <Box flexDirection="column" marginTop={1}>
            <Text>! {safeText(trouble.message)}</Text>
            {trouble.hint === undefined ? null : <Text> {safeText(trouble.hint)}</Text>}
          </Box>
        )}
      </Box>
      <Rule width={columns} />
      <Footer hints={[{ order: 'quit', key: 'q', word: 'leave', always: true }]} />
    </Box>
  );
}
