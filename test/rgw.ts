/**
 * The Ceph RGW of this run. The first test that needs it starts it (about 13 s), in whichever worker; the others wait
 * for that one; `global-setup.ts` ends it.
 */
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, inject, test } from 'vitest';
import { INSTALL_HINT, startRgw, type RgwConnection } from '../scripts/rgw.ts';

export interface TestRgw extends RgwConnection {
  /** The text of `caFile`. */
  readonly caPem: string;
  /** A plain client of the AWS SDK: path style, trusts the server's certificate. For looking behind the product. */
  readonly client: S3Client;
  /** A new bucket. Without a name it gets a fresh one; a name gets a random ending so that runs can't collide. */
  createBucket(name?: string, options?: { readonly versioning?: boolean }): Promise<string>;
}

const START_MS = 150_000;

let started: Promise<void> | undefined;
let current: TestRgw | undefined;

/** The server, inside a test or hook of `describeRgw` (or after `await rgwStarted()`). */
export function rgw(): TestRgw {
  if (current === undefined) {
    throw new Error('rgw() is for tests and hooks inside describeRgw: the server is started before them');
  }
  return current;
}

/** A suite that needs the server. Where there is none it shows as skipped, or fails where skipping is forbidden. */
export function describeRgw(name: string, suite: () => void): void {
  if (inject('rgwFolder') === null) {
    describeWithout(`${name} [Ceph RGW]`, suite, `Ceph RGW is not installed: ${INSTALL_HINT}`);
    return;
  }
  describe(`${name} [Ceph RGW]`, () => {
    beforeAll(rgwStarted, START_MS);
    suite();
  });
}

/** Registers a suite that can't run here: visible as skipped, or as failed where skipping is forbidden. */
export function describeWithout(name: string, suite: () => void, reason: string): void {
  if (!inject('skippingForbidden')) {
    describe.skip(name, suite);
    return;
  }
  describe(name, () => {
    test('is not skipped', () => {
      throw new Error(`skipping is forbidden in this run, but ${reason}`);
    });
  });
}

/** Starts the server if no worker has done so yet; resolves when `rgw()` works. */
export function rgwStarted(): Promise<void> {
  started ??= connect().then((connection) => {
    current = connection;
  });
  return started;
}

async function connect(): Promise<TestRgw> {
  const folder = inject('rgwFolder');
  if (folder === null) throw new Error(`Ceph RGW is not installed: ${INSTALL_HINT}`);
  const answer = (await takesTheStart(folder)) ? await start(folder) : await waitForStart(folder);
  if ('failure' in answer) throw new Error(answer.failure);
  return withBuckets(answer);
}

/** What the starter leaves for the other workers. */
type Answer = RgwConnection | { readonly failure: string };

/** True in exactly one worker of a run. */
async function takesTheStart(folder: string): Promise<boolean> {
  try {
    await (await open(join(folder, 'start.lock'), 'wx')).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function start(folder: string): Promise<Answer> {
  const answer = await startRgw(join(folder, 'ceph'), { owner: inject('runnerPid') }).catch(
    (error: unknown) => ({
      failure: error instanceof Error ? error.message : String(error),
    }),
  );
  await writeFile(join(folder, 'answer.tmp'), JSON.stringify(answer), { mode: 0o600 });
  await rename(join(folder, 'answer.tmp'), join(folder, 'answer.json'));
  return answer;
}

async function waitForStart(folder: string): Promise<Answer> {
  for (let waited = 0; waited < START_MS; waited += 100) {
    const text = await readFile(join(folder, 'answer.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) return JSON.parse(text) as Answer;
    await sleep(100);
  }
  return { failure: `no worker started Ceph RGW within ${START_MS / 1000} s` };
}

function withBuckets(connection: RgwConnection): TestRgw {
  const caPem = readFileSync(connection.caFile, 'utf8');
  const { accessKeyId, secretAccessKey, endpoint, region } = connection;
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: { httpsAgent: new Agent({ ca: caPem, keepAlive: false }) },
  });
  const createBucket: TestRgw['createBucket'] = async (name = 'test', options = {}) => {
    const Bucket = `${name}-${randomBytes(6).toString('hex')}`;
    await client.send(new CreateBucketCommand({ Bucket }));
    if (options.versioning === true) {
      const VersioningConfiguration = { Status: 'Enabled' } as const;
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    }
    return Bucket;
  };
  return { ...connection, caPem, client, createBucket };
}
