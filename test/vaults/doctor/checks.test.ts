/** From facts to checks: the cause is the only failure, what hangs on it is unknown. */
import { describe, expect, test } from 'vitest';
import { objectKey } from '../../../src/model/brands.ts';
import { CHECK_NAMES } from '../../../src/model/doctor.ts';
import { RUN_AGAIN, VaultError } from '../../../src/model/errors.ts';
import type { Receipt } from '../../../src/model/receipt.ts';
import type { StoreProbe } from '../../../src/s3/probe-store.ts';
import { capabilitiesOf, causeOf, checksOf, exitOf } from '../../../src/vaults/doctor/checks.ts';
import type { DoctorFacts } from '../../../src/vaults/doctor/facts.ts';

const done = <T>(value: T) => ({ ok: true, value }) as const;
const failing = (code: string, kind: VaultError['kind'] = 'refused', status?: number) =>
  ({
    ok: false,
    error: new VaultError(kind, code, `text of ${code}`, {
      hint: 'do something',
      ...(status === undefined ? {} : { status }),
    }),
  }) as const;

const receipt: Receipt = {
  key: objectKey('docs/.s3vault/doctor-1'),
  etag: 'e',
  size: 1,
  proof: { mode: 'client', format: 'V3', key: 'k', checksum: { algorithm: 'md5', value: 'm' } },
};
const probe: StoreProbe = {
  write: done(receipt),
  read: done(true),
  conditions: done('kept'),
  removeConditions: done('kept'),
  copyConditions: done('ignored'),
  bareEtags: false,
  copy: done(true),
  sse: { plain: 'proved', 'sse-c': 'proved', 'sse-s3': 'unproved' },
};
const day = 86_400_000;
const NOW = 1_800_000_000_000;
const healthy: DoctorFacts = {
  patient: {
    root: '/home/a/docs',
    remote: { bucket: 'acme', prefix: 'docs/' },
    mode: { kind: 'client', key: { kind: 'stored', name: 'laptop' } },
  },
  node: 'v24.21.0',
  keys: done('key laptop, from the keychain'),
  resolved: done({ region: 'eu-west-1', endpoint: undefined, isAws: true }),
  credentials: done(true),
  handshake: done({ tls: '1.3', validTo: NOW + 90 * day, issuer: 'Amazon', date: NOW }),
  skew: 0,
  reach: done(true),
  encryption: { state: 'set', value: { algorithm: 'AES256', bucketKey: false, blocked: ['SSE-C'] } },
  versioning: { state: 'set', value: 'Enabled' },
  probe: done(probe),
  watch: { folders: 12, more: false, limit: 65_536, used: 40 },
};
const without = (...names: readonly (keyof DoctorFacts)[]): Partial<DoctorFacts> =>
  Object.fromEntries(names.map((name) => [name, undefined]));
const asked = ['reach', 'encryption', 'versioning', 'probe'] as const;

test('healthy: all pass, in the fixed order', () => {
  const checks = checksOf(healthy);
  expect(checks.map(({ check }) => check)).toEqual(CHECK_NAMES);
  expect(checks.filter(({ state }) => state !== 'pass')).toEqual([]);
  expect(causeOf(checks)).toBeUndefined();
  expect(exitOf(checks)).toBe(0);
});

