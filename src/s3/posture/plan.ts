/** What hardening would change, as values: nothing is written here. */
import type {
  BucketFacts,
  DefaultEncryption,
  Lifecycle,
  LifecycleRule,
  Ownership,
  PublicAccess,
  SettingName,
  Versioning,
} from '../../model/bucket.ts';
import { VaultError } from '../../model/errors.ts';
import type { TlsVersion } from '../../model/vault.ts';
import { deniedBy } from './policy-eval.ts';
import { refusalsOf } from './policy-findings.ts';
import { type Statement, isOwn, mergePolicy, readPolicy } from './policy-text.ts';
import { type Ground, type Guard, isKms, isUnnamed, sides } from './guard.ts';
import { plainHttpQuestions } from './questions.ts';
import { belongsTo, isOldTlsSid, isTlsSid, modeRules, oldTlsRule, plainHttpRule } from './rules.ts';

export type Change =
  | { readonly setting: 'policy'; readonly before?: string; readonly after?: string }
  | { readonly setting: 'encryption'; readonly before?: DefaultEncryption; readonly after: DefaultEncryption }
  | { readonly setting: 'versioning'; readonly before?: Versioning; readonly after: Versioning }
  | { readonly setting: 'publicAccess'; readonly before?: PublicAccess; readonly after: PublicAccess }
  | { readonly setting: 'ownership'; readonly before?: Ownership; readonly after: Ownership }
  | { readonly setting: 'lifecycle'; readonly before?: Lifecycle; readonly after: Lifecycle };

export interface Skipped {
  readonly setting: SettingName;
  readonly why: 'denied' | 'unsupported' | 'failed';
  readonly reason: string;
}

export interface HardenPlan {
  readonly changes: readonly Change[];
  /** What could not be read is not written either: it would be replaced unseen. */
  readonly skipped: readonly Skipped[];
  /** KMS keys, as they are sent, for which no rule could be made: how the store names them is not known. */
  readonly unnamed: readonly string[];
}

export interface HardenWishes {
  readonly guards: readonly Guard[];
  /** Vaults in the bucket that must go on working, guards among them. */
  readonly vaults: readonly Guard[];
  readonly allowSseC: boolean;
  readonly tlsMin?: TlsVersion;
  /** Days after which old versions end; undefined: left as it is. */
  readonly expireVersions?: number;
  /** Settings to look at; default all. */
  readonly only?: readonly SettingName[];
  /** TLS version spoken with the store, as far as it is known. */
  readonly spoken?: string;
}

/** Days after which an unfinished upload is taken for given up. */
const UPLOAD_DAYS = 7;
const UPLOADS_ID = 's3vault-abort-uploads';
const VERSIONS_ID = 's3vault-expire-versions';

export function planHardening(facts: BucketFacts, ground: Ground, wishes: HardenWishes): HardenPlan {
  const names = wishes.only ?? HARDENED;
  const skipped: Skipped[] = [];
  const changes = names.flatMap((name): readonly Change[] => {
    const setting = facts[name];
    if (setting.state === 'unknown') {
      skipped.push({ setting: name, why: setting.why, reason: setting.reason });
      return [];
    }
    const change = changeOf(name, facts, ground, wishes);
    return change === undefined ? [] : [change];
  });
  const unnamed = names.includes('policy') ? wishes.guards.flatMap(sides).filter(isUnnamed) : [];
  return { changes, skipped, unnamed: [...new Set(unnamed.flatMap(({ kmsKeyId }) => kmsKeyId ?? []))] };
}

/** In the order in which they are made: once public access is blocked, some policies can't be written any more. */
export const HARDENED: readonly SettingName[] = [
  'encryption',
  'versioning',
  'lifecycle',
  'ownership',
  'policy',
  'publicAccess',
];

function changeOf(
  name: SettingName,
  facts: BucketFacts,
  ground: Ground,
  wishes: HardenWishes,
): Change | undefined {
  switch (name) {
    case 'policy':
      return policyChange(valueOf(facts.policy), ground, wishes);
    case 'encryption':
      return encryptionChange(valueOf(facts.encryption), wishes);
    case 'versioning': {
      const before = valueOf(facts.versioning);
      return before === 'Enabled' ? undefined : { setting: name, ...was(before), after: 'Enabled' };
    }
    case 'publicAccess': {
      const before = valueOf(facts.publicAccess);
      const closed = before !== undefined && Object.values(before).every(Boolean);
      return closed ? undefined : { setting: name, ...was(before), after: CLOSED };
    }
    case 'ownership': {
      const before = valueOf(facts.ownership);
      return before === 'BucketOwnerEnforced'
        ? undefined
        : { setting: name, ...was(before), after: 'BucketOwnerEnforced' };
    }
    case 'lifecycle':
      return lifecycleChange(valueOf(facts.lifecycle), wishes);
    case 'objectLock':
      return undefined;
    default:
      return name satisfies never;
  }
}

const CLOSED: PublicAccess = { blockAcls: true, ignoreAcls: true, blockPolicy: true, restrictBuckets: true };

type Read<T> = { readonly state: 'set'; readonly value: T } | { readonly state: 'absent' | 'unknown' };
const valueOf = <T>(setting: Read<T>): T | undefined => (setting.state === 'set' ? setting.value : undefined);
const was = <T>(before: T | undefined): { readonly before?: T } => (before === undefined ? {} : { before });

