import { systemClock } from '../clock.ts';
import { EXIT } from '../model/errors.ts';
import type { ConflictDesk } from '../model/conflicts.ts';
import type { KeyDesk } from '../model/key-desk.ts';
import type { ModeKind } from '../model/mode.ts';
import type { PostureDesk } from '../model/posture.ts';
import type { SettingsDesk } from '../model/settings-desk.ts';
import type { OpenVault } from '../vaults/open.ts';
import { type BrokenOff, brokenOffLines, exitWith } from './broken-off.ts';
import type { OpenBrowser } from './browser.ts';
import { lastProblems } from './last-problems.ts';

export interface ScreenFacts {
  readonly title: string;
  readonly target: string;
  readonly mode: ModeKind;
  readonly key: string;
  readonly settings?: SettingsDesk;
  readonly browser?: OpenBrowser;
  readonly conflicts?: ConflictDesk;
  readonly posture?: PostureDesk;
  readonly keyDesk?: () => Promise<KeyDesk>;
  readonly note?: string;
}

/** Runs the engine under the Ink screen; afterwards says in one line how it ended. */
export async function showVault(open: OpenVault, facts: ScreenFacts): Promise<number> {
  const { runScreen } = await import('../tui/run.tsx');
  const { note, keyDesk, ...vault } = facts;
  const ended = open.run();
  const quit = (): void => open.engine.command({ command: 'stop' });
  let told = false;
  let broken: readonly BrokenOff[] = [];
  const end = (): void => {
    told = true;
    quit();
  };
  process.on('SIGTERM', end);
  try {
    await runScreen({
      vaults: [{ ...vault, handle: open.engine }],
      clock: systemClock,
      ...(note === undefined ? {} : { note }),
      ...(keyDesk === undefined ? {} : { keyDesk }),
    });
  } finally {
    process.off('SIGTERM', end);
    quit();
    broken = (await vault.browser?.close()) ?? [];
  }
  const problems = lastProblems(open.engine.snapshot());
  const { exit } = await ended;
  for (const line of [...problems, ...broken.flatMap(brokenOffLines)]) process.stderr.write(`${line}\n`);
  // Leaving the screen is how one ends watching: not an interruption.
  return exitWith(broken, exit === EXIT.interrupted && !told ? EXIT.inStep : exit);
}