describe('one cause', () => {
  const sseC = { ...healthy.patient, mode: { kind: 'sse-c', key: { kind: 'stored', name: 'a' } } } as const;
  const kms = { ...healthy.patient, mode: { kind: 'sse-kms', keyId: 'k', context: {} } } as const;
  const modes = { 'sse-c': sseC.mode, 'sse-s3': { kind: 'sse-s3' } } as const;
  const byKms = {
    state: 'set',
    value: { algorithm: 'aws:kms', kmsKeyId: 'arn:of:key', bucketKey: false },
  } as const;
  const refused = (code: string, kind: VaultError['kind'] = 'refused'): StoreProbe => ({
    write: failing(code, kind, 403),
    bareEtags: false,
    sse: {},
  });
  const cases: readonly (readonly [string, Partial<DoctorFacts>, string, number])[] = [
    ['an old Node', { node: 'v22.1.0' }, 'node', 2],
    ['no keychain', { keys: failing('keychain-no-bus', 'usage') }, 'keys', 2],
    ['a key that is not there', { keys: failing('key-missing', 'usage') }, 'keys', 2],
    [
      'no credentials',
      { ...without(...asked), credentials: failing('credentials-missing') },
      'credentials',
      4,
    ],
    [
      'expired credentials',
      { ...without(...asked), reach: failing('credentials-expired') },
      'credentials',
      4,
    ],
    [
      'a wrong secret',
      { ...without(...asked), reach: failing('signature', 'refused', 403) },
      'credentials',
      4,
    ],
    ['a wrong clock', { skew: 3_600_000 }, 'clock', 4],
    [
      'a certificate nobody trusts',
      { ...without('skew', ...asked), handshake: failing('tls-untrusted') },
      'tls',
      4,
    ],
    [
      'a CA bundle that is none',
      { ...without('handshake', 'credentials', 'skew', ...asked), resolved: failing('ca-bundle', 'usage') },
      'tls',
      2,
    ],
    [
      'no network',
      { ...without('skew', ...asked), handshake: failing('unreachable', 'offline') },
      'bucket',
      4,
    ],
    [
      'plain HTTP',
      { ...without('handshake', 'credentials', 'skew', ...asked), resolved: failing('plain-http', 'usage') },
      'bucket',
      2,
    ],
    ['no bucket', { ...without(...asked), reach: failing('bucket-missing', 'refused', 404) }, 'bucket', 4],
    [
      'no permission to list',
      { ...without(...asked), reach: failing('access-denied', 'refused', 403) },
      'bucket',
      4,
    ],
    ['no permission to write', { probe: done(refused('access-denied')) }, 'bucket', 4],
    ['a wrong region', { ...without(...asked), reach: failing('wrong-region', 'refused', 400) }, 'region', 4],
    [
      'no region',
      {
        ...without('handshake', 'credentials', 'skew', ...asked),
        resolved: failing('region-missing', 'usage'),
      },
      'region',
      2,
    ],
    ['SSE-C that is blocked', { patient: sseC, probe: done(refused('sse-c-blocked')) }, 'sse-c', 4],
    ['a KMS key that may not be used', { patient: kms, probe: done(refused('kms-denied')) }, 'kms', 4],
    [
      'a KMS key that encrypts only',
      { patient: kms, probe: done({ ...probe, read: failing('kms-denied', 'refused', 403) }) },
      'kms',
      4,
    ],
    [
      'a KMS key of the bucket that may not be used, in a mode that asks for none',
      { encryption: byKms, probe: done(refused('kms-denied')) },
      'kms',
      4,
    ],
    [
      'a KMS key of the bucket that encrypts only',
      { encryption: byKms, probe: done({ ...probe, read: failing('kms-denied', 'refused', 403) }) },
      'kms',
      4,
    ],
    ...(['client', 'sse-c', 'sse-s3'] as const).map(
      (kind) =>
        [
          `no permission to read, mode ${kind}`,
          {
            patient: kind === 'client' ? healthy.patient : { ...healthy.patient, mode: modes[kind] },
            probe: done({ ...probe, read: failing('access-denied', 'refused', 403) }),
          },
          'bucket',
          4,
        ] as const,
    ),
    [
      'no permission to read, mode sse-kms',
      { patient: kms, probe: done({ ...probe, read: failing('access-denied', 'refused', 403) }) },
      'bucket',
      4,
    ],
    [
      'other bytes come back than were sent',
      { probe: done({ ...probe, read: failing('damaged-in-transit', 'transient') }) },
      'bucket',
      3,
    ],
    [
      'no watches left',
      { watch: { folders: 12, more: false, limit: 10, used: 0, refused: 'ENOSPC' } },
      'watch',
      2,
    ],
    ['too few watches', { watch: { folders: 70_000, more: false, limit: 65_536, used: 0 } }, 'watch', 2],
    [
      'a mode that the store does not prove',
      { probe: done(refused('proof-missing', 'security')) },
      'modes',
      6,
    ],
  ];
  test.each(cases)('%s', (_, facts, cause, exit) => {
    const checks = checksOf({ ...healthy, ...facts });
    expect(checks.filter(({ state }) => state === 'fail').map(({ check }) => check)).toEqual([cause]);
    expect(causeOf(checks)?.check).toBe(cause);
    expect(causeOf(checks)?.hint).toBeTruthy();
    expect(exitOf(checks)).toBe(exit);
  });
});

