import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { kmsError } from '../../src/keys/kms-errors.ts';
import { openKms } from '../../src/keys/kms.ts';
import type { Kms } from '../../src/model/ports.ts';

interface Answer {
  readonly status: number;
  readonly body: object;
}

interface Asked {
  readonly target: string;
  readonly body: { readonly [name: string]: unknown };
}

const ARN = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
let server: Server;
let endpoint: string;
let ca: string;
let asked: Asked[];
let answer: Answer;
const before = { ...process.env };

beforeAll(async () => {
  const pems = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  ca = pems.cert;
  server = createServer({ key: pems.private, cert: pems.cert }, (request, response) => {
    void respond(request, response);
  });
  await new Promise<void>((done) => server.listen(0, 'localhost', done));
  endpoint = `https://localhost:${(server.address() as AddressInfo).port}`;
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIDEXAMPLE';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'example';
  process.env['AWS_MAX_ATTEMPTS'] = '1';
  delete process.env['AWS_PROFILE'];
});
afterAll(async () => {
  process.env = before;
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});
beforeEach(() => {
  asked = [];
});

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
  asked.push({ target, body: JSON.parse(await text(request)) });
  response.writeHead(answer.status, {
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': 'r-1',
  });
  response.end(JSON.stringify(answer.body));
}

const open = (): Kms => openKms({ region: 'us-east-1', endpoint, env: {}, ca });
const refuse = (status: number, type: string): void => {
  answer = { status, body: { __type: type, message: 'no' } };
};

describe('a KMS that answers', () => {
  test('gives a data key with its wrapped form, asked for with the context', async () => {
    const plain = Buffer.alloc(32, 5);
    const body = {
      KeyId: ARN,
      Plaintext: plain.toString('base64'),
      CiphertextBlob: Buffer.from('w').toString('base64'),
    };
    answer = { status: 200, body };
    const { dataKey, wrapped } = await open().generateDataKey('alias/x', { constructor: 'c', a: 'b' });
    expect(dataKey.use((bytes) => bytes.equals(plain))).toBe(true);
    expect(Buffer.from(wrapped).toString()).toBe('w');
    expect(asked).toEqual([
      {
        target: 'GenerateDataKey',
        body: { KeyId: 'alias/x', KeySpec: 'AES_256', EncryptionContext: { constructor: 'c', a: 'b' } },
      },
    ]);
  });

  test('opens a data key under the key and context it is told', async () => {
    answer = { status: 200, body: { KeyId: ARN, Plaintext: Buffer.alloc(32, 6).toString('base64') } };
    const key = await open().decrypt(ARN, Buffer.from('w'), { a: 'b' });
    expect(key.length).toBe(32);
    expect(asked[0]).toMatchObject({
      target: 'Decrypt',
      body: { KeyId: ARN, EncryptionContext: { a: 'b' } },
    });
  });

  test.each([16, 31, 33, 0])('a data key of %i bytes is refused', async (size) => {
    const body = { KeyId: ARN, Plaintext: Buffer.alloc(size).toString('base64'), CiphertextBlob: 'dw==' };
    answer = { status: 200, body };
    await expect(open().decrypt(ARN, Buffer.from('w'), {})).rejects.toMatchObject({ kind: 'security' });
    await expect(open().generateDataKey(ARN, {})).rejects.toMatchObject({ kind: 'security' });
  });

  test('resolves an alias to its ARN, and sees what cannot serve', async () => {
    answer = { status: 200, body: { KeyMetadata: { KeyId: 'x', Arn: ARN, Enabled: true } } };
    expect(await open().describe('alias/x')).toBe(ARN);
    answer = { status: 200, body: { KeyMetadata: { KeyId: 'x', Arn: ARN, Enabled: false } } };
    await expect(open().describe('alias/x')).rejects.toMatchObject({ code: 'kms-disabled' });
    answer = {
      status: 200,
      body: { KeyMetadata: { KeyId: 'x', Arn: ARN, Enabled: true, KeySpec: 'RSA_2048' } },
    };
    await expect(open().describe('alias/x')).rejects.toMatchObject({ code: 'kms-unusable' });
  });
});

