import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { VaultError } from '../../src/model/errors.ts';
import { Secret } from '../../src/model/secret.ts';
import { sharedChecksum } from '../../src/s3/checksums.ts';
import {
  checkProtection,
  type Protection,
  prove,
  provePart,
  readHeaders,
  saidUnder,
  sdkAnswer,
  customerKeyOf,
  sdkFields,
  writeHeaders,
} from '../../src/s3/modes.ts';

const SSE = 'x-amz-server-side-encryption';
const bytes = randomBytes(32);
const md5 = createHash('md5').update(bytes).digest('base64');
const sum = { algorithm: 'md5', value: 'abc' } as const;
const ARN = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const ID = '1234abcd-12ab-34cd-56ef-1234567890ab';

const customer: Protection = { mode: 'sse-c', key: new Secret(bytes) };
const kms = (keyId: string, more: { bucketKey?: boolean } = {}): Protection => ({
  mode: 'sse-kms',
  keyId,
  context: {},
  ...more,
});
const kmsAnswer = (key: string, algorithm = 'aws:kms') => ({
  [SSE]: algorithm,
  [`${SSE}-aws-kms-key-id`]: key,
});

test('what an answer to a read says: a customer key only where it is this one', () => {
  const answer = (keyMd5: string, algorithm = 'AES256') => ({
    [`${SSE}-customer-algorithm`]: algorithm,
    [`${SSE}-customer-key-md5`]: keyMd5,
  });
  expect(saidUnder(customer, answer(md5))).toEqual({ under: 'sse-c' });
  const other = createHash('md5').update('another key').digest('base64');
  for (const wrong of [answer(other), answer(''), answer(md5, 'none'), {}])
    expect(saidUnder(customer, wrong)).toEqual({});
  expect(saidUnder({ mode: 'sse-s3' }, answer(md5))).toEqual({});
  for (const protection of [customer, kms(ID), { mode: 'sse-s3' }, { mode: 'client', key: 'k' }] as const) {
    expect(saidUnder(protection, kmsAnswer(ARN))).toEqual({ under: 'sse-kms' });
    expect(saidUnder(protection, kmsAnswer(ARN, 'aws:kms:dsse'))).toEqual({ under: 'dsse-kms' });
    expect(saidUnder(protection, { [SSE]: 'AES256' })).toEqual({ under: 'sse-s3' });
    expect(saidUnder(protection, { [SSE]: 'anything' })).toEqual({});
  }
});

describe('what is sent', () => {
  test('every mode says what it is on a write; only sse-c on a read [PROOF-3]', () => {
    expect(writeHeaders({ mode: 'client', key: 'k' })).toEqual({});
    expect(writeHeaders({ mode: 'sse-s3' })).toEqual({ [SSE]: 'AES256' });
    expect(writeHeaders({ mode: 'dsse-kms', keyId: ARN, context: { a: 'b' } })).toEqual({
      [SSE]: 'aws:kms:dsse',
      [`${SSE}-aws-kms-key-id`]: ARN,
      [`${SSE}-context`]: Buffer.from('{"a":"b"}').toString('base64'),
    });
    expect(writeHeaders(kms(ID, { bucketKey: false }))).toMatchObject({
      [`${SSE}-bucket-key-enabled`]: 'false',
    });
    const triple = {
      [`${SSE}-customer-algorithm`]: 'AES256',
      [`${SSE}-customer-key`]: bytes.toString('base64'),
      [`${SSE}-customer-key-md5`]: md5,
    };
    expect(writeHeaders(customer)).toEqual(triple);
    expect(readHeaders(customer)).toEqual(triple);
    for (const protection of [kms(ID), { mode: 'sse-s3' }, { mode: 'client', key: 'k' }] as const)
      expect(readHeaders(protection)).toEqual({});
  });

  test('the SDK gets the same fields', () => {
    expect(sdkFields(writeHeaders(kms(ID, { bucketKey: true })))).toEqual({
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: ID,
      BucketKeyEnabled: true,
    });
    expect(sdkFields(writeHeaders(customer))).toEqual({});
    expect(customerKeyOf(writeHeaders(customer))).toEqual(writeHeaders(customer));
    expect(customerKeyOf(writeHeaders(kms(ID)))).toEqual({});
    expect(
      prove(kms(ID), sdkAnswer({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN }), undefined),
    ).toMatchObject({
      keyId: ARN,
    });
  });

  test('a key of another length is refused before it could be sent', () => {
    expect(() => checkProtection({ mode: 'sse-c', key: new Secret(randomBytes(16)) })).toThrow(/32 bytes/);
    checkProtection(customer);
  });
});

