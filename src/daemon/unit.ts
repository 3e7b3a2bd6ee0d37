/** The systemd user unit: as little of the machine as syncing needs (systemd.exec(5), "Sandboxing"). */
import { join } from 'node:path';
import { hiddenPaths } from './hidden.ts';
import type { InstallFacts } from './install-facts.ts';

export function unitText(facts: InstallFacts): string {
  const { args, home, places, env, roots } = facts;
  const writable = [...new Set([places.state, places.logs, places.runtime, ...roots])];
  const lines = [
    '# Written by: s3vault daemon install. Run that again after adding a vault or updating Node; own changes belong into',
    '#   systemctl --user edit s3vault',
    '[Unit]',
    'Description=s3vault: keeps folders and S3 in step, encrypted',
    'Documentation=man:systemd.service(5)',
    'StartLimitIntervalSec=10min',
    'StartLimitBurst=10',
    '',
    '[Service]',
    'Type=notify',
    '# The messages come from systemd-notify, a child.',
    'NotifyAccess=all',
    `ExecStart=${command(facts, 'run', ...args)}`,
    `ExecReload=${command(facts, 'reload')}`,
    '# What the daemon has started (systemd-notify, commands for keys) is left to it.',
    'KillMode=mixed',
    'Restart=on-failure',
    '# 2: wrong configuration, 7: another daemon runs. Trying again mends neither.',
    'RestartPreventExitStatus=2 7',
    'RestartSec=15s',
    'TimeoutStartSec=60s',
    'TimeoutStopSec=15s',
    'WatchdogSec=120s',
    ...Object.entries(env).map(([name, value]) => `Environment=${word(`${name}=${value}`)}`),
    '',
    ...credential(facts),
    ...awsCredentials(facts),
    '',
    '# Writing is allowed only where s3vault has something to write, reading where nobody keeps secrets of other programs.',
    'NoNewPrivileges=yes',
    'PrivateUsers=yes',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    ...writable.map((path) => `ReadWritePaths=${word(`-${path}`)}`),
    ...hiddenPaths(facts).map((path) => `InaccessiblePaths=${word(`-${path}`)}`),
    '# The AWS SDK renews tokens of single sign-on there. Not the files beside: what they name is run.',
    ...TOKENS.map((name) => `ReadWritePaths=${word(`-${join(home, '.aws', name)}`)}`),
    'RuntimeDirectory=s3vault',
    'RuntimeDirectoryMode=0700',
    'PrivateTmp=yes',
    ...writable.filter(isTemporary).map((path) => `BindPaths=${word(`-${path}`)}`),
    ...[places.config].filter(isTemporary).map((path) => `BindReadOnlyPaths=${word(`-${path}`)}`),
    'PrivateDevices=yes',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'ProtectControlGroups=yes',
    'LockPersonality=yes',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    'SystemCallArchitectures=native',
    '# Node compiles while it runs: MemoryDenyWriteExecute= is not for it.',
    'SystemCallFilter=@system-service @pkey',
    'SystemCallErrorNumber=EPERM',
    'UMask=0077',
    '',
    '[Install]',
    'WantedBy=default.target',
  ];
  return `${lines.join('\n')}\n`;
}

const command = ({ node, main }: InstallFacts, ...words: readonly string[]): string =>
  [word(node), ...[main, 'daemon', ...words].map(argument)].join(' ');

const TOKENS = ['sso/cache', 'cli/cache', 'login/cache'] as const;

/** What `PrivateTmp=` would hide. */
const isTemporary = (path: string): boolean => path.startsWith('/tmp/') || path.startsWith('/var/tmp/');

function credential({ passphraseFile }: InstallFacts): readonly string[] {
  if (passphraseFile !== undefined) return [`LoadCredential=${word(`s3vault-passphrase:${passphraseFile}`)}`];
  return [
    '# For a key file, the passphrase comes as a credential; s3vault daemon install --passphrase-file FILE writes this line:',
    '#LoadCredential=s3vault-passphrase:/path/to/a/file/only/you/can/read',
  ];
}

/** `%d`: the folder of the unit's credentials. */
const awsCredentials = ({ credentialsFile }: InstallFacts): readonly string[] =>
  credentialsFile === undefined
    ? []
    : [
        `LoadCredential=${word(`aws-credentials:${credentialsFile}`)}`,
        'Environment=AWS_SHARED_CREDENTIALS_FILE=%d/aws-credentials',
      ];

/** An argument of a command line: there `$` stands for variables, too (systemd.service(5), "Command lines"). */
const argument = (text: string): string => word(text).replaceAll('$', '$$$$');

/** One word of a unit file: systemd.syntax(7), "Quoting", and `%` as itself. */
export function word(text: string): string {
  const plain = text.replaceAll('%', '%%');
  if (/^[\w@%+=:,./-]+$/.test(plain)) return plain;
  const escaped = plain
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t');
  return `"${escaped}"`;
}
