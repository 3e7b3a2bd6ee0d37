/** The middle of each step. */
import { Box, Text, useIsScreenReaderEnabled } from 'ink';
import type { ReactNode } from 'react';
import type { Finding } from '../../model/bucket.ts';
import { plural } from '../../model/display.ts';
import type { InitChoice } from '../../model/init-desk.ts';
import { Blank, Page, Sentence, Typed } from '../keys-screen/dialogs.tsx';
import { shownName } from '../names.ts';
import { Cell, Fixed, Gap, Heading, Line, Name, StateSign, Words } from '../parts.tsx';
import { windowOf } from '../rows.ts';
import { type Option, optionsOf } from './options.ts';
import { choiceOf } from './steps.ts';
import type { Ui, View } from './ui.ts';
import { CHOICE_TITLES, STEP_TITLES, inOrder, promptOf, signOf, summaryOf } from './words.ts';

type Of<K extends View['kind']> = Extract<View, { kind: K }>;

interface PageProps<K extends View['kind']> {
  readonly ui: Ui;
  readonly view: Of<K>;
  readonly height: number;
}

export function TypingPage({ ui, view, height }: PageProps<'typing'>): ReactNode {
  const { title, label, before } = promptOf(view.for, ui);
  return (
    <Page title={shownName(title)} height={height}>
      {/* In a small window the sentences give way, never what is typed. */}
      <Box flexDirection="column" flexShrink={1} overflow="hidden">
        {before.map((text) => (
          <Sentence key={text} text={shownName(text)} />
        ))}
      </Box>
      <Blank />
      <Typed label={label} text={shownName(view.text)} />
    </Page>
  );
}

export function ChoicePage({ ui, view, height }: PageProps<'choice'>): ReactNode {
  const options = optionsOf(view.of, ui);
  const lines = Math.max(1, ...options.map(({ says }) => says.length + (says.length > 1 ? 1 : 0)));
  const { from, to } = windowOf(view.at, options.length, Math.max(1, Math.floor((height - 2) / lines)));
  const width = Math.max(10, Math.min(40, Math.max(0, ...options.map(({ label }) => label.length)) + 3));
  return (
    <Page title={CHOICE_TITLES[view.of]} height={height}>
      {options.slice(from, to).map((option, at) => (
        <Choice
          key={option.value === '' ? ' ' : option.value}
          option={option}
          selected={from + at === view.at}
          width={width}
        />
      ))}
    </Page>
  );
}

function Choice({
  option: { label, says, why },
  selected,
  width,
}: {
  readonly option: Option;
  readonly selected: boolean;
  readonly width: number;
}): ReactNode {
  const spoken = useIsScreenReaderEnabled();
  const [first = '', ...more] = says;
  return (
    <Box
      flexDirection="column"
      flexShrink={0}
      aria-state={{ selected, disabled: why !== undefined }}
      aria-role="option"
    >
      <Line>
        {!spoken && (
          <Fixed>
            <Text>{selected ? ' ▶ ' : '   '}</Text>
          </Fixed>
        )}
        <Cell width={width}>{shownName(label)}</Cell>
        <Words text={shownName(why === undefined ? first : `– not now: ${why}`)} />
      </Line>
      {more.map((text) => (
        <Line key={text}>
          <Gap cells={width + 3} />
          <Words text={text} />
        </Line>
      ))}
      {more.length > 0 && <Blank />}
    </Box>
  );
}

export function FoundPage({
  ui,
  view,
  height,
  harden,
}: PageProps<'found'> & { readonly harden: (choice: InitChoice) => string }): ReactNode {
  if (view.what === 'credentials') return <Credentials ui={ui} height={height} />;
  const { findings, error } = ui.known;
  if (findings !== undefined) {
    const fix = findings.some(({ state }) => state === 'problem') ? harden(choiceOf(ui)) : undefined;
    return <Findings findings={inOrder(findings)} line={view.line} fix={fix} height={height} />;
  }
  return (
    <Page title={STEP_TITLES.posture} height={height}>
      {error === undefined ? (
        <Sentence text="Asking for its settings: policy, encryption, versions, public access…" />
      ) : (
        <>
          <Trouble error={error} />
          <Sentence text="You can go on without: s3vault bucket audit looks at any time." />
        </>
      )}
    </Page>
  );
}

