/** Choices, questions and what is typed: one at a time, in place of the list. */
import { Box, Text, useIsScreenReaderEnabled } from 'ink';
import type { ReactNode } from 'react';
import { formatCount, plural } from '../../model/display.ts';
import type { KeyFormat, KeyRow } from '../../model/key-desk.ts';
import { shownName } from '../names.ts';
import { Cell, Fixed, Gap, Heading, Line, Name } from '../parts.tsx';
import { optionsOf } from './answers.ts';
import { needsOf, objectsOf } from './rows.ts';
import { whatWord } from './typing.ts';
import type { AskedFor, ChoiceFor, HiddenFor, TypedFor, View } from './ui.ts';

type Of<K extends View['kind']> = Extract<View, { kind: K }>;

/** A title, and sentences below it. */
export function Page({
  title,
  height,
  children,
}: {
  readonly title: string;
  readonly height: number;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading title={title} />
      <Line>
        <Text> </Text>
      </Line>
      {children}
    </Box>
  );
}

/** A sentence over as many lines as it needs. */
export function Sentence({ text }: { readonly text: string }): ReactNode {
  return (
    <Box paddingX={3} flexShrink={0}>
      <Text wrap="wrap">{text}</Text>
    </Box>
  );
}

export function Blank(): ReactNode {
  return (
    <Line>
      <Text> </Text>
    </Line>
  );
}

const choiceTitle = (what: ChoiceFor): string => {
  if (what.what === 'create') return 'CREATE A KEY: which kind?';
  return what.what === 'import'
    ? 'BRING A KEY IN: in which form is it?'
    : `EXPORT ${what.name}: in which form?`;
};

export function Choice({
  view,
  height,
}: {
  readonly view: Of<'choice'>;
  readonly height: number;
}): ReactNode {
  const spoken = useIsScreenReaderEnabled();
  return (
    <Page title={shownName(choiceTitle(view.for))} height={height}>
      {optionsOf(view.for).map(({ value, label, says, why }, at) => (
        <Box
          key={value}
          height={1}
          flexShrink={0}
          aria-state={{ selected: at === view.at, disabled: why !== undefined }}
        >
          {!spoken && (
            <Fixed>
              <Text>{at === view.at ? ' ▶ ' : '   '}</Text>
            </Fixed>
          )}
          <Cell width={15}>{label}</Cell>
          <Name text={why === undefined ? says : `– not for this key: ${why}`} />
        </Box>
      ))}
    </Page>
  );
}

export function Question({
  view,
  row,
  height,
}: {
  readonly view: Of<'question'>;
  readonly row: KeyRow | undefined;
  readonly height: number;
}): ReactNode {
  const { title, sentences } = questionOf(view.for, row);
  return (
    <Page title={shownName(title)} height={height}>
      {sentences.map((text) => (
        <Sentence key={text} text={shownName(text)} />
      ))}
      <Blank />
      <Sentence text="y yes   n no" />
    </Page>
  );
}

export function Report({
  view: { title, sentences },
  height,
}: {
  readonly view: Of<'report'>;
  readonly height: number;
}): ReactNode {
  return (
    <Page title={shownName(title)} height={height}>
      {sentences.map((text) => (
        <Sentence key={text} text={shownName(text)} />
      ))}
    </Page>
  );
}

interface Asking {
  readonly title: string;
  readonly sentences: readonly string[];
}

function questionOf(what: AskedFor, row: KeyRow | undefined): Asking {
  switch (what.what) {
    case 'words':
      return {
        title: `RECOVERY WORDS of ${what.name}`,
        sentences: [
          'Show the 24 words on the screen?',
          'Whoever sees them has the key. They are taken off the screen when you leave them.',
        ],
      };
    case 'export':
      return {
        title: `EXPORT ${what.name}`,
        sentences: exportSentences(what.name, what.format, what.path, row),
      };
    case 'rotate':
      return { title: `ROTATE ${what.name}`, sentences: rotateSentences(what.name, row) };
    default:
      return what satisfies never;
  }
}

function exportSentences(
  name: string,
  format: KeyFormat,
  path: string,
  row: KeyRow | undefined,
): readonly string[] {
  if (format === 'age')
    return [
      `Write key ${name} to the new file ${path}, sealed with a passphrase?`,
      'Whoever has the file and the passphrase has the key. The passphrase is asked for next.',
    ];
  if (row?.kind === 'rsa-public')
    return [`Write the public key ${name} to the new file ${path}? It is no secret.`];
  return [
    `Write key ${name} to the new file ${path}, in the clear?`,
    'Whoever can read the file has the key. Only you may read it; backups and synced folders may copy it.',
  ];
}

function rotateSentences(name: string, row: KeyRow | undefined): readonly string[] {
  const objects = plural(row === undefined ? 0 : objectsOf(row), 'object');
  const vaults = plural(row?.uses.length ?? 0, 'vault');
  const to = row?.rotatingTo === undefined ? 'a new key' : `key ${row.rotatingTo}, where it was interrupted`;
  return [
    `Move ${objects} of ${vaults} from key ${name} to ${to}?`,
    'At every moment each object is under the one key or the other. It can be interrupted and goes on later. ' +
      `Key ${name} stays until you delete it.`,
  ];
}

