/** Asks everything there is to ask, all at once where it does not hang on another answer. */
import { timingSafeEqual } from 'node:crypto';
import { openKeyStore } from '../../keys/open-key-store.ts';
import { openTree } from '../../local/tree.ts';
import { type WatchRoom, watchRoom } from '../../local/watch-room.ts';
import { relPath } from '../../model/brands.ts';
import type { DefaultEncryption, Setting, Versioning } from '../../model/bucket.ts';
import { VaultError } from '../../model/errors.ts';
import type { Mode } from '../../model/mode.ts';
import type { Clock, Waits } from '../../model/ports.ts';
import type { Rules, Vault } from '../../model/vault.ts';
import { type ResolvedRemote, resolveRemote } from '../../s3/connect.ts';
import { type Handshake, shakeHands } from '../../s3/handshake.ts';
import { openStore } from '../../s3/open-store.ts';
import { openBucket } from '../../s3/posture/open-bucket.ts';
import { type StoreProbe, type Tried, tried } from '../../s3/probe-store.ts';
import { throttlingKms } from '../../s3/throttling-kms.ts';
import { type KmsWay, type QuotaInUse, quotaInUse } from '../kms-group.ts';
import { openKmsPace } from '../kms-pace.ts';
import type { OpenOptions } from '../options.ts';
import { kmsOf } from '../protect.ts';
import { type Leftover, leftoversIn } from './leftovers.ts';
import { type Untried, trialFacts } from './trial.ts';

export interface DoctorOptions extends OpenOptions {
  readonly clock: Clock;
}

/** What is looked at: a vault, or a place that is to become one (`root` is then undefined). */
export type Patient = Pick<Vault, 'remote' | 'mode' | 'keyStore'> & {
  readonly root?: string;
  readonly rules?: Pick<Rules, 'kmsQuota' | 'kmsShare'>;
};

export interface DoctorFacts {
  readonly patient: Patient;
  readonly node: string;
  /** Undefined: this mode needs no stored key. */
  readonly keys?: Tried<string>;
  readonly resolved: Tried<Pick<ResolvedRemote, 'region' | 'endpoint' | 'isAws'>>;
  readonly credentials?: Tried<true>;
  readonly handshake?: Tried<Handshake>;
  /** The store's time minus ours, ms. */
  readonly skew?: number;
  readonly reach?: Tried<true>;
  readonly encryption?: Setting<DefaultEncryption>;
  readonly versioning?: Setting<Versioning>;
  /** Questions about the bucket that stayed without an answer. */
  readonly unanswered?: readonly string[];
  readonly probe?: Tried<StoreProbe>;
  /** Why nothing was written, where it could not be removed again. */
  readonly untried?: Untried;
  /** Test objects of earlier runs. */
  readonly leftovers?: readonly Leftover[];
  /** Only mode client with a KMS key asks KMS from here. */
  readonly kms?: Tried<true>;
  /** The quota of KMS that a run keeps to; undefined where the mode uses none. */
  readonly quota?: Tried<QuotaInUse>;
  readonly watch?: WatchRoom;
}

export async function gatherFacts(
  patient: Patient,
  options: DoctorOptions,
  waits: Waits = {},
): Promise<DoctorFacts> {
  const base = { patient, node: process.version };
  const [remote, keys, watch] = await whole([
    remoteFacts(patient, options, waits),
    keysFact(patient, options, waits),
    patient.root === undefined ? undefined : watchFact(patient, patient.root, options),
  ]);
  return {
    ...base,
    ...remote,
    ...(keys === undefined ? {} : { keys }),
    ...(watch === undefined ? {} : { watch }),
  };
}

/** Like `Promise.all`, but waits for all of them also where one fails: another may still have to clean up behind itself. */
async function whole<T extends readonly unknown[] | []>(
  works: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  await Promise.allSettled(works);
  return Promise.all(works);
}

/** Loads the key, as a run would, and lets go of it. */
async function keysFact(
  { mode, keyStore }: Patient,
  options: DoctorOptions,
  waits: Waits,
): Promise<Tried<string> | undefined> {
  const name = storedKey(mode);
  if (name === undefined) return undefined;
  const kind = keyStore ?? options.keyStore;
  const { env, places, keys, clock } = options;
  return tried(async () => {
    const store = openKeyStore(kind, { ...keys, env, places, clock });
    if (name === '') {
      const count = (await store.list(waits)).length;
      return `${PLACES[kind]} answers; keys of s3vault in it: ${count}`;
    }
    const material = await store.load(name, waits);
    if (material.kind !== 'rsa-public') material.secret.wipe();
    return `key ${name} (${material.fingerprint.slice(0, 8)}), from ${PLACES[kind]}`;
  });
}

