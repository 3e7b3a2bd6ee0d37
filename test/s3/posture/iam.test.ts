import { describe, expect, test } from 'vitest';
import { iamPolicy } from '../../../src/s3/posture/iam.ts';
import { ownQuestions } from '../../../src/s3/posture/questions.ts';
import type { Ground, Guard } from '../../../src/s3/posture/rules.ts';

const ground: Ground = { bucket: 'acme', region: 'eu-west-1', isAws: true };
const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1c2d';

interface Statement {
  readonly Sid: string;
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: object;
}
const statements = (guard: Guard, writeOnly = false): readonly Statement[] =>
  (JSON.parse(iamPolicy(ground, guard, { writeOnly })) as { readonly Statement: readonly Statement[] })
    .Statement;
const actions = (...args: Parameters<typeof statements>): readonly string[] =>
  statements(...args).flatMap(({ Action }) => Action);

describe('the policy of who runs s3vault', () => {
  test('allows all that a vault does, and no wildcard action', () => {
    for (const mode of ['client', 'sse-c', 'sse-kms', 'dsse-kms', 'sse-s3'] as const) {
      const guard = { prefix: 'docs/', mode, ...(mode.includes('kms') ? { kmsKey: KEY } : {}) };
      const allowed = actions(guard);
      const needed = ownQuestions(ground, guard, '1.3')
        .map(({ action }) => action)
        // Hardening is not a thing of every day.
        .filter((action) => !action.endsWith('BucketPolicy'));
      expect(allowed).toEqual(expect.arrayContaining(needed));
      expect(allowed.filter((action) => action.includes('*'))).toEqual([]);
    }
  });

  test('stays within the prefix of the vault', () => {
    const [list, uploads, objects] = statements({ prefix: 'docs/', mode: 'sse-s3' });
    expect(list).toMatchObject({
      Action: ['s3:ListBucket', 's3:ListBucketVersions'],
      Resource: 'arn:aws:s3:::acme',
      Condition: { StringLike: { 's3:prefix': 'docs/*' } },
    });
    // Listing unfinished uploads has no such condition key: with it, nothing would be allowed.
    expect(uploads).toMatchObject({
      Action: ['s3:ListBucketMultipartUploads'],
      Resource: 'arn:aws:s3:::acme',
    });
    expect(uploads?.Condition).toBeUndefined();
    expect(objects?.Resource).toBe('arn:aws:s3:::acme/docs/*');
    expect(statements({ prefix: '', mode: 'sse-s3' })[0]?.Condition).toBeUndefined();
  });

  test('settings that doctor reads may be read, and none may be written', () => {
    const found = statements({ prefix: 'docs/', mode: 'sse-c' }).find(({ Sid }) => Sid === 'S3vaultSettings');
    expect(found).toMatchObject({
      Action: [
        's3:GetBucketObjectLockConfiguration',
        's3:GetBucketVersioning',
        's3:GetBucketPolicy',
        's3:GetEncryptionConfiguration',
      ],
      Resource: 'arn:aws:s3:::acme',
    });
    expect(found?.Condition).toBeUndefined();
    expect(statements({ prefix: '', mode: 'sse-c' }, true).map(({ Sid }) => Sid)).not.toContain(
      'S3vaultSettings',
    );
  });

  test('the KMS key is used through S3 only, or directly in mode client', () => {
    const kms = (guard: Guard) => statements(guard).find(({ Sid }) => Sid === 'S3vaultKey');
    expect(kms({ prefix: '', mode: 'sse-kms', kmsKey: KEY })).toMatchObject({
      Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
      Resource: KEY,
      Condition: { StringEquals: { 'kms:ViaService': 's3.eu-west-1.amazonaws.com' } },
    });
    const sealed = statements({ prefix: '', mode: 'client', kmsKeyId: KEY });
    const own = sealed.find(({ Sid }) => Sid === 'S3vaultSealKey');
    expect(own).toMatchObject({
      Action: ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:Encrypt'],
      Resource: KEY,
    });
    expect(own?.Condition).toBeUndefined();
    expect(kms({ prefix: '', mode: 'sse-s3' })).toBeUndefined();
  });

  test('the key is described, and the quota asked, from here and not through S3', () => {
    for (const writeOnly of [false, true]) {
      const found = statements({ prefix: '', mode: 'sse-kms', kmsKey: KEY }, writeOnly);
      const describing = found.find(({ Action }) => Action.includes('kms:DescribeKey'));
      expect(describing).toMatchObject({ Action: ['kms:DescribeKey'], Resource: KEY });
      expect(describing?.Condition).toBeUndefined();
      expect(found.find(({ Sid }) => Sid === 'S3vaultQuota')).toMatchObject({
        Action: ['servicequotas:GetServiceQuota', 'servicequotas:GetAWSDefaultServiceQuota'],
        Resource: '*',
      });
    }
    expect(actions({ prefix: '', mode: 'sse-s3' }).filter((action) => !action.startsWith('s3:'))).toEqual([]);
  });

  test('while objects move, both keys may be used', () => {
    const moving: Guard = {
      prefix: '',
      mode: 'sse-kms',
      kmsKey: KEY,
      next: { mode: 'sse-kms', kmsKey: `${KEY}2` },
    };
    const found = statements(moving);
    for (const Sid of ['S3vaultKey', 'S3vaultDescribeKey'])
      expect(found.find((one) => one.Sid === Sid)?.Resource).toEqual([KEY, `${KEY}2`]);
  });

  test('a write-only machine reads the description of the vault, removes nothing, and opens nothing', () => {
    const guard: Guard = { prefix: 'docs/', mode: 'sse-kms', kmsKey: KEY };
    const allowed = statements(guard, true);
    expect(allowed.find(({ Action }) => Action.includes('s3:GetObject'))?.Resource).toBe(
      'arn:aws:s3:::acme/docs/.s3vault/vault.json',
    );
    expect(actions(guard, true).filter((action) => action.includes('Delete'))).toEqual([]);
    expect(actions({ prefix: '', mode: 'client', kmsKeyId: KEY }, true)).not.toContain('kms:Decrypt');
  });

  test('rekey changes encryption in place where the mode allows it', () => {
    const inPlace = (guard: Guard, writeOnly = false): readonly string[] =>
      actions(guard, writeOnly).filter((action) => /UpdateObject|ReEncrypt/.test(action));
    const all = ['s3:UpdateObjectEncryption', 'kms:ReEncryptFrom', 'kms:ReEncryptTo'];
    const moved: Guard = { prefix: '', mode: 'sse-kms', kmsKey: KEY };
    expect(inPlace(moved)).toEqual(all);
    expect(inPlace({ prefix: '', mode: 'sse-s3', next: { mode: 'sse-kms', kmsKey: KEY } })).toEqual(all);
    expect(statements(moved).find(({ Sid }) => Sid === 'S3vaultRekey')).toMatchObject({
      Action: ['kms:Encrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo'],
      Resource: KEY,
      Condition: { StringEquals: { 'kms:ViaService': 's3.eu-west-1.amazonaws.com' } },
    });
    expect(inPlace(moved, true)).toEqual([]);
    expect(inPlace({ ...moved, context: { app: 'x' } })).toEqual([]);
    for (const mode of ['client', 'sse-c', 'dsse-kms', 'sse-s3'] as const)
      expect(inPlace({ prefix: '', mode, kmsKey: KEY })).toEqual([]);
  });
});
