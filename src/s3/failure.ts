/** What went wrong with a request, by what the caller should do about it. */
import { safeName, shellWord } from '../model/display.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import { commandLine } from '../model/place-flags.ts';
import type { Protection } from './modes.ts';
import type { Headers } from './sign.ts';

/** What was being done when a request failed. */
export interface Asked {
  readonly operation: 'read' | 'write' | 'list' | 'remove' | 'reach' | 'configure';
  readonly bucket: string;
  readonly key?: string;
  readonly mode: Protection['mode'];
  /** The options that reach the same store, for commands in hints. */
  readonly flags?: string;
}

/** What the store said: status first, code second, text last. */
export interface Complaint {
  readonly status: number;
  /** S3's error code; empty where the answer had no body. */
  readonly code: string;
  readonly message: string;
  readonly headers: Headers;
  /** The whole body, for what is not in Code and Message. */
  readonly body?: string;
  readonly cause?: unknown;
}

/** Code and Message of an error document; a tolerant search, for the document is a stranger's. */
export function complaintOf(status: number, headers: Headers, body: string): Complaint {
  return { status, headers, code: tag(body, 'Code'), message: tag(body, 'Message'), body };
}

function tag(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]{0,2000})</${name}>`).exec(xml)?.[1] ?? '';
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .trim();
}

const THROTTLING =
  /^(503 )?SlowDown|Throttl|^TooManyRequests|^RequestLimitExceeded$|^BandwidthLimitExceeded$|^PriorRequestNotComplete$/;
const EXPIRED = /^(ExpiredToken(Exception)?|TokenRefreshRequired|RequestExpired)$/;
const SKEWED = /^(RequestTimeTooSkewed|RequestInTheFuture)$/;

export const isExpired = (complaint: Complaint): boolean => EXPIRED.test(complaint.code);
export const isSkewed = (complaint: Complaint): boolean => SKEWED.test(complaint.code);

/** Turns a complaint into the error that says what to do. */
export function failureOf(complaint: Complaint, asked: Asked): VaultError {
  const said = {
    ...complaint,
    message: safeName(complaint.message.replace(/\.$/, '')),
    code: plain(complaint.code),
  };
  const found = busy(said) ?? elsewhere(said, asked) ?? refused(said, asked) ?? particular(said, asked);
  return found ?? rest(said, asked);
}

/** A code is matched on and shown; what is none is dropped. */
const plain = (code: string): string => (/^[\w. ]{1,100}$/.test(code) ? code : '');

const nameOf = ({ key }: Asked): string => (key === undefined ? 'the object' : safeName(key));

interface More {
  readonly hint?: string;
  readonly resource?: 'kms' | 's3';
}

function make(
  { status, headers, cause }: Complaint,
  kind: VaultError['kind'],
  code: string,
  message: string,
  more: More = {},
): VaultError {
  const requestId = headers['x-amz-request-id'];
  const retryAfter = retryAfterOf(headers);
  return new VaultError(kind, code, message, {
    ...more,
    status,
    ...(cause === undefined ? {} : { cause }),
    ...(requestId === undefined ? {} : { requestId: requestId.slice(0, 200) }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** `Retry-After` in ms; the form with a date is not used by stores. At most five minutes are believed. */
function retryAfterOf(headers: Headers): number | undefined {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 300) * 1_000 : undefined;
}

function busy(c: Complaint): VaultError | undefined {
  if (c.status === 503 || c.status === 429 || THROTTLING.test(c.code.replace(/^KMS\./, ''))) {
    const kms = c.code.startsWith('KMS.') || /involving AWS KMS|may call KMS/i.test(c.message);
    return kms
      ? make(c, 'throttled', 'kms-throttled', 'the store asks for fewer requests that use KMS', {
          resource: 'kms',
          hint: 'lower --kms-share, turn on --bucket-key, or ask AWS for a higher KMS quota',
        })
      : make(c, 'throttled', 's3-throttled', 'the store asks for fewer requests', {
          resource: 's3',
          hint: 'lower --transfers if this goes on',
        });
  }
  if (c.code === 'RequestTimeout' || c.status === 408)
    return make(c, 'transient', 'request-timeout', 'the store waited too long for the request');
  if (c.status === 409 && /^(ConditionalRequestConflict|OperationAborted)$/.test(c.code))
    return make(c, 'transient', 'conflict', 'another write was under way at the same moment');
  return undefined;
}

function elsewhere(c: Complaint, asked: Asked): VaultError | undefined {
  const region = c.headers['x-amz-bucket-region'] ?? tag(c.body ?? '', 'Region');
  const named = /^[a-z0-9-]{2,40}$/.test(region) ? region : '';
  const moved = c.status >= 300 && c.status < 400;
  if (!moved && c.code !== 'AuthorizationHeaderMalformed' && c.code !== 'IllegalLocationConstraintException')
    return undefined;
  if (named !== '')
    return make(c, 'refused', 'wrong-region', `the bucket ${asked.bucket} is in the region ${named}`, {
      hint: `say so with --region ${named}`,
    });
  if (!moved) return undefined;
  const plain = /^http:/i.test(c.headers['location'] ?? '');
  return make(
    c,
    'refused',
    plain ? 'plain-http' : 'redirected',
    `the store sends requests for ${asked.bucket} on to another address${plain ? ', over plain HTTP' : ''}`,
    { hint: 'redirects are not followed; say the right --endpoint and --region' },
  );
}

function refused(c: Complaint, asked: Asked): VaultError | undefined {
  const kms = kmsRefusal(c);
  if (kms !== undefined) return kms;
  if (isExpired(c))
    return make(c, 'refused', 'credentials-expired', 'the credentials have expired', {
      hint: 'sign in again, for example with: aws sso login',
    });
  if (isSkewed(c))
    return make(c, 'refused', 'clock-skew', 'the clock of this machine differs too much from the store', {
      hint: 'set the clock, for example with: timedatectl set-ntp true',
    });
  if (c.code === 'InvalidObjectState')
    return make(c, 'file', 'archived', `${nameOf(asked)} is in an archive class and cannot be read now`, {
      hint: 'bring it back first, for example with: aws s3api restore-object',
    });
  switch (c.code) {
    case 'InvalidAccessKeyId':
    case 'InvalidToken':
    case 'InvalidClientTokenId':
      return make(c, 'refused', 'credentials-unknown', 'the store does not know these credentials', {
        hint: 'check AWS_ACCESS_KEY_ID, the profile, and that they belong to this endpoint',
      });
    case 'SignatureDoesNotMatch':
      return make(c, 'refused', 'signature', 'the store does not accept the signature', {
        hint: 'check the secret access key, --region, and that no proxy changes the requests',
      });
    case 'NoSuchBucket':
      return make(c, 'refused', 'bucket-missing', `there is no bucket ${asked.bucket}`, {
        hint: 'check its name, --region and --endpoint, or create it',
      });
    case 'NotImplemented':
      return make(c, 'refused', 'not-implemented', `the store can't do this: ${c.message}`, {
        hint: 's3vault doctor tells what this store supports',
      });
    default:
      return denied(c, asked);
  }
}

