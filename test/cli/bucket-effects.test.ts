/** What whoever is asked hears of a change beside its diff. */
import { describe, expect, test } from 'vitest';
import { changeText } from '../../src/cli/bucket-change.ts';
import { effectsOf } from '../../src/cli/bucket-effects.ts';
import type { Change } from '../../src/vaults/bucket.ts';

const VERSIONING: Change = { setting: 'versioning', after: 'Enabled' };
const lifecycle = (rule: object): Change => ({
  setting: 'lifecycle',
  after: { rules: [{ id: 'one', enabled: true, prefix: '', ...rule }] },
});
const said = (change: Change, all?: readonly Change[]): string => effectsOf(change, all).join('\n');

describe('effects of a change', () => {
  test('versions cost, stay, and end only where something ends them', () => {
    expect(said(VERSIONING)).toMatch(/paid for[^]*--expire-versions DAYS[^]*never be switched off/);
    const ended = said(VERSIONING, [VERSIONING, lifecycle({ oldVersionsDays: 30 })]);
    expect(ended).not.toContain('--expire-versions');
    const off = said(VERSIONING, [VERSIONING, lifecycle({ oldVersionsDays: 30, enabled: false })]);
    expect(off).toContain('--expire-versions');
  });

  test('without ACLs their grants end', () => {
    expect(said({ setting: 'ownership', after: 'BucketOwnerEnforced' })).toMatch(
      /by an ACL alone .* loses it/,
    );
  });

  test('a lifecycle rule removes, and only the new one is told of', () => {
    expect(said(lifecycle({ oldVersionsDays: 30 }))).toMatch(/30 days ago are removed for good/);
    const before = { rules: [{ id: 'one', enabled: true, prefix: '', oldVersionsDays: 30 }] };
    const rules = [...before.rules, { id: 'two', enabled: true, prefix: '', abortUploadsDays: 7 }];
    const both: Change = { setting: 'lifecycle', before, after: { rules } };
    expect(effectsOf(both)).toHaveLength(1);
    expect(said(both)).toContain('unfinished after 7 days');
    const sooner = { rules: [{ id: 'one', enabled: true, prefix: '', oldVersionsDays: 9 }] };
    expect(said({ ...both, after: sooner })).toContain('9 days ago');
  });

  test('encryption: who needs the key, what SSE-C may', () => {
    const before = { algorithm: 'AES256', bucketKey: false, blocked: ['NONE'] };
    const of = (after: object): string =>
      said({ setting: 'encryption', before, after: { ...before, ...after } });
    expect(of({ algorithm: 'aws:kms', kmsKeyId: 'k' })).toContain('the right to use that key');
    expect(of({ bucketKey: true })).toContain('the ARN of an object');
    expect(of({ blocked: ['SSE-C'] })).toContain('are refused');
    expect(of({})).toBe('');
  });

  test('a block of public access that is there already says nothing', () => {
    const on = { blockAcls: true, ignoreAcls: true, blockPolicy: true, restrictBuckets: true };
    expect(said({ setting: 'publicAccess', after: on })).toContain('website');
    expect(said({ setting: 'publicAccess', before: on, after: on })).toBe('');
  });

  test('they stand below the diff, within 80 columns', () => {
    const lines = changeText({ setting: 'ownership', after: 'BucketOwnerEnforced' }).split('\n');
    expect(lines.slice(0, 3)).toEqual(['object ownership', '  - not set', '  + BucketOwnerEnforced']);
    expect(lines[3]).toMatch(/^ {2}· ACLs of/);
    expect(lines[4]).toMatch(/^ {4}\S/);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });
});