function Trouble({ error }: { readonly error: NonNullable<Ui['known']['error']> }): ReactNode {
  return (
    <>
      <Sentence text={shownName(`✗ ${error.message}`)} />
      {error.hint !== undefined && <Sentence text={shownName(`→ ${error.hint}`)} />}
      <Blank />
    </>
  );
}

function Credentials({ ui, height }: { readonly ui: Ui; readonly height: number }): ReactNode {
  const { credentials, error } = ui.known;
  if (credentials !== undefined)
    return (
      <Page title="CREDENTIALS: found" height={height}>
        <Sentence text={shownName(`✓ from ${credentials.from}`)} />
        <Sentence text={shownName(`access key ${credentials.id}`)} />
        <Blank />
        <Sentence text="s3vault keeps no copy of them: it looks in the same place each time." />
      </Page>
    );
  if (error === undefined)
    return (
      <Page title={STEP_TITLES.credentials} height={height}>
        <Sentence text="Looking in the environment, the shared AWS files, and where this machine runs…" />
      </Page>
    );
  return (
    <Page title="CREDENTIALS: not found" height={height}>
      <Trouble error={error} />
      <Sentence text="Ways to have them:" />
      <Sentence text="aws sso login, aws login or aws configure, in another terminal; then r here" />
      <Sentence text="another profile: leave, and s3vault init --profile NAME" />
      <Sentence text="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; then start again" />
    </Page>
  );
}

/** One line for each; the selected one with its reason and what to do. Nothing is changed here. */
function Findings({
  findings,
  line,
  fix,
  height,
}: {
  readonly findings: readonly Finding[];
  readonly line: number;
  readonly fix: string | undefined;
  readonly height: number;
}): ReactNode {
  const problems = findings.filter(({ state }) => state === 'problem').length;
  const below = fix === undefined ? 5 : 8;
  const { from, to } = windowOf(line, findings.length, Math.max(1, height - 2 - below));
  const current = findings[line];
  const more = current === undefined || current.state === 'ok' ? '' : current.reason;
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Heading
        title={STEP_TITLES.posture}
        remark={problems === 0 ? 'nothing to mend' : `${plural(problems, 'problem')}; nothing was changed`}
      />
      {findings.slice(from, to).map((finding, at) => (
        <FindingLine key={finding.code} finding={finding} selected={from + at === line} />
      ))}
      <Blank />
      <Box flexDirection="column" flexShrink={1} overflow="hidden">
        {more !== '' && <Sentence text={shownName(more)} />}
        {current?.fix !== undefined && <Sentence text={shownName(`→ ${current.fix}`)} />}
      </Box>
      {fix !== undefined && (
        <>
          <Blank />
          <Sentence text={shownName(`see what would mend it: ${fix}`)} />
        </>
      )}
    </Box>
  );
}

function FindingLine({
  finding,
  selected,
}: {
  readonly finding: Finding;
  readonly selected: boolean;
}): ReactNode {
  const spoken = useIsScreenReaderEnabled();
  return (
    <Box height={1} flexShrink={0} overflow="hidden" aria-state={{ selected }}>
      {!spoken && (
        <Fixed>
          <Text>{selected ? ' ▶ ' : '   '}</Text>
        </Fixed>
      )}
      <Cell width={11}>
        <StateSign sign={signOf(finding)} />
      </Cell>
      <Name text={shownName(finding.title)} />
    </Box>
  );
}

export function SummaryPage({ ui, height }: { readonly ui: Ui; readonly height: number }): ReactNode {
  return (
    <Page title={STEP_TITLES.summary} height={height}>
      {summaryOf(ui).map(([label, text]) => (
        <Line key={label}>
          <Gap cells={3} />
          <Cell width={10}>{label}</Cell>
          <Name text={shownName(text)} />
        </Line>
      ))}
      <Blank />
      <Sentence text="Enter registers this vault and shows its first plan. Nothing is sent before you agree to it." />
    </Page>
  );
}