describe('where nothing could be written that can be removed', () => {
  const untried = { reason: 'Object Lock keeps it', hint: 'do something' };
  const facts: DoctorFacts = { ...healthy, ...without('probe'), untried };
  test('that is said first, and nothing of it is taken for fine', () => {
    const checks = checksOf(facts);
    const unknown = checks.filter(({ state }) => state === 'unknown');
    expect(unknown.map(({ check }) => check)).toEqual(['bucket', 'checksums', 'conditions', 'copy', 'modes']);
    for (const { message } of unknown) expect(message).toContain('no write was tried: Object Lock keeps it');
    expect(causeOf(checks)).toMatchObject({ check: 'bucket', state: 'unknown', hint: 'do something' });
    expect(exitOf(checks)).toBe(4);
  });
  test('it goes before what only could be better, and behind what failed', () => {
    expect(causeOf(checksOf({ ...facts, versioning: { state: 'absent' } }))?.check).toBe('bucket');
    expect(causeOf(checksOf({ ...facts, skew: 3_600_000 }))?.check).toBe('clock');
  });
});

describe('a setting that could not be read', () => {
  const unread = (why: 'denied' | 'unsupported' | 'failed') =>
    ({ state: 'unknown', why, reason: 'could not be read' }) as const;
  const seen = (facts: Partial<DoctorFacts>) => {
    const checks = checksOf({ ...healthy, ...facts });
    return [causeOf(checks)?.check, causeOf(checks)?.hint, exitOf(checks)];
  };
  test('is said first, with what to do, and is not in order', () => {
    expect(seen({ versioning: unread('denied') })).toEqual(['versioning', 'allow s3:GetBucketVersioning', 4]);
    const held = [expect.stringContaining('what holds GetBucketVersioning back'), 4];
    expect(seen({ versioning: unread('failed') })).toEqual(['versioning', ...held]);
  });
  test('is no matter where the store does not know it, or the object tells', () => {
    expect(seen({ versioning: unread('unsupported') })).toEqual([undefined, undefined, 0]);
    expect(seen({ encryption: unread('failed') })).toEqual([undefined, undefined, 0]);
    const versioned = done({ ...receipt, versionId: 'v1' });
    const facts = { versioning: unread('failed'), probe: done({ ...probe, write: versioned }) };
    expect(seen(facts)).toEqual([undefined, undefined, 0]);
  });
  test('is not taken for a bucket without a key of its own where nothing was tried', () => {
    const untried = { reason: 'Object Lock keeps it', hint: 'do something' };
    const facts = { ...healthy, ...without('probe'), untried, encryption: unread('failed') };
    expect(checksOf(facts).find(({ check }) => check === 'kms')).toMatchObject({ state: 'unknown' });
  });
});

test('questions that hang are said, also where nothing hangs on them', () => {
  const checks = checksOf({ ...healthy, unanswered: ['GetBucketPolicy', 'GetBucketVersioning'] });
  expect(causeOf(checks)).toMatchObject({
    check: 'bucket',
    state: 'warn',
    message: 's3://acme/docs/ answers at AWS; but not to GetBucketPolicy, GetBucketVersioning',
    hint: expect.stringContaining('what holds GetBucketPolicy, GetBucketVersioning back') as string,
  });
});

