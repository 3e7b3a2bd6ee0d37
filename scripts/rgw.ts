/**
 * A real S3 server for the tests: one Ceph RADOS Gateway over TLS on the loopback, all of it in one folder.
 *
 *   node scripts/rgw.ts up DIR [--port N] [--mon-port N] [--owner PID]    starts it, prints the connection as JSON
 *   node scripts/rgw.ts down DIR                                          ends every process that belongs to DIR
 *
 * The cluster is one monitor and one in-memory OSD without a manager; nothing of it outlives `down`. Processes are
 * found by their argument `DIR/ceph.conf`, not by pid files, so a start that failed half-way is cleaned up too.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';

export interface RgwConnection {
  readonly endpoint: string;
  /** PEM file with the certificate to trust. */
  readonly caFile: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  /** Ids of the keys that SSE-KMS can use; any other id is refused. */
  readonly kmsKeyIds: readonly string[];
  readonly dir: string;
}

export interface RgwOptions {
  /** Default: a free one. */
  readonly port?: number;
  readonly monPort?: number;
  /** When this process is gone, however it ended, the server is ended too. */
  readonly owner?: number;
}

const BINARIES = ['ceph', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin', 'openssl'];
const PACKAGES = 'radosgw ceph-mon ceph-osd ceph-common ceph-base openssl';
const KMS_KEYS = ['vault-key-1', 'vault-key-2'];
/** One command of the start; a mistake in a Ceph cluster shows as a hang, not as an error. */
const COMMAND_MS = 60_000;
const READY_MS = 90_000;

export const INSTALL_HINT = `apt-get install --no-install-recommends ${PACKAGES}`;

/** The programs that are needed and not on PATH. */
export function missingBinaries(): readonly string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return BINARIES.filter((name) => !folders.some((folder) => runnable(join(folder, name))));
}

function runnable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts a server in DIR, which is emptied first. About 10 s. Rejects, with nothing left running, if it can't. */
export async function startRgw(dir: string, options: RgwOptions = {}): Promise<RgwConnection> {
  const missing = missingBinaries();
  if (missing.length > 0) {
    throw new Error(`Ceph RGW can't start: no ${missing.join(', ')} on PATH; on Debian: ${INSTALL_HINT}`);
  }
  const home = resolve(dir);
  // A port that was free a moment ago may be taken by the time it is used: one more try, unless it was asked for.
  const tries = options.port === undefined && options.monPort === undefined ? 2 : 1;
  for (let attempt = 1; ; attempt++) {
    await stopRgw(home);
    try {
      return await startOnce(home, options);
    } catch (error) {
      const log = await logTail(home);
      await stopRgw(home);
      const text = error instanceof Error ? error.message : String(error);
      const message = `Ceph RGW did not start in ${home}: ${text}${log}`;
      if (attempt === tries) throw new Error(message, { cause: error });
      process.stderr.write(`${message}\ntrying once more\n`);
    }
  }
}

