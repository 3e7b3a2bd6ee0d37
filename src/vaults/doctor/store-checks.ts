/** Checks of what the store does: told by the temporary object and the bucket's settings. */
import type { Setting, TrialHow } from '../../model/bucket.ts';
import type { Capabilities } from '../../model/doctor.ts';
import { shellWord } from '../../model/display.ts';
import { EXIT, type VaultError } from '../../model/errors.ts';
import { quotaWords } from '../../model/kms.ts';
import { commandLine, placeFlags } from '../../model/place-flags.ts';
import type { StoreProbe } from '../../s3/probe-store.ts';
import type { DoctorFacts } from './facts.ts';
import {
  type Outcome,
  failed,
  notAsked,
  pass,
  trialFailure,
  unansweredHint,
  unknown,
  untried,
  warn,
} from './outcome.ts';

/** With the options that reach this store, or another bucket of that name would be changed. */
const hardening = ({ patient: { remote } }: DoctorFacts, what: string): string =>
  commandLine(['s3vault bucket harden', shellWord(remote.bucket), what, placeFlags(remote)]);

const probeOf = ({ probe }: DoctorFacts): StoreProbe | undefined =>
  probe?.ok === true ? probe.value : undefined;

export function sseCCheck(facts: DoctorFacts): Outcome {
  const { patient, encryption } = facts;
  const probe = probeOf(facts);
  const blocked = encryption?.state === 'set' ? encryption.value.blocked?.includes('SSE-C') : undefined;
  const needed = patient.mode.kind === 'sse-c';
  const allow = `allow it with: ${hardening(facts, '--allow-sse-c')}`;
  if (!needed) {
    if (blocked === undefined) return pass('not needed by this mode');
    return pass(
      blocked ? 'blocked in this bucket; this mode does not need it' : 'allowed; this mode does not need it',
    );
  }
  if (probe === undefined) return blocked === true ? blockedOutcome(allow) : notAsked(facts);
  if (probe.write.ok) return pass('allowed, and proved by the store');
  if (blocked === true || probe.write.error.code === 'sse-c-blocked') return blockedOutcome(allow);
  return notAsked(facts);
}

const blockedOutcome = (hint: string): Outcome => ({
  state: 'fail',
  message: 'the bucket refuses SSE-C (blocked by default since April 2026), and mode sse-c needs it',
  code: 'sse-c-blocked',
  hint,
  exit: EXIT.refused,
});

export function kmsCheck(facts: DoctorFacts): Outcome {
  const { kms, patient } = facts;
  const { mode } = patient;
  const error = kmsErrorOf(facts);
  if (mode.kind === 'sse-kms' || mode.kind === 'dsse-kms') {
    if (error !== undefined) return failed(error);
    const works = probeOf(facts)?.read?.ok === true;
    return works ? pass(`the key encrypts and decrypts; ${limitText(facts)}`) : notAsked(facts);
  }
  if (kms?.ok === false) return failed(kms.error);
  if (error !== undefined) return refusedByDefault(facts, error);
  if (mode.kind !== 'client' || mode.key.kind !== 'kms') return unasked(facts);
  return kms === undefined
    ? notAsked(facts)
    : pass(`the key wraps and unwraps data keys; ${limitText(facts)}`);
}

/** What of the trial failed for KMS, whoever named the key: the vault, or the bucket's default encryption. */
function kmsErrorOf(facts: DoctorFacts): VaultError | undefined {
  const failure = trialFailure(facts);
  return failure?.error.code.startsWith('kms-') === true ? failure.error : undefined;
}

const limitText = ({ quota }: DoctorFacts): string =>
  quota?.ok === true
    ? `runs use ${quotaWords(quota.value)}`
    : `the quota is unknown${quota === undefined ? '' : `: ${quota.error.message}`}`;