describe('test objects of runs that were killed', () => {
  const left = (...names: readonly string[]) =>
    names.map((name) => ({ key: objectKey(`docs/.s3vault/${name}`), versionId: `v-${name}` }));
  const said = (...names: readonly string[]) => {
    const remote = { ...healthy.patient.remote, endpoint: 'https://store.example' };
    const patient = { ...healthy.patient, remote };
    const checks = checksOf({ ...healthy, patient, leftovers: left(...names) });
    expect(exitOf(checks)).toBe(0);
    return checks.find(({ check }) => check === 'bucket');
  };
  test('are named, with the command that removes them', () => {
    expect(said('doctor-1')).toMatchObject({
      state: 'warn',
      message: expect.stringContaining('1 test object of a run that was killed is still there: docs/'),
      hint: 'it holds nothing of yours; remove it with: aws s3api delete-object --bucket acme --key docs/.s3vault/doctor-1 --version-id v-doctor-1 --endpoint-url https://store.example',
    });
    const many = said('doctor-1', 'trial-2', 'trial-2', 'trial-3', 'probe-4');
    expect(many?.message).toContain(
      '5 versions of 4 test objects of a run that was killed are still there: docs/.s3vault/doctor-1, docs/.s3vault/trial-2, docs/.s3vault/trial-3 and 1 more',
    );
    expect(many?.hint).toContain('remove each of them, the first one with: aws');
  });
});

test('nobody is sent back to doctor, nor told that it goes on by itself', () => {
  const hintOf = (code: string, hint: string): string | undefined => {
    const reach = { ok: false, error: new VaultError('offline', code, 'text', { hint }) } as const;
    return causeOf(checksOf({ ...healthy, ...without(...asked), reach }))?.hint;
  };
  expect(hintOf('unreachable', 'it goes on by itself')).toContain('run s3vault doctor again');
  expect(hintOf('connection', RUN_AGAIN)).toContain('ask whoever runs the store');
  expect(hintOf('answer', 's3vault doctor tells what this store supports')).not.toContain('tells');
});

describe('commands that mend reach the same store', () => {
  const remote = {
    ...healthy.patient.remote,
    endpoint: 'https://store.example',
    region: 'eu-west-1',
    profile: 'work',
    caBundle: '/etc/ca file.pem',
    tlsMin: '1.3',
  } as const;
  const flags =
    "--endpoint https://store.example --region eu-west-1 --profile work --ca-bundle '/etc/ca file.pem'";
  const hintOf = (facts: Partial<DoctorFacts>, name: string) =>
    checksOf({ ...healthy, ...facts }).find(({ check }) => check === name)?.hint;
  test('versioning, SSE-C', () => {
    const mode = { kind: 'sse-c', key: { kind: 'stored', name: 'a' } } as const;
    const patient = { ...healthy.patient, remote, mode };
    expect(hintOf({ patient, versioning: { state: 'absent' } }, 'versioning')).toBe(
      `turn it on with: s3vault bucket harden acme --only versioning ${flags}`,
    );
    const refusing = done({ write: failing('sse-c-blocked'), bareEtags: false, sse: {} });
    expect(hintOf({ patient, probe: refusing }, 'sse-c')).toBe(
      `allow it with: s3vault bucket harden acme --allow-sse-c ${flags}`,
    );
  });
});

describe('what works but is not as it could be', () => {
  const cases: readonly (readonly [string, Partial<DoctorFacts>, string])[] = [
    ['a clock three minutes off', { skew: -180_000 }, 'clock'],
    [
      'a certificate that ends soon',
      { handshake: done({ tls: '1.2', validTo: NOW + day, issuer: undefined, date: NOW }) },
      'tls',
    ],
    ['conditions that are never met', { probe: done({ ...probe, unmet: true as const }) }, 'conditions'],
    ['conditions that are ignored', { probe: done({ ...probe, conditions: done('ignored') }) }, 'conditions'],
    ['no copies', { probe: done({ ...probe, copy: failing('copy-unsupported', 'file') }) }, 'copy'],
    ['no versions', { versioning: { state: 'absent' } }, 'versioning'],
    ['an object that stayed', { probe: done({ ...probe, left: failing('access-denied').error }) }, 'bucket'],
  ];
  test.each(cases)('%s', (_, facts, name) => {
    const checks = checksOf({ ...healthy, ...facts });
    expect(checks.filter(({ state }) => state !== 'pass').map(({ check, state }) => [check, state])).toEqual([
      [name, 'warn'],
    ]);
    expect(exitOf(checks)).toBe(0);
  });
});

