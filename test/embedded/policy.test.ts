import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  GetBucketPolicyStatusCommand,
  GetPublicAccessBlockCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { refusal, s3For } from './support.ts';

const KMS_ID = '11111111-2222-3333-4444-555555555555';
const ARN = `arn:aws:kms:us-east-1:000000000000:key/${KMS_ID}`;
const OTHER = '99999999-2222-3333-4444-555555555555';
const SSE = 's3:x-amz-server-side-encryption';
let server: EmbeddedServer;
let s3: S3Client;
let number = 0;
let Bucket = '';
const Key = 'k';

beforeAll(async () => {
  server = await startEmbedded({ kmsKeys: [{ id: KMS_ID, alias: 'vault' }, { id: OTHER }] });
  s3 = s3For(server);
});

afterAll(async () => {
  s3.destroy();
  await server.close();
});

beforeEach(() => {
  Bucket = `policy-${++number}`;
  server.createBucket(Bucket);
});

const put = (more: object = {}) => s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }));

const statement = (Condition: object | undefined, more: object = {}) => ({
  Sid: 'S',
  Effect: 'Deny',
  Principal: '*',
  Action: 's3:PutObject',
  Resource: `arn:aws:s3:::${Bucket}/*`,
  ...(Condition === undefined ? {} : { Condition }),
  ...more,
});

const set = (statements: object | object[], version = '2012-10-17') =>
  s3.send(
    new PutBucketPolicyCommand({
      Bucket,
      Policy: JSON.stringify({ Version: version, Statement: statements }),
    }),
  );

const denied = async (call: Promise<unknown>): Promise<void> => {
  expect(await refusal(call)).toMatchObject({ status: 403, name: 'AccessDenied' });
};

const kms = (SSEKMSKeyId: string) => ({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId });

describe('what a policy forbids', () => {
  test('a mode of encryption other than the one wanted, and none at all', async () => {
    await set(statement({ StringNotEquals: { [SSE]: 'aws:kms' } }));
    await denied(put());
    await denied(put({ ServerSideEncryption: 'AES256' }));
    await put(kms(KMS_ID));
    await s3.send(new DeleteBucketPolicyCommand({ Bucket }));
    await put();
  });

  test('another KMS key, whatever the request calls it', async () => {
    await set(statement({ StringNotEquals: { [`${SSE}-aws-kms-key-id`]: ARN } }));
    for (const id of [KMS_ID, ARN, 'alias/vault']) await put(kms(id));
    await denied(put(kms(OTHER)));
    await denied(put({ ServerSideEncryption: 'aws:kms' }));
  });

  test('multipart is judged by its beginning', async () => {
    await set(statement({ Null: { [`${SSE}-aws-kms-key-id`]: 'true' } }));
    await denied(s3.send(new CreateMultipartUploadCommand({ Bucket, Key })));
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ...(kms(ARN) as object) }),
    );
    const { ETag } = await s3.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' }),
    );
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }));
  });

  test('SSE-C, demanded or forbidden; demanded, Complete needs the headers too', async () => {
    const algorithm = `${SSE}-customer-algorithm`;
    const sse = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: Buffer.alloc(32, 7).toString('base64') };
    await set(statement({ Null: { [algorithm]: 'false' } }));
    await denied(put(sse));
    await put();
    await set(statement({ Null: { [algorithm]: 'true' } }));
    await denied(put());
    await put(sse);
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...sse }));
    const { ETag } = await s3.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x', ...sse }),
    );
    const complete = (more: object) =>
      s3.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key,
          UploadId,
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
          ...more,
        }),
      );
    await denied(complete({}));
    await complete(sse);
  });

  test('unconditional writes, as the guide wants it', async () => {
    await set(
      statement({ Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } }),
    );
    await denied(put());
    await put({ IfNoneMatch: '*' });
    await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  });

  test('old TLS and plain HTTP, neither of which comes here', async () => {
    const everything = {
      Action: 's3:*',
      Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
    };
    await set([
      statement(
        { Bool: { 'aws:SecureTransport': 'false', 'aws:PrincipalIsAWSService': 'false' } },
        everything,
      ),
      statement({ NumericLessThan: { 's3:TlsVersion': '1.2' } }, everything),
    ]);
    await put();
    await set(statement({ NumericLessThan: { 's3:TlsVersion': '1.4' } }, everything));
    await denied(put());
    await denied(s3.send(new ListObjectsV2Command({ Bucket })));
  });

  test('by action, resource and wildcards; other actions go on; DeleteObjects key by key', async () => {
    await put();
    await put({ Key: 'keep/me' });
    await set([
      statement(undefined, { Action: 's3:Delete*', Resource: `arn:aws:s3:::${Bucket}/keep/*` }),
      statement(undefined, { Action: ['s3:GetObject'], Resource: `arn:aws:s3:::${Bucket}/keep/m?` }),
    ]);
    await denied(s3.send(new GetObjectCommand({ Bucket, Key: 'keep/me' })));
    await s3.send(new GetObjectCommand({ Bucket, Key })).then(({ Body }) => Body?.transformToByteArray());
    const answer = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }, { Key: 'keep/me' }] } }),
    );
    expect(answer.Deleted?.map(({ Key }) => Key)).toEqual([Key]);
    expect(answer.Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([['keep/me', 'AccessDenied']]);
  });
});

