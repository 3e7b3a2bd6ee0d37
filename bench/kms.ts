/** KMS under quota, in real time: processes that share a simulated KMS, and the built program on the embedded server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { startEmbedded } from '../src/embedded/server.ts';

const TOP = join(dirname(fileURLToPath(import.meta.url)), '..');
const SECONDS = 8;
/** Connections and first reads are behind everybody then. */
const WARM_MS = 1_500;

interface Case {
  readonly quota: number;
  readonly share: number;
  readonly clients: number;
  /** Requests a second that each client wants, as a multiple of its part of the share. */
  readonly demand: number;
}

const CASES: readonly Case[] = [
  ...[50, 1_000, 10_000].flatMap((quota) =>
    [1, 2, 4].map((clients) => ({ quota, share: 50, clients, demand: 2 })),
  ),
  { quota: 1_000, share: 90, clients: 2, demand: 2 },
  { quota: 1_000, share: 10, clients: 2, demand: 2 },
  { quota: 1_000, share: 50, clients: 2, demand: 0.4 },
];

/** The most of `times` (sorted, ms) in any one second. */
function mostInASecond(times: readonly number[]): number {
  let most = 0;
  let first = 0;
  times.forEach((time, last) => {
    while ((times[first] ?? time) <= time - 1_000) first++;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

const count = (number: number): string => Math.round(number).toLocaleString('en');
const percentOf = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(0)} %`;

/** A KMS behind a socket: counts, and throttles above its quota in any second. */
async function simulatedKms(path: string, quota: number) {
  const times: number[] = [];
  let oldest = 0;
  let throttled = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      let answer = '';
      for (let n = 0; n < data.length; n++) {
        const now = performance.now();
        while ((times[oldest] ?? now) <= now - 1_000) oldest++;
        const fits = times.length - oldest < quota;
        if (fits) times.push(now);
        else throttled++;
        answer += fits ? 'ok\n' : 'throttled\n';
      }
      socket.write(answer);
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return { times, throttled: () => throttled, close: () => server.close() };
}

async function runCase(work: string, { quota, share, clients, demand }: Case): Promise<string> {
  const folder = mkdtempSync(join(work, 'kms-'));
  const socket = join(folder, 'kms.socket');
  const kms = await simulatedKms(socket, quota);
  const limit = Math.floor((quota * share) / 100);
  const wants = Math.ceil((limit * demand) / clients);
  const results = await Promise.all(
    Array.from({ length: clients }, async (_, n) => {
      const args = [folder, socket, `client-${n}`, quota, share, wants, SECONDS].map(String);
      const child = spawn(process.execPath, [join(TOP, 'bench', 'kms-client.ts'), ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return JSON.parse(await text(child.stdout)) as { wanted: number; answered: number };
    }),
  );
  kms.close();
  const first = (kms.times[0] ?? 0) + WARM_MS;
  const last = (kms.times[0] ?? 0) + SECONDS * 1_000 - 500;
  const steady = kms.times.filter((time) => time > first && time <= last);
  const granted = (steady.length * 1_000) / (last - first);
  const reachable = Math.min(limit, wants * clients);
  const parts = results.map(({ answered }) => answered);
  const fair = clients === 1 ? '–' : percentOf(Math.min(...parts), Math.max(...parts));
  return `| ${count(quota)} | ${share} % | ${clients} | ${count(wants * clients)} | ${count(limit)} | ${count(granted)} (${percentOf(granted, reachable)}) | ${count(mostInASecond(steady))} | ${kms.throttled()} | ${fair} |`;
}

/** 1,000 files in `sse-kms` by the built program; the embedded server throttles above 50 a second. */
async function wholeProgram(work: string): Promise<string> {
  const [files, quota] = [1_000, 50];
  const server = await startEmbedded({ kmsKeys: [{ id: 'bench-key' }], kmsQuota: quota });
  server.createBucket('bench');
  const folder = mkdtempSync(join(work, 'program-'));
  const root = join(folder, 'files');
  mkdirSync(root);
  for (let n = 0; n < files; n++) writeFileSync(join(root, `f${n}`), `file ${n}`);
  const args = `sync ${root} --once --json --to s3://bench/kms --mode sse-kms --kms-key bench-key --kms-quota ${quota}`;
  const remote = ['--endpoint', server.url, '--ca-bundle', await server.caFile(folder)];
  const { accessKeyId, secretAccessKey } = server.credentials;
  const child = spawn(process.execPath, [join(TOP, 'dist', 'main.js'), ...args.split(' '), ...remote], {
    env: {
      PATH: process.env['PATH'],
      S3VAULT_HOME: join(folder, 'home'),
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: server.region,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const summary = JSON.parse((await text(child.stdout)).trimEnd().split('\n').at(-1) ?? '{}') as {
    readonly files: number;
    readonly ms: number;
    readonly exit: number;
  };
  const { callTimes, throttledTimes } = server.kms;
  await server.close();
  const ideal = files / (quota / 2);
  const took = summary.ms / 1_000;
  return (
    `\`s3vault sync --once\`, ${count(summary.files)} files in \`sse-kms\`, embedded server with a KMS quota of ${quota} a second, share 50 %: ` +
    `${took.toFixed(1)} s (ideal ${ideal} s, ${percentOf(took, ideal)} of it), ${callTimes.length} KMS requests, at most ${mostInASecond(callTimes)} in any second, ` +
    `${throttledTimes.length} throttled, exit ${summary.exit}.`
  );
}

/** The section of bench/RESULTS.md. */
export async function kmsSection(work: string): Promise<string> {
  const lines: string[] = [];
  for (const one of CASES) {
    process.stderr.write(`KMS: quota ${one.quota}, share ${one.share} %, ${one.clients} clients\n`);
    lines.push(await runCase(work, one));
  }
  process.stderr.write('KMS: 1,000 files by the built program\n');
  return `Processes of their own, each with its limiter on one ledger in the state folder, against one simulated KMS that throttles above
its quota in any second; requests a second, ${SECONDS} s each, counted at the KMS after the first ${WARM_MS / 1_000} s. "Allowed" is the share of the quota;
"granted" is compared with it, or with what is requested where that is less. The same in virtual time, up to 100,000 a second:
\`test/s3/kms-limiter.test.ts\`.

| quota | share | clients | requested | allowed | granted | most in any second | throttled | slowest to fastest client |
|---|---|---|---|---|---|---|---|---|
${lines.join('\n')}

${await wholeProgram(work)}`;
}
