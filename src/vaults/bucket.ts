/** A bucket for the posture commands: its settings, trials on it, and the vaults that live in it. */
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import type { Config, Places } from '../config.ts';
import { type BucketFacts, type Finding, type Trials, readFacts } from '../model/bucket.ts';
import { OWN_FOLDER, objectKey } from '../model/brands.ts';
import type { Mode } from '../model/mode.ts';
import type { Clock } from '../model/ports.ts';
import type { Remote, Vault } from '../model/vault.ts';
import { privateFolder, replacePrivate } from '../private-file.ts';
import { type ResolvedRemote, resolveRemote } from '../s3/connect.ts';
import { type Handshake, shakeHands } from '../s3/handshake.ts';
import {
  type Applying,
  type Baseline,
  type Step,
  type Work,
  applyHardening,
  baselineOf,
  trialKey,
} from '../s3/posture/apply.ts';
import { findingsOf } from '../s3/posture/findings.ts';
import { iamPolicy } from '../s3/posture/iam.ts';
import { openBucket } from '../s3/posture/open-bucket.ts';
import { type Change, type HardenPlan, type HardenWishes, planHardening } from '../s3/posture/plan.ts';
import { type Ground, type Guard, ownWay } from '../s3/posture/rules.ts';

export type { Baseline, Change, Guard, HardenPlan, HardenWishes, Step };
export { HARDENED } from '../s3/posture/plan.ts';

export interface OpenPosture {
  readonly ground: Ground;
  readonly endpoint: string | undefined;
  facts(): Promise<BucketFacts>;
  findings(facts: BucketFacts, guards: readonly Guard[]): readonly Finding[];
  /** Rejects where the store can't be reached, or its certificate is not trusted. */
  handshake(): Promise<Handshake>;
  /** KMS keys as the store names them. `write`: a test object may be written to learn it. */
  named(guards: readonly Guard[], write: boolean): Promise<readonly Guard[]>;
  plan(facts: BucketFacts, wishes: HardenWishes): HardenPlan;
  baseline(guards: readonly Guard[]): Promise<Baseline>;
  apply(work: Work, say: (step: Step) => void): Promise<void>;
  iam(guard: Guard, writeOnly: boolean): string;
  close(): Promise<void>;
}

/** Settings of AWS are "eventual": half a minute is what its own documentation asks to wait for at most. */
const PATIENCE_AWS = [500, 1_000, 2_000, 4_000, 8_000];
const PATIENCE = [300];

export async function openPosture(
  remote: Remote,
  env: NodeJS.ProcessEnv,
  clock: Clock = systemClock,
): Promise<OpenPosture> {
  const resolved = await resolveRemote(remote, env);
  const opened = openBucket(resolved, clock);
  const { config, trials } = opened;
  const ground = groundOf(resolved);
  const applying: Applying = {
    config,
    trials,
    clock,
    patience: resolved.isAws ? PATIENCE_AWS : PATIENCE,
  };
  return {
    ground,
    endpoint: resolved.endpoint,
    facts: () => readFacts(config),
    findings: (facts, guards) => findingsOf(facts, ground, guards),
    handshake: () => shakeHands(resolved),
    named: (guards, write) => Promise.all(guards.map((guard) => namedGuard(trials, guard, write, clock))),
    plan: (facts, wishes) => planHardening(facts, ground, wishes),
    baseline: (guards) => baselineOf(applying, guards, () => clock.random()),
    apply: (work, say) => applyHardening(applying, work, say),
    iam: (guard, writeOnly) => iamPolicy(ground, guard, { writeOnly }),
    close: () => opened.close(),
  };
}

const groundOf = ({ bucket, region, isAws }: ResolvedRemote): Ground => ({ bucket, region, isAws });

/** From what is stored already, else from the answer to a test write. */
async function namedGuard(trials: Trials, guard: Guard, write: boolean, clock: Clock): Promise<Guard> {
  if (guard.kmsKeyId === undefined || guard.kmsKey !== undefined || guard.mode === 'client') return guard;
  const description = objectKey(`${guard.prefix}${OWN_FOLDER}/vault.json`);
  const stored = guard.vault === undefined ? undefined : await trials.kmsKeyOf(description);
  if (stored !== undefined) return { ...guard, kmsKey: stored };
  if (!write) return guard;
  const trial = await trials.put(
    trialKey(guard.prefix, () => clock.random()),
    ownWay(guard),
  );
  return trial.outcome === 'accepted' && trial.kmsKeyId !== undefined
    ? { ...guard, kmsKey: trial.kmsKeyId }
    : guard;
}

export function guardOf(prefix: string, mode: Mode, vault?: string): Guard {
  const base = { prefix, mode: mode.kind, ...(vault === undefined ? {} : { vault }) };
  const kms = mode.kind === 'client' && mode.key.kind === 'kms' ? mode.key : mode;
  if (!('keyId' in kms)) return base;
  const { keyId, context } = kms;
  const arn = /^arn:[^:]+:kms:[^:]+:[^:]+:key\//.test(keyId);
  return { ...base, kmsKeyId: keyId, context, ...(arn ? { kmsKey: keyId } : {}) };
}

/** Vaults of this machine that lie in a bucket of a store. */
export function vaultsIn(config: Config, bucket: string, endpoint: string | undefined): readonly Vault[] {
  return config.vaults.filter(
    ({ remote }) => remote.bucket === bucket && (endpoint === undefined || remote.endpoint === endpoint),
  );
}

/** What each vault needs; one on its way to another mode needs both, and neither may be demanded of it. */
export function guardsOf(vaults: readonly Vault[]): {
  readonly guards: readonly Guard[];
  readonly needs: readonly Guard[];
} {
  const own = (vault: Vault, mode: Mode): Guard => guardOf(vault.remote.prefix, mode, vault.root);
  return {
    guards: vaults.filter(({ rekeyTo }) => rekeyTo === undefined).map((vault) => own(vault, vault.mode)),
    needs: vaults.flatMap((vault) =>
      [vault.mode, vault.rekeyTo].filter((mode) => mode !== undefined).map((mode) => own(vault, mode)),
    ),
  };
}

/** Keeps what is about to be replaced, the policy in a file of its own too, ready to be put back; gives the files. */
export async function keepBefore(
  where: Places,
  bucket: string,
  facts: BucketFacts,
  clock: Clock = systemClock,
): Promise<readonly string[]> {
  const folder = join(where.state, 'buckets', bucket);
  await privateFolder(folder);
  const time = new Date(clock.now()).toISOString();
  const ending = `${time.replaceAll(/[:.]/g, '-')}.json`;
  const all = join(folder, `before-${ending}`);
  const text = JSON.stringify({ version: 1, time, bucket, ...facts }, undefined, 2);
  await replacePrivate(all, Buffer.from(`${text}\n`));
  if (facts.policy.state !== 'set') return [all];
  const policy = join(folder, `policy-${ending}`);
  await replacePrivate(policy, Buffer.from(facts.policy.value));
  return [all, policy];
}
