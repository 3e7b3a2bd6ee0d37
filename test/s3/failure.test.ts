import { describe, expect, test } from 'vitest';
import { type Asked, complaintOf, failureOf } from '../../src/s3/failure.ts';
import { failureOfThrown } from '../../src/s3/network-failure.ts';
import { errorXml } from './scripted.ts';

const asked = (over: Partial<Asked> = {}): Asked => ({
  operation: 'write',
  bucket: 'acme-vault',
  key: 'a',
  mode: 'client',
  ...over,
});

type Row = [
  status: number,
  code: string,
  message: string,
  over: Partial<Asked>,
  kind: string,
  outcome: string,
];
const ROWS: Row[] = [
  [503, 'SlowDown', 'Please reduce your request rate.', {}, 'throttled', 's3-throttled'],
  [
    503,
    'SlowDown',
    'Please reduce your request rate for operations involving AWS KMS.',
    {},
    'throttled',
    'kms-throttled',
  ],
  [503, '', '', {}, 'throttled', 's3-throttled'],
  [429, 'TooManyRequestsException', '', {}, 'throttled', 's3-throttled'],
  [400, 'KMS.ThrottlingException', '', {}, 'throttled', 'kms-throttled'],
  [
    400,
    'ThrottlingException',
    'You have exceeded the rate at which you may call KMS.',
    {},
    'throttled',
    'kms-throttled',
  ],
  [400, 'RequestTimeout', '', {}, 'transient', 'request-timeout'],
  [500, 'InternalError', 'We encountered an internal error.', {}, 'transient', 'store-error'],
  [502, '', '', {}, 'transient', 'store-error'],
  [409, 'ConditionalRequestConflict', '', {}, 'transient', 'conflict'],
  [400, 'BadDigest', '', {}, 'transient', 'damaged-in-transit'],
  [400, 'ExpiredToken', '', {}, 'refused', 'credentials-expired'],
  [403, 'InvalidAccessKeyId', '', {}, 'refused', 'credentials-unknown'],
  [403, 'SignatureDoesNotMatch', '', {}, 'refused', 'signature'],
  [403, 'RequestTimeTooSkewed', '', {}, 'refused', 'clock-skew'],
  [403, 'AccessDenied', 'Access Denied', {}, 'refused', 'access-denied'],
  [403, '', '', { operation: 'read' }, 'refused', 'access-denied'],
  [
    403,
    'AccessDenied',
    'not allowed because this bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C)',
    { mode: 'sse-c' },
    'refused',
    'sse-c-blocked',
  ],
  [403, 'AccessDenied', 'Access Denied', { mode: 'sse-c' }, 'refused', 'access-denied'],
  [
    403,
    'AccessDenied',
    'Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.',
    { mode: 'sse-c', operation: 'read' },
    'security',
    'wrong-key',
  ],
  [
    400,
    'InvalidRequest',
    'The encryption parameters are not applicable to this object.',
    { mode: 'sse-c', operation: 'read' },
    'file',
    'other-mode',
  ],
  [
    400,
    'InvalidRequest',
    'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    { operation: 'read' },
    'file',
    'other-mode',
  ],
  [400, 'KMS.NotFoundException', "Key 'x' does not exist", { mode: 'sse-kms' }, 'refused', 'kms-missing'],
  [500, 'KMS.KMSInternalException', 'try again', { mode: 'sse-kms' }, 'transient', 'store-error'],
  [503, 'KMS.KeyUnavailableException', '', { mode: 'sse-kms' }, 'throttled', 'kms-throttled'],
  [400, 'KMS.DisabledException', '', { mode: 'sse-kms' }, 'refused', 'kms-disabled'],
  [
    400,
    'KMS.KMSInvalidStateException',
    'is pending deletion.',
    { mode: 'sse-kms' },
    'refused',
    'kms-refused',
  ],
  [
    403,
    'AccessDenied',
    'is not authorized to perform: kms:GenerateDataKey',
    { mode: 'sse-kms' },
    'refused',
    'kms-denied',
  ],
  // Names are no words.
  [
    403,
    'AccessDenied',
    'User: arn:aws:iam::1:user/kms-team is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::my-kms-data/kms"',
    { operation: 'write' },
    'refused',
    'access-denied',
  ],
  [403, 'AccessDenied', 'no access to team-KMS-b', { operation: 'write' }, 'refused', 'access-denied'],
  [
    403,
    'AccessDenied',
    'User: arn:aws:iam::1:user/a is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:1:key/2',
    { operation: 'read' },
    'refused',
    'kms-denied',
  ],
  [404, 'NoSuchBucket', '', {}, 'refused', 'bucket-missing'],
  [404, 'NoSuchKey', '', { operation: 'read' }, 'file', 'object-missing'],
  [404, '', '', { operation: 'read' }, 'file', 'object-missing'],
  [404, 'NoSuchKey', '', {}, 'changed', 'precondition'],
  [404, 'NoSuchUpload', '', {}, 'transient', 'upload-gone'],
  [412, 'PreconditionFailed', '', {}, 'changed', 'precondition'],
  [501, 'NotImplemented', 'A header you provided implies functionality', {}, 'refused', 'not-implemented'],
  [400, 'KeyTooLongError', 'Your key is too long', {}, 'file', 'request-refused'],
];

