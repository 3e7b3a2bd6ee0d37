/** Runs the built program as a user would: a process of its own, a home of its own, a real store over TLS. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { places } from '../../src/config.ts';
import { aesMaterial } from '../../src/crypto/generate.ts';
import { keyFileStore } from '../../src/keys/key-file.ts';
import { keyFilePath } from '../../src/keys/open-key-store.ts';
import type { KeyStore } from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';

const TOP = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const MAIN = join(TOP, 'dist', 'main.js');

export interface Endpoint {
  readonly endpoint: string;
  readonly caFile: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of `--json`. */
  readonly lines: readonly JsonLine[];
}

export interface JsonLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** One user's machine: a home, a folder to sync, a raw key. */
export class Machine {
  readonly home = mkdtempSync(join(tmpdir(), 'vault-'));
  readonly root = join(this.home, 'files');
  readonly key: Buffer<ArrayBuffer>;
  readonly endpoint: Endpoint;

  constructor(endpoint: Endpoint, key = randomBytes(32)) {
    this.endpoint = endpoint;
    this.key = key;
    mkdirSync(this.root);
  }

  env(over: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const { accessKeyId, secretAccessKey, region } = this.endpoint;
    return {
      PATH,
      ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }),
      HOME: this.home,
      S3VAULT_HOME: join(this.home, 's3vault'),
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: region,
      AWS_EC2_METADATA_DISABLED: 'true',
      S3VAULT_PASSPHRASE_FILE: this.passphraseFile,
      ...over,
    };
  }

  get passphraseFile(): string {
    return join(this.home, 'passphrase');
  }

  /** Where the store is; `--to` is up to the test. */
  get remoteArgs(): string[] {
    return ['--endpoint', this.endpoint.endpoint, '--ca-bundle', this.endpoint.caFile];
  }

  /** Options that fetch the raw key with a command: quick, where the key file is not what is tested. */
  get keyArgs(): string[] {
    const file = join(this.home, 'key.base64');
    writeFileSync(file, this.key.toString('base64'), { mode: 0o600 });
    return ['--key', 'laptop', '--key-store', 'command', '--key-command', `cat ${file}`];
  }

  /** Puts the machine's raw key into a key file under `name`, one that takes no second to open. */
  async importKey(name: string): Promise<void> {
    writeFileSync(this.passphraseFile, 'correct horse battery staple', { mode: 0o600 });
    const material = aesMaterial(new Secret(Buffer.from(this.key)));
    await this.#keyFile().save(name, material, new Date().toISOString());
  }

  /** Seals the key file that the program made anew, so that it takes no second to open. */
  async quickenKeys(): Promise<void> {
    const made = this.#keyFile();
    const keys = await Promise.all(
      (await made.list()).map(async ({ name, created }) => ({ name, created, key: await made.load(name) })),
    );
    rmSync(this.#keyFilePath);
    const quick = this.#keyFile();
    for (const { name, created, key } of keys) await quick.save(name, key, created);
  }

  get #keyFilePath(): string {
    return keyFilePath(places({ S3VAULT_HOME: join(this.home, 's3vault') }));
  }

  #keyFile(): KeyStore {
    return keyFileStore({
      path: this.#keyFilePath,
      passphrase: async () => new Secret(readFileSync(this.passphraseFile)),
      workFactorForTests: 2,
    });
  }

  start(args: readonly string[], options: { env?: NodeJS.ProcessEnv; stdin?: string } = {}): Started {
    const child = spawn(process.execPath, [MAIN, ...args], { env: this.env(options.env), cwd: this.home });
    return new Started(child, options.stdin);
  }

  run(args: readonly string[], options: { env?: NodeJS.ProcessEnv; stdin?: string } = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** Another program, in the same environment. */
  runProgram(program: string, args: readonly string[]): Promise<Ended> {
    return new Started(spawn(program, args, { env: this.env(), cwd: this.home })).ended;
  }

  write(path: string, content: string | Buffer): void {
    const full = join(this.root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content);
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** A running program whose JSON lines can be waited for. */
export class Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';
  readonly #lines: JsonLine[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(child: ChildProcess, stdin?: string) {
    this.child = child;
    child.stdin?.end(stdin ?? '');
    child.stderr?.on('data', (data: Buffer) => {
      this.#stderr += data.toString();
    });
    let rest = '';
    child.stdout?.on('data', (data: Buffer) => {
      this.#stdout += data.toString();
      const lines = (rest + data.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (/^\{".*\}$/.test(line)) this.#lines.push(JSON.parse(line) as JsonLine);
      this.#wake();
    });
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr, lines: this.#lines });
        this.#wake();
      });
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  get lines(): readonly JsonLine[] {
    return this.#lines;
  }

  /** Resolves with the first line from `from` on that fits; rejects when the program ends first. */
  async line(fits: (line: JsonLine) => boolean, from = 0): Promise<JsonLine> {
    let over = false;
    void this.ended.then(() => {
      over = true;
      this.#wake();
    });
    for (;;) {
      const found = this.#lines.slice(from).find(fits);
      if (found !== undefined) return found;
      if (over)
        throw new Error(
          `the program ended without that line\n${this.#stderr}\n${this.#stdout.slice(-2_000)}`,
        );
      await new Promise<void>((wake) => this.#waiting.add(wake));
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

const MIB = 2 ** 20;

/** The mixed folder of the acceptance list: empty, one byte, 8 MiB ± 1, 100 MiB, odd names, deep folders; `count` files. */
export function writeMixedFolder(machine: Machine, count: number, bigBytes = 100 * MIB): Map<string, string> {
  const digests = new Map<string, string>();
  const put = (path: string, content: Buffer): void => {
    machine.write(path, content);
    digests.set(path, createHash('sha256').update(content).digest('hex'));
  };
  put('empty', Buffer.alloc(0));
  put('one-byte', Buffer.from([7]));
  for (const [name, size] of [
    ['minus', 8 * MIB - 1],
    ['exact', 8 * MIB],
    ['plus', 8 * MIB + 1],
  ] as const) {
    put(`edges/8MiB-${name}`, randomBytes(size));
  }
  put('big/file.bin', randomBytes(bigBytes));
  for (const name of ODD_NAMES) put(`odd/${name}`, Buffer.from(`content of ${name}`));
  put(`${Array.from({ length: 40 }, (_, n) => `level-${n}`).join('/')}/deep.txt`, Buffer.from('deep'));
  symlinkSync('one-byte', join(machine.root, 'a-link'));
  for (let n = 0; digests.size < count; n++) {
    put(`folder-${n % 37}/sub-${n % 5}/file-${n}.dat`, randomBytes(1 + ((n * 7919) % 16_000)));
  }
  return digests;
}

const ODD_NAMES = [
  'line\nbreak',
  'tab\tand "quotes"',
  'emoji 🏔️ and 漢字',
  'cafe\u0301 (NFD)',
  'percent %41 plus + and & =?#',
  ' leading and trailing ',
  'back\\slash',
  '.hidden',
  "it's (fine) [really] {yes} *",
  '~tilde~',
  'x'.repeat(255),
];
