/** `s3vault init [DIR]`: the wizard that makes a vault, then its screen with the first plan to look at. */
import { systemClock } from '../clock.ts';
import { places, readConfig } from '../config.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import { AskedOnce } from './asked-once.ts';
import { showHere } from './home.ts';
import { FirstDesk, type InitFlags } from './init-desk.ts';
import { sayInstallAgain } from './install.ts';
import { reloadDaemon } from './with-daemon.ts';
import { onTerminal } from './on-terminal.ts';

export async function initCommand(dir: string | undefined, flags: InitFlags): Promise<number> {
  if (!onTerminal()) {
    throw new VaultError('usage', 'no-terminal', 'the wizard needs a terminal', {
      hint: 'without one: s3vault keys create NAME, then s3vault sync DIR --to s3://BUCKET/PREFIX --key NAME',
    });
  }
  const where = places(process.env);
  // What is there must be readable before anything is asked.
  await readConfig(where);
  const passphrase = new AskedOnce();
  const desk = new FirstDesk({ dir, flags, where, passphrase, env: process.env, clock: systemClock });
  const registered = await ask(desk);
  if (registered === undefined) {
    passphrase.wipe();
    return EXIT.inStep;
  }
  const config = await readConfig(where);
  const vaults = config.vaults.filter(({ id }) => id === registered);
  try {
    return await showHere({ ...config, vaults }, { where, passphrase, review: vaults[0]?.id });
  } finally {
    // From now on it is the daemon's, where one runs.
    await reloadDaemon(where);
    if (vaults[0] !== undefined) await sayInstallAgain(vaults[0].root);
  }
}

/** Gives the id of the vault; undefined where the user left, and then says what stays. */
async function ask(desk: FirstDesk): Promise<string | undefined> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  process.on('SIGTERM', end).on('SIGHUP', end);
  try {
    const { runWizard } = await import('../tui/wizard/run-wizard.ts');
    const { registered, created } = await runWizard({ desk, clock: systemClock, signal: ending.signal });
    if (registered === undefined) {
      process.stderr.write('nothing was registered; begin again with: s3vault init\n');
      for (const name of created)
        process.stderr.write(`key ${name} was created and stays; see: s3vault keys\n`);
    }
    return registered;
  } finally {
    process.off('SIGTERM', end).off('SIGHUP', end);
    desk.lock();
  }
}
