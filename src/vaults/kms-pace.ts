/**
 * A vault's part in the KMS quota of its account, and who is told of it. All vaults of all s3vault processes of this machine
 * that use one quota share one book in the state folder.
 */
import { randomUUID } from 'node:crypto';
import type { Places } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { EventBody } from '../model/event.ts';
import type { KmsGauge, KmsLedger, Pace } from '../model/kms.ts';
import type { Mode } from '../model/mode.ts';
import type { Clock, Waits } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';
import type { ResolvedRemote } from '../s3/connect.ts';
import { kmsDollars } from '../s3/kms-cost.ts';
import { isNarrow, quotaHint } from '../s3/kms-hint.ts';
import { APPLIED_MS, KmsLimiter, gaugeIn } from '../s3/kms-limiter.ts';
import { openKmsLedger, readKmsLedger } from '../state/kms-ledger.ts';
import {
  type Asker,
  type Group,
  type KmsPlace,
  type KmsWay,
  type QuotaInUse,
  groupIn,
  groupOf,
  kmsKeyOf,
  quotaOf,
  regionOf,
} from './kms-group.ts';
import { askQuota } from './kms-asking.ts';
import { holdProcess } from './hold.ts';
import type { OpenOptions } from './options.ts';

export interface KmsPace {
  /** Direct calls under the key of the mode. */
  readonly direct: Pace;
  /** What the store asks of KMS; what was asked without having been foreseen opens its quota's book, too. */
  readonly store: Pace;
  /** KMS said that it is too much. False where nothing of that asker is counted: then others have to slow down. */
  throttled(asker: Asker): boolean;
  /** Whether anything was counted. */
  readonly counts: boolean;
  /** Who hears of throttling and, each second, of numbers that changed. */
  tellTo(tell: (body: EventBody) => void): void;
  close(): Promise<void>;
}

/**
 * `mode`: of the vault, undefined where it is not known. Rejects where its book cannot be kept; where KMS is asked unforeseen,
 * what cannot be counted goes on uncounted.
 */
export async function openKmsPace(
  place: KmsPlace,
  mode: Mode | undefined,
  resolved: ResolvedRemote,
  options: Pick<OpenOptions, 'env' | 'places'>,
  clock: Clock,
): Promise<KmsPace> {
  const own = mode === undefined ? undefined : kmsKeyOf(mode);
  const pace = new Paces({ place, resolved, options, clock }, mode, own);
  try {
    if (own !== undefined) await pace.open(own.asker, own.keyId);
  } catch (thrown) {
    await pace.close();
    throw thrown;
  }
  return pace;
}

interface Paced {
  readonly limiter: KmsLimiter;
  readonly teller: Teller;
}

class Paces implements KmsPace {
  readonly #way: KmsWay;
  readonly #mode: Mode | undefined;
  readonly #own: ReturnType<typeof kmsKeyOf>;
  readonly #closing = new AbortController();
  readonly #owner = `${process.pid}-${randomUUID().slice(0, 8)}`;
  /** By asker and key, and by the quota that they count against. */
  readonly #opened = new Map<string, Promise<Paced>>();
  readonly #inUse = new Map<string, Paced>();
  readonly #byScope = new Map<string, Paced>();
  /** When it was looked at last which quota that is, and how large: ticks. */
  readonly #looked = new Map<
    string,
    { readonly asker: Asker; readonly keyId: string | undefined; readonly at: number }
  >();
  readonly #behind = new Set<Promise<unknown>>();
  #waiting = 0;
  #release: (() => void) | undefined;
  #ledger: Promise<KmsLedger> | undefined;
  #tell: ((body: EventBody) => void) | undefined;

  constructor(way: KmsWay, mode: Mode | undefined, own: ReturnType<typeof kmsKeyOf>) {
    this.#way = way;
    this.#mode = mode;
    this.#own = own;
  }

  direct: Pace = (cost, { signal } = {}) => this.#take('direct', cost, this.#own?.keyId, { signal });

