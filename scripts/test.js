// `npm test`: checks, build, then all tests, with a throwaway keychain where one can be had.
//
//   npm test [-- [--long] [--only-tests] [arguments of vitest]]
//
// --long        also test/long/**: minutes
// --only-tests  neither checks nor build
//
// Skipped tests are a failure where skipping is forbidden: CI=true or S3VAULT_FORBID_SKIP=1.
// The last line is always `N passed, N failed, N skipped`; a failed check or build counts as a failed test.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runChecks } from './check.js';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const own = new Set(['--long', '--only-tests']);
const options = new Set(process.argv.slice(2).filter((word) => own.has(word)));
const forVitest = process.argv.slice(2).filter((word) => !own.has(word));
const forbidden = process.env.CI === 'true' || process.env.S3VAULT_FORBID_SKIP === '1';

requireNode24();
const failed = options.has('--only-tests') ? [] : [...runChecks().map((name) => `check ${name}`), ...build()];
const scratch = mkdtempSync(join(tmpdir(), 's3v-'));
const pidFile = join(scratch, 'vitest.pid');
process.on('exit', () => rmSync(scratch, { recursive: true, force: true, maxRetries: 3 }));
const status = await runVitest();
process.exitCode = conclude(status);

function requireNode24() {
  const [major] = process.versions.node.split('.');
  if (Number(major) >= 24) return;
  console.error(
    `the tests need Node 24 or newer, and this is ${process.version} (${process.execPath}).\n` +
      'Run npm ci, which brings the pinned Node along, then npm test: npm puts that Node first.',
  );
  console.log('0 passed, 1 failed, 0 skipped');
  process.exit(1);
}

function build() {
  const { status: code } = spawnSync(process.execPath, [join(top, 'scripts', 'build.js')], {
    cwd: top,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  console.log(`build: ${code === 0 ? 'passed' : 'FAILED'}`);
  return code === 0 ? [] : ['build'];
}

/** Runs vitest, inside a session bus with an unlocked keyring if there is one; resolves to its exit code. */
function runVitest() {
  const vitest = [
    process.execPath,
    join(top, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${join(scratch, 'results.json')}`,
    ...forVitest,
  ];
  const keyring = onPath('dbus-run-session') && onPath('gnome-keyring-daemon');
  const [command, ...args] = keyring ? withKeyring(vitest) : vitest;
  if (!keyring) console.log('no dbus-run-session or gnome-keyring-daemon: no keychain for the tests');
  const child = spawn(command, args, { cwd: top, stdio: 'inherit', env: environment(keyring) });
  // Ctrl+C reaches the child by itself; what reaches only this process is passed on.
  const passOn = (signal) => endVitest(child, signal);
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', passOn);
  process.on('SIGHUP', passOn);
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${command} could not run: ${error.message}`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 130));
  });
}

/**
 * A session bus of its own and on it a keyring, unlocked with a pass phrase that protects nothing. The daemon goes to
 * the background when it is ready and ends with its bus. The shell becomes the command and notes its process id.
 */
function withKeyring(command) {
  const script =
    'printf throwaway | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; ' +
    'echo $$ >"$0"; exec "$@"';
  return ['dbus-run-session', '--', 'sh', '-c', script, pidFile, ...command];
}

/** Ends vitest itself: dbus-run-session would die of the signal and leave it running. */
function endVitest(child, signal) {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), signal);
  } catch {
    child.kill(signal);
  }
}

/** No setting, credential, keyring or home folder of the person who runs the tests reaches them. */
function environment(keyring) {
  const foreign =
    /^(AWS_|S3VAULT_|GNOME_KEYRING_|DBUS_SESSION_BUS_|SSL_CERT_|NODE_EXTRA_CA_CERTS$|DISPLAY$|WAYLAND_)/;
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  const folder = (name) => {
    mkdirSync(join(scratch, name), { recursive: true, mode: 0o700 });
    return join(scratch, name);
  };
  return {
    ...Object.fromEntries(kept),
    HOME: folder('home'),
    XDG_CONFIG_HOME: folder('config'),
    XDG_DATA_HOME: folder('data'),
    XDG_STATE_HOME: folder('state'),
    XDG_CACHE_HOME: folder('cache'),
    XDG_RUNTIME_DIR: folder('run'),
    TMPDIR: folder('t'),
    AWS_EC2_METADATA_DISABLED: 'true',
    // What Node makes of a source file once, the next of the many processes takes from there: a fifth of the time of a command.
    NODE_COMPILE_CACHE: folder('compiled'),
    ...(keyring ? { S3VAULT_THROWAWAY_KEYRING: '1' } : {}),
    ...(forbidden ? { S3VAULT_FORBID_SKIP: '1' } : {}),
    ...(options.has('--long') ? { S3VAULT_TEST_LONG: '1' } : {}),
  };
}

function onPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Prints what went wrong besides tests, then the last line; returns the exit code. */
function conclude(code) {
  const tally = counts();
  tally.failed += failed.length;
  for (const name of failed) console.log(`FAILED: ${name}`);
  // A file that could not be loaded and an error outside of all tests are failures too.
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  const skippedAll = forbidden && forVitest.length === 0 && tally.skipped > 0;
  if (skippedAll) console.log(`FAILED: skipping is forbidden in this run, and ${tally.skipped} were skipped`);
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  return tally.failed > 0 || skippedAll ? 1 : 0;
}

function counts() {
  try {
    const results = JSON.parse(readFileSync(join(scratch, 'results.json'), 'utf8'));
    const unloaded = results.testResults.filter(
      (file) => file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed'),
    );
    return {
      passed: results.numPassedTests,
      failed: results.numFailedTests + unloaded.length,
      skipped: results.numPendingTests + (results.numTodoTests ?? 0),
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
