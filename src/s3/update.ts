/**
 * UpdateObjectEncryption: another KMS key for an object as it stands, no copy, no new version (Amazon S3 User Guide, "Updating
 * server-side encryption"). Not for SSE-C, DSSE, an encryption context, or what Object Lock keeps.
 */
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { sharedChecksum, unquoted } from './checksums.ts';
import { type Protection, prove } from './modes.ts';
import type { Move } from './part-copy.ts';
import { sdkSend } from './sdk-failure.ts';
import { receiptOf, statOf } from './single.ts';
import { askedOf, headAnswer } from './site.ts';
import { paying } from './throttling.ts';

/** An alias or a bare id will not do: S3 wants the whole ARN. */
export function updates(before: Protection, after: Protection): boolean {
  const may = before.mode === 'sse-s3' || before.mode === 'sse-kms';
  return (
    may &&
    after.mode === 'sse-kms' &&
    /^arn:[^:]+:kms:[^:]*:\d+:key\/.+$/.test(after.keyId) &&
    Object.keys(after.context).length === 0
  );
}

export async function updateEncryption(
  move: Move,
  key: ObjectKey,
  options: Waits & { readonly versionId?: string },
): Promise<Receipt> {
  const { to } = move;
  const { protection } = to;
  if (!updates(move.from.protection, protection) || protection.mode !== 'sse-kms') throw unsupported(key);
  const before = await headAnswer(to, key, options.versionId, true, options);
  if (before === undefined)
    throw new VaultError('changed', 'object-missing', `${safeName(key)} is no longer in the store`);
  const { UpdateObjectEncryptionCommand } = await import('@aws-sdk/client-s3');
  const { keyId, bucketKey } = protection;
  const command = new UpdateObjectEncryptionCommand({
    Bucket: to.remote.bucket,
    Key: key,
    VersionId: options.versionId,
    ObjectEncryption: {
      SSEKMS: { KMSKeyArn: keyId, ...(bucketKey === undefined ? {} : { BucketKeyEnabled: bucketKey }) },
    },
  });
  try {
    const send = () =>
      sdkSend(to, askedOf(to, 'write', key), options.signal, (client, waits) => client.send(command, waits));
    // What was under one KMS key is opened and put under another.
    await paying(move.from.charge, 'copy-source', options, () => paying(to.charge, 'create', options, send));
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || ![400, 405, 501].includes(thrown.status ?? 0)) throw thrown;
    throw unsupported(key, thrown);
  }
  const after = await headAnswer(to, key, options.versionId, true, options);
  const same = after !== undefined && after['etag'] === before['etag'];
  if (!same || after['content-length'] !== before['content-length'])
    throw new VaultError(
      'changed',
      'precondition',
      `${safeName(key)} was written by somebody else meanwhile`,
    );
  const sum = sharedChecksum(after, { md5: unquoted(after['etag'] ?? '').toLowerCase() });
  const stat = statOf(key, { headers: after });
  return receiptOf(key, stat.etag, stat.versionId, stat.size, prove(protection, after, sum));
}

const unsupported = (key: ObjectKey, cause?: VaultError): VaultError =>
  new VaultError(
    'file',
    'update-unsupported',
    `the store does not change the encryption of ${safeName(key)} in place`,
    { cause, hint: 'it is copied inside the store instead' },
  );