describe('a KMS that refuses', () => {
  test.each([
    [400, 'AccessDeniedException', 'refused', 'kms-denied'],
    [400, 'NotFoundException', 'refused', 'kms-missing'],
    [400, 'DisabledException', 'refused', 'kms-disabled'],
    [400, 'KMSInvalidStateException', 'refused', 'kms-disabled'],
    [400, 'InvalidCiphertextException', 'security', 'kms-cannot-open'],
    [400, 'IncorrectKeyException', 'security', 'kms-cannot-open'],
    [400, 'ThrottlingException', 'throttled', 'kms-throttled'],
    [400, 'LimitExceededException', 'throttled', 'kms-throttled'],
    [400, 'ExpiredTokenException', 'refused', 'credentials'],
    [400, 'UnrecognizedClientException', 'refused', 'credentials'],
    [500, 'KMSInternalException', 'transient', 'kms-trouble'],
    [503, 'Whatever', 'transient', 'kms-trouble'],
    [403, 'Whatever', 'refused', 'kms-denied'],
    [400, 'Whatever', 'internal', 'kms-failed'],
  ])('%i %s', async (status, type, kind, code) => {
    refuse(status, type);
    const failure = await open()
      .decrypt(ARN, Buffer.from('w'), {})
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ kind, code, status, requestId: 'r-1', hint: expect.any(String) });
    if (kind === 'throttled') expect(failure).toMatchObject({ resource: 'kms' });
  });

  test('or cannot be reached, or proves another identity, or is called off', async () => {
    refuse(400, 'DisabledException');
    const elsewhere = openKms({ region: 'us-east-1', endpoint: 'https://localhost:1', env: {}, ca });
    await expect(elsewhere.describe(ARN)).rejects.toMatchObject({ kind: 'offline', code: 'kms-unreachable' });
    const unknown = openKms({ region: 'us-east-1', endpoint, env: {} });
    await expect(unknown.describe(ARN)).rejects.toMatchObject({ kind: 'refused', code: 'tls-untrusted' });
    await expect(open().describe(ARN, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(asked).toEqual([]);
  });

  test('by the names the SDK gives', () => {
    expect(kmsError(Object.assign(new Error('x'), { name: 'CredentialsProviderError' }), ARN)).toMatchObject({
      code: 'credentials',
      exit: 4,
    });
    expect(kmsError(new Error('Region is missing'), ARN)).toMatchObject({ kind: 'usage', code: 'no-region' });
  });
});

describe('plain HTTP', () => {
  const PLAIN = 'http://localhost:1';

  test.each([
    ['an option', { endpoint: PLAIN, env: {} }],
    ['AWS_ENDPOINT_URL_KMS', { env: { AWS_ENDPOINT_URL_KMS: PLAIN } }],
    ['AWS_ENDPOINT_URL', { env: { AWS_ENDPOINT_URL: PLAIN } }],
    ['another scheme', { env: { AWS_ENDPOINT_URL: 'ftp://localhost' } }],
    ['no address at all', { env: { AWS_ENDPOINT_URL: 'localhost:9000' } }],
  ])('is refused at once from %s', (_from, options) => {
    expect(() => openKms({ region: 'us-east-1', ...options })).toThrow(
      expect.objectContaining({ kind: 'usage', code: 'plain-http' }),
    );
  });

  test('is refused before a byte leaves, however the SDK came to it', async () => {
    process.env['AWS_ENDPOINT_URL_KMS'] = PLAIN;
    try {
      const kms = openKms({ region: 'us-east-1', env: {} });
      await expect(kms.describe(ARN)).rejects.toMatchObject({ kind: 'usage', code: 'plain-http' });
    } finally {
      delete process.env['AWS_ENDPOINT_URL_KMS'];
    }
  });

  test('the more special variable counts, and switched off ones do not', async () => {
    answer = { status: 200, body: { KeyMetadata: { KeyId: 'x', Arn: ARN, Enabled: true } } };
    const env = { AWS_ENDPOINT_URL_KMS: endpoint, AWS_ENDPOINT_URL: PLAIN };
    expect(await openKms({ region: 'us-east-1', env, ca }).describe('x')).toBe(ARN);
    const off = { AWS_ENDPOINT_URL: PLAIN, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' };
    expect(() => openKms({ region: 'us-east-1', env: off })).not.toThrow();
  });
});
