/** Service Quotas by a scripted server: applied, default, refused, and how it is asked. */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ResolvedRemote, resolveRemote } from '../../src/s3/connect.ts';
import { isNarrow, quotaHint } from '../../src/s3/kms-hint.ts';
import { tableQuota } from '../../src/s3/kms-quota.ts';
import { readKmsQuota } from '../../src/s3/applied-quota.ts';

type Answers = { readonly [operation: string]: { readonly status: number; readonly body: object } };

const folder = mkdtempSync(join(tmpdir(), 's3vault-quotas-'));
let server: Server;
let endpoint: string;
let remote: ResolvedRemote;
let answers: Answers = {};
let asked: unknown[] = [];

beforeAll(async () => {
  const pems = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  writeFileSync(join(folder, 'ca.pem'), pems.cert);
  server = createServer({ key: pems.private, cert: pems.cert }, (request, response) => {
    void text(request).then((body) => {
      const operation = String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
      asked.push([operation, JSON.parse(body)]);
      const { status, body: said } = answers[operation] ?? { status: 400, body: {} };
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(said));
    });
  });
  await new Promise<void>((done) => server.listen(0, 'localhost', done));
  endpoint = `https://localhost:${(server.address() as AddressInfo).port}`;
  remote = await resolveRemote(
    { bucket: 'any-bucket', prefix: '', region: 'eu-west-1', caBundle: join(folder, 'ca.pem') },
    { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' },
  );
});
afterAll(async () => {
  await remote.close();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  asked = [];
});

const value = (Value: number) => ({ status: 200, body: { Quota: { Value } } });
const missing = { status: 400, body: { __type: 'NoSuchResourceException', message: 'no such quota' } };
const denied = { status: 400, body: { __type: 'AccessDeniedException', message: 'not allowed' } };

test('the applied value, asked for by its code', async () => {
  answers = { GetServiceQuota: value(50_000) };
  expect(await readKmsQuota(remote, { endpoint })).toEqual({ quota: 50_000, source: 'service-quotas' });
  expect(asked).toEqual([['GetServiceQuota', { ServiceCode: 'kms', QuotaCode: 'L-6E3AF000' }]]);
});

test('where none was applied, the default', async () => {
  answers = { GetServiceQuota: missing, GetAWSDefaultServiceQuota: value(20_000) };
  expect(await readKmsQuota(remote, { endpoint })).toEqual({
    quota: 20_000,
    source: 'service-quotas-default',
  });
});

test.each([
  denied,
  missing,
  value(0),
  { status: 200, body: {} },
])('says nothing where it is refused: %j', async (answer) => {
  answers = { GetServiceQuota: answer, GetAWSDefaultServiceQuota: answer };
  expect(await readKmsQuota(remote, { endpoint })).toBeUndefined();
});

test('never over plain HTTP', async () => {
  const plain = endpoint.replace('https:', 'http:');
  await expect(readKmsQuota(remote, { endpoint: plain })).rejects.toMatchObject({ code: 'plain-http' });
  expect(asked).toEqual([]);
});

describe('what is published, and what to do', () => {
  test.each([
    ['us-east-1', 100_000],
    ['eu-central-1', 20_000],
    ['sa-east-1', 10_000],
    ['somewhere-new-1', 10_000],
  ])('%s: %i a second', (region, quota) => {
    expect(tableQuota(region)).toEqual({ quota, source: 'region-table' });
  });

  const mode = { kind: 'sse-kms', keyId: 'k', context: {} } as const;
  test('the Bucket Key first, then the exact command; neither where it is no way out', () => {
    const gauge = { quota: 10_000, share: 50, source: 'service-quotas' } as const;
    const hint = quotaHint(gauge, mode, 'sa-east-1');
    expect(hint).toMatch(/^turn on --bucket-key/);
    expect(hint).toContain(
      'aws service-quotas request-service-quota-increase --service-code kms --quota-code L-6E3AF000 --desired-value 20000 --region sa-east-1',
    );
    expect(quotaHint(gauge, { ...mode, bucketKey: true }, 'sa-east-1')).not.toContain('--bucket-key');
    expect(quotaHint(gauge, { ...mode, kind: 'dsse-kms' }, 'sa-east-1')).not.toContain('--bucket-key');
    expect(quotaHint(gauge, mode)).toMatch(/--kms-quota/);
    expect(quotaHint(gauge, mode)).not.toContain('aws service-quotas');
  });

  test('a quota that was said by hand is not taken for what AWS grants', () => {
    const hint = quotaHint({ quota: 100, share: 50, source: 'option' }, mode, 'sa-east-1');
    expect(hint).not.toContain('--desired-value');
    expect(hint).toContain(
      'raise --kms-quota, if the account has more: aws service-quotas get-service-quota',
    );
  });

  test('narrow is what is nearly used up, or slowed down still; not what was throttled some time ago', () => {
    const gauge = { quota: 100, source: 'option', share: 50, limit: 50, requests: 9 } as const;
    expect(isNarrow({ ...gauge, rate: 46, throttled: 0 })).toBe(true);
    expect(isNarrow({ ...gauge, rate: 1, throttled: 0 })).toBe(false);
    expect(isNarrow({ ...gauge, rate: 1, limit: 49, throttled: 2 })).toBe(true);
    expect(isNarrow({ ...gauge, rate: 1, throttled: 2 })).toBe(false);
  });
});
