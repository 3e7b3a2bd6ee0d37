import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import type { Remote } from '../../src/model/vault.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import { accountOfKey } from '../../src/s3/credentials.ts';
import { type ClientPlan, createClient } from '../../src/s3/sdk.ts';
import { parseSections, readProfile } from '../../src/s3/shared-config.ts';

const home = mkdtempSync(join(tmpdir(), 's3vault-connect-'));
afterAll(() => rmSync(home, { recursive: true }));

const CONFIG = `
[default]
region = eu-central-1
[profile plain]
region = us-east-1
endpoint_url = http://minio.lab:9000
[profile service]
services = lab
endpoint_url = https://fine.example
[profile good]
services = fine
region = us-west-2
[profile ignoring]
ignore_configured_endpoint_urls = true
endpoint_url = http://minio.lab:9000
region = eu-west-1
[services lab]
s3 =
  endpoint_url = http://minio.lab:9000 # not TLS
kms =
  endpoint_url = https://kms.lab
[services fine]
dynamodb =
  endpoint_url = http://never.lab
s3 =
  endpoint_url = https://minio.lab:9000
`;
const configFile = join(home, 'config');
writeFileSync(configFile, CONFIG);

const base = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_CONFIG_FILE: configFile, HOME: home };
const remote = (over: Partial<Remote> = {}): Remote => ({ bucket: 'acme', prefix: '', ...over });

describe('plain HTTP is refused, whoever says it', () => {
  test.each([
    ['the option', { endpoint: 'http://s3.lab' }, {}],
    ['the option in capitals', { endpoint: 'HTTP://s3.lab' }, {}],
    ['another scheme', { endpoint: 'ftp://s3.lab' }, {}],
    ['AWS_ENDPOINT_URL_S3', {}, { AWS_ENDPOINT_URL_S3: 'http://s3.lab', AWS_ENDPOINT_URL: 'https://fine' }],
    ['AWS_ENDPOINT_URL', {}, { AWS_ENDPOINT_URL: 'http://s3.lab' }],
    [
      'AWS_ENDPOINT_URL_S3 where an option goes before it',
      { endpoint: 'https://fine' },
      { AWS_ENDPOINT_URL_S3: 'http://s3.lab' },
    ],
    ['endpoint_url of AWS_PROFILE', {}, { AWS_PROFILE: 'plain' }],
    ['endpoint_url of --profile', { profile: 'plain' }, { AWS_PROFILE: 'good' }],
    ['a services section', { profile: 'service' }, {}],
  ])('%s', async (_, over, env) => {
    const refused = { kind: 'usage', code: 'plain-http', exit: 2 };
    await expect(resolveRemote(remote(over), { ...base, ...env })).rejects.toMatchObject(refused);
  });
});

test('whatever the configuration: the SDK sends nothing over plain HTTP', async () => {
  const plan: ClientPlan = {
    endpoint: 'http://localhost:1',
    region: 'us-east-1',
    profile: undefined,
    pathStyle: true,
    isAws: false,
    tls: createSecureContext(),
    env: base,
  };
  const client = await createClient(plan);
  const sending = client.send(new ListBucketsCommand());
  await expect(sending).rejects.toMatchObject({ kind: 'usage', code: 'plain-http' });
  client.destroy();
});