  store: Pace = async (cost, { signal, keyId, already = false } = {}) => {
    // Of objects under other keys the vault's own quota is charged: its account is the caller's.
    const key = this.#own?.asker === 'store' ? this.#own.keyId : keyId;
    if (!already) return this.#take('store', cost, key, { signal });
    this.#later(this.open('store', key).then(({ limiter }) => limiter.spent(cost)));
    this.#lookAgain(nameOf('store', key), APPLIED_MS + LATE_MS);
    return nothing;
  };

  async #take(asker: Asker, cost: number, keyId: string | undefined, waits: Waits): Promise<() => void> {
    const foreseen = this.#own?.asker === asker;
    let paced: Paced;
    try {
      paced = await this.open(asker, keyId);
    } catch (thrown) {
      if (foreseen) throw thrown;
      return nothing;
    }
    this.#lookAgain(nameOf(asker, keyId), APPLIED_MS + LATE_MS);
    this.#hold();
    try {
      return await paced.limiter.take(cost, waits);
    } finally {
      this.#letGo();
    }
  }

  /** While something waits for its turn there may be nothing else that keeps the process alive. */
  #hold(): void {
    if (this.#waiting++ === 0) this.#release = holdProcess();
  }

  #letGo(): void {
    if (--this.#waiting === 0) this.#release?.();
  }

  throttled(asker: Asker): boolean {
    const counted = this.#countedBy(asker);
    for (const { teller } of counted) teller.throttled();
    // What is believed of the quota may be wrong.
    for (const [name, looked] of this.#looked)
      if (looked.asker === asker) this.#lookAgain(name, THROTTLED_MS);
    return counted.size > 0;
  }

  get counts(): boolean {
    return this.#inUse.size > 0;
  }

  #countedBy(asker: Asker): ReadonlySet<Paced> {
    return new Set(
      [...this.#inUse].flatMap(([name, paced]) => (name.startsWith(`${asker} `) ? [paced] : [])),
    );
  }

  tellTo(tell: (body: EventBody) => void): void {
    this.#tell = tell;
    for (const { teller } of this.#byScope.values()) teller.begin(tell);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#opened.values(), ...this.#behind]);
    for (const { teller, limiter } of this.#byScope.values()) {
      teller.end();
      limiter.close();
    }
    const ledger = await this.#ledger?.catch(() => undefined);
    ledger?.close();
  }

  /** Nothing waits for it but the end. */
  #later(work: Promise<unknown>): void {
    const done: Promise<unknown> = work.then(nothing, nothing).then(() => this.#behind.delete(done));
    this.#behind.add(done);
  }

  open(asker: Asker, keyId: string | undefined): Promise<Paced> {
    const name = nameOf(asker, keyId);
    let opened = this.#opened.get(name);
    if (opened === undefined) {
      opened = this.#find(asker, keyId);
      this.#opened.set(name, opened);
    }
    return opened;
  }

  /** Which quota it is now. Who waits for a place in another one has it there. */
  async #find(asker: Asker, keyId: string | undefined, fresh?: number): Promise<Paced> {
    const { clock, place, options } = this.#way;
    const name = nameOf(asker, keyId);
    this.#looked.set(name, { asker, keyId, at: clock.ticks() });
    this.#ledger ??= openKmsLedger(options.places.state);
    const ledger = await this.#ledger;
    const { signal } = this.#closing;
    const group = await groupOf(ledger, keyId, asker, this.#way, { signal });
    if (signal.aborted) throw new VaultError('cancelled', 'cancelled', 'called off');
    const { quota, ask } = quotaOf(ledger, group, place.rules ?? {}, clock.now(), fresh);
    const known = this.#byScope.get(group.scope);
    const paced = known ?? this.#openScope(ledger, group, quota, asker);
    this.#inUse.set(name, paced);
    if (ask && (known === undefined || fresh !== undefined)) this.#later(this.#ask(paced.limiter));
    return paced;
  }

  /** While it is used, and beside what goes on: quotas are raised, and aliases set on other keys. */
  #lookAgain(name: string, everyMs: number): void {
    const looked = this.#looked.get(name);
    const { signal } = this.#closing;
    if (looked === undefined || signal.aborted || this.#way.clock.ticks() - looked.at < everyMs) return;
    const { asker, keyId } = looked;
    const found = this.#find(asker, keyId, everyMs - LATE_MS).then((paced) => {
      this.#opened.set(name, Promise.resolve(paced));
    });
    this.#later(found);
  }

  #openScope(ledger: KmsLedger, group: Group, { share, ...whole }: QuotaInUse, asker: Asker): Paced {
    const { place, clock } = this.#way;
    const limiter = new KmsLimiter({
      ledger,
      scope: group.scope,
      owner: `${this.#owner}-${this.#byScope.size}`,
      clock,
      quota: whole,
      share,
    });
    const paced = { limiter, teller: new Teller(limiter, clock, (gauge) => this.#hint(gauge, group)) };
    this.#byScope.set(group.scope, paced);
    if (place.id !== undefined && (this.#own === undefined || this.#own.asker === asker))
      ledger.change(lineOf({ id: place.id }), () => ({ book: group.scope, result: true }));
    if (this.#tell !== undefined) paced.teller.begin(this.#tell);
    return paced;
  }

  #hint(gauge: KmsGauge, { hasServiceQuota }: Group): string {
    return quotaHint(gauge, this.#mode, hasServiceQuota ? this.#way.resolved.region : undefined);
  }

  async #ask(limiter: KmsLimiter): Promise<void> {
    const { signal } = this.#closing;
    const quota = await askQuota(this.#way, { signal });
    if (!signal.aborted) limiter.setQuota(quota);
  }
}

const nothing = (): void => undefined;
/** KMS says that it is too much: what is believed of its quota is asked about again, no more often than this. */
const THROTTLED_MS = 60_000;
/** A look counts from its question, a note from its answer: a look waits for that too, or it would find the note fresh. */
const LATE_MS = 5_000;
const nameOf = (asker: Asker, keyId: string | undefined): string => `${asker} ${keyId ?? ''}`;

/** What a store is to do when it is throttled: KMS's limits are the pace's, all others those of `others`. */
export const throttling =
  (pace: KmsPace, others: (error: VaultError) => void = nothing) =>
  (error: VaultError): void => {
    if (error.resource !== 'kms' || !pace.throttled('store')) others(error);
  };

const TELL_MS = 1_000;

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
    if (now - this.#throttledAt < TELL_MS) return;
    this.#throttledAt = now;
    const { limit: rate, quota } = gauge;
    this.#tell?.({ event: 'throttle', resource: 'kms', rate, quota, hint: this.#hint(gauge) });
    this.#say(gauge);
  }

  #say(gauge: KmsGauge): void {
    const text = JSON.stringify(gauge);
    if (text === this.#told) return;
    this.#told = text;
    this.#tell?.({ event: 'kms', ...gauge });
  }

  end(): void {
    this.#say(this.#limiter.gauge());
    this.#cancel?.();
    this.#tell = undefined;
  }
}

// ---------------------------------------------------------------------------------------------- from another process

const lineOf = ({ id }: Pick<Vault, 'id'>): string => `vault ${id}`;

export interface KmsStatus {
  readonly gauge: KmsGauge;
  /** US$ that this month's requests of all vaults under this quota cost, about. */
  readonly dollars: number;
  /** What to do where KMS holds the work up. */
  readonly hint: string | undefined;
}

/** The numbers of the quota that a vault used last, by its own share of it; undefined where it never used one. */
export async function vaultKms(vault: Vault, places: Places, clock: Clock): Promise<KmsStatus | undefined> {
  if (kmsKeyOf(vault.mode) === undefined) return undefined;
  const ledger = await readKmsLedger(places.state);
  try {
    const scope = ledger?.read(lineOf(vault));
    if (scope === undefined || ledger === undefined) return undefined;
    const now = clock.now();
    const gauge = gaugeIn(ledger, scope, now, quotaOf(ledger, groupIn(scope), vault.rules, now).quota);
    const hint = isNarrow(gauge) ? quotaHint(gauge, vault.mode, regionOf(scope)) : undefined;
    return { gauge, dollars: kmsDollars(gauge.requests), hint };
  } finally {
    ledger?.close();
  }
}
