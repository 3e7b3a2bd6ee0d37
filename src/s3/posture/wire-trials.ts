/** Test writes on the wire: what the store lets pass and what it refuses. Nothing of them stays. */
import { randomBytes } from 'node:crypto';
import type { Trial, TrialHow, Trials } from '../../model/bucket.ts';
import type { ObjectKey } from '../../model/brands.ts';
import { safeName } from '../../model/display.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Waits } from '../../model/ports.ts';
import { Secret } from '../../model/secret.ts';
import { sumHeaders, sumsOf } from '../checksums.ts';
import { type Protection, customerKeyOf, readHeaders, sdkFields, writeHeaders } from '../modes.ts';
import { carrying } from '../sdk.ts';
import { sdkSend } from '../sdk-failure.ts';
import type { Headers } from '../sign.ts';
import { removeObject } from '../single.ts';
import { type Site, askedOf, headAnswer, versionOf } from '../site.ts';
import { drain } from '../wire.ts';

const BODY = Buffer.from('s3vault tries what this bucket lets pass; this object can be removed\n');
const KMS_KEY = 'x-amz-server-side-encryption-aws-kms-key-id';
const KEY_BYTES = 32;

/** `close` closes the site's connections. */
export function wireTrials(site: Site, close: () => Promise<void>): Trials {
  return {
    put: (key, how, waits = {}) => tried(() => putTrial(site, key, how, waits)),
    multipart: (key, how, waits = {}) => tried(() => multipartTrial(site, key, how, waits)),
    kmsKeyOf: (key, waits = {}) => kmsKeyOf(site, key, waits),
    close,
  };
}

/** What the store refuses is an outcome; what never reached it is not. */
async function tried(make: () => Promise<Trial>): Promise<Trial> {
  try {
    return await make();
  } catch (thrown) {
    const error = asVaultError(thrown);
    const judged = error.status !== undefined && error.kind !== 'transient' && error.kind !== 'throttled';
    if (!judged || error.code === 'trial-left') throw error;
    return { outcome: 'refused', error };
  }
}

export function protectionOf(how: TrialHow): Protection {
  switch (how.kind) {
    case 'plain':
      return { mode: 'client', key: '' };
    case 'sse-c':
      return { mode: 'sse-c', key: Secret.take(randomBytes(KEY_BYTES)) };
    case 'sse-s3':
      return { mode: 'sse-s3' };
    case 'sse-kms':
    case 'dsse-kms':
      return { mode: how.kind, keyId: how.keyId, context: how.context };
    default:
      return how satisfies never;
  }
}

async function putTrial(site: Site, key: ObjectKey, how: TrialHow, waits: Waits): Promise<Trial> {
  const protection = protectionOf(how);
  const under: Site = { ...site, protection };
  const answer = await site.wire.send({
    method: 'PUT',
    asked: askedOf(under, 'write', key),
    key,
    headers: { ...writeHeaders(protection), ...sumHeaders(sumsOf(BODY, site.remote.isAws)) },
    body: BODY,
    signal: waits.signal,
  });
  await drain(answer);
  await takeBack(site, key, versionOf(answer.headers));
  return accepted(answer.headers);
}

function accepted(headers: Headers): Trial {
  const kmsKeyId = headers[KMS_KEY];
  return { outcome: 'accepted', ...(kmsKeyId === undefined ? {} : { kmsKeyId }) };
}

/** Also after the signal has fired: what was written must go. */
async function takeBack(site: Site, key: ObjectKey, versionId: string | undefined): Promise<void> {
  try {
    await removeObject(site, key, versionId === undefined ? {} : { versionId });
  } catch (cause) {
    throw new VaultError(
      'refused',
      'trial-left',
      `the test object ${safeName(key)} could not be removed again: ${asVaultError(cause).message}`,
      {
        cause,
        hint: `remove it by hand; s3:DeleteObject and, with versioning, s3:DeleteObjectVersion are needed`,
      },
    );
  }
}

async function multipartTrial(site: Site, key: ObjectKey, how: TrialHow, waits: Waits): Promise<Trial> {
  const protection = protectionOf(how);
  const under: Site = { ...site, protection };
  const { CreateMultipartUploadCommand, CompleteMultipartUploadCommand, AbortMultipartUploadCommand } =
    await import('@aws-sdk/client-s3');
  const asked = askedOf(under, 'write', key);
  const { bucket: Bucket, isAws } = site.remote;
  const written = writeHeaders(protection);
  const create = new CreateMultipartUploadCommand({
    Bucket,
    Key: key,
    ...sdkFields(written),
    ...(isAws ? { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } : {}),
  });
  const { UploadId } = await sdkSend(under, asked, waits.signal, (client, options) =>
    client.send(carrying(create, customerKeyOf(written)), options),
  );
  let done = false;
  try {
    const part = await site.wire.send({
      method: 'PUT',
      asked,
      key,
      query: { partNumber: '1', uploadId: UploadId ?? '' },
      headers: { ...readHeaders(protection), ...sumHeaders(sumsOf(BODY, isAws)) },
      body: BODY,
      signal: waits.signal,
    });
    await drain(part);
    const complete = new CompleteMultipartUploadCommand({
      Bucket,
      Key: key,
      UploadId,
      MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.headers['etag'] }] },
      ...(isAws ? { ChecksumType: 'FULL_OBJECT' } : {}),
    });
    const output = await sdkSend(under, asked, waits.signal, (client, options) =>
      client.send(carrying(complete, customerKeyOf(readHeaders(protection))), options),
    );
    done = true;
    await takeBack(site, key, output.VersionId === 'null' ? undefined : output.VersionId);
    return {
      outcome: 'accepted',
      ...(output.SSEKMSKeyId === undefined ? {} : { kmsKeyId: output.SSEKMSKeyId }),
    };
  } finally {
    if (!done)
      await sdkSend(under, asked, undefined, (client, options) =>
        client.send(new AbortMultipartUploadCommand({ Bucket, Key: key, UploadId }), options),
      ).catch(() => undefined);
  }
}

async function kmsKeyOf(site: Site, key: ObjectKey, waits: Waits): Promise<string | undefined> {
  try {
    return (await headAnswer(site, key, undefined, false, waits))?.[KMS_KEY];
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind === 'cancelled') throw error;
    return undefined;
  }
}
