import { Text } from 'ink';
import type { ReactNode } from 'react';
import { shownName } from './names.ts';
import { quitWords } from './orders.ts';
import type { Ui } from './ui.ts';
import { Fixed, Gap, Line, Name, colour } from './parts.tsx';
import type { HiddenLine } from './hidden-line.ts';
import type { Shown } from './store.ts';
import { shownTyping } from './typing.ts';
import { questionOf } from './words.ts';

export interface SaidProps {
  readonly ui: Ui;
  readonly shown: readonly Shown[];
  /** A passphrase is asked for. */
  readonly hidden: HiddenLine['shown'];
  readonly note?: string;
}

/**
 * One line: what is being typed, else that it ends, else the question that waits, else what the last key led to, else
 * the note.
 */
export function Said({ ui, shown, hidden, note }: SaidProps): ReactNode {
  const consent = shown[ui.vault]?.snapshot.consent ?? null;
  const underWay = shown.reduce((sum, { snapshot }) => sum + snapshot.active.size, 0);
  const ending = quitWords(ui.quits, underWay);
  if (hidden !== undefined) {
    return (
      <Typed
        text={`${shownName(hidden.question)}${'•'.repeat(hidden.count)}▏`}
        way="enter gives it, esc refuses "
      />
    );
  }
  if (ui.typing?.for === 'filter')
    return <Typed text={`/${shownTyping(ui.typing)}`} way="enter keeps it, esc drops it " />;
  if (ui.typing?.for === 'out')
    return <Typed text={`restore into: ${shownTyping(ui.typing)}`} way="enter starts, esc drops it " />;
  if (ui.asked !== undefined) return <Asks text={shownName(ui.asked.question)} />;
  if (consent !== null && ending === '') return <Asks text={questionOf(consent)} />;
  return (
    <Line>
      <Gap cells={1} />
      <Name text={shownName(ending || ui.message || (note ?? ''))} />
    </Line>
  );
}

function Typed({ text, way }: { readonly text: string; readonly way: string }): ReactNode {
  return (
    <Line>
      <Gap cells={1} />
      <Name text={text} />
      <Fixed>
        <Text dimColor>{way}</Text>
      </Fixed>
    </Line>
  );
}

function Asks({ text }: { readonly text: string }): ReactNode {
  return (
    <Line>
      <Fixed>
        <Text {...colour('red')}> ! </Text>
      </Fixed>
      <Name text={text} />
      <Fixed>
        <Text bold> y yes n no </Text>
      </Fixed>
    </Line>
  );
}
