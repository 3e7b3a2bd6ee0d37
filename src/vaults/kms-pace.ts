/**
 * A vault's part in the KMS quota of its account: which quota that is, how large, and who is told of it. All vaults of all
 * s3vault processes of this machine that use one quota share one book in the state folder.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Places } from '../config.ts';
import type { EventBody } from '../model/event.ts';
import { DEFAULT_KMS_SHARE, type KmsGauge, type KmsLedger, type KmsQuota, type Pace } from '../model/kms.ts';
import type { Mode } from '../model/mode.ts';
import type { Clock } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import type { ResolvedRemote } from '../s3/connect.ts';
import { kmsDollars } from '../s3/kms-cost.ts';
import { isNarrow, quotaHint } from '../s3/kms-hint.ts';
import { KmsLimiter, appliedIn, gaugeIn } from '../s3/kms-limiter.ts';
import { assumedQuota, customKeyStoreQuota, tableQuota } from '../s3/kms-quota.ts';
import { readKmsQuota } from '../s3/applied-quota.ts';
import { openKmsLedger, readKmsLedger } from '../state/kms-ledger.ts';
import type { OpenOptions } from './options.ts';
import { kmsOf } from './protect.ts';

export interface KmsPace {
  readonly take: Pace;
  /** KMS said that it is too much. */
  throttled(): void;
  /** Who hears of throttling and, each second, of numbers that changed. */
  tellTo(tell: (body: EventBody) => void): void;
  close(): void;
}

type Opening = Pick<OpenOptions, 'env' | 'places'>;

const TELL_MS = 1_000;
const DAY_MS = 86_400_000;

/** The KMS key that a mode makes requests under, by itself or through S3. */
function kmsKeyOf(mode: Mode): string | undefined {
  if (mode.kind === 'sse-kms' || mode.kind === 'dsse-kms') return mode.keyId;
  return mode.kind === 'client' && mode.key.kind === 'kms' ? mode.key.keyId : undefined;
}

/** Undefined where the mode makes no requests to KMS. */
export async function openKmsPace(
  vault: Vault,
  mode: Mode,
  resolved: ResolvedRemote,
  options: Opening,
  clock: Clock,
): Promise<KmsPace | undefined> {
  const keyId = kmsKeyOf(mode);
  if (keyId === undefined) return undefined;
  const ledger = await openKmsLedger(options.places.state);
  try {
    const group = await groupOf(ledger, keyId, { ...vault, mode }, resolved, options, clock);
    const { kmsQuota, kmsShare } = vault.rules;
    const limiter = new KmsLimiter({
      ledger,
      scope: group.scope,
      owner: `${process.pid}-${randomUUID().slice(0, 8)}`,
      clock,
      quota:
        kmsQuota === undefined
          ? (appliedIn(ledger, group.scope, clock.now()) ?? group.quota)
          : { quota: kmsQuota, source: 'option' },
      share: kmsShare ?? DEFAULT_KMS_SHARE,
    });
    ledger.change(placeOf(vault), () => ({ book: group.scope, result: true }));
    const asks = group.hasServiceQuota && kmsQuota === undefined;
    const known = !asks || appliedIn(ledger, group.scope, clock.now()) !== undefined;
    return paceOn(limiter, ledger, known ? undefined : resolved, clock, (gauge) =>
      quotaHint(gauge, mode, group.hasServiceQuota ? resolved.region : undefined),
    );
  } catch (thrown) {
    ledger.close();
    throw thrown;
  }
}

/** `ask`: whose applied quota is still to be read; nothing waits for that. */
function paceOn(
  limiter: KmsLimiter,
  ledger: KmsLedger,
  ask: ResolvedRemote | undefined,
  clock: Clock,
  hint: (gauge: KmsGauge) => string,
): KmsPace {
  const closing = new AbortController();
  const teller = new Teller(limiter, clock, hint);
  const asked =
    ask === undefined
      ? Promise.resolve()
      : readKmsQuota(ask, { signal: closing.signal }).then(
          (quota) => {
            if (quota !== undefined && !closing.signal.aborted) limiter.setQuota(quota);
          },
          () => undefined,
        );
  return {
    take: (cost, waits) => limiter.take(cost, waits),
    throttled: () => teller.throttled(),
    tellTo: (tell) => teller.begin(tell),
    close: () => {
      closing.abort();
      teller.end();
      limiter.close();
      void asked.finally(() => ledger.close());
    },
  };
}

/** Numbers become Events. */
class Teller {
  readonly #limiter: KmsLimiter;
  readonly #clock: Clock;
  readonly #hint: (gauge: KmsGauge) => string;
  #tell: ((body: EventBody) => void) | undefined;
  #cancel: (() => void) | undefined;
  #told = '';
  #throttledAt = Number.NEGATIVE_INFINITY;

  constructor(limiter: KmsLimiter, clock: Clock, hint: (gauge: KmsGauge) => string) {
    this.#limiter = limiter;
    this.#clock = clock;
    this.#hint = hint;
  }

  begin(tell: (body: EventBody) => void): void {
    this.#tell = tell;
    const beat = (): void => {
      this.#say(this.#limiter.gauge());
      this.#cancel = this.#clock.after(TELL_MS, beat);
    };
    beat();
  }

