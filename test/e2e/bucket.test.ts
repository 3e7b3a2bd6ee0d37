/** `bucket audit`, `harden` and `policy` by the built program, on the embedded server and on Ceph RGW. */
import {
  GetBucketPolicyCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
} from '@aws-sdk/client-s3';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FaultRule, FaultSubject } from '../../src/embedded/faults.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { describeRgw, rgw } from '../rgw.ts';
import { type Ended, Machine, type Started } from './harness.ts';

/** Spelled as nobody would print it again: every blank of it must survive. */
const foreign = (bucket: string): string =>
  `{"Sid" : "Partner read",  "Effect":"Allow",\n "Principal":{"AWS":["arn:aws:iam::000000000000:root"]}, "Action" : [ "s3:GetObject" ],"Resource":"arn:aws:s3:::${bucket}/shared/*" }`;
const policyWith = (statement: string): string =>
  `{ "Version":"2012-10-17" , "Id":"ours",\n"Statement":[ ${statement} ] }`;

const findings = (ended: Ended): { readonly [code: string]: string } =>
  Object.fromEntries(
    ended.lines
      .filter(({ event }) => event === 'finding')
      .map(({ code, state, severity }) => [
        code as string,
        state === 'problem' ? `problem: ${String(severity)}` : (state as string),
      ]),
  );

let machine: Machine;
afterEach(() => machine.remove());

const bucketRun = (...args: string[]): Promise<Ended> =>
  machine.run(['bucket', ...args, ...machine.remoteArgs]);

