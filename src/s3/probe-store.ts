/** What a store does and does not do, tried with one object that is removed again. */
import { randomBytes } from 'node:crypto';
import type { ObjectKey } from '../model/brands.ts';
import type { TrialHow } from '../model/bucket.ts';
import type { SseOutcome } from '../model/doctor.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type { Pace } from '../model/kms.ts';
import type { Clock, ConditionSupport, Waits } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { sumHeaders, sumsOf } from './checksums.ts';
import type { ResolvedRemote } from './connect.ts';
import { writeHeaders } from './modes.ts';
import { openMover } from './mover.ts';
import { protectionOf } from './posture/wire-trials.ts';
import { removeAll, tryRemovingNothing } from './probe-clean.ts';
import { mayRetry, withRetries } from './retrying.ts';
import type { Headers } from './sign.ts';
import { getObject, putObject } from './single.ts';
import { type Site, askedOf, versionOf } from './site.ts';
import { chargeFor, throttling } from './throttling.ts';
import { tryCopy, tryRemoval } from './try-conditions.ts';
import { Wire, drain } from './wire.ts';

/** What was tried, and what came of it. */
export type Tried<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: VaultError };

export interface StoreProbe {
  /** The vault's own way of writing, with its proof. */
  readonly write: Tried<Receipt>;
  /** The same bytes came back. */
  readonly read?: Tried<true>;
  readonly conditions?: Tried<'kept' | 'ignored' | 'refused'>;
  /** Those of removals and of copies. */
  readonly removeConditions?: Tried<ConditionSupport>;
  readonly copyConditions?: Tried<ConditionSupport>;
  readonly bareEtags: boolean;
  /** No `If-Match` is ever met, also not one that fits. */
  readonly unmet?: true;
  readonly copy?: Tried<true>;
  readonly sse: Readonly<Partial<Record<TrialHow['kind'], SseOutcome>>>;
  /** Where the object could not be removed again. */
  readonly left?: VaultError;
}

export interface ProbePlan {
  readonly key: ObjectKey;
  readonly how: TrialHow;
  readonly clock: Clock;
  /** Whether the bucket has versions, or may have. */
  readonly versioned: boolean;
  /** Waits for what the requests will cost of KMS. */
  readonly pace?: Pace;
  readonly onThrottle?: (error: VaultError) => void;
}

const BODY_BYTES = 64;
/** Tries of a write or a read in all. */
const ATTEMPTS = 2;
/** What is being written when the signal fires gets its answer all the same: nobody else knows what there is to remove. */
const GRACE_MS = 2_000;
/** For the removal of what was written: where nobody waits, and where somebody does. */
const CLEAN_MS = 30_000;
const CLEAN_SOON_MS = 5_000;

/**
 * Rejects with `trial-unremovable`, before anything is written, where that could not be removed again. Called off, it rejects
 * once what was written is gone; with kind `cancelled` and code `trial-left` where that could not be done.
 */
export async function probeStore(
  resolved: ResolvedRemote,
  plan: ProbePlan,
  waits: Waits = {},
): Promise<StoreProbe> {
  const protection = protectionOf(plan.how);
  const wire = new Wire(resolved, { clock: plan.clock, connections: 4 });
  const charge = chargeFor(protection, plan.pace);
  const paced = throttling(wire, charge);
  const site: Site = { remote: resolved, protection, quirks: { bareEtags: false }, wire: paced, charge };
  const probe = new Probing(site, plan, waits);
  try {
    return await probe.run();
  } finally {
    await wire.close();
    if (protection.mode === 'sse-c') protection.key.wipe();
  }
}

class Probing {
  readonly #site: Site;
  readonly #plan: ProbePlan;
  readonly #waits: Waits;
  readonly #body = randomBytes(BODY_BYTES);
  /** Of requests that write: fires a little later than that of the caller. */
  readonly #writing = new AbortController();
  /** Versions that were written; undefined: in a bucket without versions. */
  readonly #written = new Set<string | undefined>();

  constructor(site: Site, plan: ProbePlan, waits: Waits) {
    this.#site = site;
    this.#plan = plan;
    this.#waits = waits;
  }

