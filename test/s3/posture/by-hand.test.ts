/** The command that puts a setting back, as a person runs it. */
import { expect, test } from 'vitest';
import { putBackCommand } from '../../../src/s3/posture/by-hand.ts';
import type { Undoable } from '../../../src/s3/posture/step.ts';

const PLACE = { bucket: 'acme', flags: '--region eu-west-1', policyFile: '/kept here/policy.json' };
const CLOSED = { blockAcls: true, ignoreAcls: true, blockPolicy: true, restrictBuckets: true };
const NONE = { algorithm: 'AES256', bucketKey: false };

test.each([
  [{ setting: 'policy', after: '{}' }, 'delete-bucket-policy --bucket acme --region eu-west-1'],
  [
    { setting: 'policy', before: '{"a":1}', after: '{}' },
    "put-bucket-policy --bucket acme --policy 'file:///kept here/policy.json' --region eu-west-1",
  ],
  [{ setting: 'encryption', after: NONE }, 'delete-bucket-encryption --bucket acme --region eu-west-1'],
  [
    { setting: 'encryption', before: NONE, after: { ...NONE, blocked: ['SSE-C'] } },
    `put-bucket-encryption --bucket acme --server-side-encryption-configuration '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BucketKeyEnabled":false}]}' --region eu-west-1`,
  ],
  [{ setting: 'publicAccess', after: CLOSED }, 'delete-public-access-block --bucket acme --region eu-west-1'],
  [
    { setting: 'publicAccess', before: { ...CLOSED, blockAcls: false }, after: CLOSED },
    `put-public-access-block --bucket acme --public-access-block-configuration '{"BlockPublicAcls":false,"IgnorePublicAcls":true,"BlockPublicPolicy":true,"RestrictPublicBuckets":true}' --region eu-west-1`,
  ],
] as const satisfies readonly (readonly [Undoable, string])[])('%j', (change, command) => {
  expect(putBackCommand(change, PLACE)).toBe(`aws s3api ${command}`);
});
