/** Which KMS quota requests count against, and how large it is: for runs, and for `doctor`. */
import { DEFAULT_KMS_SHARE, type KmsLedger, type KmsQuota } from '../model/kms.ts';
import type { Mode } from '../model/mode.ts';
import type { Waits } from '../model/ports.ts';
import type { Rules, Vault } from '../model/vault.ts';
import { type ResolvedRemote, ignoresEndpoints } from '../s3/connect.ts';
import { type QuotaInUse, appliedIn, rememberSaid } from '../s3/kms-limiter.ts';
import { assumedQuota, customKeyStoreQuota, tableQuota } from '../s3/kms-quota.ts';
import { openKmsLedger } from '../state/kms-ledger.ts';
import { type Asking, type KeyFacts, accountOf, askQuota, keyFacts } from './kms-asking.ts';
import type { OpenOptions } from './options.ts';

export type { QuotaInUse };

/** Who asks KMS: the store, for its requests, or this program by itself. */
export type Asker = 'store' | 'direct';

/** A vault, or a place that is none of this machine's. */
export interface KmsPlace extends Pick<Vault, 'remote'> {
  readonly id?: Vault['id'];
  readonly rules?: Pick<Rules, 'kmsQuota' | 'kmsShare'> | undefined;
}

/** Where KMS is asked from, and what for. */
export interface KmsWay extends Asking {
  readonly place: KmsPlace;
  readonly options: Pick<OpenOptions, 'env' | 'places'>;
}

export interface Group {
  readonly scope: string;
  /** Until something better is known. */
  readonly quota: KmsQuota;
  /** Service Quotas knows it: the symmetric quota of an AWS account. */
  readonly hasServiceQuota: boolean;
}

/** The KMS key that a mode makes requests under, and who makes them; undefined where it makes none. */
export function kmsKeyOf(mode: Mode): { readonly keyId: string; readonly asker: Asker } | undefined {
  if (mode.kind === 'sse-kms' || mode.kind === 'dsse-kms') return { keyId: mode.keyId, asker: 'store' };
  if (mode.kind === 'client' && mode.key.kind === 'kms') return { keyId: mode.key.keyId, asker: 'direct' };
  return undefined;
}

/**
 * KMS counts for the account of whoever asks, by region; keys in a custom key store count by the store (AWS KMS Developer
 * Guide, "Request quotas"). A store that is not AWS counts, if at all, for itself. `keyId` undefined: not known yet.
 */
export async function groupOf(
  ledger: KmsLedger,
  keyId: string | undefined,
  asker: Asker,
  way: KmsWay,
  waits: Waits = {},
): Promise<Group> {
  const { resolved, options } = way;
  const { region, endpoint } = resolved;
  if (!isAmazonKms(asker, resolved, options.env))
    return groupIn(`${endpoint ?? 'store'} ${region} symmetric`);
  const { arn, customKeyStore }: KeyFacts =
    keyId === undefined ? { arn: '' } : await keyFacts(ledger, keyId, way, waits);
  const account = await accountOf(ledger, arn, resolved);
  return groupIn(`aws ${account} ${region} ${customKeyStore ?? 'symmetric'}`);
}

/** By the scope alone, as it stands in the ledger. */
export function groupIn(scope: string): Group {
  const [, region, keys] = /^aws \S+ (\S+) (\S+)$/.exec(scope) ?? [];
  if (region === undefined) return { scope, quota: assumedQuota, hasServiceQuota: false };
  return keys === 'symmetric'
    ? { scope, quota: tableQuota(region), hasServiceQuota: true }
    : { scope, quota: customKeyStoreQuota, hasServiceQuota: false };
}

/** The region of a scope that Service Quotas knows. */
export const regionOf = (scope: string): string | undefined => /^aws \S+ (\S+) symmetric$/.exec(scope)?.[1];

/** Behind a store stands its own KMS; calls of our own go to AWS unless the environment says otherwise. */
function isAmazonKms(asker: Asker, { isAws }: ResolvedRemote, env: NodeJS.ProcessEnv): boolean {
  if (asker === 'store') return isAws;
  const elsewhere = (env['AWS_ENDPOINT_URL_KMS'] || env['AWS_ENDPOINT_URL'] || '') !== '';
  return !elsewhere || ignoresEndpoints(env);
}

/** The quota as it is known now, and the share of it. `ask`: Service Quotas may know better, and was not asked for `fresh` ms. */
export function quotaOf(
  ledger: Pick<KmsLedger, 'read'>,
  { scope, quota, hasServiceQuota }: Group,
  { kmsQuota, kmsShare: share = DEFAULT_KMS_SHARE }: Pick<Rules, 'kmsQuota' | 'kmsShare'>,
  now: number,
  fresh?: number,
): { readonly quota: QuotaInUse; readonly ask: boolean } {
  if (kmsQuota !== undefined) return { quota: { quota: kmsQuota, source: 'option', share }, ask: false };
  const { applied, ask } = appliedIn(ledger, scope, now, fresh);
  return { quota: { ...(applied ?? quota), share }, ask: hasServiceQuota && ask };
}

/**
 * The quota that a run would keep to; undefined where the mode uses no KMS. AWS is asked afresh, of the key and of the quota at
 * once, and waited for for two seconds.
 */
export async function quotaInUse(
  mode: Mode,
  way: KmsWay,
  waits: Waits = {},
): Promise<QuotaInUse | undefined> {
  const key = kmsKeyOf(mode);
  if (key === undefined) return undefined;
  const { resolved, options, clock, place } = way;
  const ledger = await openKmsLedger(options.places.state);
  try {
    const asks = place.rules?.kmsQuota === undefined && isAmazonKms(key.asker, resolved, options.env);
    const [group, said] = await Promise.all([
      groupOf(ledger, key.keyId, key.asker, { ...way, afresh: true }, waits),
      asks ? askQuota(way, waits) : undefined,
    ]);
    if (asks && group.hasServiceQuota) rememberSaid(ledger, group.scope, said, clock.now());
    return quotaOf(ledger, group, place.rules ?? {}, clock.now()).quota;
  } finally {
    ledger.close();
  }
}