describe('what is resolved', () => {
  test('a custom endpoint is addressed by path and needs no region', async () => {
    const resolved = await resolveRemote(
      remote({ endpoint: 'https://minio.lab:9000/base/', prefix: 'docs/' }),
      base,
    );
    expect(resolved).toMatchObject({
      bucket: 'acme',
      prefix: 'docs/',
      region: 'eu-central-1',
      isAws: false,
      place: { origin: 'https://minio.lab:9000', host: 'minio.lab:9000', base: '/base/acme' },
    });
    const elsewhere = await resolveRemote(remote({ endpoint: 'https://minio.lab' }), {
      ...base,
      AWS_CONFIG_FILE: '/none',
    });
    expect(elsewhere.region).toBe('us-east-1');
  });

  test('by host name where that is asked for', async () => {
    const resolved = await resolveRemote(
      remote({ endpoint: 'https://minio.lab:9000', pathStyle: false }),
      base,
    );
    expect(resolved.place).toEqual({
      origin: 'https://acme.minio.lab:9000',
      host: 'acme.minio.lab:9000',
      base: '',
    });
  });

  test('the profile named goes before AWS_PROFILE, its services section before its endpoint_url', async () => {
    const resolved = await resolveRemote(remote({ profile: 'good' }), { ...base, AWS_PROFILE: 'plain' });
    expect(resolved).toMatchObject({ endpoint: 'https://minio.lab:9000/', region: 'us-west-2' });
  });

  test('the environment goes before the profile', async () => {
    const env = {
      ...base,
      AWS_PROFILE: 'plain',
      AWS_ENDPOINT_URL: 'https://other.lab',
      AWS_REGION: 'eu-west-3',
    };
    expect(await resolveRemote(remote(), env)).toMatchObject({
      endpoint: 'https://other.lab/',
      region: 'eu-west-3',
    });
  });

  test('AWS itself: the SDK says where, by host name, and by path where the bucket has dots', async () => {
    const aws = await resolveRemote(remote({ region: 'eu-west-1' }), { ...base, AWS_CONFIG_FILE: '/none' });
    expect(aws).toMatchObject({
      isAws: true,
      endpoint: undefined,
      place: { origin: 'https://acme.s3.eu-west-1.amazonaws.com', base: '' },
    });
    await aws.close();
    const dotted = await resolveRemote(remote({ bucket: 'a.b.c', region: 'eu-west-1' }), {
      ...base,
      AWS_CONFIG_FILE: '/none',
    });
    expect(dotted.place).toMatchObject({ origin: 'https://s3.eu-west-1.amazonaws.com', base: '/a.b.c' });
    await dotted.close();
  });

  test('configured endpoints can be ignored', async () => {
    const ignoring = await resolveRemote(remote({ profile: 'ignoring' }), base);
    expect(ignoring.isAws).toBe(true);
    await ignoring.close();
    const env = { ...base, AWS_ENDPOINT_URL: 'http://s3.lab', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' };
    const told = await resolveRemote(remote({ region: 'eu-west-1' }), env);
    expect(told.isAws).toBe(true);
    await told.close();
  });

  test('an address of Amazon given by hand is Amazon', async () => {
    const endpoint = 'https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com';
    const vpc = await resolveRemote(remote({ endpoint, region: 'us-east-1' }), base);
    expect(vpc).toMatchObject({
      isAws: true,
      place: { host: 'acme.bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com' },
    });
    const fake = await resolveRemote(remote({ endpoint: 'https://amazonaws.com.evil.example' }), base);
    expect(fake.isAws).toBe(false);
  });

  test.each([
    'not a url',
    'minio.lab',
    'https://user:pass@minio.lab',
    'https://minio.lab?x=1',
  ])('%s is no endpoint', async (endpoint) => {
    await expect(resolveRemote(remote({ endpoint }), base)).rejects.toMatchObject({ kind: 'usage' });
  });

  test('a CA bundle that is none is refused', async () => {
    const endpoint = 'https://minio.lab';
    const missing = resolveRemote(remote({ endpoint, caBundle: join(home, 'none.pem') }), base);
    await expect(missing).rejects.toMatchObject({ kind: 'usage', code: 'ca-bundle' });
    const wrong = resolveRemote(remote({ endpoint }), { ...base, AWS_CA_BUNDLE: configFile });
    await expect(wrong).rejects.toMatchObject({ kind: 'usage', code: 'ca-bundle' });
  });

  test('static keys of the environment are used, unless a profile is named', async () => {
    const endpoint = 'https://minio.lab';
    const resolved = await resolveRemote(remote({ endpoint }), { ...base, AWS_SESSION_TOKEN: 't' });
    expect(await resolved.credentials.get()).toEqual({
      accessKeyId: 'a',
      secretAccessKey: 'b',
      sessionToken: 't',
    });
    expect(await resolved.credentials.refresh()).toBe(false);
  });
});

describe('the shared files', () => {
  test('sections, comments, nesting and spaces', () => {
    const found = parseSections('[ profile  a ]\n# c\nx = 1 ; no\ns3 =\n  endpoint_url = u\ny=2\n  z = 3\n');
    expect(Object.fromEntries(found.get('profile a')!)).toEqual({
      x: '1',
      s3: '',
      's3.endpoint_url': 'u',
      y: '2',
      z: '3',
    });
  });

  test('what is missing says nothing', async () => {
    expect(await readProfile('nobody', { HOME: join(home, 'empty') })).toEqual({ ignoresEndpoints: false });
  });
});

/** 111122223333 is the account of AWS's own examples. */
test.each([
  ['AKIA', 'RTX3GSDSQAABCDEF', '111122223333'],
  ['ASIA', 'RTX3GSDSQAQQQQQQ', '111122223333'],
  // From before 2019, of a role, of a store of its own, of no account that there can be.
  ['AKIA', 'IOSFODNN7EXAMPLE', undefined],
  ['AROA', 'RTX3GSDSQAABCDEF', undefined],
  ['', 'minio', undefined],
  ['AKIA', '7777777777777777', undefined],
])('the account in the access key id %s%s: %s', (kind, id, account) => {
  expect(accountOfKey(kind + id)).toBe(account);
});