function kmsRefusal(c: Complaint): VaultError | undefined {
  // KMS itself failed, which passes: nothing is wrong with the key.
  if (c.status >= 500) return undefined;
  const text = c.message === '' ? c.code : c.message;
  if (c.code === 'KMS.NotFoundException')
    return make(c, 'refused', 'kms-missing', `the KMS key can't be found: ${text}`, {
      hint: 'it must be in the region of the bucket; give its whole ARN with --kms-key',
    });
  if (c.code === 'KMS.DisabledException')
    return make(c, 'refused', 'kms-disabled', `the KMS key is disabled: ${text}`, {
      hint: 'enable it, or name another with --kms-key',
    });
  if (c.code.startsWith('KMS.'))
    return make(c, 'refused', 'kms-refused', `the KMS key is refused: ${text}`, {
      hint: 'the key must be symmetric, enabled and not about to be deleted',
    });
  if (c.status === 403 && aboutKms(c.message))
    return make(c, 'refused', 'kms-denied', `no permission to use the KMS key: ${text}`, {
      hint: 'kms:GenerateDataKey and kms:Decrypt are needed on this key',
    });
  return undefined;
}

/** Names of buckets, keys and people may say KMS, too: what is meant is the action, or the words. */
function aboutKms(message: string): boolean {
  const words = message.replaceAll(/arn:\S+|"[^"]*"|'[^']*'/g, '');
  return (
    /\bkms:(GenerateDataKey|Decrypt|Encrypt|ReEncrypt)/.test(words) ||
    /\bAWS KMS\b|\bKMS (master )?key\b/.test(words)
  );
}

function denied(c: Complaint, asked: Asked): VaultError | undefined {
  if (asked.mode === 'sse-c' && asked.operation !== 'list') {
    const found = customerKeyRefusal(c, asked);
    if (found !== undefined) return found;
  }
  if (c.status !== 401 && c.status !== 403) return undefined;
  const reason = c.message === '' ? '' : `: ${c.message}`;
  return make(c, 'refused', 'access-denied', `the store denies access to ${asked.bucket}${reason}`, {
    hint: asked.operation === 'write' ? writeHint(asked) : HINTS[asked.operation],
  });
}

/** Which rule it is, only the policy says. */
const writeHint = (asked: Asked): string =>
  `s3:PutObject is needed, and a bucket policy may demand another mode: ${bucketCommand('audit', asked)}`;