describe('what a store complains about', () => {
  test.each(ROWS)('%i %s %s %j is %s, %s', (status, code, message, over, kind, outcome) => {
    const body = code === '' ? '' : errorXml(code, message);
    const error = failureOf(complaintOf(status, { 'x-amz-request-id': 'REQ1' }, body), asked(over));
    expect(error).toMatchObject({ kind, code: outcome, status, requestId: 'REQ1' });
    expect(error.message).toMatch(/^[^A-Z].*[^.]$/s);
    if (kind === 'refused' || kind === 'security') expect(error.hint).toMatch(/./);
    if (kind === 'throttled') expect(error.resource).toBe(outcome === 'kms-throttled' ? 'kms' : 's3');
  });

  test('a blocked SSE-C says how to allow it', () => {
    const body = errorXml('AccessDenied', 'this bucket has blocked upload requests (SSE-C)');
    const error = failureOf(complaintOf(403, {}, body), asked({ mode: 'sse-c' }));
    expect(error.message).toBe('the bucket refuses SSE-C (blocked by default since April 2026)');
    expect(error.hint).toContain('s3vault bucket harden acme-vault --allow-sse-c');
    const flags = '--endpoint https://store.example --profile work';
    expect(failureOf(complaintOf(403, {}, body), asked({ mode: 'sse-c', flags })).hint).toContain(
      `--allow-sse-c ${flags}`,
    );
  });

  test('another region is named, from the header or from the body', () => {
    const moved = complaintOf(301, { 'x-amz-bucket-region': 'eu-west-1' }, '');
    expect(failureOf(moved, asked())).toMatchObject({
      code: 'wrong-region',
      hint: 'say so with --region eu-west-1',
    });
    const malformed = '<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>';
    expect(failureOf(complaintOf(400, {}, malformed), asked())).toMatchObject({
      code: 'wrong-region',
      message: expect.stringContaining('us-west-2'),
    });
  });

  test('a redirect to plain HTTP is called what it is', () => {
    const plain = complaintOf(307, { location: 'http://elsewhere/' }, '');
    expect(failureOf(plain, asked())).toMatchObject({ kind: 'refused', code: 'plain-http' });
    expect(failureOf(complaintOf(307, { location: 'https://elsewhere/' }, ''), asked()).code).toBe(
      'redirected',
    );
  });

  test('Retry-After is understood, and not without measure', () => {
    expect(failureOf(complaintOf(503, { 'retry-after': '7' }, ''), asked()).retryAfter).toBe(7_000);
    expect(failureOf(complaintOf(503, { 'retry-after': '99999999' }, ''), asked()).retryAfter).toBe(300_000);
    expect(failureOf(complaintOf(503, { 'retry-after': 'soon' }, ''), asked()).retryAfter).toBeUndefined();
  });

  test('hostile documents do no harm', () => {
    const hostile = [
      '<Code>'.repeat(20_000),
      `<Code>${'x'.repeat(60_000)}</Code>`,
      '<!DOCTYPE a [<!ENTITY b "c">]><Error><Code>&b;</Code></Error>',
      '\0\u001b[2J',
      '<Error><Code></Code><Message>\u001b]0;x\u0007</Message></Error>',
    ];
    for (const body of hostile) {
      const { message } = failureOf(complaintOf(400, {}, body), asked());
      expect(message).not.toMatch(/[\u0000-\u001f]/);
      expect(message.length).toBeLessThan(3_000);
    }
  });

  test('a key with a line break does not break the message', () => {
    const error = failureOf(complaintOf(404, {}, ''), asked({ operation: 'read', key: 'a\nb\u001b[2J' }));
    expect(error.message).not.toMatch(/[\n\u001b]/);
  });
});

describe('what goes wrong before an answer', () => {
  const thrown = (code: string): Error => Object.assign(new Error(code), { code });
  test.each([
    ['ENOTFOUND', 'offline', 'unreachable'],
    ['ECONNREFUSED', 'offline', 'unreachable'],
    ['EAI_AGAIN', 'offline', 'unreachable'],
    ['EHOSTUNREACH', 'offline', 'unreachable'],
    ['ECONNRESET', 'transient', 'connection'],
    ['ETIMEDOUT', 'transient', 'connection'],
    ['UND_ERR_HEADERS_TIMEOUT', 'transient', 'connection'],
    ['UND_ERR_CONNECT_TIMEOUT', 'offline', 'unreachable'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'refused', 'tls-untrusted'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'refused', 'tls-hostname'],
    ['CERT_HAS_EXPIRED', 'refused', 'tls-expired'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'refused', 'tls-protocol'],
  ])('%s is %s, %s', (code, kind, outcome) => {
    expect(failureOfThrown(thrown(code), undefined)).toMatchObject({ kind, code: outcome });
    const wrapped = new Error('outer', { cause: new AggregateError([thrown(code)]) });
    expect(failureOfThrown(wrapped, undefined)).toMatchObject({ kind, code: outcome });
  });

  test('nothing here knows whether anybody tries again, so no hint promises it', () => {
    const { hint } = failureOfThrown(thrown('ECONNREFUSED'), undefined);
    expect(hint).toBe('check the network and the endpoint, and run it again once the store can be reached');
  });

  test('a fired signal makes all of them a cancel', () => {
    expect(failureOfThrown(thrown('ECONNRESET'), AbortSignal.abort()).kind).toBe('cancelled');
  });
});
