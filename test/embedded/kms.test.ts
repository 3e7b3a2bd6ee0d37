import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
  ListKeysCommand,
} from '@aws-sdk/client-kms';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { kmsFor, refusal } from './support.ts';

const ID = '11111111-2222-3333-4444-555555555555';
const ARN = `arn:aws:kms:us-east-1:000000000000:key/${ID}`;
const EncryptionContext = { vault: 'a', 'aws:x-amz-cek-alg': '115' };
let server: EmbeddedServer;
let kms: KMSClient;

beforeAll(async () => {
  server = await startEmbedded({
    kmsKeys: [
      { id: ID, alias: 'vault' },
      { id: 'off', state: 'Disabled' },
      { id: 'write-only', denied: ['kms:Decrypt'] },
      { id: 'slow', quota: 1 },
    ],
  });
  kms = kmsFor(server);
});

afterAll(async () => {
  kms.destroy();
  await server.close();
});

beforeEach(() => server.faults.clear());

const fresh = (KeyId: string) =>
  kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext }));

describe('data keys', () => {
  test('are wrapped for their context and open with it alone', async () => {
    const { Plaintext, CiphertextBlob, KeyId } = await fresh('alias/vault');
    expect(KeyId).toBe(ARN);
    expect(Plaintext?.length).toBe(32);
    expect(Buffer.from(CiphertextBlob ?? []).includes(Buffer.from(Plaintext ?? []))).toBe(false);
    const context = { 'aws:x-amz-cek-alg': '115', vault: 'a' };
    const opened = await kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: context }));
    expect(opened).toMatchObject({ Plaintext, KeyId: ARN });
    const wrong = kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: { vault: 'b' } }));
    expect(await refusal(wrong)).toMatchObject({ status: 400, name: 'InvalidCiphertextException' });
    for (const at of [0, 1, 5, 50, (CiphertextBlob?.length ?? 1) - 1]) {
      const damaged = Uint8Array.from(CiphertextBlob ?? []);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      const call = kms.send(new DecryptCommand({ CiphertextBlob: damaged, EncryptionContext }));
      expect((await refusal(call)).name).toBe('InvalidCiphertextException');
    }
    const another = kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext, KeyId: 'write-only' }));
    expect((await refusal(another)).name).toBe('IncorrectKeyException');
  });

  test("Encrypt takes the caller's own bytes", async () => {
    const { CiphertextBlob } = await kms.send(
      new EncryptCommand({ KeyId: ARN, Plaintext: Buffer.from('mine') }),
    );
    const { Plaintext } = await kms.send(new DecryptCommand({ CiphertextBlob }));
    expect(Buffer.from(Plaintext ?? []).toString()).toBe('mine');
  });
});

describe('refusals', () => {
  test('as KMS words them', async () => {
    expect(await refusal(fresh('alias/none'))).toMatchObject({ status: 400, name: 'NotFoundException' });
    expect((await refusal(fresh('off'))).name).toBe('DisabledException');
    const { CiphertextBlob } = await fresh('write-only');
    const denied = kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }));
    expect(await refusal(denied)).toMatchObject({
      status: 400,
      name: 'AccessDeniedException',
      message: expect.stringContaining('kms:Decrypt'),
    });
    const unknown = kms.send(new ListKeysCommand({}));
    expect((await refusal(unknown)).name).toBe('UnknownOperationException');
    const guess = kmsFor({
      ...server,
      credentials: { ...server.credentials, secretAccessKey: 'guess' },
    } as never);
    const call = guess.send(new DescribeKeyCommand({ KeyId: ID }));
    expect((await refusal(call)).name).toBe('InvalidSignatureException');
    guess.destroy();
  });

  test('throttling is 400 with a text of its own', async () => {
    await fresh('slow');
    const throttled = [
      await refusal(
        fresh('slow')
          .then(() => fresh('slow'))
          .then(() => fresh('slow')),
      ),
    ];
    server.faults.add({ match: 'kms:GenerateDataKey', times: 1, fault: { kind: 'kms-slow-down' } });
    throttled.push(await refusal(fresh(ID)));
    for (const failed of throttled) {
      expect(failed).toMatchObject({ status: 400, name: 'ThrottlingException' });
    }
    expect(throttled[0]?.message).toMatch(/^You have exceeded the rate/);
    await fresh(ID);
  });
});

test('DescribeKey resolves names and shows the state', async () => {
  const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: 'alias/vault' }));
  expect(KeyMetadata).toMatchObject({ Arn: ARN, KeyId: ID, Enabled: true, KeyState: 'Enabled' });
  expect((await kms.send(new DescribeKeyCommand({ KeyId: 'off' }))).KeyMetadata?.Enabled).toBe(false);
});