describe('what proves', () => {
  const good: [Protection, Record<string, string>][] = [
    [{ mode: 'client', key: 'k' }, {}],
    [customer, { [`${SSE}-customer-algorithm`]: 'AES256', [`${SSE}-customer-key-md5`]: md5 }],
    [kms(ID), kmsAnswer(ID)],
    [kms(ID), kmsAnswer(ARN)],
    [kms(ARN), kmsAnswer(ARN)],
    [kms(ID, { bucketKey: true }), { ...kmsAnswer(ID), [`${SSE}-bucket-key-enabled`]: 'true' }],
    [kms(ID, { bucketKey: false }), kmsAnswer(ID)],
    [{ mode: 'dsse-kms', keyId: ID, context: {} }, kmsAnswer(ID, 'aws:kms:dsse')],
    [{ mode: 'sse-s3' }, { [SSE]: 'AES256' }],
  ];
  test.each(good)('%j is proved by %j', (protection, answer) => {
    expect(prove(protection, answer, sum)).toMatchObject({ mode: protection.mode, checksum: sum });
  });

  const bad: [Protection, Record<string, string>][] = [
    [customer, {}],
    [customer, { [`${SSE}-customer-algorithm`]: 'AES256' }],
    [customer, { [`${SSE}-customer-key-md5`]: md5 }],
    [customer, { [`${SSE}-customer-algorithm`]: 'AES128', [`${SSE}-customer-key-md5`]: md5 }],
    [
      customer,
      { [`${SSE}-customer-algorithm`]: 'AES256', [`${SSE}-customer-key-md5`]: 'AAAAAAAAAAAAAAAAAAAAAA==' },
    ],
    [customer, { [SSE]: 'AES256' }],
    [kms(ID), { [SSE]: 'aws:kms' }],
    [kms(ID), { [SSE]: 'AES256' }],
    [kms(ID), kmsAnswer(ID, 'aws:kms:dsse')],
    [kms(ID), kmsAnswer(`${ID}0`)],
    [kms(ID), kmsAnswer(`arn:aws:kms:eu-west-1:1:key/x${ID}`)],
    [kms(ID), kmsAnswer(`key/${ID}`)],
    [kms(ARN), kmsAnswer(ID)],
    [kms('alias/mine'), kmsAnswer(ARN)],
    [kms(ID, { bucketKey: true }), kmsAnswer(ID)],
    [kms(ID, { bucketKey: false }), { ...kmsAnswer(ID), [`${SSE}-bucket-key-enabled`]: 'true' }],
    [{ mode: 'dsse-kms', keyId: ID, context: {} }, kmsAnswer(ID)],
    [{ mode: 'sse-s3' }, {}],
    [{ mode: 'sse-s3' }, { [SSE]: 'aws:kms' }],
  ];
  test.each(bad)('%j is not proved by %j', (protection, answer) => {
    const proving = () => prove(protection, answer, sum);
    expect(proving).toThrow(VaultError);
    expect(proving).toThrow(expect.objectContaining({ kind: 'security', code: 'proof-missing' }) as Error);
    expect(proving).toThrow(expect.objectContaining({ hint: expect.stringMatching(/./) }) as Error);
  });

  test('client mode needs a checksum, and it must be the same', () => {
    expect(() => prove({ mode: 'client', key: 'k' }, {}, undefined)).toThrow(/did not prove client/);
  });

  test('parts are checked in mode sse-c, where S3 repeats the key', () => {
    expect(() => provePart(customer, {})).toThrow(/did not prove sse-c/);
    provePart(kms(ID), {});
  });

  test('no message holds the key', () => {
    try {
      prove(customer, { [`${SSE}-customer-algorithm`]: 'x' }, undefined);
    } catch (thrown) {
      const { message, hint } = thrown as VaultError;
      expect(`${message}${hint}`).not.toContain(bytes.toString('base64'));
    }
  });
});

describe('the checksum that answer and sent bytes share', () => {
  test('a CRC-32 of the whole object, or an ETag that is the MD5', () => {
    expect(sharedChecksum({ 'x-amz-checksum-crc32': 'AAAAAA==' }, { crc32: 'AAAAAA==' })).toEqual({
      algorithm: 'crc32',
      value: 'AAAAAA==',
    });
    expect(sharedChecksum({ etag: '"0AB"' }, { md5: '0ab' })).toEqual({ algorithm: 'md5', value: '0ab' });
  });

  test('none where the kinds do not meet; a failure where a CRC-32 differs', () => {
    expect(sharedChecksum({ etag: '"xyz"' }, { md5: '0ab' })).toBeUndefined();
    expect(sharedChecksum({ etag: '"0ab"' }, { crc32: 'AAAAAA==' })).toBeUndefined();
    expect(sharedChecksum({ 'x-amz-checksum-crc32': 'AAAAAA==-2' }, { crc32: 'AAAAAA==' })).toBeUndefined();
    const differing = () => sharedChecksum({ 'x-amz-checksum-crc32': 'AAAAAB==' }, { crc32: 'AAAAAA==' });
    expect(differing).toThrow(expect.objectContaining({ kind: 'security' }) as Error);
  });
});