/** Modes that say nothing of encryption get that of the bucket. */
function refusedByDefault(facts: DoctorFacts, error: VaultError): Outcome {
  const { bucket } = facts.patient.remote;
  return {
    ...failed(error),
    message: `${bucket} encrypts with ${defaultKey(facts) ?? 'a KMS key'} by default, and that fails: ${error.message}`,
    hint: 'let these credentials use that key (kms:GenerateDataKey and kms:Decrypt), or give the bucket another default encryption, such as AES256: aws s3api put-bucket-encryption',
  };
}

function unasked(facts: DoctorFacts): Outcome {
  const { patient, encryption } = facts;
  const key = defaultKey(facts);
  if (patient.mode.kind !== 'client') return pass('not used by this mode');
  if (
    encryption?.state === 'unknown' &&
    encryption.why !== 'unsupported' &&
    probeOf(facts)?.read?.ok !== true
  )
    return unknown(
      `not used by this mode; whether the bucket uses it by default ${encryption.reason}`,
      unreadHint(encryption, 's3:GetEncryptionConfiguration', 'GetBucketEncryption'),
    );
  if (key === undefined) return pass('not used by this mode');
  return probeOf(facts)?.read?.ok === true
    ? pass(`not asked for by this mode; the bucket encrypts with ${key} by default, which works`)
    : notAsked(facts);
}

function defaultKey({ encryption }: DoctorFacts): string | undefined {
  if (encryption?.state !== 'set' || !encryption.value.algorithm.startsWith('aws:kms')) return undefined;
  const { kmsKeyId } = encryption.value;
  return kmsKeyId === undefined ? "the account's own KMS key aws/s3" : `the KMS key ${kmsKeyId}`;
}

export function checksumsCheck(facts: DoctorFacts): Outcome {
  const probe = probeOf(facts);
  if (probe === undefined) return notAsked(facts);
  const { write } = probe;
  if (!write.ok) return notAsked(facts);
  const { checksum } = write.value.proof;
  if (checksum !== undefined) return pass(`the store names one of what it keeps (${checksum.algorithm})`);
  return pass('the store names none; in this mode its word about encryption is the proof');
}

export function conditionsCheck(facts: DoctorFacts): Outcome {
  const conditions = probeOf(facts)?.conditions;
  if (conditions === undefined) return notAsked(facts);
  if (!conditions.ok) return untried(conditions.error);
  const unmet = probeOf(facts)?.unmet === true;
  if (conditions.value === 'kept' && !unmet) return keptConditions(facts);
  const what = unmet
    ? 'the store refuses every write over what is there that has a condition, also where it fits'
    : conditions.value === 'ignored'
      ? 'the store takes conditions and ignores them'
      : 'the store does not know conditional writes';
  if (isVersioned(facts))
    return warn(
      `${what}; the versions of an object tell who wrote in the same moment`,
      'a write that others were quicker than is taken back, so nothing is lost; that needs s3:ListBucketVersions and s3:DeleteObjectVersion',
    );
  return warn(
    what,
    `let only one machine write to this prefix, or turn versioning on: ${hardening(facts, '--only versioning')}`,
  );
}

const isVersioned = ({ versioning }: DoctorFacts): boolean =>
  versioning?.state === 'set' && versioning.value === 'Enabled';

/** Those of removals are a matter of their own: many a store takes them and removes all the same. */
function keptConditions(facts: DoctorFacts): Outcome {
  const removals = probeOf(facts)?.removeConditions;
  if (removals?.ok !== true || removals.value === 'kept')
    return pass('the store keeps them, so nothing is overwritten unseen');
  if (isVersioned(facts))
    return pass(
      'the store keeps those of writes; a removal is checked by its versions and undone if need be',
    );
  return warn(
    'the store keeps those of writes, not those of removals',
    'with --direction both a removal can take along what another machine wrote in that moment; turn versioning on',
  );
}