interface Prompt {
  readonly title: string;
  readonly label: string;
  readonly before: readonly string[];
}

export function TypingView({
  view,
  row,
  height,
}: {
  readonly view: Of<'typing'>;
  /** The key that it is about. */
  readonly row: KeyRow | undefined;
  readonly height: number;
}): ReactNode {
  const { title, label, before } = promptOf(view.for, row);
  return (
    <Page title={shownName(title)} height={height}>
      {/* In a small window the sentences give way, never what is typed. */}
      <Box flexDirection="column" flexShrink={1} overflow="hidden">
        {before.map((text) => (
          <Sentence key={text} text={shownName(text)} />
        ))}
      </Box>
      {before.length > 0 && <Blank />}
      <Typed label={label} text={shownName(view.text)} />
    </Page>
  );
}

/** What is typed stays in sight at its end. */
export function Typed({ label, text }: { readonly label: string; readonly text: string }): ReactNode {
  const spoken = useIsScreenReaderEnabled();
  return (
    <Line>
      <Gap cells={3} />
      <Fixed>
        <Text>{label}: </Text>
      </Fixed>
      <Box flexShrink={1} height={1} overflow="hidden">
        <Text wrap="truncate-start">{text}</Text>
      </Box>
      {!spoken && <Text>▏</Text>}
    </Line>
  );
}

function promptOf(what: TypedFor, row: KeyRow | undefined): Prompt {
  switch (what.what) {
    case 'filter':
      return { title: 'FILTER', label: 'filter', before: [] };
    case 'new-name':
      return {
        title: what.kind === 'rsa' ? 'CREATE A KEY: RSA key pair' : 'CREATE A KEY: AES-256',
        label: 'name',
        before: ['What is it called? Letters, digits, dots, underscores and hyphens.'],
      };
    case 'import-name':
      return {
        title: `BRING A KEY IN: ${what.format}`,
        label: 'name',
        before: [
          what.format === 'words'
            ? 'What is it called? The name that the vaults of the other machine have for it, if they are to be opened here.'
            : 'What is it to be called here?',
        ],
      };
    case 'export-path':
      return {
        title: `EXPORT ${what.name}: ${what.format}`,
        label: 'new file',
        before: ['Where to? A file that is there is never replaced.'],
      };
    case 'delete':
      return { title: `DELETE ${what.name}`, label: 'its name', before: deleteSentences(what.name, row) };
    case 'ask-back':
      return {
        title: `RECOVERY WORDS of ${what.name}: ${what.at + 1} of ${what.positions.length}`,
        label: `word ${(what.positions[what.at] ?? 0) + 1}`,
        before: ['To be sure that you have them: type this word from your paper.'],
      };
    default:
      return what satisfies never;
  }
}

function deleteSentences(name: string, row: KeyRow | undefined): readonly string[] {
  const needs = row === undefined ? [] : needsOf(row);
  const type = 'Type its name to delete it for good.';
  const copy =
    row?.words === 'never'
      ? ['Its recovery words were never shown: nothing brings it back unless it was exported.']
      : [];
  if (needs.length === 0) return [`Nothing that is known here needs key ${name}.`, ...copy, type];
  return [
    `Key ${name} is needed to read:`,
    ...needs.slice(0, 5).map((need) => `  ${need}`),
    ...(needs.length > 5 ? [`  and ${formatCount(needs.length - 5)} more`] : []),
    'Without it these cannot be read by anyone. Rotate it first (r), and nothing needs it.',
    ...copy,
    type,
  ];
}

/** Only the number of characters shows, unless somebody asked to see them. */
export function HiddenView({
  view,
  typed,
  height,
}: {
  readonly view: Of<'hidden'>;
  readonly typed: () => string;
  readonly height: number;
}): ReactNode {
  const { title, label, before } = hiddenPrompt(view.for);
  const count = view.count === 0 ? '' : `${plural(view.count, 'character')}, not shown`;
  return (
    <Page title={shownName(title)} height={height}>
      {before.map((text) => (
        <Sentence key={text} text={shownName(text)} />
      ))}
      <Blank />
      {view.seen ? (
        <Sentence text={`${label}: ${shownName(typed())}`} />
      ) : (
        <Typed label={label} text={count} />
      )}
    </Page>
  );
}

function hiddenPrompt(what: HiddenFor): Prompt {
  if (what.what === 'answer')
    return { title: 'PASSPHRASE', label: what.question.replace(/:\s*$/, ''), before: [] };
  const { name, format } = what;
  const several = format === 'pem' || format === 'age';
  return {
    title: `BRING IN ${name}: ${format}`,
    label: whatWord(format),
    before: [
      several
        ? `Paste ${whatWord(format)} and press enter. Typed line by line, ctrl+d ends it.`
        : `Type or paste ${whatWord(format)}. Nothing is shown; tab shows it.`,
    ],
  };
}
