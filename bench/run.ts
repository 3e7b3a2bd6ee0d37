/**
 * `npm run bench`: s3vault beside its peer, in one run, in pairs (A B A B …), medians of at least five, whole processes
 * against the same HTTPS store on the loopback. Writes the table to bench/RESULTS.md. Not a test: nothing here fails.
 *
 *   node bench/run.ts [--runs N] [--only small,big,restore,still,start,screen,kms] [--files N]
 *
 * What is left out keeps the figures it had.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { kmsSection } from './kms.ts';
import { readResults, workOf, writeResults } from './results.ts';
import { screenSection } from './screen-section.ts';

const TOP = join(dirname(fileURLToPath(import.meta.url)), '..');
const MAIN = join(TOP, 'dist', 'main.js');
const MIB = 2 ** 20;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: 'small,big,restore,still,start,screen,kms' },
    files: { type: 'string', default: '100000' },
  },
});
const RUNS = Math.max(1, Number(values.runs));
const only = new Set(values.only.split(','));

interface Figures {
  readonly wall: number;
  readonly cpu: number;
  readonly peakMb: number;
}

interface Contestant {
  readonly name: string;
  /** Undone before every run: nothing is left of the last one. */
  readonly before?: () => void;
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

interface Row {
  readonly work: string;
  readonly target: string;
  readonly ours: Figures;
  readonly peer: string;
  readonly theirs: Figures;
  readonly wallRatio: number;
  readonly cpuRatio: number;
}