  async run(): Promise<StoreProbe> {
    const { signal } = this.#waits;
    let callOff: (() => void) | undefined;
    const late = (): void => {
      callOff = this.#plan.clock.after(GRACE_MS, () => this.#writing.abort());
    };
    signal?.addEventListener('abort', late, { once: true });
    try {
      await this.#removable();
      return await this.#tryAll();
    } finally {
      callOff?.();
      signal?.removeEventListener('abort', late);
    }
  }

  async #tryAll(): Promise<StoreProbe> {
    let found: StoreProbe;
    try {
      found = await this.#all();
    } catch (thrown) {
      throw leftToo(asVaultError(thrown), await this.#clean());
    }
    const left = await this.#clean();
    return left === undefined ? found : { ...found, left };
  }

  /** Nothing new is begun once it was called off. */
  #step<T>(make: (waits: Waits) => Promise<T>): Promise<Tried<T>> {
    return tried(async () => {
      if (this.#waits.signal?.aborted === true) throw new VaultError('cancelled', 'cancelled', 'called off');
      return make({ signal: this.#writing.signal });
    });
  }

  async #removable(): Promise<void> {
    const { key, versioned } = this.#plan;
    try {
      await tryRemovingNothing(this.#site, key, versioned, this.#waits.signal);
    } catch (thrown) {
      const cause = asVaultError(thrown);
      if (cause.kind === 'cancelled') throw cause;
      const message = `it could not be removed again: ${cause.message}`;
      throw new VaultError('refused', 'trial-unremovable', message, { cause });
    }
  }

  async #all(): Promise<StoreProbe> {
    const write = await this.#put(this.#site);
    const more = write.ok ? await this.#more(write.value) : { bareEtags: false };
    const own = this.#plan.how.kind;
    const sse = { [own]: outcomeOf(write) };
    for (const kind of ['sse-s3', 'sse-c'] as const)
      if (kind !== own) sse[kind] = outcomeOf(await this.#putAs({ kind }));
    const known = Object.entries(sse).filter(([, outcome]) => outcome !== undefined);
    return { write, ...more, sse: Object.fromEntries(known) };
  }

  /** Read, condition and copy: each needs the object as it was written. */
  async #more(receipt: Receipt): Promise<Omit<StoreProbe, 'write' | 'sse'>> {
    const read = await this.#step(() => this.#again(() => this.#read()));
    const conditions = await this.#step(() => this.#conditions());
    const kept = conditions.ok && conditions.value === 'kept';
    const fitting = kept ? await this.#step(() => this.#fitting(receipt.etag)) : undefined;
    const fits = fitting?.ok === true ? fitting.value : undefined;
    const bareEtags = fits === 'bare';
    const copy = await this.#step((waits) => this.#copy(waits));
    const { removeConditions, copyConditions } = await this.#others();
    const unmet = fits === 'none' ? { unmet: true as const } : {};
    return { read, conditions, ...unmet, bareEtags, copy, removeConditions, copyConditions };
  }

  /** Last: the object may be gone afterwards. */
  async #others(): Promise<Required<Pick<StoreProbe, 'removeConditions' | 'copyConditions'>>> {
    if (this.#site.remote.isAws) {
      const kept = { ok: true, value: 'kept' } as const;
      return { removeConditions: kept, copyConditions: kept };
    }
    const made = new Set<string>();
    try {
      const { key } = this.#plan;
      const copyConditions = await this.#step((waits) => tryCopy(this.#site, key, made, waits));
      const removeConditions = await this.#step((waits) => tryRemoval(this.#site, key, made, waits));
      return { removeConditions, copyConditions };
    } finally {
      for (const versionId of made) this.#written.add(versionId);
    }
  }

