/** `s3vault keys` alone: the key screen. */
import { Command } from 'commander';
import { systemClock } from '../clock.ts';
import { places, readConfig } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import { Desk } from './key-desk.ts';
import { keysCommand, remember } from './keys.ts';
import { type KeyFlags, addKeyOptions } from './options.ts';
import { onTerminal } from './on-terminal.ts';

/** True where the arguments of `keys` name no command: the screen is meant. */
export const meansScreen = ([first]: readonly string[]): boolean =>
  first === undefined || (first.startsWith('-') && first !== '-h' && first !== '--help');

/** The command without a subcommand. */
export function keysScreenCommand(): Command {
  return addKeyOptions(new Command('s3vault keys'))
    .exitOverride()
    .helpOption(false)
    .showHelpAfterError('(s3vault keys --help shows all commands)')
    .action(showKeys);
}

async function showKeys(flags: KeyFlags): Promise<void> {
  if (!onTerminal()) {
    keysCommand().outputHelp({ error: true });
    throw new VaultError('usage', 'no-terminal', 'the key screen needs a terminal', {
      hint: 'without one: s3vault keys list',
    });
  }
  const where = places(process.env);
  const config = await readConfig(where);
  const kind = flags.keyStore ?? config.keyStore ?? 'keychain';
  const { env } = process;
  const desk = new Desk({ kind, flags, where, env, clock: systemClock });
  const ending = new AbortController();
  const end = (): void => ending.abort();
  process.on('SIGTERM', end);
  try {
    const { runKeysScreen } = await import('../tui/keys-screen/run-keys.ts');
    const { opened } = await runKeysScreen({ desk, clock: systemClock, signal: ending.signal });
    if (opened) await remember(where, config, flags);
  } finally {
    process.off('SIGTERM', end);
  }
}