function policyChange(before: string | undefined, ground: Ground, wishes: HardenWishes): Change | undefined {
  const wanted = [
    ...tlsRules(before, ground, wishes),
    ...wishes.guards.flatMap((guard) => modeRules(ground, guard)),
  ];
  const replaces = (sid: string): boolean =>
    belongsTo(sid, wishes.guards) || (isTlsSid(sid) && (!isOldTlsSid(sid) || wishes.tlsMin !== undefined));
  const after = mergePolicy(before, wanted, replaces);
  if (after === before) return undefined;
  for (const guard of [...wishes.guards, ...wishes.vaults].flatMap(sides))
    refuseLockOut(before, after, ground, guard, wishes);
  return { setting: 'policy', ...was(before), ...(after === undefined ? {} : { after }) };
}

/** Where statements of others refuse plain HTTP altogether, no second one is needed. */
function tlsRules(before: string | undefined, ground: Ground, wishes: HardenWishes): readonly Statement[] {
  const pieces = before === undefined ? [] : readPolicy(before).pieces;
  const own = pieces.some(
    (piece) => isOwn(piece) && isTlsSid(piece.sid ?? '') && !isOldTlsSid(piece.sid ?? ''),
  );
  const refused = [true, false].every((signed) =>
    plainHttpQuestions(ground, signed).every((question) => deniedBy(before, question).coverage === 'all'),
  );
  return [
    ...(own || !refused ? [plainHttpRule(ground)] : []),
    ...(wishes.tlsMin === undefined ? [] : [oldTlsRule(ground, wishes.tlsMin)]),
  ];
}

/** Lock-out is looked for before anything is written: what the new policy refuses of the vaults' own work. What only the old one does is mended by it. */
function refuseLockOut(
  before: string | undefined,
  after: string | undefined,
  ground: Ground,
  guard: Guard,
  wishes: HardenWishes,
): void {
  const refused = refusalsOf(after, ground, guard, wishes.spoken);
  const known = new Set(refusalsOf(before, ground, guard, wishes.spoken));
  const fresh = refused.some((one) => !known.has(one));
  if (refused.length === 0 || (!fresh && guard.vault === undefined)) return;
  const who =
    guard.vault === undefined ? `mode ${guard.mode}` : `the vault ${guard.vault} (mode ${guard.mode})`;
  throw new VaultError('usage', 'lock-out', `the policy would lock out ${who}: ${refused.join('; ')}`, {
    hint:
      guard.vault === undefined
        ? 'nothing was changed; name the mode the bucket is really used in'
        : 'nothing was changed; leave --mode out, so that each vault gets the rules of its own mode, or remove those statements',
  });
}

function encryptionChange(
  before: DefaultEncryption | undefined,
  { guards, vaults, allowSseC }: HardenWishes,
): Change | undefined {
  const basis = before ?? { algorithm: 'AES256', bucketKey: false };
  // While objects move to another mode or key, the default stays: s3vault names both itself.
  const whole = guards.find((guard) => guard.prefix === '' && isKms(guard) && guard.next === undefined);
  const ways = [...guards, ...vaults].flatMap(sides);
  const needsSseC = allowSseC || ways.some(({ mode }) => mode === 'sse-c');
  const after: DefaultEncryption = {
    ...basis,
    ...(whole?.kmsKey === undefined || basis.algorithm !== 'AES256'
      ? {}
      : {
          algorithm: whole.mode === 'sse-kms' ? 'aws:kms' : 'aws:kms:dsse',
          kmsKeyId: whole.kmsKey,
        }),
    // A vault that asks for none says so with each object: it needs no setting.
    ...(whole?.mode === 'sse-kms' && whole.bucketKey !== false ? { bucketKey: true } : {}),
    ...blockedAs(basis, allowSseC, needsSseC),
  };
  return JSON.stringify(after) === JSON.stringify(basis) && before !== undefined
    ? undefined
    : { setting: 'encryption', ...was(before), after };
}

/** Blocked where nobody needs it; allowed only when asked for; left alone where the store does not know it. */
function blockedAs(
  { blocked }: DefaultEncryption,
  allow: boolean,
  needed: boolean,
): Pick<DefaultEncryption, 'blocked'> {
  if (allow) return { blocked: ['NONE'] };
  if (blocked === undefined || needed || blocked.includes('SSE-C'))
    return blocked === undefined ? {} : { blocked };
  return { blocked: ['SSE-C'] };
}

function lifecycleChange(
  before: Lifecycle | undefined,
  { expireVersions }: HardenWishes,
): Change | undefined {
  const rules = before?.rules ?? [];
  const everywhere = rules.filter(({ enabled, prefix }) => enabled && prefix === '');
  const added: LifecycleRule[] = [];
  if (!everywhere.some(({ abortUploadsDays }) => abortUploadsDays !== undefined))
    added.push({ id: UPLOADS_ID, enabled: true, prefix: '', abortUploadsDays: UPLOAD_DAYS });
  if (
    expireVersions !== undefined &&
    !everywhere.some(({ oldVersionsDays }) => oldVersionsDays === expireVersions)
  )
    added.push({ id: VERSIONS_ID, enabled: true, prefix: '', oldVersionsDays: expireVersions });
  if (added.length === 0) return undefined;
  const kept = rules.filter(({ id }) => !added.some((one) => one.id === id));
  return { setting: 'lifecycle', ...was(before), after: { ...before, rules: [...kept, ...added] } };
}
