import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { type TestRgw, rgw } from '../rgw.ts';
import { CountingProxy } from '../support/counting-proxy.ts';
import { openIndependently } from '../support/independent-open.ts';
import { Machine } from './harness.ts';
import { seeded } from './kill-rounds.ts';

/** Where a rotation dies: after so many more requests, at most. */
const MOST_REQUESTS = 90;

/**
 * `keys rotate` over `count` objects of a vault in mode `client` on Ceph RGW, killed `kills` times at random points, while a
 * reader that shares no code with the product opens random objects with whichever of the two stored keys fits.
 */
export async function rotateRounds(
  count: number,
  kills: number,
  seed = Number(process.env['S3VAULT_SEED'] ?? randomInt(2 ** 31)),
): Promise<void> {
  process.stdout.write(`rotate rounds: ${count} objects, ${kills} kills, seed ${seed}\n`);
  const random = seeded(seed);
  const server = rgw();
  const proxy = await CountingProxy.start(server.endpoint, server.caPem);
  const machine = new Machine({ ...server, endpoint: proxy.url, caFile: proxy.caFile });
  try {
    const bucket = await server.createBucket('rotate');
    const files = new Map<string, Buffer>();
    for (let n = 0; n < count; n++) {
      const content = randomBytes(1 + Math.floor(random() * 9_000));
      machine.write(`d${n % 7}/f${n}`, content);
      files.set(`d${n % 7}/f${n}`, content);
    }
    await machine.importKey('laptop');
    const sync = ['sync', machine.root, '--once', '--json', ...machine.remoteArgs];
    const place = ['--to', `s3://${bucket}/v`, '--key', 'laptop', '--key-store', 'file'];
    const first = await machine.run([...sync, ...place]);
    expect(first.code, first.stderr).toBe(0);
    const sent = await bytesReceived(server, bucket);
    expect(sent).toBeGreaterThan(total(files));
    proxy.passed.length = 0;

    const reader = new Reader(server, bucket, files, [machine.key], random);
    await killed(machine, proxy, 30);
    reader.keys.push(await keyNamed(machine, 'laptop-2'));
    await reader.all();
    const reading = reader.start();
    for (let kill = 1; kill < kills; kill++) {
      await killed(machine, proxy, 1 + Math.floor(random() * MOST_REQUESTS));
      await reader.all();
    }
    const last = await machine.run(ROTATE);
    expect(last.code, last.stderr).toBe(0);
    reader.stop();
    await reading;
    expect(reader.failures, `seed ${seed}`).toEqual([]);
    expect(reader.reads).toBeGreaterThan(count);
    process.stdout.write(`rotate rounds: ${reader.reads} reads meanwhile, all right\n`);

    const bodies = proxy.passed.filter(
      ({ method, copies, path }) => /PUT|POST/.test(method) && !copies && !own(path),
    );
    expect(bodies).toEqual([]);
    // The description and the probes, and nothing else: counted here, and by the server itself.
    const here = proxy.passed.reduce((sum, { bytes }) => sum + bytes, 0);
    const there = (await bytesReceived(server, bucket)) - sent;
    process.stdout.write(`rotate rounds: ${here} bytes of bodies here, ${there} by the server's own count\n`);
    expect(here).toBeLessThan(1_000 * (kills + 1));
    expect(there).toBeLessThan(1_000 * (kills + 1));

    reader.keys.shift();
    await reader.all();
    expect(reader.failures).toEqual([]);
    const again = await machine.run([...sync, '--check-remote']);
    expect(again.lines.find(({ event }) => event === 'plan')).toMatchObject({ put: 0, skip: 0 });
    const gone = await machine.run(['keys', 'delete', 'laptop', '--yes']);
    expect(gone.code, gone.stderr).toBe(0);
  } finally {
    await proxy.close();
    machine.remove();
  }
}

const ROTATE = ['keys', 'rotate', 'laptop', '--yes', '--json', '--transfers', '4'];
const own = (path: string): boolean => path.includes('/.s3vault/');
const total = (files: ReadonlyMap<string, Buffer>): number =>
  [...files.values()].reduce((sum, { length }) => sum + length, 0);

async function killed(machine: Machine, proxy: CountingProxy, after: number): Promise<void> {
  const running = machine.start(ROTATE);
  await Promise.race([proxy.untilTotal(proxy.passed.length + after), running.ended]);
  running.kill('SIGKILL');
  const { signal, stderr } = await running.ended;
  expect(signal, stderr).toBe('SIGKILL');
}

async function keyNamed(machine: Machine, name: string): Promise<Buffer> {
  const ended = await machine.run(['keys', 'export', name, '--format', 'base64', '--yes']);
  expect(ended.code, ended.stderr).toBe(0);
  return Buffer.from(ended.stdout.trim(), 'base64');
}

/** What the server says it was sent into a bucket; its log is written once a second. */
async function bytesReceived({ dir }: TestRgw, bucket: string): Promise<number> {
  let before = -1;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const args = ['-c', join(dir, 'ceph.conf'), 'usage', 'show', '--uid=s3vault', '--show-log-sum=false'];
    const { stdout } = await promisify(execFile)('radosgw-admin', args, { maxBuffer: 64 << 20 });
    const { entries } = JSON.parse(stdout) as { readonly entries: readonly UsageEntry[] };
    const categories = entries.flatMap(({ buckets }) => buckets).filter((one) => one.bucket === bucket);
    const sum = categories
      .flatMap((one) => one.categories)
      .reduce((bytes, one) => bytes + one.bytes_received, 0);
    if (sum === before) return sum;
    before = sum;
  }
}

interface UsageEntry {
  readonly buckets: readonly {
    readonly bucket: string;
    readonly categories: readonly { readonly category: string; readonly bytes_received: number }[];
  }[];
}

/** Opens objects and compares them with their files. */
class Reader {
  readonly keys: Buffer[];
  readonly failures: string[] = [];
  reads = 0;
  readonly #server: TestRgw;
  readonly #bucket: string;
  readonly #files: readonly (readonly [string, Buffer])[];
  readonly #random: () => number;
  #stopped = false;

  constructor(
    server: TestRgw,
    bucket: string,
    files: ReadonlyMap<string, Buffer>,
    keys: Buffer[],
    random: () => number,
  ) {
    this.#server = server;
    this.#bucket = bucket;
    this.#files = [...files];
    this.keys = keys;
    this.#random = seeded(Math.floor(random() * 2 ** 31));
  }

  async start(): Promise<void> {
    while (!this.#stopped) {
      const file = this.#files[Math.floor(this.#random() * this.#files.length)];
      if (file !== undefined) await this.#read(...file);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async all(): Promise<void> {
    for (let at = 0; at < this.#files.length; at += 16)
      await Promise.all(this.#files.slice(at, at + 16).map((file) => this.#read(...file)));
  }

  async #read(path: string, content: Buffer): Promise<void> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: `v/${path}` });
    const { Body, Metadata = {} } = await this.#server.client.send(command);
    const body = Buffer.from((await Body?.transformToByteArray()) ?? []);
    this.reads++;
    const opens = this.keys.some((key) => {
      try {
        return openIndependently(key, Metadata, body).equals(content);
      } catch {
        return false;
      }
    });
    if (!opens) this.failures.push(`${path}: no stored key opens it`);
  }
}