async function startOnce(home: string, options: RgwOptions): Promise<RgwConnection> {
  const [port, monPort] = await freePorts(options);
  const connection: RgwConnection = {
    endpoint: `https://localhost:${port}`,
    caFile: join(home, 'tls', 'cert.pem'),
    accessKeyId: `AK${randomBytes(9).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64url'),
    region: 'us-east-1',
    kmsKeyIds: KMS_KEYS,
    dir: home,
  };
  for (const folder of ['mon', 'osd/0', 'run', 'log', 'tls']) {
    await mkdir(join(home, folder), { recursive: true, mode: 0o700 });
  }
  if (options.owner !== undefined) startGuard(home, options.owner);
  const fsid = randomUUID();
  await writeFile(conf(home), cephConf(home, fsid, port, monPort), { mode: 0o600 });
  await makeCertificate(home);
  const osd = await startCluster(home, fsid, monPort);
  await startGateway(home, connection, osd);
  await writeFile(join(home, 'connection.json'), JSON.stringify(connection), { mode: 0o600 });
  return connection;
}

/** The monitor and the OSD; tells whether the OSD is still there. */
async function startCluster(home: string, fsid: string, monPort: number): Promise<() => boolean> {
  const map = join(home, 'monmap');
  const c = ['-c', conf(home)];
  await run('monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', `v1:127.0.0.1:${monPort}`, map]);
  await run('ceph-mon', [...c, '--mkfs', '-i', 'a', '--monmap', map]);
  const mon = await daemon(home, 'ceph-mon', ['-i', 'a']);
  // `osd new` and `--mkfs` must carry one UUID, else the OSD never comes up.
  const osd = randomUUID();
  await whileAlive(mon, 'ceph-mon', (signal) => run('ceph', [...c, 'osd', 'new', osd, '0'], signal));
  await run('ceph-osd', [...c, '-i', '0', '--mkfs', '--osd-uuid', osd]);
  const alive = await daemon(home, 'ceph-osd', ['-i', '0']);
  const add = 'osd crush add osd.0 1 host=localhost root=default'.split(' ');
  await whileAlive(alive, 'ceph-osd', (signal) => run('ceph', [...c, ...add], signal));
  return alive;
}

async function startGateway(home: string, connection: RgwConnection, osd: () => boolean): Promise<void> {
  const user = [
    '--uid=s3vault',
    '--display-name=s3vault',
    `--access-key=${connection.accessKeyId}`,
    `--secret-key=${connection.secretAccessKey}`,
  ];
  const gateway = await daemon(home, 'radosgw', ['-n', 'client.rgw']);
  await answers(connection, { radosgw: gateway, 'ceph-osd': osd });
  await run('radosgw-admin', ['-c', conf(home), 'user', 'create', ...user]);
}

/** Ends every process of a server in DIR and removes the folder. Does nothing where there is none. */
export async function stopRgw(dir: string): Promise<void> {
  const home = resolve(dir);
  // Repeated: a start under way may have begun another process meanwhile.
  while (killRgw(home) > 0) await sleep(50);
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
}

/** The synchronous half of `stopRgw`, for exit handlers: how many processes were still there. */
export function killRgw(dir: string): number {
  const mark = conf(resolve(dir));
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && belongs(name, mark));
  // The data is thrown away, so nothing is gained by asking politely.
  for (const pid of pids) kill(Number(pid));
  return pids.length;
}

function belongs(pid: string, mark: string): boolean {
  try {
    if (Number(pid) === process.pid) return false;
    // A zombie has an empty command line and does not count.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(mark);
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

/** A small shell that outlives its starter and ends the server when the owner is gone, even by SIGKILL. */
function startGuard(home: string, owner: number): void {
  const script =
    'while kill -0 "$1" 2>/dev/null; do sleep 2; [ -e "$2" ] || exit 0; done; exec "$3" "$4" down "$5"';
  const args = ['-c', script, 'rgw-guard', `${owner}`, home, process.execPath, import.meta.filename, home];
  spawn('/bin/sh', args, { detached: true, stdio: 'ignore', cwd: '/' }).unref();
}

const conf = (home: string): string => join(home, 'ceph.conf');

function cephConf(home: string, fsid: string, port: number, monPort: number): string {
  const tls = (name: string): string => join(home, 'tls', name);
  const kms = KMS_KEYS.map((name) => `${name}=${randomBytes(32).toString('base64')}`).join(' ');
  return `[global]
fsid = ${fsid}
mon host = v1:127.0.0.1:${monPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms bind msgr2 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
run dir = ${home}/run
admin socket =
log file = ${home}/log/$name.log
[mon.a]
mon data = ${home}/mon/a
[osd.0]
osd data = ${home}/osd/0
osd objectstore = memstore
# Both send the monitor a command at once, sometimes too early: it says 'wrong fsid', and the OSD ends.
osd class update on start = false
osd crush update on start = false
memstore device bytes = 8589934592
[client.rgw]
rgw frontends = beast ssl_endpoint=127.0.0.1:${port} ssl_certificate=${tls('cert.pem')} ssl_private_key=${tls('key.pem')}
rgw dns name = localhost
rgw crypt require ssl = true
# Bytes and operations by bucket, for radosgw-admin usage show.
rgw enable usage log = true
rgw usage log tick interval = 1
rgw usage log flush threshold = 1
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${kms}
`;
}

async function makeCertificate(home: string): Promise<void> {
  const kind = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost';
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-keyout', join(home, 'tls', 'key.pem'), '-out', join(home, 'tls', 'cert.pem')];
  await run('openssl', [...kind.split(' '), ...names, ...files]);
}

/** A command that waits for a daemon, given up as soon as that daemon has ended. */
async function whileAlive(
  alive: () => boolean,
  name: string,
  command: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const watch = setInterval(() => alive() || over.abort(), 100);
  try {
    await command(over.signal);
  } catch (error) {
    throw over.signal.aborted ? new Error(`${name} ended at once`, { cause: error }) : error;
  } finally {
    clearInterval(watch);
  }
}

async function run(command: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  const limits = { timeout: COMMAND_MS, killSignal: 'SIGKILL', maxBuffer: 16 << 20, signal } as const;
  try {
    await promisify(execFile)(command, args, limits);
  } catch (error) {
    const failed = error as { killed?: boolean; stderr?: string; message: string };
    const why =
      failed.killed === true ? `no end after ${COMMAND_MS / 1000} s` : failed.stderr || failed.message;
    const head = why.trim().split('\n').slice(0, 6).join('\n');
    throw new Error(`${command} ${args.slice(0, 6).join(' ')}: ${head}`, { cause: error });
  }
}

/** A daemon in the foreground of its own session: it survives the starter and keeps no descriptor of its. */
async function daemon(home: string, command: string, args: readonly string[]): Promise<() => boolean> {
  const log = await open(join(home, 'log', `${command}.out`), 'a', 0o600);
  const stdio = ['ignore', log.fd, log.fd] as const;
  const child = spawn(command, ['-f', '-c', conf(home), ...args], {
    detached: true,
    stdio: [...stdio],
    cwd: home,
  });
  let failure: Error | undefined;
  child.on('error', (error) => (failure = error));
  child.unref();
  await log.close();
  return () => failure === undefined && child.exitCode === null && child.signalCode === null;
}

/** Waits until the gateway answers a request over TLS, or a daemon has ended. */
async function answers(
  connection: RgwConnection,
  daemons: Readonly<Record<string, () => boolean>>,
): Promise<void> {
  const ca = await readFile(connection.caFile);
  const end = Date.now() + READY_MS;
  while (Date.now() < end) {
    for (const [name, alive] of Object.entries(daemons))
      if (!alive()) throw new Error(`${name} ended at once`);
    if (await answersOnce(connection.endpoint, ca)) return;
    await sleep(100);
  }
  throw new Error(`radosgw did not answer within ${READY_MS / 1000} s`);
}

function answersOnce(endpoint: string, ca: Buffer): Promise<boolean> {
  return new Promise((done) => {
    const asked = request(endpoint, { ca, agent: false, timeout: 5000 }, (response) => {
      response.resume();
      done(response.statusCode === 200);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', () => done(false));
    asked.end();
  });
}

/**
 * A port that is taken is found out before anything is started: `ceph` would talk to whichever monitor is there, and
 * change its cluster.
 */
async function freePorts(options: RgwOptions): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()] as const;
  try {
    return [await listen(servers[0], options.port), await listen(servers[1], options.monPort)];
  } finally {
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  }
}

function listen(server: ReturnType<typeof createServer>, port = 0): Promise<number> {
  return new Promise((done, fail) => {
    server.on('error', (cause) =>
      fail(new Error(`port ${port} cannot be used: ${cause.message}`, { cause })),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      done(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

/** The last lines of each log, for the message of a failed start. */
async function logTail(home: string): Promise<string> {
  const tails: string[] = [];
  for (const name of ['ceph-mon.out', 'ceph-osd.out', 'radosgw.out', 'client.rgw.log']) {
    const text = await readFile(join(home, 'log', name), 'utf8').catch(() => '');
    if (text !== '') tails.push(`\n--- ${name}\n${text.trimEnd().split('\n').slice(-8).join('\n')}`);
  }
  return tails.join('');
}

const USAGE = 'usage: node scripts/rgw.ts up DIR [--port N] [--mon-port N] [--owner PID] | down DIR\n';

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { port: { type: 'string' }, 'mon-port': { type: 'string' }, owner: { type: 'string' } },
  });
  const [command, dir] = positionals;
  if (dir === undefined || (command !== 'up' && command !== 'down')) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (command === 'down') {
    await stopRgw(dir);
    return 0;
  }
  const started = await startRgw(dir, {
    ...numberOption('port', values.port),
    ...numberOption('monPort', values['mon-port']),
    ...numberOption('owner', values.owner),
  });
  process.stdout.write(`${JSON.stringify(started, null, 2)}\n`);
  return 0;
}

function numberOption(name: keyof RgwOptions, text: string | undefined): RgwOptions {
  if (text === undefined) return {};
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} needs a number, not ${text}`);
  return { [name]: value };
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
