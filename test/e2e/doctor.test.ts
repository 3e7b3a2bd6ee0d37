/** `doctor` by the built program: each fault is named first, and nothing stays in the bucket. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { CHECK_NAMES } from '../../src/model/doctor.ts';
import { describeRgw, describeWithout, rgw } from '../rgw.ts';
import { type Ended, MAIN, Machine } from './harness.ts';

let machine: Machine;
afterEach(() => machine.remove());

const states = (ended: Ended): { readonly [check: string]: string } =>
  Object.fromEntries(
    ended.lines.filter(({ event }) => event === 'check').map(({ check, state }) => [check, state as string]),
  );
const summaryOf = (ended: Ended) => ended.lines.at(-1) ?? { event: 'none' };

/** What a person sees first, below the line that says what is looked at. */
const firstWords = ({ stdout }: Ended): string => {
  const lines = stdout.split('\n');
  // What is looked at is wrapped where its name is long.
  const first = lines.findIndex((line) => /^[✓✗!?]/.test(line));
  return lines.slice(first, first + 2).join('\n');
};

describe('on the embedded server', () => {
  let server: EmbeddedServer;
  let folder: string;
  let buckets = 0;
  let bucket = '';
  let skew = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-doctor-'));
    server = await startEmbedded({ kmsKeys: [{ id: 'vault-key-1' }], now: () => Date.now() + skew });
    await server.caFile(folder);
  });
  afterEach(() => {
    skew = 0;
    server.faults.clear();
    expect(server.keys(bucket)).toEqual([]);
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function fresh(options: Parameters<EmbeddedServer['createBucket']>[1] = { versioning: true }): void {
    bucket = `doctor-${++buckets}`;
    server.createBucket(bucket, options);
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    server.requests.reset();
  }
  const denying = (...Action: readonly string[]) => ({
    Version: '2012-10-17',
    Statement: [{ Sid: 'Foreign', Effect: 'Deny', Principal: '*', Action, Resource: '*' }],
  });
  /** For looking behind the program. */
  const sdk = (): S3Client => {
    const agent = new Agent({ ca: server.caPem });
    return new S3Client({
      endpoint: server.url,
      region: server.region,
      credentials: server.credentials,
      forcePathStyle: true,
      requestHandler: { httpsAgent: agent },
    });
  };
  /** Capabilities of the only vault. */
  const remembered = (): object | undefined => {
    const path = join(machine.home, 's3vault', 'config', 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly vaults: readonly { readonly capabilities?: object }[];
    };
    return config.vaults[0]?.capabilities;
  };
  const at = (): string[] => ['doctor', machine.root, '--to', `s3://${bucket}/docs`];
  const doctor = (args: readonly string[] = machine.keyArgs, env: NodeJS.ProcessEnv = {}) =>
    machine.run([...at(), ...args, ...machine.remoteArgs], { env });
  const asJson = (args: readonly string[] = machine.keyArgs, env: NodeJS.ProcessEnv = {}) =>
    doctor([...args, '--json'], env);

  test('a healthy store: every check passes, in the fixed order, with one temporary object [DOCTOR-1]', async () => {
    fresh();
    const ended = await asJson();
    expect(ended.code).toBe(0);
    expect(Object.keys(states(ended))).toEqual([...CHECK_NAMES]);
    expect(Object.values(states(ended)).filter((state) => state !== 'pass')).toEqual([]);
    expect(summaryOf(ended)).toMatchObject({ cause: null, exit: 0 });
    const keys = new Set(
      server.requests.recent.filter(({ method }) => method === 'PUT').map(({ key }) => key),
    );
    expect([...keys]).toEqual([expect.stringMatching(/^docs\/\.s3vault\/doctor-[0-9a-f]{12}$/)]);
    // Nothing stays, no version and no delete marker either.
    expect([...keys].flatMap((key) => server.versions(bucket, key))).toEqual([]);
    expect(firstWords(await doctor())).toContain('✓ nothing is wrong');
  });

  test('a wrong clock', async () => {
    fresh();
    skew = 3 * 3_600_000;
    const ended = await doctor();
    expect(ended.code).toBe(4);
    expect(firstWords(ended)).toMatch(
      /✗ clock: the clock of this machine is 3 hours behind the store's\n +→ set/,
    );
    const told = states(await asJson());
    expect(Object.entries(told).filter(([, state]) => state === 'fail')).toEqual([['clock', 'fail']]);
  });

  test('a wrong region', async () => {
    fresh();
    const env = { AWS_REGION: 'eu-west-1' };
    const ended = await doctor(machine.keyArgs, env);
    expect(ended.code).toBe(4);
    expect(firstWords(ended)).toMatch(
      /✗ region: .* is in the region us-east-1\n +→ say so with --region us-east-1/,
    );
    expect(states(await asJson(machine.keyArgs, env))).toMatchObject({ region: 'fail', bucket: 'unknown' });
  });

  test('expired credentials', async () => {
    fresh();
    const { accessKeyId, secretAccessKey, sessionToken } = server.issueSession(Date.now() - 1_000);
    const env = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    };
    const ended = await doctor(machine.keyArgs, env);
    expect(ended.code).toBe(4);
    expect(firstWords(ended)).toMatch(/✗ credentials: the credentials have expired\n +→ sign in again/);
    expect(states(await asJson(machine.keyArgs, env))).toMatchObject({
      credentials: 'fail',
      clock: 'pass',
      tls: 'pass',
      bucket: 'unknown',
      conditions: 'unknown',
    });
  });

  test('SSE-C that is blocked, in a vault that needs it', async () => {
    fresh({ blockSseC: true });
    const mode = ['--mode', 'sse-c', ...machine.keyArgs];
    const ended = await doctor(mode);
    expect(ended.code).toBe(4);
    expect(firstWords(ended)).toMatch(/✗ SSE-C: the bucket refuses SSE-C/);
    expect(ended.stdout).toContain(`s3vault bucket harden ${bucket} --allow-sse-c`);
    expect(states(await asJson(mode))).toMatchObject({ 'sse-c': 'fail', bucket: 'pass' });
    expect(states(await asJson())).toMatchObject({ 'sse-c': 'pass' });
    const allowed = await machine.run([
      'bucket',
      'harden',
      bucket,
      '--allow-sse-c',
      '--only',
      'encryption',
      '--yes',
      ...machine.remoteArgs,
    ]);
    expect(allowed.code).toBe(0);
    expect(states(await asJson(mode))).toMatchObject({ 'sse-c': 'pass' });
  });

  test('no keychain', async () => {
    fresh();
    const ended = await doctor(['--key', 'laptop']);
    expect(ended.code).toBe(2);
    expect(firstWords(ended)).toMatch(/✗ keys: the keychain cannot be reached|✗ keys: no keychain answers/);
    expect(states(await asJson(['--key', 'laptop']))).toMatchObject({ keys: 'fail', bucket: 'pass' });
    // A mode without a key of this machine does not need one.
    expect((await asJson(['--mode', 'sse-s3'])).code).toBe(0);
  });

  test('a self-signed certificate', async () => {
    fresh();
    const ended = await machine.run([...at(), ...machine.keyArgs, '--endpoint', server.url]);
    expect(ended.code).toBe(4);
    expect(firstWords(ended)).toMatch(/✗ TLS: the store shows a self-signed certificate .*\n +→ .*authority/);
    expect(server.requests.total).toBe(0);
  });

  test('a KMS key that is not there, and one that works', async () => {
    fresh();
    const missing = await doctor(['--mode', 'sse-kms', '--kms-key', 'nobodys']);
    expect(missing.code).toBe(4);
    expect(firstWords(missing)).toContain("✗ KMS: the KMS key can't be found");
    const works = await asJson(['--mode', 'sse-kms', '--kms-key', 'vault-key-1']);
    expect(states(works)).toMatchObject({ kms: 'pass', modes: 'pass' });
    const quota = ['--kms-quota', '500', '--kms-share', '20'];
    const told = await asJson(['--mode', 'sse-kms', '--kms-key', 'vault-key-1', ...quota]);
    // The one that a run would keep to.
    expect(told.lines.find(({ check }) => check === 'kms')?.['message']).toContain(
      'runs use 20 % of the quota 500, set with --kms-quota',
    );
  });

  test("a KMS key of the bucket's own that may not be used, in a mode that names none", async () => {
    fresh();
    const client = sdk();
    const rule = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'frozen' } as const;
    await client.send(
      new PutBucketEncryptionCommand({
        Bucket: bucket,
        ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: rule }] },
      }),
    );
    server.kms.set({ id: 'frozen', denied: ['kms:GenerateDataKey'] });
    const writes = await doctor();
    expect(writes.code).toBe(4);
    expect(firstWords(writes)).toMatch(/✗ KMS: doctor-\d+ encrypts with the KMS key .*frozen by default/);
    server.kms.set({ id: 'frozen', denied: ['kms:Decrypt'] });
    const reads = await asJson();
    expect(reads.code).toBe(4);
    expect(states(reads)).toMatchObject({ kms: 'fail', bucket: 'pass' });
    // A mode that names its own encryption is not concerned.
    expect(states(await asJson(['--mode', 'sse-s3']))).toMatchObject({ kms: 'pass' });
  });

  test('what may be written and not read back', async () => {
    fresh({ versioning: true, policy: denying('s3:GetObject', 's3:GetObjectVersion') });
    const ended = await doctor();
    expect(ended.code).toBe(4);
    expect(firstWords(ended)).toContain('✗ bucket: what was written could not be read back: ');
    expect(ended.stdout).toMatch(/^ +→ s3:GetObject is needed/m);
  });

  test('a store that does not confirm the mode is a security failure', async () => {
    fresh();
    server.faults.add({
      match: 'PutObject',
      fault: { kind: 'strip-headers', names: ['x-amz-server-side-encryption'] },
    });
    const ended = await doctor(['--mode', 'sse-s3']);
    expect(ended.code).toBe(6);
    expect(firstWords(ended)).toContain('✗ proofs: the store did not prove sse-s3');
  });

  test('what a vault’s store does is remembered, and dropped for another store', async () => {
    fresh();
    machine.write('f', 'x');
    const sync = ['sync', machine.root, '--to', `s3://${bucket}/docs`, ...machine.keyArgs];
    expect((await machine.run([...sync, ...machine.remoteArgs, '--once'])).code).toBe(0);
    const ended = await machine.run(['doctor', machine.root, '--json']);
    expect(ended.code).toBe(0);
    expect(remembered()).toMatchObject({
      mode: 'client',
      conditions: 'kept',
      copy: true,
      versioning: true,
      checksum: 'md5',
      sse: { 'sse-c': 'proved', 'sse-s3': 'proved' },
    });
    expect((await machine.run(['sync', machine.root, '--once'])).code).toBe(0);
    for (const key of server.keys(bucket)) expect(key).toMatch(/^docs\/(f|\.s3vault\/vault\.json)$/);
    bucket = `doctor-empty-${++buckets}`;
    server.createBucket(bucket);
  });

  test('amid a rekey both modes are tried, and what is remembered is of the one that objects leave', async () => {
    fresh();
    machine.write('f', 'x');
    const sync = ['sync', machine.root, '--to', `s3://${bucket}/docs`, ...machine.keyArgs];
    expect((await machine.run([...sync, ...machine.remoteArgs, '--once'])).code).toBe(0);
    const path = join(machine.home, 's3vault', 'config', 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as { vaults: { rekeyTo?: object }[] };
    for (const vault of config.vaults) vault.rekeyTo = { kind: 'sse-kms', keyId: 'no-such-key', context: {} };
    writeFileSync(path, JSON.stringify(config));
    const ended = await machine.run(['doctor', machine.root, '--json']);
    const summaries = ended.lines.filter(({ event }) => event === 'summary');
    expect(summaries.map(({ mode, cause, exit }) => [mode, cause, exit])).toEqual([
      ['client', null, 0],
      ['sse-kms', 'kms', 4],
    ]);
    expect(ended.code).toBe(4);
    expect(remembered()).toMatchObject({ mode: 'client' });
    const plain = await machine.run(['doctor', machine.root]);
    expect(plain.stdout.replace(/\s+/g, ' ')).toMatch(
      /mode client, which a rekey moves objects from .* mode sse-kms, which it moves them to ✗ KMS/,
    );
    bucket = `doctor-empty-${++buckets}`;
    server.createBucket(bucket);
  });

  test('another store that is looked at in the name of a vault leaves no trace in it', async () => {
    fresh();
    machine.write('f', 'x');
    const sync = ['sync', machine.root, '--to', `s3://${bucket}/docs`, ...machine.keyArgs];
    expect((await machine.run([...sync, ...machine.remoteArgs, '--once'])).code).toBe(0);
    expect((await machine.run(['doctor', machine.root])).code).toBe(0);
    const own = remembered();
    const other = await startEmbedded({
      accessKey: server.credentials.accessKeyId,
      secretKey: server.credentials.secretAccessKey,
    });
    try {
      other.createBucket(bucket);
      const place = ['--endpoint', other.url, '--ca-bundle', await other.caFile(machine.home)];
      const elsewhere = await machine.run(['doctor', machine.root, ...place]);
      expect(elsewhere.code).toBe(0);
      expect(elsewhere.stdout).toContain('not the store of the vault, so nothing of it is remembered');
      expect(remembered()).toEqual(own);
      // Said in other words it is the same store.
      const region = ['--region', server.region];
      const again = await machine.run(['doctor', machine.root, ...machine.remoteArgs, ...region]);
      expect(again.stdout).not.toContain('not the store of the vault');
      expect(remembered()).not.toEqual(own);
      expect(remembered()).toMatchObject({ versioning: true });
    } finally {
      await other.close();
    }
    bucket = `doctor-empty-${++buckets}`;
    server.createBucket(bucket);
  });

  test.each([
    'SIGINT',
    'SIGTERM',
    'SIGHUP',
  ] as const)('%s: the test object is removed first', async (signal) => {
    fresh();
    server.faults.add({ match: 'GetObject', fault: { kind: 'hang' } });
    const running = machine.start([...at(), ...machine.keyArgs, ...machine.remoteArgs]);
    await server.requests.until('PutObject', 1);
    await server.requests.until('GetObject', 1);
    running.child.kill(signal);
    const ended = await running.ended;
    expect(ended).toMatchObject({ code: 130, signal: null, stdout: '' });
    expect(ended.stderr).toBe(
      's3vault: doctor was interrupted\n  nothing that it wrote is left in the bucket\n',
    );
    expect(server.requests.count('DeleteObject')).toBeGreaterThan(1);
    expect(server.keys(bucket)).toEqual([]);
  });

  test.each([
    ['Object Lock', 'Object Lock keeps every new object for 30 days (GOVERNANCE)'],
    ['a policy', 'the policy refuses s3:DeleteObject by Foreign'],
    ['no permission to see', 's3:GetBucketObjectLockConfiguration is needed'],
    ['no permission to remove', 'it could not be removed again: the store denies access'],
  ] as const)('nothing is written that could not be removed again: %s', async (kind, words) => {
    const policies: { readonly [kind: string]: object } = {
      'a policy': denying('s3:DeleteObject', 's3:DeleteObjectVersion'),
      'no permission to see': denying('s3:GetBucketObjectLockConfiguration'),
    };
    const policy = policies[kind];
    fresh({ versioning: true, ...(policy === undefined ? {} : { policy }) });
    if (kind === 'Object Lock')
      await sdk().send(
        new PutObjectLockConfigurationCommand({
          Bucket: bucket,
          ObjectLockConfiguration: {
            ObjectLockEnabled: 'Enabled',
            Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 30 } },
          },
        }),
      );
    if (kind === 'no permission to remove')
      server.faults.add({
        match: 'DeleteObject',
        fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'Access Denied' },
      });
    const ended = await doctor();
    expect(ended.stdout.replace(/\s+/g, ' ')).toContain(words);
    expect(ended.stdout).toMatch(/^\? not everything could be tried; bucket: /m);
    expect(ended.code).toBe(4);
    expect(server.requests.count('PutObject')).toBe(0);
    expect(states(await asJson())).toMatchObject({ bucket: 'unknown', conditions: 'unknown', node: 'pass' });
  });

  const unshared = (): boolean => {
    try {
      execFileSync('unshare', ['-Ur', 'sh', '-c', 'echo 0 > /proc/sys/user/max_inotify_watches'], {
        stdio: 'ignore',
      });
      return true;
    } catch {
      return false;
    }
  };
  const exhausted = (): void => {
    test('an exhausted watch limit', async () => {
      fresh();
      for (const name of ['a', 'b', 'c']) mkdirSync(join(machine.root, name));
      for (const [limit, words] of [
        [0, '✗ watching: the system refuses to watch a folder (ENOSPC)'],
        [2, '✗ watching: 4 folders to watch, but the limit is 2'],
      ] as const) {
        const script = `echo ${limit} > /proc/sys/user/max_inotify_watches; exec "$0" "$@"`;
        const args = [process.execPath, MAIN, ...at(), ...machine.keyArgs, ...machine.remoteArgs];
        const ended = await machine.runProgram('unshare', ['-Ur', 'sh', '-c', script, ...args]);
        expect(firstWords(ended)).toContain(words);
        expect(ended.stdout).toContain('fs.inotify.max_user_watches=');
        expect(ended.code).toBe(2);
      }
    });
  };
  if (unshared()) describe('in a namespace of its own', exhausted);
  else describeWithout('in a namespace of its own', exhausted, 'unshare is not allowed here');
});