const bucketCommand = (what: 'audit' | 'harden', { bucket, flags = '' }: Asked, more = ''): string =>
  commandLine([`s3vault bucket ${what}`, shellWord(bucket), more, flags]);

const HINTS: { readonly [O in Exclude<Asked['operation'], 'write'>]: string } = {
  read: 's3:GetObject is needed; without s3:ListBucket a missing object looks the same',
  list: 's3:ListBucket is needed on the bucket',
  remove: 's3:DeleteObject is needed',
  reach: 'check the credentials and that they may s3:ListBucket',
  configure: 'the credentials need the permission for this setting of the bucket',
};

function customerKeyRefusal(c: Complaint, asked: Asked): VaultError | undefined {
  const blocked = /blocked upload requests|block\w*.*SSE-C|SSE-C.*block/i.test(c.message);
  if (c.status === 403 && blocked)
    return make(
      c,
      'refused',
      'sse-c-blocked',
      'the bucket refuses SSE-C (blocked by default since April 2026)',
      {
        hint: `allow it with: ${bucketCommand('harden', asked, '--allow-sse-c')}`,
      },
    );
  if (asked.operation === 'write' && c.status === 403)
    // A wrong key shows on reads only: this is a policy, or a block with other words.
    return make(
      c,
      'refused',
      'access-denied',
      `the store denies writing with SSE-C: ${c.message || 'no reason given'}`,
      {
        hint: `s3:PutObject is needed, and SSE-C must be allowed: ${bucketCommand('audit', asked)}`,
      },
    );
  if (asked.operation === 'read' && /correct secret key|did not match|Unable to decrypt/i.test(c.message))
    return make(c, 'security', 'wrong-key', `the store says that the key is not that of ${nameOf(asked)}`, {
      hint: 'use the key that the object was written with; s3vault keys list shows fingerprints',
    });
  if (asked.operation === 'read' && c.status === 400 && /not applicable/i.test(c.message))
    return make(c, 'file', 'other-mode', `${nameOf(asked)} is not stored with SSE-C`, {
      hint: 'it was written in another mode, perhaps by another program',
    });
  return undefined;
}

function particular(c: Complaint, asked: Asked): VaultError | undefined {
  const key = nameOf(asked);
  if (c.code === 'NoSuchUpload')
    return make(c, 'transient', 'upload-gone', `the unfinished upload of ${key} is gone from the store`, {
      hint: `${RUN_AGAIN}: it is sent anew then; a lifecycle rule may end uploads too early`,
    });
  if (c.status === 412 || (c.status === 404 && asked.operation === 'write'))
    return make(c, 'changed', 'precondition', `${key} is no longer what it was in the store`, {
      hint: `somebody else wrote it; ${RUN_AGAIN}`,
    });
  if (c.status === 404 || c.code === 'NoSuchKey' || c.code === 'NoSuchVersion')
    return make(c, 'file', 'object-missing', `${key} is not in the store`, {
      hint: 'it may have been removed by somebody else',
    });
  if (c.status === 405 && asked.operation === 'read')
    return make(c, 'file', 'object-missing', `this version of ${key} is a removal`, {
      hint: 'name an older version; s3vault versions shows them',
    });
  if (
    asked.operation === 'read' &&
    c.status === 400 &&
    asked.mode !== 'sse-c' &&
    /Server Side Encryption|SSE-C/i.test(c.message)
  )
    return make(c, 'file', 'other-mode', `${key} is stored with SSE-C and needs its key`, {
      hint: 'it was written in another mode, perhaps by another program',
    });
  if (/^(BadDigest|InvalidDigest|XAmzContentSHA256Mismatch|XAmzContentChecksumMismatch)$/.test(c.code))
    return make(c, 'transient', 'damaged-in-transit', `what arrived of ${key} is not what was sent`);
  return undefined;
}

function rest(c: Complaint, asked: Asked): VaultError {
  const said = [c.code, c.message].filter((text) => text !== '').join(': ') || `HTTP status ${c.status}`;
  if (c.status >= 500 || c.code === 'InternalError')
    return make(c, 'transient', 'store-error', `the store failed: ${said}`);
  if (c.status === 409) return make(c, 'transient', 'conflict', `the store met a conflict: ${said}`);
  if (c.status >= 200 && c.status < 300 && asked.operation === 'write')
    return make(c, 'transient', 'store-error', `the store failed after it had begun to answer: ${said}`);
  const about = asked.key === undefined ? `the bucket ${asked.bucket}` : nameOf(asked);
  return make(
    c,
    asked.key === undefined ? 'refused' : 'file',
    'request-refused',
    `the store refuses ${about}: ${said}`,
    {
      hint: 's3vault doctor tells what this store supports',
    },
  );
}