  async #put(site: Site): Promise<Tried<Receipt>> {
    return this.#step(async (waits) => {
      const receipt = await this.#again(() => putObject(site, this.#plan.key, this.#body, {}, waits));
      this.#written.add(receipt.versionId);
      return receipt;
    });
  }

  /** A store that fails once in a while is sound. */
  #again<T>(make: () => Promise<T>): Promise<T> {
    const { clock, onThrottle } = this.#plan;
    return withRetries(make, clock, { attempts: ATTEMPTS, onThrottle }, this.#waits.signal);
  }

  async #putAs(how: TrialHow): Promise<Tried<Receipt>> {
    const protection = protectionOf(how);
    const put = await this.#put({ ...this.#site, protection });
    if (protection.mode === 'sse-c') protection.key.wipe();
    return put;
  }

  async #read(): Promise<true> {
    const stored = await getObject(this.#site, this.#plan.key, this.#waits);
    const chunks: Uint8Array[] = [];
    for await (const chunk of stored.body) chunks.push(chunk);
    if (Buffer.concat(chunks).equals(this.#body)) return true;
    throw new VaultError(
      'transient',
      'damaged-in-transit',
      'the store gave other bytes back than were written',
      {
        hint: 'the store, or a proxy before it, is broken; try again, then tell whoever runs it',
      },
    );
  }

  /** The object is there: a write that wants it absent, or another one, must be refused. */
  async #conditions(): Promise<'kept' | 'ignored' | 'refused'> {
    const wrong = `"${'0'.repeat(32)}"`;
    const first = await this.#conditional({ 'if-none-match': '*' });
    if (first !== 'kept') return first;
    return this.#conditional({ 'if-match': wrong });
  }

  async #conditional(headers: Headers): Promise<'kept' | 'ignored' | 'refused'> {
    try {
      await this.#raw(headers);
      return 'ignored';
    } catch (thrown) {
      const error = asVaultError(thrown);
      if (error.code === 'precondition' || error.status === 409) return 'kept';
      if (error.status === 501 || error.status === 400) return 'refused';
      throw error;
    }
  }

  /** How the object's own ETag fits: quoted, as everywhere; without quotes only; or not at all. */
  async #fitting(etag: string): Promise<'quoted' | 'bare' | 'none'> {
    if ((await this.#conditional({ 'if-match': `"${etag}"` })) !== 'kept') return 'quoted';
    return (await this.#conditional({ 'if-match': etag })) === 'kept' ? 'none' : 'bare';
  }

  async #raw(headers: Headers): Promise<void> {
    const { wire, protection, remote } = this.#site;
    const { key } = this.#plan;
    const answer = await wire.send({
      method: 'PUT',
      asked: askedOf(this.#site, 'write', key),
      key,
      headers: { ...writeHeaders(protection), ...sumHeaders(sumsOf(this.#body, remote.isAws)), ...headers },
      body: this.#body,
      signal: this.#writing.signal,
    });
    await drain(answer);
    this.#written.add(versionOf(answer.headers));
  }

  async #copy(waits: Waits): Promise<true> {
    const { remote, protection } = this.#site;
    const { clock, key, pace, onThrottle } = this.#plan;
    const throttles = onThrottle === undefined ? {} : { onThrottle };
    const options = { clock, transfers: 1, pace: { from: pace, to: pace }, ...throttles };
    const mover = openMover(remote, protection, protection, options);
    try {
      const receipt = await mover.copy(key, (stat) => ({ ...stat.metadata, tried: 'yes' }), waits);
      this.#written.add(receipt.versionId);
      return true;
    } finally {
      await mover.close();
    }
  }

  #clean(): Promise<VaultError | undefined> {
    const forMs = this.#waits.signal?.aborted === true ? CLEAN_SOON_MS : CLEAN_MS;
    return removeAll(this.#site, this.#plan.key, this.#written, this.#plan.clock, forMs);
  }
}

/** An error that ended the trial, and what stays because of it. */
function leftToo(error: VaultError, left: VaultError | undefined): VaultError {
  if (left === undefined) return error;
  const message = error.kind === 'cancelled' ? left.message : `${error.message}; and ${left.message}`;
  return new VaultError(error.kind, left.code, message, { cause: error, hint: left.hint ?? '' });
}

export async function tried<T>(make: () => Promise<T>): Promise<Tried<T>> {
  try {
    return { ok: true, value: await make() };
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind === 'cancelled') throw error;
    return { ok: false, error };
  }
}

/** Undefined: the store failed, which says nothing of what it does when it works. */
function outcomeOf(put: Tried<Receipt>): SseOutcome | undefined {
  if (put.ok) return 'proved';
  if (put.error.kind === 'offline' || mayRetry(put.error)) return undefined;
  return put.error.code === 'proof-missing' ? 'unproved' : 'refused';
}
