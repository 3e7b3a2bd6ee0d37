/** What a temporary object and the settings that decide over its fate tell of a bucket. */
import { randomBytes } from 'node:crypto';
import { OWN_FOLDER, objectKey } from '../../model/brands.ts';
import type { BucketConfig, BucketFacts, Setting, TrialHow } from '../../model/bucket.ts';
import { shellWord } from '../../model/display.ts';
import { asVaultError } from '../../model/errors.ts';
import { commandLine, placeFlags } from '../../model/place-flags.ts';
import type { Clock, Waits } from '../../model/ports.ts';
import type { ResolvedRemote } from '../../s3/connect.ts';
import { modeFlags } from '../../s3/posture/guard.ts';
import { ownWay } from '../../s3/posture/rules.ts';
import { whyUntried } from '../../s3/posture/untried.ts';
import { type StoreProbe, probeStore, tried } from '../../s3/probe-store.ts';
import { guardOf, wayOf } from '../bucket-guards.ts';
import { shortly } from '../kms-asking.ts';
import { openKmsPace, throttling } from '../kms-pace.ts';
import { explainOwnRule } from '../own-rules.ts';
import { resolveKmsKey } from '../protect.ts';
import type { DoctorFacts, DoctorOptions, Patient } from './facts.ts';
import { unansweredHint } from './outcome.ts';

export interface Untried {
  readonly reason: string;
  readonly hint: string;
}

type Settings = Pick<BucketFacts, 'policy' | 'encryption' | 'versioning' | 'objectLock'>;

/** Nothing is written that could not be removed again [BUCKET-5]. */
export async function trialFacts(
  patient: Patient,
  remote: ResolvedRemote,
  config: BucketConfig,
  options: DoctorOptions,
  waits: Waits,
): Promise<Pick<DoctorFacts, 'encryption' | 'versioning' | 'unanswered' | 'probe' | 'untried'>> {
  const { unanswered, ...settings } = await settingsOf(config, options.clock, waits);
  const { encryption, versioning, objectLock } = settings;
  const seen = { encryption, versioning, unanswered };
  const untried = (reason: string, hint: string) => ({ ...seen, untried: { reason, hint } });
  const reason = whyUntried(settings, remote, [guardOf(patient.remote.prefix, patient.mode)]);
  if (reason !== undefined && objectLock.state === 'unknown' && objectLock.why === 'failed')
    return untried(
      `whether Object Lock would keep a test object ${objectLock.reason}`,
      unansweredHint(['GetObjectLockConfiguration']),
    );
  if (reason !== undefined) return untried(reason, hintFor(settings, patient));
  const probe = await tried(() => probeFact(patient, remote, settings, options, waits));
  if (probe.ok || probe.error.code !== 'trial-unremovable') return { ...seen, probe };
  return untried(probe.error.message, UNREMOVABLE);
}

/** Each is one small request: what does not come soon is not waited for, and unknown. */
const SETTING_MS = 4_000;

async function settingsOf(
  config: BucketConfig,
  clock: Clock,
  waits: Waits,
): Promise<Settings & Required<Pick<DoctorFacts, 'unanswered'>>> {
  const unanswered: string[] = [];
  const soon = async <T>(
    operation: string,
    read: (waits: Waits) => Promise<Setting<T>>,
  ): Promise<Setting<T>> => {
    try {
      return await shortly('the store', clock, waits, read, SETTING_MS);
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.code !== 'no-answer') throw thrown;
      unanswered.push(operation);
      return { state: 'unknown', why: 'failed', reason: `could not be read: ${error.message}` };
    }
  };
  const [policy, encryption, versioning, objectLock] = await Promise.all([
    soon('GetBucketPolicy', (short) => config.policy(short)),
    soon('GetBucketEncryption', (short) => config.encryption(short)),
    soon('GetBucketVersioning', (short) => config.versioning(short)),
    soon('GetObjectLockConfiguration', (short) => config.objectLock(short)),
  ]);
  return { policy, encryption, versioning, objectLock, unanswered };
}

const UNREMOVABLE =
  'allow s3:DeleteObject and, with versioning, s3:DeleteObjectVersion; without them a run can not take back a write that was not proved either';
const KEPT =
  'runs prove each write all the same, but can not take back one that was not proved; to see all checks, look at a bucket of the same store without that rule';

function hintFor({ objectLock }: Settings, { remote, mode }: Patient): string {
  if (objectLock.state !== 'unknown') return KEPT;
  const command = commandLine([
    's3vault bucket policy',
    shellWord(`s3://${remote.bucket}/${remote.prefix}`),
    '--iam',
    ...modeFlags('', wayOf(mode)),
    placeFlags(remote),
  ]);
  return `allow it; all that is needed is printed by: ${command}`;
}

/** Under the quota of KMS like any run. */
async function probeFact(
  patient: Patient,
  remote: ResolvedRemote,
  { versioning }: Settings,
  options: DoctorOptions,
  waits: Waits,
): Promise<StoreProbe> {
  const { clock } = options;
  const key = objectKey(`${patient.remote.prefix}${OWN_FOLDER}/doctor-${randomBytes(6).toString('hex')}`);
  const how = await howOf(patient, remote, options, waits);
  const pace = await openKmsPace(patient, patient.mode, remote, options, clock);
  try {
    const plan = { key, how, clock, versioned: versioning.state !== 'absent' };
    const paced = { pace: pace.store, onThrottle: throttling(pace) };
    const probe = await probeStore(remote, { ...plan, ...paced }, waits);
    return await explained(probe, patient, remote);
  } finally {
    await pace.close();
  }
}

/** As the vault writes, but with a made-up customer key: the object is removed again. */
async function howOf(
  patient: Patient,
  remote: ResolvedRemote,
  options: DoctorOptions,
  waits: Waits,
): Promise<TrialHow> {
  const how = ownWay(guardOf('', patient.mode));
  if (!('keyId' in how)) return how;
  const keyId = await shortly('KMS', options.clock, waits, (short) =>
    resolveKmsKey(how.keyId, patient, remote, options, short),
  );
  return { ...how, keyId };
}

/** Which rule of the bucket refuses the vault's own write, as a run would say it. */
async function explained(
  probe: StoreProbe,
  { remote, root = '', mode }: Patient,
  resolved: ResolvedRemote,
): Promise<StoreProbe> {
  const { write } = probe;
  if (write.ok || write.error.code !== 'access-denied') return probe;
  const explain = explainOwnRule({ remote, root }, resolved, mode);
  return { ...probe, write: { ok: false, error: await explain(write.error) } };
}
