/** Examples are those of the S3 User Guide ("The meaning of 'public'"), and what is near them. */
import { expect, test } from 'vitest';
import { publicStatements } from '../../../src/s3/posture/policy-public.ts';

const allow = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::acme/*',
};
const policy = (...Statement: object[]): string => JSON.stringify({ Version: '2012-10-17', Statement });
const isPublic = (more: object): boolean => publicStatements(policy({ ...allow, ...more })).length > 0;
const on = (operator: string, key: string, value: unknown): boolean =>
  isPublic({ Condition: { [operator]: { [key]: value } } });

test('whom it is for', () => {
  const everybody = ['*', { AWS: '*' }, { AWS: ['111122223333', '*'] }, { CanonicalUser: '*' }];
  for (const Principal of everybody) expect([Principal, isPublic({ Principal })]).toEqual([Principal, true]);
  const some = [
    { AWS: '111122223333' },
    { AWS: 'arn:aws:iam::111122223333:root' },
    { Service: 'x.amazonaws.com' },
  ];
  for (const Principal of some) expect([Principal, isPublic({ Principal })]).toEqual([Principal, false]);
  const { Principal: _, ...nobody } = allow;
  const but = { ...nobody, NotPrincipal: { AWS: '111122223333' } };
  expect(publicStatements(policy(but))).toEqual(['statement 1']);
  expect(isPublic({ Effect: 'Deny' })).toBe(false);
});

test.each([
  ['StringEquals', 'aws:SourceVpc', 'vpc-91237329'],
  ['StringLike', 'AWS:sourcevpce', ['vpce-1', 'vpce-2']],
  ['StringEquals', 'aws:PrincipalOrgID', 'o-abc123'],
  ['ForAnyValue:StringLike', 'aws:PrincipalOrgPaths', 'o-abc123/r-ab12/*'],
  ['StringEquals', 'aws:PrincipalAccount', '111122223333'],
  ['ArnEquals', 'aws:PrincipalArn', 'arn:aws:iam::111122223333:role/a'],
  ['ArnLike', 'aws:SourceArn', 'arn:aws:cloudtrail:eu-west-1:111122223333:trail/a'],
  ['StringEquals', 'aws:SourceAccount', '111122223333'],
  ['StringEquals', 'aws:userid', 'AIDAEXAMPLE'],
  ['StringLike', 's3:DataAccessPointArn', 'arn:aws:s3:eu-west-1:111122223333:accesspoint/*'],
  ['StringEquals', 's3:DataAccessPointAccount', '111122223333'],
  ['IpAddress', 'aws:SourceIp', ['203.0.113.7', '198.51.100.0/24', '10.0.0.0/8', '2001:db8::/32']],
])('%s %s %j names who asks', (operator, key, value) => {
  expect(on(operator, key, value)).toBe(false);
});

test.each([
  // The example of the guide.
  ['StringLike', 'aws:SourceVpc', 'vpc-*'],
  ['StringEquals', 'aws:SourceVpc', ['vpc-91237329', '*']],
  ['StringLike', 'aws:userid', 'AROAEXAMPLE:*'],
  ['StringEquals', 'aws:PrincipalOrgID', '${aws:ResourceOrgID}'],
  ['ForAnyValue:StringLike', 'aws:PrincipalOrgPaths', 'o-*/r-ab12/*'],
  ['StringLike', 's3:DataAccessPointArn', 'arn:aws:s3:*:*:accesspoint/a'],
  ['StringNotEquals', 'aws:SourceVpce', 'vpce-1'],
  // A request that did not come through an endpoint has no such key.
  ['StringEqualsIfExists', 'aws:SourceVpce', 'vpce-1'],
  ['ForAllValues:StringEquals', 'aws:PrincipalOrgID', 'o-abc123'],
  ['Bool', 'aws:SecureTransport', 'true'],
  ['StringLike', 'aws:Referer', 'https://example.com/*'],
  ['StringEquals', 's3:x-amz-acl', 'bucket-owner-full-control'],
  ['IpAddress', 'aws:SourceIp', '0.0.0.0/1'],
  ['IpAddress', 'aws:SourceIp', ['203.0.113.7', '0.0.0.0/0']],
  ['IpAddress', 'aws:SourceIp', '2001::/16'],
  ['IpAddress', 'aws:SourceIp', 'nowhere/24'],
  ['NotIpAddress', 'aws:SourceIp', '203.0.113.7'],
])('%s %s %j names nobody', (operator, key, value) => {
  expect(on(operator, key, value)).toBe(true);
});

test('one condition that names who asks is enough, beside any other', () => {
  const Condition = {
    Bool: { 'aws:SecureTransport': 'true' },
    StringEquals: { 's3:prefix': 'a/', 'aws:SourceAccount': '111122223333' },
  };
  expect(isPublic({ Condition })).toBe(false);
});

test('the statements are named', () => {
  const narrow = { ...allow, Principal: { AWS: '111122223333' } };
  expect(publicStatements(policy(narrow, { ...allow, Sid: 'Web' }, allow))).toEqual(['Web', 'statement 3']);
});