export function copyCheck(facts: DoctorFacts): Outcome {
  const copy = probeOf(facts)?.copy;
  if (copy === undefined) return notAsked(facts);
  if (copy.ok) return pass('objects can be moved to another key inside the store');
  if (copy.error.code === 'copy-unsupported' || copy.error.code === 'copy-unproved')
    return warn(
      copy.error.code === 'copy-unproved'
        ? 'the store copies, but does not show that the copy has the same bytes'
        : 'the store does not copy objects in this mode',
      's3vault rekey fetches objects and sends them again instead',
    );
  return untried(copy.error);
}

export function versioningCheck(facts: DoctorFacts): Outcome {
  const { versioning } = facts;
  if (versioning === undefined) return notAsked(facts);
  if (versioning.state === 'unknown') {
    const probe = probeOf(facts);
    if (probe?.write.ok === true && probe.write.value.versionId !== undefined)
      return pass('on, as the answer to the temporary object says');
    return unknown(
      versioning.reason,
      unreadHint(versioning, 's3:GetBucketVersioning', 'GetBucketVersioning'),
    );
  }
  if (versioning.state === 'set' && versioning.value === 'Enabled')
    return pass('on: what is overwritten or removed can be brought back');
  return warn(
    `${versioning.state === 'set' ? 'suspended' : 'off'}: what is overwritten or removed is gone for good`,
    `turn it on with: ${hardening(facts, '--only versioning')}`,
  );
}

/** A store that does not know a setting leaves nothing to be done. */
function unreadHint(
  { why }: Extract<Setting<unknown>, { state: 'unknown' }>,
  permission: string,
  operation: string,
): string | undefined {
  if (why === 'unsupported') return undefined;
  return why === 'denied' ? `allow ${permission}` : unansweredHint([operation]);
}

const LABELS: { readonly [K in TrialHow['kind']]: string } = {
  plain: 'client',
  'sse-c': 'sse-c',
  'sse-s3': 'sse-s3',
  'sse-kms': 'sse-kms',
  'dsse-kms': 'dsse-kms',
};

const WORDS = { proved: 'proved', unproved: 'not confirmed', refused: 'refused' } as const;

export function modesCheck(facts: DoctorFacts): Outcome {
  const probe = probeOf(facts);
  if (probe === undefined) return notAsked(facts);
  if (!probe.write.ok && probe.write.error.code === 'proof-missing') return failed(probe.write.error);
  const told = Object.entries(probe.sse).map(
    ([kind, outcome]) => `${LABELS[kind as TrialHow['kind']]} ${WORDS[outcome]}`,
  );
  return probe.write.ok ? pass(told.join(', ')) : unknown(told.join(', '));
}

export function capabilities(facts: DoctorFacts, time: string): Capabilities | undefined {
  const probe = probeOf(facts);
  if (probe === undefined) return undefined;
  const { write, conditions, removeConditions, copyConditions, copy, bareEtags, unmet } = probe;
  const { versioning } = facts;
  const { plain: _, ...sse } = probe.sse;
  return {
    time,
    mode: facts.patient.mode.kind,
    // Where none fits the runs find out by themselves what that means for them.
    ...(conditions?.ok === true && unmet !== true ? { conditions: conditions.value } : {}),
    ...(removeConditions?.ok === true ? { removeConditions: removeConditions.value } : {}),
    ...(copyConditions?.ok === true ? { copyConditions: copyConditions.value } : {}),
    ...(bareEtags ? { bareEtags } : {}),
    ...(write.ok ? { checksum: checksumOf(write.value.proof.checksum?.algorithm) } : {}),
    ...(copy === undefined
      ? {}
      : copy.ok
        ? { copy: true }
        : copy.error.code.startsWith('copy-un')
          ? { copy: false }
          : {}),
    ...(versioning === undefined || versioning.state === 'unknown'
      ? {}
      : { versioning: versioning.state === 'set' && versioning.value === 'Enabled' }),
    sse,
  };
}

const checksumOf = (algorithm: string | undefined): 'crc32' | 'md5' | 'none' =>
  algorithm === 'crc32' || algorithm === 'md5' ? algorithm : 'none';
