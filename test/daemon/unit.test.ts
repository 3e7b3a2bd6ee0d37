/** The unit and the agent as files, and what systemd itself says of the unit. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { healthArgs } from '../../src/cli/daemon-options.ts';
import { places } from '../../src/config.ts';
import { agentText, isAgent, isHopeless } from '../../src/daemon/agent.ts';
import { heartbeatAddress, keepAddress } from '../../src/daemon/heartbeat-address.ts';
import { install, leavesOut, uninstall } from '../../src/daemon/install.ts';
import { type InstallFacts, carriedEnv, leftBehind, unknownHere } from '../../src/daemon/install-facts.ts';
import { turnOver } from '../../src/daemon/log-size.ts';
import { unitText, word } from '../../src/daemon/unit.ts';
import { describeWithout } from '../rgw.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { settled } from './fakes.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-unit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const facts = (over: Partial<InstallFacts> = {}): InstallFacts => ({
  node: process.execPath,
  main: join(folder, 'main.js'),
  args: ['--metrics', '9763'],
  home: folder,
  places: places({ S3VAULT_HOME: join(folder, 'own home') }),
  env: { S3VAULT_HOME: join(folder, 'own home'), AWS_PROFILE: '100% "mine"' },
  roots: ['/tmp/a vault', '/srv/data'],
  ...over,
});

test('the unit is hardened, and may write only where there is something to write', () => {
  const unit = unitText(facts());
  for (const line of [
    'Type=notify',
    'NotifyAccess=all',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    'PrivateTmp=yes',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    'ReadWritePaths="-/tmp/a vault"',
    'BindPaths="-/tmp/a vault"',
    'ReadWritePaths=-/srv/data',
    `ReadWritePaths="-${join(folder, 'own home', 'run')}"`,
    `BindReadOnlyPaths="-${join(folder, 'own home', 'config')}"`,
    'Environment="AWS_PROFILE=100%% \\"mine\\""',
    'WatchdogSec=120s',
  ]) {
    expect(unit.split('\n')).toContain(line);
  }
  expect(unit).toContain('daemon run --metrics 9763\n');
  // No program of the system is needed for it, and it fails where reading the configuration again does.
  expect(unit).toMatch(/^ExecReload=\S+ \S+ daemon reload$/m);
  // The end is told by a child, which must live that long.
  expect(unit.split('\n')).toContain('KillMode=mixed');
  expect(unit).not.toMatch(/^MemoryDenyWriteExecute/m);
  expect(unit).not.toMatch(/^LoadCredential/m);
});

test('keys and secrets of other programs are out of reach, but where a vault is there', () => {
  const hidden = (over: Partial<InstallFacts> = {}): readonly string[] =>
    unitText(facts(over))
      .split('\n')
      .flatMap((line) => /^InaccessiblePaths=-(.*)$/.exec(line)?.[1] ?? []);
  const home = (name: string): string => join(folder, name);
  expect(hidden()).toEqual(expect.arrayContaining([home('.ssh'), home('.gnupg'), home('.kube')]));
  expect(hidden({ commands: true })).not.toContain(home('.gnupg'));
  expect(hidden({ roots: [home('.ssh/old')] })).not.toContain(home('.ssh'));
  expect(hidden({ passphraseFile: home('.ssh/pass') })).not.toContain(home('.ssh'));
  // Who keeps the whole home in step wants all of it there.
  expect(hidden({ roots: [folder] })).toEqual([]);
});

test('of ~/.aws only the tokens may be written: what its files name is run', () => {
  const unit = unitText(facts()).split('\n');
  expect(unit).not.toContain(`ReadWritePaths=-${join(folder, '.aws')}`);
  expect(unit).toContain(`ReadWritePaths=-${join(folder, '.aws/sso/cache')}`);
});

test('a dollar is itself: doubled in the command line, and only there', () => {
  const unit = unitText(facts({ args: ['--x', 'a$b${HOME}'], env: { AWS_PROFILE: 'a$b' } }));
  expect(unit).toContain(' daemon run --x "a$$b$${HOME}"\n');
  expect(unit).toContain('\nEnvironment="AWS_PROFILE=a$b"\n');
});

test('AWS credentials come as a credential, too', () => {
  const unit = unitText(facts({ credentialsFile: '/secret/aws' }));
  expect(unit).toContain('\nLoadCredential=aws-credentials:/secret/aws\n');
  expect(unit).toContain('\nEnvironment=AWS_SHARED_CREDENTIALS_FILE=%d/aws-credentials\n');
  expect(agentText(facts({ credentialsFile: '/secret/aws' }))).toContain('<string>/secret/aws</string>');
});

test('the address of the heartbeat is in a private file, not on a command line', async () => {
  const own = places({ S3VAULT_HOME: join(folder, 'own home') });
  const file = await keepAddress(own, 'https://hc.example.org/secret');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await heartbeatAddress(undefined, { S3VAULT_HEARTBEAT_FILE: file })).toBe(
    'https://hc.example.org/secret',
  );
  expect(await heartbeatAddress(undefined, { S3VAULT_HEARTBEAT_URL: 'https://a.example/' })).toBe(
    'https://a.example/',
  );
  expect(await heartbeatAddress(undefined, {})).toBeUndefined();
  expect(healthArgs({ heartbeatUrl: 'https://hc.example.org/secret', logLevel: 'debug' })).toStrictEqual([
    '--log-level',
    'debug',
  ]);
  rmSync(file);
  await expect(heartbeatAddress(undefined, { S3VAULT_HEARTBEAT_FILE: file })).rejects.toMatchObject({
    code: 'heartbeat-file',
  });
});

test('the passphrase comes as a credential', () => {
  const unit = unitText(facts({ passphraseFile: '/etc/s3vault/pass phrase' }));
  expect(unit).toContain('\nLoadCredential="s3vault-passphrase:/etc/s3vault/pass phrase"\n');
});

test('words are quoted where they must be', () => {
  expect(word('/plain/path-1.0')).toBe('/plain/path-1.0');
  expect(word('50%')).toBe('50%%');
  expect(word('a b\\c"d')).toBe('"a b\\\\c\\"d"');
  expect(word("it's")).toBe('"it\'s"');
});

test('settings are carried over, secrets never', () => {
  const env = {
    AWS_PROFILE: 'p',
    AWS_SECRET_ACCESS_KEY: 'hush',
    AWS_ACCESS_KEY_ID: 'AKIA',
    PATH: '/bin',
    AWS_REGION: '',
  };
  expect(carriedEnv(env)).toStrictEqual({ AWS_PROFILE: 'p' });
  expect(leftBehind(env)).toStrictEqual(['AWS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID']);
  const more = {
    AWS_ENDPOINT_URL_KMS: 'https://kms',
    AWS_ROLE_ARN: 'arn',
    AWS_WEB_IDENTITY_TOKEN_FILE: '/t',
    AWS_USE_FIPS_ENDPOINT: 'true',
  };
  expect(carriedEnv(more)).toStrictEqual(more);
  expect(
    unknownHere({ ...env, ...more, AWS_SOMETHING_NEW: 'x', S3VAULT_PASSPHRASE_FILE: '/p' }),
  ).toStrictEqual(['AWS_SOMETHING_NEW']);
});

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
const suite = 'systemd-analyze verify';

function checksUnit(): void {
  test.each([
    ['with everything', {}],
    [
      'with credentials and no vaults',
      { passphraseFile: '/etc/hostname', credentialsFile: '/etc/hosts', roots: [], env: {} },
    ],
    ['with dollars', { args: ['--x', '$a${b}'] }],
  ])('finds nothing to say of the unit %s', (_, over) => {
    writeFileSync(join(folder, 'main.js'), '');
    mkdirSync(join(folder, 'run'));
    const file = join(folder, 's3vault.service');
    writeFileSync(file, unitText(facts(over)));
    const { status, stderr, stdout } = spawnSync('systemd-analyze', ['--user', 'verify', '--man=no', file], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run') },
    });
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('s3vault'));
    expect({ status, said }).toStrictEqual({ status: 0, said: [] });
  });
}

if (hasAnalyze) describe(suite, checksUnit);
else describeWithout(suite, checksUnit, 'systemd-analyze is missing: apt-get install systemd');

test('the agent is a property list with everything escaped', () => {
  const text = agentText(facts({ env: { AWS_PROFILE: 'a<b>&"c"' }, passphraseFile: '/p' }));
  expect(text).toContain('<string>a&lt;b&gt;&amp;&quot;c&quot;</string>');
  expect(text).toContain('<key>S3VAULT_PASSPHRASE_FILE</key>\n    <string>/p</string>');
  expect(text).toContain(
    '    <string>daemon</string>\n    <string>run</string>\n    <string>--metrics</string>',
  );
});

test('a log that has grown is set aside while it is written, and no other file is', async () => {
  const path = join(folder, 'daemon.log');
  const fd = openSync(path, 'a', 0o600);
  writeSync(fd, 'x'.repeat(100));
  expect(await turnOver(path, fd, 100)).toBe(false);
  writeSync(fd, 'y');
  expect(await turnOver(path, fd, 100)).toBe(true);
  writeSync(fd, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
  expect(readFileSync(`${path}.1`, 'utf8')).toHaveLength(101);
  expect(statSync(`${path}.1`).mode & 0o777).toBe(0o600);
  closeSync(fd);
  const other = openSync(join(folder, 'other'), 'a');
  expect(await turnOver(path, other, 0)).toBe(false);
  closeSync(other);
});

describe('installing', () => {
  /** A service manager that notes what it is told, and fails where `fails` says so. */
  function systemctl(fails = ''): NodeJS.ProcessEnv {
    mkdirSync(join(folder, 'bin'), { recursive: true });
    const script = `#!/bin/sh\necho "$@" >> '${join(folder, 'told')}'\ncase "$*" in *${fails || 'nothing-fails'}*) echo 'no bus' >&2; exit 1;; esac\n`;
    for (const name of ['systemctl', 'launchctl'])
      writeFileSync(join(folder, 'bin', name), script, { mode: 0o755 });
    return { PATH: `${join(folder, 'bin')}:/bin:/usr/bin`, HOME: folder };
  }
  const told = (): readonly string[] => readFileSync(join(folder, 'told'), 'utf8').trim().split('\n');
  const options = (env: NodeJS.ProcessEnv, platform: NodeJS.Platform = 'linux', enable = true) => ({
    platform,
    env,
    home: folder,
    enable,
  });
  const unit = (): string => join(folder, '.config/systemd/user/s3vault.service');

  test('writes the unit and sets it going; again, it changes nothing; changed, it restarts', async () => {
    const env = systemctl();
    const first = await install(facts(), options(env));
    expect(first).toMatchObject({ file: unit(), change: 'written', left: [] });
    expect(readFileSync(unit(), 'utf8')).toBe(first.text);
    // In a unit nothing can be made where nothing may be written.
    const { config, state, logs, runtime } = facts().places;
    for (const path of [config, state, logs, runtime]) expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(told()).toStrictEqual(['--user daemon-reload', '--user enable --now s3vault.service']);
    expect((await install(facts(), options(env))).change).toBe('unchanged');
    const changed = await install(facts({ args: [] }), options(env));
    expect(changed.change).toBe('changed');
    expect(told().at(-1)).toBe('--user restart s3vault.service');
  });

  test('knows which vaults came later', async () => {
    const env = systemctl();
    expect(await leavesOut('/srv/new', options(env))).toBe(false);
    await install(facts(), options(env));
    expect(await leavesOut('/srv/new', options(env))).toBe(true);
    expect(await leavesOut('/srv/data', options(env))).toBe(false);
    expect(await leavesOut('/tmp/a vault', options(env))).toBe(false);
  });

  test('leaves to the user what it cannot run', async () => {
    const installed = await install(facts(), options(systemctl('enable')));
    expect(installed.left).toStrictEqual(['systemctl --user enable --now s3vault.service']);
    expect(installed.ran.at(-1)).toStrictEqual({
      line: 'systemctl --user enable --now s3vault.service',
      trouble: 'no bus',
    });
    const none = await install(facts(), options({ PATH: folder }));
    expect(none.ran).toStrictEqual([
      { line: 'systemctl --user daemon-reload', trouble: 'systemctl is not installed' },
    ]);
    expect((await install(facts(), options(systemctl(), 'linux', false))).ran).toStrictEqual([]);
  });

  test('takes it away again, also twice', async () => {
    const env = systemctl();
    await install(facts(), options(env));
    expect((await uninstall(options(env))).change).toBe('removed');
    expect(existsSync(unit())).toBe(false);
    expect(told().slice(-2)).toStrictEqual(['--user disable --now s3vault.service', '--user daemon-reload']);
    expect((await uninstall(options(env))).change).toBe('absent');
  });

  test('an agent that was never loaded, or takes a moment to end, is loaded all the same', async () => {
    const never = systemctl('bootout');
    await install(facts(), options(never, 'darwin', false));
    const installed = await install(facts(), options(never, 'darwin'));
    expect(installed).toMatchObject({ left: [], ran: [{ line: expect.stringContaining('bootstrap') }] });
    expect((await uninstall(options(never, 'darwin'))).left).toStrictEqual([]);
    // Until the one that runs has ended: "Bootstrap failed: 5: Input/output error".
    const env = systemctl('bootstrap');
    const clock = new ManualClock();
    const slow = install(facts(), { ...options(env, 'darwin'), clock });
    while (clock.waiting === 0) await settled();
    systemctl();
    clock.advance(500);
    expect((await slow).left).toStrictEqual([]);
  });

  test('launchd does not start again what another start does not mend', () => {
    expect([0, 1, 2, 3, 4, 6, 7].filter(isHopeless)).toStrictEqual([2, 7]);
    expect(isAgent({ XPC_SERVICE_NAME: 'org.s3vault.daemon' })).toBe(true);
    expect(isAgent({ XPC_SERVICE_NAME: '0' })).toBe(false);
  });

  test('is an agent on macOS, and refused where there is neither', async () => {
    const env = systemctl();
    const installed = await install(facts(), options(env, 'darwin'));
    expect(installed.file).toBe(join(folder, 'Library/LaunchAgents/org.s3vault.daemon.plist'));
    expect(told()[0]).toMatch(/^bootstrap gui\/\d+ .*org\.s3vault\.daemon\.plist$/);
    await expect(install(facts(), options(env, 'win32'))).rejects.toMatchObject({ code: 'cannot-install' });
  });
});