  throttled(): void {
    const gauge = this.#limiter.throttled();
    const now = this.#clock.ticks();
    if (gauge === undefined || now - this.#throttledAt < TELL_MS) return;
    this.#throttledAt = now;
    const { limit: rate, quota } = gauge;
    this.#tell?.({ event: 'throttle', resource: 'kms', rate, quota, hint: this.#hint(gauge) });
    this.#say(gauge);
  }

  #say(gauge: KmsGauge | undefined): void {
    const text = JSON.stringify(gauge);
    if (gauge === undefined || text === this.#told) return;
    this.#told = text;
    this.#tell?.({ event: 'kms', ...gauge });
  }

  end(): void {
    this.#say(this.#limiter.gauge());
    this.#cancel?.();
    this.#tell = undefined;
  }
}

// ------------------------------------------------------------------------------------------------- which quota it is

interface Group {
  readonly scope: string;
  /** Until something better is known. */
  readonly quota: KmsQuota;
  /** Service Quotas knows it: the symmetric quota of an AWS account. */
  readonly hasServiceQuota: boolean;
}

/**
 * KMS counts for the account of whoever asks, by region; keys in a custom key store count by the store (AWS KMS Developer
 * Guide, "Request quotas"). A store that is not AWS counts, if at all, for itself.
 */
async function groupOf(
  ledger: KmsLedger,
  keyId: string,
  vault: Vault,
  resolved: ResolvedRemote,
  options: Opening,
  clock: Clock,
): Promise<Group> {
  const { region, endpoint } = resolved;
  if (!isAmazonKms(vault, resolved, options.env)) {
    const scope = `${endpoint ?? 'store'} ${region} symmetric`;
    return { scope, quota: assumedQuota, hasServiceQuota: false };
  }
  const { arn, customKeyStore } = await keyFacts(ledger, keyId, vault, resolved, options, clock);
  const account = await accountOf(arn, resolved);
  if (customKeyStore !== undefined) {
    const scope = `aws ${account} ${region} ${customKeyStore}`;
    return { scope, quota: customKeyStoreQuota, hasServiceQuota: false };
  }
  const scope = `aws ${account} ${region} symmetric`;
  return { scope, quota: tableQuota(region), hasServiceQuota: true };
}

/** Behind a store stands its own KMS; calls of our own go to AWS unless the environment says otherwise. */
function isAmazonKms(
  { mode }: Pick<Vault, 'mode'>,
  { isAws }: ResolvedRemote,
  env: NodeJS.ProcessEnv,
): boolean {
  const elsewhere = (env['AWS_ENDPOINT_URL_KMS'] ?? env['AWS_ENDPOINT_URL'] ?? '') !== '';
  return mode.kind === 'client' ? !elsewhere : isAws;
}

/** The account of the credentials; where they don't say, the key's; else one that goes by the credentials' name. */
async function accountOf(arn: string, { credentials }: ResolvedRemote): Promise<string> {
  const { accountId, accessKeyId } = await credentials.get();
  const owner = /^arn:[^:]*:kms:[^:]*:(\d{12}):/.exec(arn)?.[1];
  return accountId ?? owner ?? createHash('sha256').update(accessKeyId).digest('hex').slice(0, 16);
}

interface Facts {
  readonly arn: string;
  readonly customKeyStore?: string;
}

/** DescribeKey, once a day; without permission for it the key is taken for an ordinary one. */
async function keyFacts(
  ledger: KmsLedger,
  keyId: string,
  vault: Vault,
  resolved: ResolvedRemote,
  options: Opening,
  clock: Clock,
): Promise<Facts> {
  const place = `key ${resolved.region} ${keyId}`;
  const known = JSON.parse(ledger.read(place) ?? 'null') as (Facts & { readonly at: number }) | null;
  if (known !== null && Math.abs(clock.now() - known.at) < DAY_MS) return known;
  try {
    const kms = await kmsOf(vault, resolved, options);
    const { arn, customKeyStore } = await kms.facts(keyId);
    const facts = { arn, ...(customKeyStore === undefined ? {} : { customKeyStore }) };
    const book = JSON.stringify({ ...facts, at: clock.now() });
    ledger.change(place, () => ({ book, result: true }));
    return facts;
  } catch {
    return { arn: keyId };
  }
}

// ---------------------------------------------------------------------------------------------- from another process

const placeOf = ({ id }: Pick<Vault, 'id'>): string => `vault ${id}`;

export interface KmsStatus {
  readonly gauge: KmsGauge;
  /** US$ that this month's requests of all vaults under this quota cost, about. */
  readonly dollars: number;
  /** What to do where KMS holds the work up. */
  readonly hint: string | undefined;
}

/** The numbers of the quota that a vault used last; undefined where it never used one. */
export async function vaultKms(vault: Vault, places: Places, clock: Clock): Promise<KmsStatus | undefined> {
  if (kmsKeyOf(vault.mode) === undefined) return undefined;
  const ledger = await readKmsLedger(places.state);
  try {
    const scope = ledger?.read(placeOf(vault));
    const gauge =
      scope === undefined || ledger === undefined ? undefined : gaugeIn(ledger, scope, clock.now());
    if (scope === undefined || gauge === undefined) return undefined;
    const hint = isNarrow(gauge) ? quotaHint(gauge, vault.mode, regionOf(scope)) : undefined;
    return { gauge, dollars: kmsDollars(gauge.requests), hint };
  } finally {
    ledger?.close();
  }
}

/** The region of a scope that Service Quotas knows. */
const regionOf = (scope: string): string | undefined => /^aws \S+ (\S+) symmetric$/.exec(scope)?.[1];
