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
import { explain, getObject, putObject } from './single.ts';
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

/** Rejects with `trial-unremovable`, before anything is written, where that could not be removed again. */
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
  /** Versions that were written; undefined: in a bucket without versions. */
  readonly #written = new Set<string | undefined>();

  constructor(site: Site, plan: ProbePlan, waits: Waits) {
    this.#site = site;
    this.#plan = plan;
    this.#waits = waits;
  }

  async run(): Promise<StoreProbe> {
    await this.#removable();
    let found: StoreProbe;
    try {
      found = await this.#all();
    } catch (thrown) {
      await this.#clean();
      throw thrown;
    }
    const left = await this.#clean();
    return left === undefined ? found : { ...found, left };
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
    const write = await this.#worded(await this.#put(this.#site));
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
    const read = await tried(() => this.#again(() => this.#read()));
    const conditions = await tried(() => this.#conditions());
    const bareEtags =
      conditions.ok && conditions.value === 'kept' && (await this.#quotesMatter(receipt.etag));
    const copy = await tried(() => this.#copy());
    const { removeConditions, copyConditions } = await this.#others();
    return { read, conditions, bareEtags, copy, removeConditions, copyConditions };
  }

  /** Last: the object may be gone afterwards. */
  async #others(): Promise<Required<Pick<StoreProbe, 'removeConditions' | 'copyConditions'>>> {
    if (this.#site.remote.isAws) {
      const kept = { ok: true, value: 'kept' } as const;
      return { removeConditions: kept, copyConditions: kept };
    }
    const made = new Set<string>();
    try {
      const copyConditions = await tried(() => tryCopy(this.#site, this.#plan.key, made, this.#waits));
      const removeConditions = await tried(() => tryRemoval(this.#site, this.#plan.key, made, this.#waits));
      return { removeConditions, copyConditions };
    } finally {
      for (const versionId of made) this.#written.add(versionId);
    }
  }

  async #put(site: Site): Promise<Tried<Receipt>> {
    return tried(async () => {
      const receipt = await this.#again(() => putObject(site, this.#plan.key, this.#body, {}, this.#waits));
      this.#written.add(receipt.versionId);
      return receipt;
    });
  }

  /** A store that fails once in a while is sound. */
  #again<T>(make: () => Promise<T>): Promise<T> {
    const { clock, onThrottle } = this.#plan;
    return withRetries(make, clock, { attempts: ATTEMPTS, onThrottle }, this.#waits.signal);
  }

  /** Where the written object is asked for its proof, KMS may refuse; HEAD has no words for that, GET has. */
  async #worded(write: Tried<Receipt>): Promise<Tried<Receipt>> {
    if (write.ok || write.error.status !== 403) return write;
    const read = await tried(() => explain(this.#site, this.#plan.key, this.#waits));
    return !read.ok && read.error.code.startsWith('kms-') ? read : write;
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

  /** True where the object's own ETag fits without quotes only. */
  async #quotesMatter(etag: string): Promise<boolean> {
    if ((await this.#conditional({ 'if-match': `"${etag}"` })) !== 'kept') return false;
    return (await this.#conditional({ 'if-match': etag })) !== 'kept';
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
      signal: this.#waits.signal,
    });
    await drain(answer);
    this.#written.add(versionOf(answer.headers));
  }

  async #copy(): Promise<true> {
    const { remote, protection } = this.#site;
    const { clock, key, pace, onThrottle } = this.#plan;
    const throttles = onThrottle === undefined ? {} : { onThrottle };
    const options = { clock, transfers: 1, pace: { from: pace, to: pace }, ...throttles };
    const mover = openMover(remote, protection, protection, options);
    try {
      const receipt = await mover.copy(key, (stat) => ({ ...stat.metadata, tried: 'yes' }), this.#waits);
      this.#written.add(receipt.versionId);
      return true;
    } finally {
      await mover.close();
    }
  }

  #clean(): Promise<VaultError | undefined> {
    return removeAll(this.#site, this.#plan.key, this.#written, this.#plan.clock);
  }
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