const PLACES = {
  keychain: 'the keychain',
  file: 'the key file',
  command: 'the key command',
  credentials: "systemd's credentials",
} as const;

/** Empty where the mode needs one and none was named yet. */
function storedKey(mode: Mode): string | undefined {
  if (mode.kind === 'sse-c') return mode.key.name;
  return mode.kind === 'client' && mode.key.kind === 'stored' ? mode.key.name : undefined;
}

function watchFact(_patient: Patient, root: string, { clock }: DoctorOptions): Promise<WatchRoom> {
  const tree = openTree({ root, include: [], exclude: [], clock });
  return watchRoom(root, (path) => tree.ignores(relPath(path)));
}

type RemoteFacts = Omit<DoctorFacts, 'patient' | 'node' | 'keys' | 'watch'>;

async function remoteFacts(patient: Patient, options: DoctorOptions, waits: Waits): Promise<RemoteFacts> {
  const resolved = await tried(() => resolveRemote(patient.remote, options.env));
  if (!resolved.ok) return { resolved };
  const remote = resolved.value;
  try {
    const before = options.clock.now();
    const [handshake, credentials] = await whole([
      tried(() => shakeHands(remote, waits)),
      tried(() => remote.credentials.get().then(() => true as const)),
    ]);
    const skew = handshake.ok ? skewOf(handshake.value, before, options.clock.now()) : undefined;
    const known = { resolved, handshake, credentials, ...(skew === undefined ? {} : { skew }) };
    if (!handshake.ok || !credentials.ok) return known;
    const reach = await reachFact(patient, remote, options, waits);
    if (!reach.ok) return { ...known, reach };
    return { ...known, reach, ...(await storeFacts(patient, remote, options, waits)) };
  } finally {
    await remote.close();
  }
}

/** `Date` has whole seconds, and the answer was under way for a while. */
function skewOf({ date }: Handshake, before: number, after: number): number | undefined {
  if (date === undefined) return undefined;
  if (date + 1_000 >= before && date <= after) return 0;
  return date - (before + after) / 2;
}

async function reachFact(
  patient: Patient,
  remote: ResolvedRemote,
  options: DoctorOptions,
  waits: Waits,
): Promise<Tried<true>> {
  // `close` of the store would close the remote, which goes on being used.
  const own = { ...remote, prefix: patient.remote.prefix, close: () => Promise.resolve() };
  const store = openStore(
    own,
    { mode: 'client', key: '' },
    { clock: options.clock, transfers: 1, attempts: 2 },
  );
  try {
    return await tried(() => store.reach(waits).then(() => true as const));
  } finally {
    await store.close();
  }
}

async function storeFacts(
  patient: Patient,
  remote: ResolvedRemote,
  options: DoctorOptions,
  waits: Waits,
): Promise<Partial<RemoteFacts>> {
  const { clock } = options;
  const bucket = openBucket({ ...remote, close: () => Promise.resolve() }, clock);
  try {
    const way: KmsWay = { place: patient, resolved: remote, options, clock };
    const { prefix } = patient.remote;
    const [trial, leftovers, kms, quota] = await whole([
      trialFacts(patient, remote, bucket.config, options, waits),
      leftoversIn(remote, prefix, clock, waits),
      kmsFact(patient, remote, options, waits),
      tried(() => quotaInUse(patient.mode, way, waits)),
    ]);
    return {
      ...trial,
      leftovers,
      ...(kms === undefined ? {} : { kms }),
      ...(quota.ok && quota.value === undefined ? {} : { quota: quota as Tried<QuotaInUse> }),
    };
  } finally {
    await bucket.close();
  }
}

async function kmsFact(
  patient: Patient,
  resolved: ResolvedRemote,
  options: DoctorOptions,
  waits: Waits,
): Promise<Tried<true> | undefined> {
  const { mode } = patient;
  if (mode.kind !== 'client' || mode.key.kind !== 'kms') return undefined;
  const { keyId, context } = mode.key;
  return tried(async () => {
    const pace = await openKmsPace(patient, mode, resolved, options, options.clock);
    try {
      const bare = await kmsOf(patient, resolved, options, 1);
      const onThrottle = (): boolean => pace.throttled('direct');
      const kms = throttlingKms(bare, pace.direct, options.clock, { onThrottle });
      const { dataKey, wrapped } = await kms.generateDataKey(keyId, context, waits);
      const again = await kms.decrypt(keyId, wrapped, context, waits);
      const same = dataKey.use((a) => again.use((b) => timingSafeEqual(a, b)));
      dataKey.wipe();
      again.wipe();
      if (!same) throw new VaultError('security', 'kms-wrong', 'KMS did not open what it had wrapped');
      return true as const;
    } finally {
      await pace.close();
    }
  });
}
