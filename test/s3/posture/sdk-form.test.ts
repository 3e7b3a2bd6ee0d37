import { expect, test } from 'vitest';
import { lifecycleOf } from '../../../src/s3/posture/sdk-form.ts';

type Rule = NonNullable<Parameters<typeof lifecycleOf>[0]['Rules']>[number];
const ruleOf = (more: Partial<Rule>): object | undefined => {
  const Rules: Rule[] = [{ ID: 'a', Status: 'Enabled', Filter: { Prefix: '' }, ...more }];
  const { raw: _, ...rule } = lifecycleOf({ $metadata: {}, Rules })?.rules[0] ?? {};
  return rule;
};
const base = { id: 'a', enabled: true, prefix: '' };

test('where a rule puts objects is read, as far as they can not be read there at once', () => {
  const Date_ = new Date('2026-12-01T00:00:00Z');
  const StorageClass = 'GLACIER' as const;
  expect(
    ruleOf({
      Transitions: [
        { Days: 30, StorageClass: 'STANDARD_IA' },
        { Days: 90, StorageClass },
      ],
    }),
  ).toEqual({ ...base, archives: 'after 90 days, into GLACIER' });
  expect(ruleOf({ Transitions: [{ Date: Date_, StorageClass: 'DEEP_ARCHIVE' }] })).toEqual({
    ...base,
    archives: 'on 2026-12-01T00:00:00.000Z, into DEEP_ARCHIVE',
  });
  expect(ruleOf({ NoncurrentVersionTransitions: [{ NoncurrentDays: 1, StorageClass }] })).toEqual({
    ...base,
    archivesOld: 'after 1 day, into GLACIER',
  });
  for (const readable of ['GLACIER_IR', 'INTELLIGENT_TIERING', 'ONEZONE_IA'] as const)
    expect(ruleOf({ Transitions: [{ Days: 1, StorageClass: readable }] })).toEqual(base);
});

test('how long old versions stay, and how many of them do anyway', () => {
  const NoncurrentVersionExpiration = { NoncurrentDays: 1, NewerNoncurrentVersions: 3 };
  expect(ruleOf({ NoncurrentVersionExpiration })).toEqual({
    ...base,
    oldVersionsDays: 1,
    oldVersionsKept: 3,
  });
  expect(ruleOf({ Expiration: { Days: 30 } })).toEqual({ ...base, removesObjects: 'after 30 days' });
});
