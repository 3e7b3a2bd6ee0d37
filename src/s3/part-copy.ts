import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import {
  customerKeyOf,
  proveEncryption,
  provePart,
  readHeaders,
  sdkAnswer,
  sdkFields,
  writeHeaders,
} from './modes.ts';
import { abortUpload } from './multipart.ts';
import { carrying } from './sdk.ts';
import { sdkSend } from './sdk-failure.ts';
import type { Headers } from './sign.ts';
import { type Site, askedOf, versionOf } from './site.ts';
import { paying } from './throttling.ts';
import { textOf } from './wire.ts';

/** UploadPartCopy: copies of objects that are too large for one CopyObject. */
/** What reads and what writes; two Sites over one set of connections. */
export interface Move {
  readonly from: Site;
  readonly to: Site;
}

/** What is copied, and what the copy is to have. */
export interface CopySource {
  /** For `x-amz-copy-source`, percent-encoded. */
  readonly path: string;
  readonly size: number;
  readonly headers: Headers;
  readonly target: Headers;
  /** What a copy in parts would lose, for Create. */
  readonly kept: Headers;
}

/** Parts under way at a time. */
const TOGETHER = 4;
const META = 'x-amz-meta-';

/** Copies in parts inside the store; gives the new version's id. What is unfinished is aborted on any failure. */
export async function copyParts(
  move: Move,
  key: ObjectKey,
  source: CopySource,
  partSize: number,
  options: Waits,
): Promise<string | undefined> {
  const uploadId = await create(move, key, source, options);
  try {
    const parts: Part[] = [];
    const numbers = Array.from({ length: Math.ceil(source.size / partSize) }, (_, at) => at + 1);
    for (let at = 0; at < numbers.length; at += TOGETHER) {
      const some = numbers.slice(at, at + TOGETHER);
      parts.push(
        ...(await Promise.all(
          some.map((number) => copyPart(move, key, source, uploadId, number, partSize, options)),
        )),
      );
    }
    return await complete(move, key, uploadId, parts, options);
  } catch (thrown) {
    await abortUpload(move.to, key, uploadId, {}).catch(() => undefined);
    throw unsupported(thrown, key);
  }
}

interface Part {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly ChecksumCRC32?: string;
}

async function create({ to }: Move, key: ObjectKey, source: CopySource, options: Waits): Promise<string> {
  const { CreateMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  const metadata = Object.entries(source.target).filter(([name]) => name.startsWith(META));
  const headers = writeHeaders(to.protection);
  const bare = new CreateMultipartUploadCommand({
    Bucket: to.remote.bucket,
    Key: key,
    Metadata: Object.fromEntries(metadata.map(([name, value]) => [name.slice(META.length), value])),
    ...sdkFields(headers),
    ...(to.remote.isAws ? { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } : {}),
  });
  const command = carrying(bare, { ...source.kept, ...customerKeyOf(headers) });
  const output = await paying(to.charge, 'create', options, () =>
    sdkSend(to, askedOf(to, 'write', key), options.signal, (client, waits) => client.send(command, waits)),
  );
  if (output.UploadId === undefined)
    throw new VaultError('transient', 'answer', 'the store gave no upload id');
  proveEncryption(to.protection, sdkAnswer(output));
  return output.UploadId;
}

async function copyPart(
  { to }: Move,
  key: ObjectKey,
  source: CopySource,
  uploadId: string,
  number: number,
  partSize: number,
  { signal }: Waits,
): Promise<Part> {
  const first = (number - 1) * partSize;
  const last = Math.min(source.size, first + partSize) - 1;
  const answer = await to.wire.send({
    method: 'PUT',
    asked: askedOf(to, 'write', key),
    key,
    query: { partNumber: String(number), uploadId },
    headers: {
      'x-amz-copy-source': source.path,
      'x-amz-copy-source-range': `bytes=${first}-${last}`,
      ...source.headers,
      ...readHeaders(to.protection),
    },
    signal,
  });
  provePart(to.protection, answer.headers);
  const text = await textOf(answer, { signal });
  const etag = /<ETag>([^<]+)<\/ETag>/.exec(text)?.[1]?.replaceAll('&quot;', '"').replaceAll('&#34;', '"');
  if (etag === undefined)
    throw new VaultError('transient', 'answer', `the store gave no ETag for part ${number}`);
  const crc = /<ChecksumCRC32>([^<]+)<\/ChecksumCRC32>/.exec(text)?.[1];
  return { PartNumber: number, ETag: etag, ...(crc === undefined ? {} : { ChecksumCRC32: crc }) };
}

async function complete(
  { to }: Move,
  key: ObjectKey,
  uploadId: string,
  parts: readonly Part[],
  { signal }: Waits,
): Promise<string | undefined> {
  const { CompleteMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  const bare = new CompleteMultipartUploadCommand({
    Bucket: to.remote.bucket,
    Key: key,
    UploadId: uploadId,
    MultipartUpload: { Parts: [...parts] },
    ...(to.remote.isAws ? { ChecksumType: 'FULL_OBJECT' } : {}),
  });
  const command = carrying(bare, customerKeyOf(readHeaders(to.protection)));
  const output = await paying(to.charge, 'complete', { signal }, () =>
    sdkSend(to, askedOf(to, 'write', key), signal, (client, waits) => client.send(command, waits)),
  );
  return versionOf(output.VersionId === undefined ? {} : { 'x-amz-version-id': output.VersionId });
}

/** Stores without the operation, or without it for this protection, say so in several ways (Ceph RGW 16: 501 for SSE-C). */
export function unsupported(thrown: unknown, key: ObjectKey): VaultError {
  const error = asVaultError(thrown);
  if (error.status !== 400 && error.status !== 405 && error.status !== 501) return error;
  return copyUnsupported(key, error);
}

export function copyUnsupported(key: ObjectKey, cause?: VaultError): VaultError {
  return new VaultError('file', 'copy-unsupported', `the store does not copy ${safeName(key)} by itself`, {
    ...(cause?.status === undefined ? {} : { cause, status: cause.status }),
    hint: 'it is fetched and sent again instead',
  });
}
