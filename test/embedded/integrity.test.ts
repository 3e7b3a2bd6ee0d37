import { createHash, randomBytes } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:tls';
import { connect as connectPlain } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import * as fc from 'fast-check';
import { checksumOf, fullOf } from '../../src/embedded/checksums.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

let server: EmbeddedServer;
let s3: S3Client;
let now = Date.now();
let number = 0;
let Bucket = '';
const Key = 'k';
const BODY = Buffer.from('123456789');

beforeAll(async () => {
  server = await startEmbedded({ now: () => now, region: 'eu-west-1' });
  s3 = s3For(server);
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(() => {
  now = Date.now();
  Bucket = `integrity-${++number}`;
  server.createBucket(Bucket);
});

const put = (more: object = {}, client = s3) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: BODY, ...more }));

describe('checksums', () => {
  test.each([
    ['CRC32', 'cbf43926'],
    ['CRC32C', 'e3069283'],
    ['CRC64NVME', 'ae8b14860a799888'],
    ['SHA1', createHash('sha1').update(BODY).digest('hex')],
    ['SHA256', createHash('sha256').update(BODY).digest('hex')],
  ] as const)('%s is checked, kept and answered', async (ChecksumAlgorithm, hex) => {
    const value = Buffer.from(hex, 'hex').toString('base64');
    const field = `Checksum${ChecksumAlgorithm}` as const;
    expect((await put({ ChecksumAlgorithm }))[field]).toBe(value);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({ [field]: value, ChecksumType: 'FULL_OBJECT' });
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key })))[field]).toBeUndefined();
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    await got.Body?.transformToByteArray();
    expect(got[field]).toBe(value);
    const wrong = Buffer.from(hex, 'hex').fill(0).toString('base64');
    expect(await refusal(put({ [field]: wrong }))).toMatchObject({ status: 400, name: 'BadDigest' });
    expect(await refusal(put({ [field]: 'AAAA' }))).toMatchObject({ status: 400, name: 'InvalidRequest' });
  });

  test('Content-MD5 is checked', async () => {
    const ContentMD5 = createHash('md5').update(BODY).digest('base64');
    await put({ ContentMD5 });
    expect(await refusal(put({ ContentMD5: ContentMD5.replace(/^./, 'A') }))).toMatchObject({
      name: 'BadDigest',
    });
    expect(await refusal(put({ ContentMD5: 'AAAA' }))).toMatchObject({ name: 'InvalidDigest' });
  });

  test('a checksum put together from parts is that of the whole', () => {
    const algorithms = fc.constantFrom('CRC32' as const, 'CRC32C' as const, 'CRC64NVME' as const);
    fc.assert(
      fc.property(
        algorithms,
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 }),
        (algorithm, parts) => {
          const known = parts.map((part) => ({ value: checksumOf(algorithm, [part]), size: part.length }));
          expect(fullOf(algorithm, known).value).toBe(checksumOf(algorithm, [Buffer.concat(parts)]));
        },
      ),
    );
  });
});