describe('on the embedded server', () => {
  let server: EmbeddedServer;
  let folder: string;
  let buckets = 0;
  /** What the server's clock is behind, ms. */
  let behind = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-bucket-'));
    server = await startEmbedded({
      kmsKeys: [{ id: 'vault-key-1', alias: 'vault' }],
      now: () => Date.now() - behind,
    });
    await server.caFile(folder);
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function fresh(options: Parameters<EmbeddedServer['createBucket']>[1] | 'foreign' = {}): string {
    const bucket = `posture-${++buckets}`;
    server.createBucket(bucket, options === 'foreign' ? { policy: policyWith(foreign(bucket)) } : options);
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    return bucket;
  }
  const KMS = ['--mode', 'sse-kms', '--kms-key', 'vault-key-1'];
  /** Named in full, so that nothing is to be learnt of it. */
  const ARN = ['--mode', 'sse-kms', '--kms-key', 'arn:aws:kms:us-east-1:000000000000:key/vault-key-1'];

  test('audit, harden, audit: a foreign statement survives byte for byte, and the rules are proved', async () => {
    const bucket = fresh('foreign');
    const before = await bucketRun('audit', bucket, ...KMS, '--json');
    expect(before.code).toBe(3);
    expect(findings(before)).toMatchObject({
      'plain-http': 'problem: high',
      'encryption-header': 'problem: medium',
      'kms-key': 'problem: medium',
      versioning: 'problem: medium',
      'public-access': 'ok',
    });

    const hardened = await bucketRun('harden', bucket, ...KMS, '--yes', '--json');
    expect(hardened.stderr).toBe('');
    expect(hardened.code).toBe(0);
    const steps = hardened.lines.filter(({ event }) => event === 'step');
    expect(steps.filter(({ step }) => step === 'proved').map(({ what }) => what)).toEqual([
      'a PUT without the encryption header',
      'a PUT with AES256 instead of the KMS key',
      'a PUT with another KMS key',
    ]);
    expect(server.policy(bucket)).toContain(foreign(bucket));
    expect(server.keys(bucket)).toEqual([]);

    const after = await bucketRun('audit', bucket, ...KMS, '--json');
    expect(after.code).toBe(0);
    expect(Object.values(findings(after)).filter((state) => !/ok|note/.test(state))).toEqual([]);

    const again = await bucketRun('harden', bucket, ...KMS, '--yes', '--json');
    expect(again.code).toBe(0);
    expect(again.lines.filter(({ event }) => event === 'change')).toEqual([]);
    const kept = hardened.lines.find(({ event }) => event === 'kept') as
      | { file: string; policy: string }
      | undefined;
    expect(readFileSync(kept?.policy ?? '', 'utf8')).toBe(policyWith(foreign(bucket)));
    expect(JSON.parse(readFileSync(kept?.file ?? '', 'utf8'))).toMatchObject({
      bucket,
      policy: { state: 'set', value: policyWith(foreign(bucket)) },
      versioning: { state: 'absent' },
    });
  });

  test('a hardened bucket takes the vault, large files too, and refuses it in another mode', async () => {
    const bucket = fresh('foreign');
    expect((await bucketRun('harden', bucket, ...KMS, '--yes')).code).toBe(0);
    machine.write('small', 'x');
    machine.write('large', Buffer.alloc(9 * 2 ** 20, 7));
    const sync = (...mode: string[]) =>
      machine.run([
        'sync',
        machine.root,
        '--to',
        `s3://${bucket}/docs`,
        ...mode,
        ...machine.remoteArgs,
        '--once',
        '--json',
      ]);
    expect((await sync('--mode', 'sse-s3')).code).toBe(4);
    const ended = await sync(...KMS);
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(0);
    expect(server.object(bucket, 'docs/large')?.encryption).toBe('aws:kms');
  });

  test('vaults in the bucket get the rules of their own modes, and are never locked out', async () => {
    const bucket = fresh();
    machine.write('f', 'x');
    const sync = ['sync', machine.root, '--to', `s3://${bucket}/docs`, ...machine.keyArgs];
    expect((await machine.run([...sync, ...machine.remoteArgs, '--once'])).code).toBe(0);
    const locking = await machine.run(['bucket', 'harden', bucket, ...KMS, '--yes']);
    expect(locking.code).toBe(2);
    expect(locking.stderr).toContain('the policy would lock out the vault');
    expect(server.policy(bucket)).toBeUndefined();

    const own = await machine.run(['bucket', 'harden', bucket, '--yes']);
    expect(own.stderr).toBe('');
    expect(own.code).toBe(0);
    expect(own.stdout).toContain('docs/');
    expect(server.policy(bucket)).not.toContain('RequireHeader');
    machine.write('g', 'y');
    expect((await machine.run(['sync', machine.root, '--once'])).code).toBe(0);
  });

  test('a rekey of a hardened bucket names the command that lifts the rule, and then goes on', async () => {
    const bucket = fresh();
    machine.write('f', 'x');
    const to = ['--to', `s3://${bucket}/docs`, '--mode', 'sse-s3', ...machine.remoteArgs];
    expect((await machine.run(['sync', machine.root, ...to, '--once'])).code).toBe(0);
    expect((await machine.run(['bucket', 'harden', bucket, '--yes'])).code).toBe(0);
    const rekey = ['rekey', machine.root, '--to-mode', 'sse-kms', '--kms-key', 'vault-key-1', '--yes'];
    const refused = await machine.run(rekey);
    expect(refused.code).toBe(4);
    const [, command = ''] = /start again: s3vault (.+)/.exec(refused.stderr) ?? [];
    expect(command).toContain(
      `bucket harden s3://${bucket}/docs/ --to-mode sse-kms --to-kms-key vault-key-1`,
    );
    const lifted = await machine.run([...command.trim().split(' '), '--yes']);
    expect(lifted.code).toBe(0);
    expect(lifted.stdout).toContain('tried: a PUT without the encryption header under docs/ is refused');
    expect((await machine.run(rekey)).code).toBe(0);
  });

  test('SSE-C that is blocked is a problem in mode sse-c only, and --allow-sse-c mends it', async () => {
    const bucket = fresh({ blockSseC: true });
    const audit = () => bucketRun('audit', bucket, '--mode', 'sse-c', '--json');
    expect(findings(await audit())).toMatchObject({ 'sse-c': 'problem: high' });
    expect(findings(await bucketRun('audit', bucket, '--json'))).toMatchObject({ 'sse-c': 'ok' });
    const dry = await bucketRun('harden', bucket, '--mode', 'sse-c', '--allow-sse-c', '--dry-run');
    expect(dry.stdout).toMatch(/- +SSE-C +blocked\n +\+ +SSE-C +allowed/);
    const hardened = await bucketRun('harden', bucket, '--mode', 'sse-c', '--allow-sse-c', '--yes');
    expect(hardened.code).toBe(0);
    expect(hardened.stdout).toContain('tried: a PUT without the encryption header is refused');
    expect(findings(await audit())).toMatchObject({ 'sse-c': 'ok', 'encryption-header': 'ok' });
  });

  test('what may not be read is unknown, what may not be written is said, and the rest is done', async () => {
    const deny = (action: string) => ({ Effect: 'Deny', Principal: '*', Action: action, Resource: '*' });
    const bucket = fresh({
      policy: {
        Version: '2012-10-17',
        Statement: [
          deny('s3:GetBucketPolicy'),
          deny('s3:GetLifecycleConfiguration'),
          deny('s3:PutBucketVersioning'),
        ],
      },
    });
    const audit = await bucketRun('audit', bucket, '--mode', 'sse-s3', '--json');
    expect(findings(audit)).toMatchObject({
      'plain-http': 'unknown',
      'encryption-header': 'unknown',
      'lifecycle-uploads': 'unknown',
      versioning: 'problem: medium',
    });
    const text = await bucketRun('audit', bucket, '--mode', 'sse-s3');
    expect(text.stdout).toMatch(/s3:GetBucketPolicy is not allowed for these\s+credentials/);
    const hardened = await bucketRun('harden', bucket, '--mode', 'sse-s3', '--yes');
    expect(hardened.code).toBe(4);
    expect(hardened.stdout).toContain('left as it is');
    expect(hardened.stdout).toMatch(/✗ versioning: [^→]+→ s3:PutBucketVersioning is needed/);
    expect(hardened.stdout).not.toContain('tried:');
    expect(hardened.stdout).toContain('✓ default encryption: changed, and read back');
  });

  test('nothing is changed without consent, and --dry-run writes nothing at all', async () => {
    const bucket = fresh('foreign');
    server.requests.reset();
    const asked = await bucketRun('harden', bucket, ...KMS);
    expect(asked.code).toBe(5);
    const dry = await bucketRun('harden', bucket, ...KMS, '--dry-run');
    expect(dry.code).toBe(0);
    expect(dry.stdout).toContain('S3vaultDenyPlainHttp');
    expect(server.requests.recent.filter(({ method }) => method !== 'GET' && method !== 'HEAD')).toEqual([]);
    expect(server.policy(bucket)).toBe(policyWith(foreign(bucket)));
    expect(readdirSync(machine.home)).not.toContain('buckets');
  });

  /** Ends the program by a signal when the store sees such a request. */
  const endedAt = async (signal: NodeJS.Signals, match: FaultRule['match'], args: readonly string[]) => {
    let started: Started | undefined;
    const fault = server.faults.add({
      match: (request) => {
        const fits = typeof match === 'string' ? match === request.operation : match(request);
        if (fits) started?.kill(signal);
        return false;
      },
      fault: { kind: 'error-500' },
    });
    started = machine.start(['bucket', ...args, ...machine.remoteArgs]);
    const ended = await started.ended;
    fault.remove();
    return ended;
  };
  const steps = ({ lines }: Ended) =>
    lines
      .filter(({ event }) => event === 'step')
      .map(({ step, setting }) => [step, ...(setting === undefined ? [] : [setting])].join(' '));

  test.each([
    ['SIGINT', 'the proof', ({ headers }) => headers['x-amz-server-side-encryption'] === undefined],
    ['SIGHUP', 'the proof', ({ headers }) => headers['x-amz-server-side-encryption'] === undefined],
    ['SIGTERM', 'the next one', ({ headers }) => headers['x-amz-server-side-encryption'] === 'AES256'],
  ] as const satisfies readonly (readonly [
    string,
    string,
    (request: FaultSubject) => boolean,
  ])[])('ended by %s during %s it leaves no test object, puts back what it did not see to work, and says so', async (signal, _, during) => {
    const bucket = fresh('foreign');
    const match = (request: FaultSubject): boolean =>
      request.key.includes('/trial-') || request.key.startsWith('.s3vault/trial-')
        ? request.method === 'PUT' && server.policy(bucket) !== policyWith(foreign(bucket)) && during(request)
        : false;
    const ended = await endedAt(signal, match, ['harden', bucket, ...KMS, '--yes', '--json']);
    expect(ended.code).toBe(130);
    expect(ended.signal).toBeNull();
    expect(steps(ended).filter((step) => step !== 'proved')).toEqual([
      'changed encryption',
      'changed versioning',
      'changed lifecycle',
      'changed policy',
      'undone policy',
      'undone encryption',
      'stopped',
    ]);
    expect(ended.lines.at(-1)).toMatchObject({ event: 'summary', exit: 130 });
    expect(server.policy(bucket)).toBe(policyWith(foreign(bucket)));
    expect(server.keys(bucket)).toEqual([]);
    expect(server.pendingUploads(bucket)).toEqual([]);
    const again = await bucketRun('harden', bucket, ...KMS, '--yes', '--json');
    expect(again.code).toBe(0);
    expect(steps(again)).toContain('changed policy');
  });

  test.each([
    'foreign',
    'none',
  ])('a policy that can not be put back (before: %s) is exit 4, with the command for it', async (before) => {
    const bucket = fresh(before === 'foreign' ? 'foreign' : {});
    const old = server.policy(bucket);
    const shut = server.faults.add({
      match: ({ operation }) => /^(Put|Delete)BucketPolicy$/.test(operation) && server.policy(bucket) !== old,
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' },
    });
    const isTrial = ({ method, key }: FaultSubject) =>
      method === 'PUT' && key.startsWith('.s3vault/trial-') && server.policy(bucket) !== old;
    const ended = await endedAt('SIGINT', isTrial, ['harden', bucket, ...ARN, '--yes']);
    shut.remove();
    expect(ended.code).toBe(4);
    const [line = '', verb, rest = ''] = /→ aws s3api (\S+) --bucket \S+ (.*)$/m.exec(ended.stdout) ?? [];
    expect(verb).toBe(before === 'foreign' ? 'put-bucket-policy' : 'delete-bucket-policy');
    expect(line).toContain(`--endpoint-url ${server.url}`);
    const [, file] = /--policy file:\/\/(\S+)/.exec(rest) ?? [];
    expect(file === undefined ? undefined : readFileSync(file, 'utf8')).toBe(old);
    expect(ended.stdout.replaceAll(/\s+/g, ' ')).toContain('put back by hand what could not be put back');
  });

  test('ended before anything was changed it says so', async () => {
    const bucket = fresh('foreign');
    const ended = await endedAt('SIGINT', 'PutObject', ['harden', bucket, ...KMS, '--yes']);
    expect(ended.code).toBe(130);
    expect(ended.stderr).toContain('it was interrupted before any setting was changed');
    expect(server.policy(bucket)).toBe(policyWith(foreign(bucket)));
    expect(server.keys(bucket)).toEqual([]);
  });

  test('a network that goes midway takes no report along', async () => {
    const bucket = fresh('foreign');
    const fault = server.faults.add({ match: 'PutBucketPolicy', fault: { kind: 'reset-before' } });
    const ended = await bucketRun('harden', bucket, ...KMS, '--yes');
    fault.remove();
    expect(ended.stdout).toContain('✓ versioning: changed, and read back');
    expect(ended.stdout).toContain('✗ policy:');
    expect(ended.code).toBe(4);
  });

  test('credentials that may not remove make no test objects, and all else is done', async () => {
    const bucket = fresh();
    const fault = server.faults.add({
      match: ({ query, operation }) => operation === 'DeleteObject' && query.has('versionId'),
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' },
    });
    server.requests.reset();
    const ended = await bucketRun('harden', bucket, ...ARN, '--yes', '--json');
    fault.remove();
    expect(ended.code).toBe(3);
    expect(steps(ended).slice(-3)).toEqual(['changed policy', 'untried', 'untried']);
    expect(ended.lines.find(({ step }) => step === 'untried')?.['reason']).toContain(
      's3:DeleteObjectVersion',
    );
    expect(server.requests.recent.filter(({ operation }) => operation === 'PutObject')).toEqual([]);
  });

  test('a test object that stays is named, found by the audit, and removed by the next harden', async () => {
    const bucket = fresh();
    behind = 16 * 60_000;
    const isTrial = ({ key }: FaultSubject) => server.versions(bucket, key).length > 0;
    const fault = server.faults.add({
      match: (request) => request.operation === 'DeleteObject' && isTrial(request),
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no' },
    });
    // What is kept is as old as that; what is asked is judged by the time it is.
    const judged = server.faults.add({ match: () => true, fault: { kind: 'clock-skew', ms: behind } });
    const ended = await bucketRun('harden', bucket, ...ARN, '--yes', '--json');
    fault.remove();
    judged.remove();
    expect(ended.code).toBe(4);
    expect(steps(ended)).toContain('changed policy');
    const [key] = server.keys(bucket);
    expect(server.keys(bucket)).toHaveLength(1);
    expect(ended.lines.filter(({ step }) => step === 'trial-left')).toMatchObject([
      { key, error: { code: 'trial-left', hint: expect.stringContaining('s3:DeleteObject') as string } },
    ]);
    behind = 0;
    const audit = await bucketRun('audit', bucket, ...ARN);
    expect(audit.stdout).toContain('1 test object of earlier runs is left');
    expect(audit.stdout).toContain(key);
    const dry = await bucketRun('harden', bucket, ...ARN, '--dry-run');
    expect(dry.stdout).toContain(`${key}; to be removed`);
    expect(server.keys(bucket)).toEqual([key]);
    const cleared = await bucketRun('harden', bucket, ...ARN, '--yes', '--json');
    expect(cleared.lines.find(({ event }) => event === 'leftover')).toMatchObject({ key, removed: true });
    expect(steps(cleared)).toContain('cleared');
    expect(cleared.code).toBe(0);
    expect(server.versions(bucket, key ?? '')).toEqual([]);
  });

  test('without anything to change, test objects too are written only if somebody agrees', async () => {
    const bucket = fresh();
    expect((await bucketRun('harden', bucket, ...ARN, '--yes')).code).toBe(0);
    server.requests.reset();
    const asked = await bucketRun('harden', bucket, ...ARN);
    expect(asked.code).toBe(5);
    expect(asked.stdout).toContain('nothing is to be changed');
    expect(asked.stdout).toMatch(/nothing was tried: nobody agreed/);
    expect(server.requests.recent.filter(({ method }) => method !== 'GET' && method !== 'HEAD')).toEqual([]);
    const tried = await bucketRun('harden', bucket, ...ARN, '--yes');
    expect(tried.stdout).toContain('tried: a PUT without the encryption header is refused');
  });

  test('policy prints what harden would put there, and the policies for people', async () => {
    const bucket = fresh('foreign');
    const printed = await bucketRun('policy', bucket, ...KMS);
    expect(printed.stdout).toContain(foreign(bucket));
    expect(JSON.parse(printed.stdout)).toMatchObject({ Version: '2012-10-17' });
    const iam = await bucketRun('policy', `s3://${bucket}/docs`, ...KMS, '--iam');
    const { Statement } = JSON.parse(iam.stdout) as { Statement: readonly { readonly Action: string[] }[] };
    expect(Statement.flatMap(({ Action }) => Action)).toContain('kms:Decrypt');
    const write = await bucketRun('policy', `s3://${bucket}/docs`, ...KMS, '--iam', '--write-only');
    expect(write.stdout).not.toContain('s3:DeleteObject');
    expect((await bucketRun('policy', bucket, '--write-only')).code).toBe(2);
    const alias = ['bucket', 'policy', bucket, '--mode', 'sse-kms', '--kms-key', 'alias/vault', '--iam'];
    const unknown = await machine.run([...alias, ...machine.remoteArgs]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('--kms-key arn:aws:kms:REGION:ACCOUNT:key/ID');
    const known = { AWS_ENDPOINT_URL_KMS: server.url, AWS_CA_BUNDLE: join(folder, 'ca.pem') };
    const resolved = await machine.run([...alias, ...machine.remoteArgs], { env: known });
    expect(resolved.stdout).toContain('arn:aws:kms:us-east-1:000000000000:key/vault-key-1');
  });

  test('every line of a report fits 80 columns, but for names and commands', async () => {
    const bucket = fresh('foreign');
    const { stdout } = await bucketRun('audit', bucket, ...KMS);
    const long = stdout.split('\n').filter((line) => line.length > 80 && !line.includes('s3vault bucket'));
    expect(long).toEqual([]);
  });
});

describeRgw('on', () => {
  test('audit, harden, audit: what this store does not enforce is said so', async () => {
    machine = new Machine(rgw());
    const bucket = await rgw().createBucket('posture');
    const Policy = policyWith(foreign(bucket));
    await rgw().client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
    const mode = ['--mode', 'sse-kms', '--kms-key', rgw().kmsKeyIds[0]!];
    const before = await bucketRun('audit', bucket, ...mode, '--json');
    expect(before.code).toBe(3);
    expect(findings(before)).toMatchObject({
      'plain-http': 'problem: high',
      'public-access': 'problem: high',
      'default-encryption': 'unknown',
      ownership: 'unknown',
    });
    const hardened = await bucketRun('harden', bucket, ...mode, '--yes', '--json');
    const steps = hardened.lines.filter(({ event }) => event === 'step');
    expect(steps).toContainEqual(
      expect.objectContaining({ step: 'not-enforced', what: 'a PUT without the encryption header' }),
    );
    expect(steps).toContainEqual(
      expect.objectContaining({ step: 'proved', what: 'a PUT with AES256 instead of the KMS key' }),
    );
    // With this switch, this version refuses every write.
    expect(steps).toContainEqual(
      expect.objectContaining({ step: 'taken-back', setting: 'publicAccess', what: 'BlockPublicAcls' }),
    );
    expect(hardened.code).toBe(4);
    const after = await bucketRun('audit', bucket, ...mode, '--json');
    expect(findings(after)).toMatchObject({
      'plain-http': 'ok',
      'encryption-header': 'ok',
      'public-access': 'problem: low',
      versioning: 'ok',
    });
    const got = await rgw().client.send(new GetBucketPolicyCommand({ Bucket: bucket }));
    expect(got.Policy).toContain(foreign(bucket));
    const left = await rgw().client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    expect([...(left.Versions ?? []), ...(left.DeleteMarkers ?? [])]).toEqual([]);
  });

  test('after hardening the vault goes on working, large files too', async () => {
    machine = new Machine(rgw());
    const bucket = await rgw().createBucket('posture');
    const mode = ['--mode', 'sse-kms', '--kms-key', rgw().kmsKeyIds[0]!];
    const hardened = await bucketRun('harden', bucket, ...mode, '--yes', '--json');
    expect(hardened.lines.filter(({ step }) => step === 'own-refused')).toEqual([]);
    expect(hardened.code).toBe(4);
    machine.write('small', 'x');
    machine.write('large', Buffer.alloc(9 * 2 ** 20, 7));
    const sync = ['sync', machine.root, '--to', `s3://${bucket}/docs`, ...mode, ...machine.remoteArgs];
    const ended = await machine.run([...sync, '--once', '--json']);
    expect(ended.stderr).toBe('');
    expect(ended.code).toBe(0);
  });
});