describeRgw('on', () => {
  const examine = (bucket: string, ...args: string[]): Promise<Ended> =>
    machine.run(['doctor', '--to', `s3://${bucket}/docs`, ...args, ...machine.remoteArgs, '--json']);

  test('a store that is not AWS: what it does and does not', async () => {
    machine = new Machine(rgw());
    const plain = await rgw().createBucket('doctor');
    const ended = await examine(plain, ...machine.keyArgs);
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(0);
    expect(summaryOf(ended)).toMatchObject({
      capabilities: {
        conditions: 'kept',
        bareEtags: true,
        copy: true,
        versioning: false,
        sse: { 'sse-s3': 'unproved', 'sse-c': 'proved' },
      },
    });
    // In a versioned bucket this version takes conditions and ignores them.
    const versioned = await rgw().createBucket('doctor', { versioning: true });
    expect(summaryOf(await examine(versioned, ...machine.keyArgs))).toMatchObject({
      cause: 'conditions',
      capabilities: { conditions: 'ignored', versioning: true },
    });
    for (const bucket of [plain, versioned]) {
      const left = await rgw().client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
      expect([...(left.Versions ?? []), ...(left.DeleteMarkers ?? [])]).toEqual([]);
    }
    expect((await examine(plain, '--mode', 'sse-s3')).code).toBe(6);
  });
});