describe('signatures', () => {
  test('a wrong secret, an unknown key, another region', async () => {
    const { accessKeyId } = server.credentials;
    const wrong = s3For(server, { credentials: { accessKeyId, secretAccessKey: 'guess' } });
    expect(await refusal(put({}, wrong))).toMatchObject({ status: 403, name: 'SignatureDoesNotMatch' });
    const unknown = s3For(server, { credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' } });
    expect(await refusal(put({}, unknown))).toMatchObject({ status: 403, name: 'InvalidAccessKeyId' });
    const elsewhere = s3For(server, { region: 'us-west-2' });
    expect(await refusal(put({}, elsewhere))).toMatchObject({
      status: 400,
      name: 'AuthorizationHeaderMalformed',
      message: expect.stringContaining("expecting 'eu-west-1'"),
    });
    expect(server.keys(Bucket)).toEqual([]);
  });

  test('a clock too far off; the SDK corrects its own and comes back', async () => {
    now += 16 * 60_000;
    const stubborn = s3For(server);
    expect(await refusal(put({}, stubborn))).toMatchObject({ status: 403, name: 'RequestTimeTooSkewed' });
    await put({}, s3For(server, { maxAttempts: 2 }));
    now -= 32 * 60_000;
    expect((await refusal(put({}, s3For(server)))).name).toBe('RequestTimeTooSkewed');
  });

  test('temporary credentials need their token and end', async () => {
    const { sessionToken, ...bare } = server.issueSession(now + 60_000);
    await put({}, s3For(server, { credentials: { ...bare, sessionToken } }));
    expect((await refusal(put({}, s3For(server, { credentials: bare })))).name).toBe('InvalidToken');
    const other = s3For(server, { credentials: { ...bare, sessionToken: 'other' } });
    expect((await refusal(put({}, other))).name).toBe('InvalidToken');
    now += 60_001;
    const late = s3For(server, { credentials: { ...bare, sessionToken } });
    expect(await refusal(put({}, late))).toMatchObject({ status: 400, name: 'ExpiredToken' });
  });

  test('nothing without a signature, nothing changed under one', async () => {
    const anonymous = await new Promise<number | undefined>((resolve, reject) => {
      const url = `${server.url}/${Bucket}?list-type=2`;
      httpsRequest(url, { ca: server.caPem }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(anonymous).toBe(403);
    const tampering = async (
      change: (request: { headers: Record<string, string>; body: unknown }) => void,
    ) => {
      const client = s3For(server);
      client.middlewareStack.add(
        (next) => (args) => {
          change(args.request as never);
          return next(args);
        },
        { step: 'deserialize', priority: 'low' },
      );
      return (await refusal(put({}, client))).name;
    };
    expect(await tampering((request) => void (request.body = Buffer.from('12345678X')))).toBe(
      'XAmzContentSHA256Mismatch',
    );
    expect(await tampering(({ headers }) => void (headers['x-amz-meta-added'] = 'x'))).toBe('AccessDenied');
    expect(
      await tampering(({ headers }) => void (headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD')),
    ).toBe('SignatureDoesNotMatch');
    expect(server.keys(Bucket)).toEqual([]);
  });
});

describe('the connection', () => {
  test('is TLS or nothing', async () => {
    const plain = await new Promise<string>((resolve) => {
      const socket = connectPlain(server.port, '127.0.0.1', () =>
        socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
    expect(plain).not.toContain('HTTP/1.1 200');
    expect(plain).not.toContain('<');
  });

  test('a client that does not know the certificate turns away', async () => {
    const code = await new Promise((resolve) => {
      connect(server.port, 'localhost', { servername: 'localhost' }).on('error', (error) =>
        resolve((error as { code?: string }).code),
      );
    });
    expect(code).toMatch(/SELF_SIGNED_CERT/);
  });

  test('TLS versions are as told', async () => {
    const old = await startEmbedded({ tls: { min: 'TLSv1.1', max: 'TLSv1.1' } });
    const attempt = (options: object) =>
      new Promise<string | null | undefined>((resolve) => {
        const socket = connect({ port: old.port, host: 'localhost', ca: old.caPem, ...options }, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.on('error', (error) => resolve((error as { code?: string }).code));
      });
    expect(await attempt({})).toMatch(/^(ERR_SSL|EPROTO|ECONNRESET)/);
    expect(
      await attempt({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).toBe('TLSv1.1');
    await old.close();
  });
});

test('bodies can be dropped: sizes, ETags and metadata stay', async () => {
  const lean = await startEmbedded({ store: 'discard' });
  lean.createBucket('lean-bucket');
  const client = s3For(lean);
  const Body = randomBytes(1000);
  const put = await client.send(
    new PutObjectCommand({ Bucket: 'lean-bucket', Key, Body, Metadata: { m: '1' } }),
  );
  const md5 = createHash('md5').update(Body);
  expect(put.ETag).toBe(`"${md5.digest('hex')}"`);
  expect(lean.object('lean-bucket', Key)).toMatchObject({ size: 1000, metadata: { m: '1' } });
  expect(lean.storedBytes('lean-bucket', Key)?.length).toBe(0);
  client.destroy();
  await lean.close();
});
