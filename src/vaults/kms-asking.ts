/** What AWS says of keys and quotas: asked once in a while, never waited for for long, and not at once again where it failed. */
import { createHash } from 'node:crypto';
import { asVaultError, VaultError } from '../model/errors.ts';
import type { KmsLedger, KmsQuota } from '../model/kms.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import { readKmsQuota } from '../s3/applied-quota.ts';
import type { ResolvedRemote } from '../s3/connect.ts';
import { accountOfKey } from '../s3/credentials.ts';
import { ASKED_AGAIN_MS } from '../s3/kms-limiter.ts';
import type { OpenOptions } from './options.ts';
import { kmsOf } from './protect.ts';

/** A network without a way to KMS or Service Quotas does not answer at all; work does not wait for them. */
const PATIENCE_MS = 2_000;
const DAY_MS = 86_400_000;
/** An alias may stand for another key at any time, a key stays where it is. */
const ALIAS_MS = 900_000;

export interface Asking {
  readonly place: Pick<Vault, 'remote'>;
  readonly resolved: ResolvedRemote;
  readonly options: Pick<OpenOptions, 'env'>;
  readonly clock: Clock;
  /** Also what failed a moment ago is asked again. */
  readonly afresh?: boolean;
}

/** Rejects with code `no-answer` once `patience` (ms) is over; what was asked is called off then. `who` is for the message. */
export async function shortly<T>(
  who: string,
  clock: Pick<Clock, 'after'>,
  { signal }: Waits,
  ask: (waits: Waits) => Promise<T>,
  patience = PATIENCE_MS,
): Promise<T> {
  const late = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const callOff = clock.after(patience, () => {
    reject(noAnswer(who, patience));
    late.abort();
  });
  try {
    const either = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    return await Promise.race([ask({ signal: either }), promise]);
  } finally {
    callOff();
  }
}

const noAnswer = (who: string, ms: number): VaultError =>
  new VaultError('offline', 'no-answer', `${who} did not answer within ${ms / 1_000} seconds`, {
    hint: 'check the network, proxies and, inside a VPC, the endpoint for it',
  });

/** Undefined where Service Quotas does not say. */
export async function askQuota(
  { resolved, clock }: Pick<Asking, 'resolved' | 'clock'>,
  waits: Waits = {},
): Promise<KmsQuota | undefined> {
  try {
    return await shortly('Service Quotas', clock, waits, (short) => readKmsQuota(resolved, short));
  } catch (thrown) {
    if (asVaultError(thrown).code === 'no-answer') return undefined;
    throw thrown;
  }
}

export interface KeyFacts {
  readonly arn: string;
  readonly customKeyStore?: string;
}

interface Noted extends Partial<KeyFacts> {
  /** When KMS said so. */
  readonly at?: number;
  /** When it did not answer, or refused to. */
  readonly failed?: number;
}

/**
 * DescribeKey, once a day, of an alias each quarter of an hour. Where it fails, what was known before goes on holding, or the key would count elsewhere all of a
 * sudden; a key that never was described is taken for an ordinary one.
 */
export async function keyFacts(
  ledger: KmsLedger,
  keyId: string,
  { place, resolved, options, clock, afresh = false }: Asking,
  waits: Waits,
): Promise<KeyFacts> {
  const line = `key ${resolved.region} ${await ownerOf(keyId, resolved)}${keyId}`;
  const now = clock.now();
  const noted = JSON.parse(ledger.read(line) ?? '{}') as Noted;
  const { arn = keyId, customKeyStore, at, failed } = noted;
  const known = { arn, ...(customKeyStore === undefined ? {} : { customKeyStore }) };
  const note = (fact: Noted): void =>
    void ledger.change(line, () => ({ book: JSON.stringify(fact), result: true }));
  const stays = keyId.includes('alias/') ? ALIAS_MS : DAY_MS;
  if (within(stays, at, now) || (!afresh && within(ASKED_AGAIN_MS, failed, now))) return known;
  try {
    const kms = await kmsOf(place, resolved, options);
    const found = await shortly('KMS', clock, waits, (short) => kms.facts(keyId, short));
    const fresh = {
      arn: found.arn,
      ...(found.customKeyStore === undefined ? {} : { customKeyStore: found.customKeyStore }),
    };
    note({ ...fresh, at: now });
    return fresh;
  } catch (thrown) {
    if (waits.signal?.aborted === true) throw thrown;
    note({ ...noted, failed: now });
    return known;
  }
}

/** Only an ARN means the same key whoever asks: each account has aliases of its own. */
async function ownerOf(keyId: string, { credentials }: ResolvedRemote): Promise<string> {
  if (keyId.startsWith('arn:')) return '';
  const { accountId, accessKeyId } = await credentials.get();
  return `${accountId ?? accountOfKey(accessKeyId) ?? digestOf(accessKeyId)} `;
}

/** Names of credentials are nobody's business either. */
const digestOf = (accessKeyId: string): string =>
  createHash('sha256').update(accessKeyId).digest('hex').slice(0, 16);

const within = (ms: number, time: number | undefined, now: number): boolean =>
  time !== undefined && Math.abs(now - time) < ms;

/**
 * The account of the credentials, as they say or their key's id does; else the key's, which then is taken for that of these
 * credentials. Where nobody says, all are taken for one account: too slow is better than two lists for one quota, as keys that
 * rotate would make.
 */
export async function accountOf(
  ledger: KmsLedger,
  arn: string,
  { credentials }: ResolvedRemote,
): Promise<string> {
  const { accountId, accessKeyId } = await credentials.get();
  const said = accountId ?? accountOfKey(accessKeyId);
  if (said !== undefined) return said;
  const line = `account ${digestOf(accessKeyId)}`;
  const owner = /^arn:[^:]*:kms:[^:]*:(\d{12}):/.exec(arn)?.[1];
  if (owner !== undefined) ledger.change(line, () => ({ book: owner, result: true }));
  return owner ?? ledger.read(line) ?? 'any-account';
}
