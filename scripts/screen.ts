/**
 * `node scripts/screen.ts`: puts the screen of the running program into the README. The built program sends a folder to
 * the embedded server in a real terminal (tmux, 80×24), slowed down so that something is to be seen; what stands on the
 * screen then is written between the markers.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbedded } from '../src/embedded/server.ts';

const TOP = join(import.meta.dirname, '..');
const README = join(TOP, 'README.md');
const BUCKET = 'acme-vault';

/** What a folder of somebody could hold: name and bytes. */
const FILES: readonly (readonly [string, number])[] = [
  ['contracts/lease-signed.pdf', 1_204_000],
  ['invoices/0089.pdf', 88_400],
  ['invoices/0092.pdf', 188_400],
  ['notes/meeting.md', 4_000],
  ['notes/todo.md', 2_100],
  ['photos/2026/alps/DSC_0191.NEF', 37_100_000],
  ['photos/2026/alps/DSC_0192.NEF', 38_200_000],
  ['scans/tax.pdf', 640_000],
];

const socket = `s3vault-readme-${process.pid}`;
const tmux = (...args: readonly string[]): string =>
  execFileSync('tmux', ['-L', socket, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color', LANG: 'C.UTF-8' },
  });

async function shows(fits: RegExp): Promise<string> {
  for (let turn = 0; turn < 600; turn++) {
    const screen = tmux('capture-pane', '-p');
    if (fits.test(screen)) return screen;
    await sleep(50);
  }
  throw new Error(`the screen never showed ${String(fits)}:\n${tmux('capture-pane', '-p')}`);
}

async function capture(home: string): Promise<string> {
  const server = await startEmbedded({});
  try {
    server.createBucket(BUCKET);
    writeFileSync(join(home, 'ca.pem'), server.caPem);
    writeFileSync(join(home, 'key'), randomBytes(32).toString('base64'), { mode: 0o600 });
    for (const [path, size] of FILES) {
      const full = join(home, 'Documents', path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, randomBytes(size));
    }
    const variables = {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      AWS_REGION: server.region,
    };
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const to = ['--to', `s3://${BUCKET}/docs`, '--endpoint', server.url, '--ca-bundle', join(home, 'ca.pem')];
    const key = ['--key', 'laptop', '--key-store', 'command', '--key-command', `cat ${join(home, 'key')}`];
    const program = [process.execPath, join(TOP, 'dist', 'main.js'), 'sync', join(home, 'Documents')];
    const words = ['env', '-i', ...given, ...program, ...to, ...key, '--limit-upload', '8M'];
    const line = words.map((word) => `'${word}'`).join(' ');
    tmux('-f', '/dev/null', 'new-session', '-d', '-x', '80', '-y', '24', line);
    return await shows(/\d MB\/s .*[▂▃▄▅▆▇█](?:.*\n)*.*↑ photos.*[█]{3,}░+ +[1-9]\d %/);
  } finally {
    try {
      tmux('kill-server');
    } catch {
      // It ended by itself.
    }
    await server.close();
  }
}

const home = mkdtempSync(join(tmpdir(), 's3vault-readme-'));
try {
  const screen = (await capture(home))
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd();
  const readme = readFileSync(README, 'utf8');
  const [before, , after] = readme.split(/(?<=<!-- screen:begin -->\n)([^]*?)(?=<!-- screen:end -->)/);
  if (before === undefined || after === undefined) throw new Error('README.md has no markers');
  writeFileSync(README, `${before}\`\`\`\n${screen}\n\`\`\`\n${after}`);
  process.stdout.write(`${screen}\n`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
