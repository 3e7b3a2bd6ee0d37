/** `undelete`: removals taken back. */
import { formatBytes, plural, safeName, safeText } from '../model/display.ts';
import { EXIT, VaultError, asVaultError, report } from '../model/errors.ts';
import { systemClock } from '../clock.ts';
import type { History, Peek, TakenBack } from '../vaults/peek.ts';
import { type CallingOff, untilCalledOff } from './called-off.ts';
import { tellWarning } from './foreign.ts';
import { type LookFlags, looking, now, summary } from './look.ts';
import { nothingAt } from './nothing.ts';
import { Out } from './out.ts';
import { openTerminal } from './prompt.ts';

export interface UndeleteFlags extends LookFlags {
  readonly yes?: boolean;
}

/** What came back, and what did not. */
interface Outcome {
  back: number;
  failed: number;
  security: number;
  /** What ended it early. */
  fatal?: VaultError;
}

/** `s3vault undelete PATH…`: asks where it is more than one. One that cannot come back is named, and the others come. */
export async function undeleteCommand(paths: readonly string[], flags: UndeleteFlags): Promise<number> {
  const started = systemClock.ticks();
  if (paths.length === 0) {
    throw new VaultError('usage', 'no-path', 'it is not said what to bring back', {
      hint: 'name files or folders; s3vault versions PATH shows what was removed',
    });
  }
  const { names: named, open } = await looking(paths, flags, true);
  const names = outermost(named);
  const out = new Out(process.stdout);
  const outcome = await untilCalledOff((calling) =>
    open(async (peek) => {
      const agreed = await agree(peek, names, flags, calling);
      return bringBack(peek, removedIn(peek, names, agreed, calling.signal), flags, out);
    }),
  );
  const { back, failed, fatal } = outcome;
  const exit = exitOf(outcome);
  if (flags.json === true) await out.line(summary(back, 0, failed, exit, started));
  else if (back + failed > 0)
    await out.line(`${plural(back, 'file')} brought back${failed > 0 ? `, ${failed} failed` : ''}`);
  else if (fatal === undefined) await out.line('nothing was removed there');
  await out.end();
  return exit;
}

function exitOf({ failed, security, fatal }: Outcome): number {
  if (fatal !== undefined) return fatal.exit;
  if (security > 0) return EXIT.security;
  return failed > 0 ? EXIT.someFailed : EXIT.inStep;
}

/** Without those that lie in another one of them. */
function outermost(names: readonly string[]): readonly string[] {
  const within = (name: string, folder: string): boolean =>
    name !== folder && (folder === '' || name.startsWith(`${folder}/`));
  return [...new Set(names)].filter((name) => !names.some((folder) => within(name, folder)));
}

// ------------------------------------------------------------------------------------------------------------ agreement

/**
 * Counts what is removed, keeping none of it in memory, and asks where that is more than one file. Gives the time of the
 * newest removal that was counted, by the store's clock: what is removed later is not among what was agreed to.
 */
async function agree(
  peek: Peek,
  names: readonly string[],
  { yes }: UndeleteFlags,
  calling: CallingOff,
): Promise<number> {
  let count = 0;
  let newest = Number.NEGATIVE_INFINITY;
  for (const name of names) {
    let found = false;
    for await (const history of peek.histories(name, { signal: calling.signal })) {
      found = true;
      // With --yes it matters only that each name is that of something, before anything is changed.
      if (yes === true) break;
      const [last] = removalsIn(peek, history) ?? [];
      if (last === undefined) continue;
      count++;
      newest = Math.max(newest, last.modified);
    }
    if (!found) throw await nothingAt(peek, name);
  }
  if (yes === true) return Number.POSITIVE_INFINITY;
  if (count <= 1) return newest;
  const answer = await calling.asking(
    async () => await openTerminal()?.ask(`bring ${plural(count, 'file')} back? [y/N] `),
  );
  if (answer !== undefined && /^y(es)?$/i.test(answer)) return newest;
  throw new VaultError('consent', 'not-agreed', `${plural(count, 'file')} could come back: nobody agreed`, {
    hint: 'answer on a terminal, or agree with --yes',
  });
}

const removalsIn = (peek: Peek, history: History): ReturnType<Peek['removals']> =>
  history.foreign === undefined ? peek.removals(history) : undefined;

async function* removedIn(
  peek: Peek,
  names: readonly string[],
  agreed: number,
  signal: AbortSignal,
): AsyncIterable<History> {
  for (const name of names) {
    for await (const history of peek.histories(name, { signal })) {
      const [last] = removalsIn(peek, history) ?? [];
      if (last !== undefined && last.modified <= agreed) yield history;
      if (signal.aborted) throw calledOff();
    }
  }
}

const calledOff = (): VaultError =>
  new VaultError('cancelled', 'cancelled', 'called off', {
    hint: 'what was brought back stays; run it again for the others',
  });

// ------------------------------------------------------------------------------------------------------------- the work

async function bringBack(
  peek: Peek,
  removed: AsyncIterable<History>,
  flags: UndeleteFlags,
  out: Out,
): Promise<Outcome> {
  const outcome: Outcome = { back: 0, failed: 0, security: 0 };
  let told: VaultError | undefined;
  try {
    for await (const taken of peek.undeleteEach(removed)) {
      const { error } = taken;
      if (error === undefined) {
        outcome.back++;
        await out.line(undeletedLine(taken.history, peek, flags));
        continue;
      }
      told = error;
      outcome.failed++;
      outcome.security += error.kind === 'security' ? 1 : 0;
      await tell(error, taken, flags, out);
    }
  } catch (thrown) {
    const error = asVaultError(thrown);
    outcome.fatal = error;
    if (error !== told) await tell(error, undefined, flags, out);
  }
  return outcome;
}

async function tell(
  error: VaultError,
  taken: TakenBack | undefined,
  { json }: UndeleteFlags,
  out: Out,
): Promise<void> {
  const { message, ...rest } = report(error);
  const name = taken?.history.name;
  const about =
    name === undefined || message.includes(safeName(name)) ? message : `${safeName(name)}: ${message}`;
  if (json !== true) return tellWarning(out, { ...rest, message: safeText(about) }, json);
  const of = taken === undefined ? {} : { path: name, key: taken.history.key };
  return tellWarning(out, { ...of, ...rest, message: about }, json);
}

function undeletedLine(history: History, peek: Peek, { json }: UndeleteFlags): string {
  const { name: path, key, versions } = history;
  const content = versions.find(({ marker }) => !marker);
  const bytes = peek.plainSize(content?.size ?? 0);
  if (json === true)
    return JSON.stringify({
      event: 'undeleted',
      time: now(),
      path,
      key,
      versionId: content?.versionId,
      bytes,
    });
  return `↑ ${safeName(path)}  ${formatBytes(bytes)}`;
}