/** Nothing of the user's own AWS set-up: rclone refuses to start under AWS_CA_BUNDLE, for one. */
const cleanEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(AWS_|S3VAULT_|NODE_)/.test(name)),
);

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Runs one command to its end under /usr/bin/time: wall and CPU seconds, peak resident memory. */
function measure(contestant: Contestant): Figures {
  contestant.before?.();
  const [command = '', ...args] = contestant.command;
  const file = join(work, 'time.txt');
  const ended = spawnSync('/usr/bin/time', ['-f', '%e %U %S %M', '-o', file, command, ...args], {
    env: { ...cleanEnv, ...contestant.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 512 * MIB,
  });
  if (ended.status !== 0) {
    throw new Error(
      `${contestant.name} ended with ${ended.status}: ${ended.stdout.toString().slice(-1_000)}${ended.stderr.toString().slice(-2_000)}`,
    );
  }
  const line = execFileSync('tail', ['-n', '1', file]).toString();
  const [wall = 0, user = 0, system = 0, kb = 0] = line.trim().split(' ').map(Number);
  return { wall, cpu: user + system, peakMb: kb / 1024 };
}

/** Ours and theirs in turn, one warm-up each. */
function pair(workName: string, target: string, ours: Contestant, theirs: Contestant, runs = RUNS): Row {
  process.stderr.write(`${workName}: ${ours.name} beside ${theirs.name}, ${runs} pairs\n`);
  measure(ours);
  measure(theirs);
  const a: Figures[] = [];
  const b: Figures[] = [];
  for (let n = 0; n < runs; n++) {
    a.push(measure(ours));
    b.push(measure(theirs));
  }
  const middle = (all: readonly Figures[]): Figures => ({
    wall: median(all.map((one) => one.wall)),
    cpu: median(all.map((one) => one.cpu)),
    peakMb: median(all.map((one) => one.peakMb)),
  });
  const ratio = (pick: (one: Figures) => number): number =>
    median(a.map((one, n) => pick(one) / Math.max(0.001, pick(b[n] ?? one))));
  return {
    work: workName,
    target,
    ours: middle(a),
    peer: theirs.name,
    theirs: middle(b),
    wallRatio: ratio((one) => one.wall),
    cpuRatio: ratio((one) => one.cpu),
  };
}

const work = mkdtempSync(join(tmpdir(), 's3vault-bench-'));

interface Store {
  readonly url: string;
  readonly region: string;
  readonly caFile: string;
  readonly env: NodeJS.ProcessEnv;
  close(): void;
}

/** `sink` where only sending counts; `keep` where a later run reads the vault's description again. */
async function openStore(kind: 'keep' | 'sink'): Promise<Store> {
  const caFile = join(work, `ca-${kind}.pem`);
  const server = spawn(process.execPath, [join(TOP, 'bench', 'server.ts'), caFile, kind], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said = await new Promise<{
    url: string;
    region: string;
    accessKeyId: string;
    secretAccessKey: string;
  }>((resolve) => server.stdout.once('data', (data: Buffer) => resolve(JSON.parse(data.toString()))));
  const env = {
    AWS_ACCESS_KEY_ID: said.accessKeyId,
    AWS_SECRET_ACCESS_KEY: said.secretAccessKey,
    AWS_REGION: said.region,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  return { url: said.url, region: said.region, caFile, env, close: () => server.stdin.end() };
}

const sinking = await openStore('sink');
const keeping = await openStore('keep');
const keyFile = join(work, 'key');
writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 });

let prefix = 0;
const target = (): string => `s3://bench/run-${prefix}`;

const storeArgs = (store: Store): readonly string[] => [
  '--endpoint',
  store.url,
  '--ca-bundle',
  store.caFile,
  '--key-store',
  'command',
  '--key-command',
  `cat ${keyFile}`,
];

/** `sync --once` of a folder in `client` mode, from nothing: another home and another prefix each time. */
function ours(store: Store, root: string, fresh = true): Contestant {
  const home = join(work, 'home');
  const args = storeArgs(store);
  return {
    name: 's3vault sync --once',
    before: () => {
      if (!fresh) return;
      prefix++;
      rmSync(home, { recursive: true, force: true });
      rmSync(join(root, '.s3vault'), { recursive: true, force: true });
    },
    get command() {
      const to = fresh ? ['--to', target(), '--key', 'k'] : [];
      return [process.execPath, MAIN, 'sync', root, '--once', '--json', ...to, ...args];
    },
    env: { ...store.env, S3VAULT_HOME: home },
  };
}

/** `rclone copy` through crypt, as its users run it. */
function rclone(store: Store, root: string): Contestant {
  const config = join(work, 'rclone.conf');
  const password = execFileSync('rclone', ['obscure', 'bench-password']).toString().trim();
  writeFileSync(
    config,
    `[store]\ntype = s3\nprovider = Other\nenv_auth = true\nendpoint = ${store.url}\nregion = ${store.region}\nforce_path_style = true\nno_check_bucket = true\n` +
      `[sealed]\ntype = crypt\nremote = store:bench/rclone\npassword = ${password}\nfilename_encryption = off\ndirectory_name_encryption = false\n`,
  );
  let number = 0;
  return {
    name: 'rclone copy through crypt',
    before: () => {
      number++;
    },
    get command() {
      const flags = [
        '--config',
        config,
        '--ca-cert',
        store.caFile,
        '--transfers',
        '16',
        '--checkers',
        '16',
        '-q',
      ];
      return ['rclone', 'copy', root, `sealed:run-${number}`, ...flags];
    },
    env: store.env,
  };
}

function folderOf(name: string, count: number, size: (n: number) => number, perFolder = 100): string {
  const root = join(work, name);
  for (let n = 0; n < count; n++) {
    const folder = join(root, `d${Math.floor(n / perFolder)}`);
    if (n % perFolder === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${n}`), randomBytes(size(n)));
  }
  return root;
}

const smallFiles = (name: string): string => folderOf(name, 5_000, (n) => 512 + ((n * 7_919) % 15_872));

function bigFile(name: string): string {
  const root = join(work, name);
  mkdirSync(root);
  const chunk = randomBytes(64 * MIB);
  for (let n = 0; n < 16; n++) {
    chunk.writeUInt32LE(n, 0);
    writeFileSync(join(root, 'file.bin'), chunk, { flag: 'a' });
  }
  return root;
}

const rows: Row[] = [];

/** Both bring back what each has sent itself; into an empty folder each time. */
function pairRestore(workName: string, root: string): void {
  const sent = ours(keeping, root);
  const peerSent = rclone(keeping, root);
  measure(sent);
  measure(peerSent);
  const out = join(work, 'out');
  const before = (): void => rmSync(out, { recursive: true, force: true });
  const [from = '', to = ''] = peerSent.command.slice(2, 4);
  const mine = [process.execPath, MAIN, 'restore', '--from', root, '--out', out, '--json'];
  const theirs = ['rclone', 'copy', to, out, ...peerSent.command.slice(4)];
  if (from !== root) throw new Error('the peer was to send the same folder');
  rows.push(
    pair(
      workName,
      '≤ 0.7 × wall and CPU',
      { name: 's3vault restore', before, command: [...mine, ...storeArgs(keeping)], env: sent.env ?? {} },
      { name: 'rclone copy through crypt', before, command: theirs, env: keeping.env },
    ),
  );
  before();
  rmSync(root, { recursive: true, force: true });
}

if (only.has('small')) {
  const root = smallFiles('small');
  rows.push(
    pair(
      'push 5,000 small files, `client`',
      '≤ 0.5 × wall and CPU',
      ours(sinking, root),
      rclone(sinking, root),
    ),
  );
}
if (only.has('big')) {
  const root = bigFile('big');
  rows.push(
    pair(
      'push 1 GiB, `client`',
      '≤ 0.5 × wall and CPU; ≤ 200 MB',
      ours(sinking, root),
      rclone(sinking, root),
    ),
  );
}
if (only.has('restore')) {
  pairRestore('restore 5,000 small files, `client`', smallFiles('back-small'));
  pairRestore('restore 1 GiB, `client`', bigFile('back-big'));
}
if (only.has('still')) {
  const count = Number(values.files);
  const root = folderOf('still', count, () => 64);
  measure(ours(keeping, root));
  const peerFirst = rclone(keeping, root);
  measure(peerFirst);
  const settled: Contestant = {
    name: 'rclone copy --fast-list --size-only',
    command: peerFirst.command.concat(['--fast-list', '--size-only']),
    env: keeping.env,
  };
  rows.push(
    pair(
      `nothing to do, ${count.toLocaleString('en')} files`,
      '≤ 0.5 × wall',
      ours(keeping, root, false),
      settled,
    ),
  );
}
if (only.has('start')) {
  const bare: Contestant = { name: 'node -e 0', command: [process.execPath, '-e', '0'] };
  for (const flag of ['--version', '--help']) {
    const contestant = { name: `s3vault ${flag}`, command: [process.execPath, MAIN, flag] };
    rows.push(pair(`s3vault ${flag}`, '≤ 2 × node -e 0', contestant, bare, Math.max(RUNS, 9)));
  }
  const root = join(work, 'empty');
  mkdirSync(root);
  measure(ours(keeping, root));
  rows.push(
    pair('`sync --once`, empty folder', '≤ 400 ms', ours(keeping, root, false), bare, Math.max(RUNS, 9)),
  );
}

const screen = only.has('screen') ? await screenSection() : undefined;
const kms = only.has('kms') ? await kmsSection(work) : undefined;

sinking.close();
keeping.close();
rmSync(work, { recursive: true, force: true });

const figures = ({ wall, cpu, peakMb }: Figures): string =>
  `${wall.toFixed(2)} / ${cpu.toFixed(2)} / ${Math.round(peakMb)}`;
const lines = rows.map(
  (row) =>
    `| ${row.work} | ${row.target} | ${figures(row.ours)} | ${row.peer} | ${figures(row.theirs)} | ${row.wallRatio.toFixed(2)} | ${row.cpuRatio.toFixed(2)} |`,
);

const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;

function head(): string {
  const rcloneVersion = execFileSync('rclone', ['version']).toString().split('\n')[0] ?? '';
  return `# Benchmarks

Whole processes against one HTTPS store on the loopback (\`bench/server.ts\`; for pushes one that keeps no bodies), in pairs, medians of ${RUNS}
(start-up: of ${Math.max(RUNS, 9)}). Ratios are medians of the ratios pair by pair; below 1 is faster than the peer. \`npm run bench\` makes this file;
rows that a run leaves out keep the figures they had.

${machine}, ${rcloneVersion}`;
}

const FILE = join(TOP, 'bench', 'RESULTS.md');
const before = readResults(FILE);
writeResults(FILE, {
  head: rows.length === 0 ? before.head : head(),
  rows: new Map([...before.rows, ...lines.map((line): [string, string] => [workOf(line), line])]),
  sections: new Map([
    ...before.sections,
    ...(screen === undefined ? [] : ([['The screen', screen]] as const)),
    ...(kms === undefined ? [] : ([['KMS under quota', kms]] as const)),
  ]),
});
for (const text of [...lines, screen, kms]) if (text !== undefined) process.stdout.write(`${text}\n`);
