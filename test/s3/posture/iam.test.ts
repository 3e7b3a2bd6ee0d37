import { describe, expect, test } from 'vitest';
import { iamPolicy } from '../../../src/s3/posture/iam.ts';
import { type Ground, type Guard, ownQuestions } from '../../../src/s3/posture/rules.ts';

const ground: Ground = { bucket: 'acme', region: 'eu-west-1', isAws: true };
const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/1c2d';

interface Statement {
  readonly Sid: string;
  readonly Action: readonly string[];
  readonly Resource: string;
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
    const [list, objects] = statements({ prefix: 'docs/', mode: 'sse-s3' });
    expect(list).toMatchObject({
      Resource: 'arn:aws:s3:::acme',
      Condition: { StringLike: { 's3:prefix': 'docs/*' } },
    });
    expect(objects?.Resource).toBe('arn:aws:s3:::acme/docs/*');
    expect(statements({ prefix: '', mode: 'sse-s3' })[0]?.Condition).toBeUndefined();
  });

  test('the KMS key is used through S3 only, or directly in mode client', () => {
    const kms = (guard: Guard) => statements(guard).find(({ Sid }) => Sid === 'S3vaultKey');
    expect(kms({ prefix: '', mode: 'sse-kms', kmsKey: KEY })).toMatchObject({
      Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
      Resource: KEY,
      Condition: { StringEquals: { 'kms:ViaService': 's3.eu-west-1.amazonaws.com' } },
    });
    expect(kms({ prefix: '', mode: 'client', kmsKeyId: KEY })?.Condition).toBeUndefined();
    expect(kms({ prefix: '', mode: 'sse-s3' })).toBeUndefined();
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
});
