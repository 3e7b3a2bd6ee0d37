/** The contract of the BucketConfig port, on the fake and on every server it can meet. */
import { describe, expect, test } from 'vitest';
import {
  type BucketConfig,
  type LifecycleRule,
  type SettingName,
  readFacts,
} from '../../src/model/bucket.ts';

export interface BucketConfigRig {
  /** The settings of a fresh bucket. */
  open(): Promise<BucketConfig>;
  readonly bucket: (config: BucketConfig) => string;
  /** Settings that this store does not have. */
  readonly unsupported: readonly SettingName[];
}

export function bucketConfigContract(name: string, rigOf: () => Promise<BucketConfigRig>): void {
  describe(`BucketConfig: ${name}`, () => {
    const odd = (bucket: string): string =>
      `{ "Version":"2012-10-17",\n "Statement" : [{"Sid":"One thing","Effect":"Deny","Principal":"*", "Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::${bucket}"}] }`;

    test('a fresh bucket has no policy, no versions and no lifecycle rules', async () => {
      const rig = await rigOf();
      const facts = await readFacts(await rig.open());
      for (const one of ['policy', 'versioning', 'lifecycle'] as const)
        expect(facts[one], one).toMatchObject({ state: 'absent' });
    });

    test('what the store does not have is unknown, and not absent', async () => {
      const rig = await rigOf();
      const facts = await readFacts(await rig.open());
      for (const one of rig.unsupported)
        expect(facts[one], one).toMatchObject({ state: 'unknown', why: 'unsupported' });
    });

    test('a policy is kept byte for byte, can be replaced and removed; what is none is refused', async () => {
      const rig = await rigOf();
      const config = await rig.open();
      const text = odd(rig.bucket(config));
      await config.setPolicy(text);
      expect(await config.policy()).toMatchObject({ state: 'set', value: text });
      await expect(config.setPolicy('{"Version"')).rejects.toThrow();
      expect(await config.policy()).toMatchObject({ state: 'set', value: text });
      await config.setPolicy(undefined);
      expect(await config.policy()).toMatchObject({ state: 'absent' });
    });

    test('settings come back as they were written', async () => {
      const rig = await rigOf();
      const config = await rig.open();
      const has = (one: SettingName): boolean => !rig.unsupported.includes(one);
      await config.setVersioning('Enabled');
      expect(await config.versioning()).toMatchObject({ state: 'set', value: 'Enabled' });
      await config.setVersioning('Suspended');
      expect(await config.versioning()).toMatchObject({ state: 'set', value: 'Suspended' });
      if (has('publicAccess')) {
        const access = { blockAcls: true, ignoreAcls: false, blockPolicy: true, restrictBuckets: false };
        await config.setPublicAccess(access);
        expect(await config.publicAccess()).toMatchObject({ state: 'set', value: access });
      }
      if (has('ownership')) {
        await config.setOwnership('BucketOwnerPreferred');
        expect(await config.ownership()).toMatchObject({ state: 'set', value: 'BucketOwnerPreferred' });
      }
      if (has('encryption')) {
        const encryption = { algorithm: 'AES256', bucketKey: false, blocked: ['NONE'] };
        await config.setEncryption(encryption);
        expect(await config.encryption()).toMatchObject({ state: 'set', value: encryption });
        await config.setEncryption({ ...encryption, blocked: ['SSE-C'] });
        expect(await config.encryption()).toMatchObject({ state: 'set', value: { blocked: ['SSE-C'] } });
        await config.setEncryption({ algorithm: 'aws:kms', bucketKey: true });
        await config.setEncryption(undefined);
        expect(await config.encryption()).not.toMatchObject({ value: { algorithm: 'aws:kms' } });
      }
    });

    test('lifecycle rules that are there stay as they are when one is added', async () => {
      const rig = await rigOf();
      const config = await rig.open();
      const foreign: LifecycleRule = { id: 'theirs', enabled: true, prefix: 'logs/', oldVersionsDays: 5 };
      await config.setLifecycle({ rules: [foreign] });
      const before = await config.lifecycle();
      if (before.state !== 'set') throw new Error('no rules');
      const own: LifecycleRule = { id: 'ours', enabled: true, prefix: '', abortUploadsDays: 7 };
      await config.setLifecycle({ ...before.value, rules: [...before.value.rules, own] });
      const after = await config.lifecycle();
      if (after.state !== 'set') throw new Error('no rules');
      const bare = after.value.rules.map((rule) => ({ ...rule, raw: undefined }));
      expect(bare.toSorted((a, b) => (a.id ?? '').localeCompare(b.id ?? ''))).toEqual([
        { ...own, raw: undefined },
        { ...foreign, raw: undefined },
      ]);
    });

    test('a request that was called off is not an unknown', async () => {
      const rig = await rigOf();
      const config = await rig.open();
      const read = config.policy({ signal: AbortSignal.abort() });
      await expect(read).rejects.toMatchObject({ kind: 'cancelled' });
    });
  });
}