test('what could not be asked is unknown and names the cause [DOCTOR-2]', () => {
  const facts = { ...healthy, ...without(...asked), reach: failing('credentials-expired') };
  const unknown = checksOf(facts).filter(({ state }) => state === 'unknown');
  expect(unknown.map(({ check }) => check)).toEqual([
    'bucket',
    'region',
    'checksums',
    'conditions',
    'copy',
    'versioning',
    'modes',
  ]);
  for (const { message } of unknown) expect(message).toContain('text of credentials-expired');
});

test('a key of the bucket that works in a mode that asks for none is named', () => {
  const encryption = {
    state: 'set',
    value: { algorithm: 'aws:kms', kmsKeyId: 'arn:of:key', bucketKey: true },
  } as const;
  const said = (facts: Partial<DoctorFacts>) =>
    checksOf({ ...healthy, encryption, ...facts }).find(({ check }) => check === 'kms');
  expect(said({})).toMatchObject({ state: 'pass', message: expect.stringContaining('arn:of:key') });
  expect(said(without('probe'))).toMatchObject({ state: 'unknown' });
  const sseS3 = { ...healthy.patient, mode: { kind: 'sse-s3' } } as const;
  expect(said({ patient: sseS3 })).toMatchObject({ state: 'pass', message: 'not used by this mode' });
});

test('the quota is said where somebody knows it', () => {
  const patient = { ...healthy.patient, mode: { kind: 'sse-kms', keyId: 'k', context: {} } } as const;
  const said = (facts: Partial<DoctorFacts>): string =>
    checksOf({ ...healthy, patient, ...facts }).find(({ check }) => check === 'kms')?.message ?? '';
  expect(said({})).toContain('the quota is unknown');
  expect(said({ quota: failing('state') })).toContain('the quota is unknown: text of state');
  expect(said({ quota: done({ quota: 20_000, source: 'service-quotas', share: 25 }) })).toContain(
    'runs use 25 % of the quota 20,000, from Service Quotas',
  );
});

test('conditions of removals that are not kept are a warning where there are no versions either', () => {
  const ignored: StoreProbe = { ...probe, removeConditions: done('ignored') };
  const facts: DoctorFacts = { ...healthy, probe: done(ignored) };
  const stateOf = (of: DoctorFacts) => checksOf(of).find(({ check }) => check === 'conditions')?.state;
  expect(stateOf(facts)).toBe('pass');
  expect(stateOf({ ...facts, versioning: { state: 'absent' } })).toBe('warn');
});

test('conditions that are never met are no kept ones, and are left to the runs to find out', () => {
  const facts: DoctorFacts = { ...healthy, probe: done({ ...probe, unmet: true }) };
  const check = checksOf(facts).find(({ check: name }) => name === 'conditions');
  expect(check).toMatchObject({ state: 'warn' });
  expect(check?.message).toContain('refuses every write over what is there that has a condition');
  expect(capabilitiesOf(facts, 'now')).not.toHaveProperty('conditions');
});

test('conditions of writes that are not kept: versions make up for them, or are the way out', () => {
  const facts: DoctorFacts = { ...healthy, probe: done({ ...probe, conditions: done('ignored') }) };
  const hintOf = (of: DoctorFacts) => checksOf(of).find(({ check }) => check === 'conditions')?.hint;
  expect(hintOf(facts)).toContain('nothing is lost');
  expect(hintOf({ ...facts, versioning: { state: 'absent' } })).toContain('--only versioning');
});

test('what a run may rely on', () => {
  const time = '2026-11-25T12:00:00.000Z';
  expect(capabilitiesOf(healthy, time)).toEqual({
    time,
    mode: 'client',
    conditions: 'kept',
    removeConditions: 'kept',
    copyConditions: 'ignored',
    checksum: 'md5',
    copy: true,
    versioning: true,
    sse: { 'sse-c': 'proved', 'sse-s3': 'unproved' },
  });
  expect(capabilitiesOf({ ...healthy, probe: failing('unreachable', 'offline') }, time)).toBeUndefined();
});