describe('policies as documents', () => {
  test('come back as they were; without one there is none', async () => {
    const get = () => s3.send(new GetBucketPolicyCommand({ Bucket }));
    expect(await refusal(get())).toMatchObject({ status: 404, name: 'NoSuchBucketPolicy' });
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [statement({ Null: { [SSE]: 'true' } })],
    });
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    expect((await get()).Policy).toBe(Policy);
    const status = await s3.send(new GetBucketPolicyStatusCommand({ Bucket }));
    expect(status.PolicyStatus?.IsPublic).toBe(false);
  });

  test('malformed ones are refused and change nothing', async () => {
    const bad = async (text: string): Promise<void> => {
      const failed = await refusal(s3.send(new PutBucketPolicyCommand({ Bucket, Policy: text })));
      expect(failed).toMatchObject({ status: 400, name: 'MalformedPolicy' });
    };
    await bad('{');
    await bad(JSON.stringify({ version: '2012-10-17', Statement: [statement({})] }));
    await bad(JSON.stringify({ Version: '2020-01-01', Statement: [statement({})] }));
    await bad(JSON.stringify({ Statement: [statement({}, { Effect: 'Maybe' })] }));
    await bad(JSON.stringify({ Statement: [statement({ Nonsense: { a: 'b' } })] }));
    await bad(JSON.stringify({ Statement: [statement({}, { Resource: 'arn:aws:s3:::elsewhere/*' })] }));
    expect(await refusal(s3.send(new GetBucketPolicyCommand({ Bucket })))).toMatchObject({ status: 404 });
  });
});

describe('configurations that are only kept', () => {
  test('a public policy is refused while public policies are blocked', async () => {
    const allow = statement({}, { Effect: 'Allow', Action: 's3:GetObject' });
    const { Condition: _, ...open } = allow as { readonly Condition?: unknown };
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [open] });
    const put = () => s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    expect(await refusal(put())).toMatchObject({ status: 403, name: 'AccessDenied' });
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket }));
    await put();
  });

  test('lifecycle: none, set, read', async () => {
    const get = () => s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    expect(await refusal(get())).toMatchObject({ status: 404, name: 'NoSuchLifecycleConfiguration' });
    const Rules = [
      {
        ID: 'abort',
        Status: 'Enabled' as const,
        Filter: { Prefix: '' },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
      },
    ];
    await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
    expect((await get()).Rules).toEqual(Rules);
  });

  test('a new bucket blocks public access and has no ACLs', async () => {
    const get = () => s3.send(new GetPublicAccessBlockCommand({ Bucket }));
    expect((await get()).PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    });
    const owner = await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }));
    expect(owner.OwnershipControls?.Rules).toEqual([{ ObjectOwnership: 'BucketOwnerEnforced' }]);
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket }));
    expect(await refusal(get())).toMatchObject({ status: 404, name: 'NoSuchPublicAccessBlockConfiguration' });
  });
});
