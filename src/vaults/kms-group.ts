/** Which KMS quota requests count against, and how large it is: for runs, and for `doctor`. */
import { DEFAULT_KMS_SHARE, type KmsGauge, type KmsLedger, type KmsQuota } from '../model/kms.ts';
import type { Mode } from '../model/mode.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Rules, Vault } from '../model/vault.ts';
import { readKmsQuota } from '../s3/applied-quota.ts';
import { type ResolvedRemote, ignoresEndpoints } from '../s3/connect.ts';
import { accountOfKey } from '../s3/credentials.ts';
import { appliedIn, rememberApplied } from '../s3/kms-limiter.ts';
import { assumedQuota, customKeyStoreQuota, tableQuota } from '../s3/kms-quota.ts';
import { openKmsLedger } from '../state/kms-ledger.ts';
import type { OpenOptions } from './options.ts';
import { kmsOf } from './protect.ts';

/** Who asks KMS: the store, for its requests, or this program by itself. */
export type Asker = 'store' | 'direct';

/** A vault, or a place that is none of this machine's. */
export interface KmsPlace extends Pick<Vault, 'remote'> {
  readonly id?: Vault['id'];
  readonly rules?: Pick<Rules, 'kmsQuota' | 'kmsShare'> | undefined;
}

/** Where KMS is asked from, and what for. */
export interface KmsWay {
  readonly place: KmsPlace;
  readonly resolved: ResolvedRemote;
  readonly options: Pick<OpenOptions, 'env' | 'places'>;
  readonly clock: Clock;
}

export interface Group {
  readonly scope: string;
  /** Until something better is known. */
  readonly quota: KmsQuota;
  /** Service Quotas knows it: the symmetric quota of an AWS account. */
  readonly hasServiceQuota: boolean;
}

const DAY_MS = 86_400_000;

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
  if (!isAmazonKms(asker, resolved, options.env)) {
    const scope = `${endpoint ?? 'store'} ${region} symmetric`;
    return { scope, quota: assumedQuota, hasServiceQuota: false };
  }
  const { arn, customKeyStore } =
    keyId === undefined ? { arn: '' } : await keyFacts(ledger, keyId, way, waits);
  const account = await accountOf(arn, resolved);
  if (customKeyStore !== undefined) {
    const scope = `aws ${account} ${region} ${customKeyStore}`;
    return { scope, quota: customKeyStoreQuota, hasServiceQuota: false };
  }
  const scope = `aws ${account} ${region} symmetric`;
  return { scope, quota: tableQuota(region), hasServiceQuota: true };
}

/** The region of a scope that Service Quotas knows. */
export const regionOf = (scope: string): string | undefined => /^aws \S+ (\S+) symmetric$/.exec(scope)?.[1];

/** Behind a store stands its own KMS; calls of our own go to AWS unless the environment says otherwise. */
function isAmazonKms(asker: Asker, { isAws }: ResolvedRemote, env: NodeJS.ProcessEnv): boolean {
  if (asker === 'store') return isAws;
  const elsewhere = (env['AWS_ENDPOINT_URL_KMS'] || env['AWS_ENDPOINT_URL'] || '') !== '';
  return !elsewhere || ignoresEndpoints(env);
}

/**
 * The account of the credentials, as they say or their key's id does; else the key's. Where nobody says, all are taken for
 * one account: too slow is better than two lists for one quota, as keys that rotate would make.
 */
async function accountOf(arn: string, { credentials }: ResolvedRemote): Promise<string> {
  const { accountId, accessKeyId } = await credentials.get();
  const owner = /^arn:[^:]*:kms:[^:]*:(\d{12}):/.exec(arn)?.[1];
  return accountId ?? accountOfKey(accessKeyId) ?? owner ?? 'any-account';
}

interface Facts {
  readonly arn: string;
  readonly customKeyStore?: string;
}

/** DescribeKey, once a day; without permission for it the key is taken for an ordinary one. */
async function keyFacts(ledger: KmsLedger, keyId: string, way: KmsWay, waits: Waits): Promise<Facts> {
  const { place, resolved, options, clock } = way;
  const line = `key ${resolved.region} ${keyId}`;
  const known = JSON.parse(ledger.read(line) ?? 'null') as (Facts & { readonly at: number }) | null;
  if (known !== null && Math.abs(clock.now() - known.at) < DAY_MS) return known;
  try {
    const kms = await kmsOf(place, resolved, options);
    const { arn, customKeyStore } = await kms.facts(keyId, waits);
    const facts = { arn, ...(customKeyStore === undefined ? {} : { customKeyStore }) };
    const book = JSON.stringify({ ...facts, at: clock.now() });
    ledger.change(line, () => ({ book, result: true }));
    return facts;
  } catch {
    return { arn: keyId };
  }
}

/** The quota as it is known now. `ask`: Service Quotas may know better, and was not asked within a day. */
export function quotaOf(
  ledger: Pick<KmsLedger, 'read'>,
  { scope, quota, hasServiceQuota }: Group,
  { kmsQuota }: Pick<Rules, 'kmsQuota'>,
  now: number,
): { readonly quota: KmsQuota; readonly ask: boolean } {
  if (kmsQuota !== undefined) return { quota: { quota: kmsQuota, source: 'option' }, ask: false };
  const applied = appliedIn(ledger, scope, now);
  return { quota: applied ?? quota, ask: hasServiceQuota && applied === undefined };
}

export type QuotaInUse = Pick<KmsGauge, 'quota' | 'source' | 'share'>;

/** The quota that a run would keep to, Service Quotas asked where a run would ask; undefined where the mode uses no KMS. */
export async function quotaInUse(
  mode: Mode,
  way: KmsWay,
  waits: Waits = {},
): Promise<QuotaInUse | undefined> {
  const key = kmsKeyOf(mode);
  if (key === undefined) return undefined;
  const { resolved, options, clock, place } = way;
  const share = place.rules?.kmsShare ?? DEFAULT_KMS_SHARE;
  const ledger = await openKmsLedger(options.places.state);
  try {
    const group = await groupOf(ledger, key.keyId, key.asker, way, waits);
    const { quota, ask } = quotaOf(ledger, group, place.rules ?? {}, clock.now());
    const applied = ask ? await readKmsQuota(resolved, waits) : undefined;
    if (applied !== undefined) rememberApplied(ledger, group.scope, applied, clock.now());
    return { ...(applied ?? quota), share };
  } finally {
    ledger.close();
  }
}
