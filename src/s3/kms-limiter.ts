/** One vault's place in the queue of a KMS quota that all s3vault processes of the machine share. */
import { VaultError, asVaultError } from '../model/errors.ts';
import type { KmsGauge, KmsLedger, KmsQuota } from '../model/kms.ts';
import type { Clock, Waits } from '../model/ports.ts';
import {
  type Answered,
  type Book,
  bookText,
  gaugeOf,
  grant,
  parseBook,
  shareOf,
  slowed,
  spent,
} from './kms-book.ts';

export interface LimiterOptions {
  readonly ledger: KmsLedger;
  /** Names account, region and key quota group: whoever names the same shares one quota. */
  readonly scope: string;
  /** Unlike that of any other limiter on this machine. */
  readonly owner: string;
  readonly clock: Clock;
  readonly quota: KmsQuota;
  /** Percent of the quota. */
  readonly share: number;
}

/** The quota, where it was learned, and the share of it that is kept to. */
export type QuotaInUse = Pick<KmsGauge, 'quota' | 'source' | 'share'>;

interface Waiting {
  readonly cost: number;
  readonly go: (granted: { readonly now: number; readonly ticks: number }) => void;
  readonly fail: (error: VaultError) => void;
}

/** What is to be written into the book as soon as it can be. */
interface Unwritten {
  readonly spent: number;
  readonly slowed: boolean;
  readonly said?: { readonly quota: KmsQuota | undefined; readonly at: number };
}

const NOTHING_UNWRITTEN: Unwritten = { spent: 0, slowed: false };

/** The ledger is asked no more often than this: what comes in between is asked for together. */
const GAP_MS = 5;
/** Another process is at the ledger. */
const BUSY_MS = 2;
const BUSY_PATIENCE_MS = 10_000;
const BUSY_LONGEST_MS = 1_000;
/** The wall clock against the monotonic one: more than this is a clock that was put forward. */
const STEP_MS = 10;
/** How long grants look older than they are after that. */
const STEP_COUNTS_MS = 2_200;
/** Older answers make no difference any more. */
const ANSWERS_MS = 2_200;

/** Quotas are raised while people wait for it. */
export const APPLIED_MS = 900_000;
/** Whoever did not answer is left alone for so long. */
export const ASKED_AGAIN_MS = 600_000;

/**
 * What Service Quotas said of a scope last. `ask`: that was more than `fresh` (ms) ago, a quarter of an hour, and it was not
 * asked in vain just now.
 */
export function appliedIn(
  ledger: Pick<KmsLedger, 'read'>,
  scope: string,
  now: number,
  fresh = APPLIED_MS,
): { readonly applied: KmsQuota | undefined; readonly ask: boolean } {
  const { applied, unsaid } = parseBook(ledger.read(scope));
  const within = (ms: number, at: number | undefined): boolean =>
    at !== undefined && Math.abs(now - at) <= ms;
  const ask = !within(fresh, applied?.at) && !within(Math.min(fresh, ASKED_AGAIN_MS), unsaid);
  return { applied: applied && { quota: applied.quota, source: applied.source }, ask };
}

/** For whoever asked Service Quotas without keeping to it; `said` undefined: there was no answer. */
export function rememberSaid(ledger: KmsLedger, scope: string, said: KmsQuota | undefined, at: number): void {
  ledger.change(scope, (book) => ({ book: bookText(withSaid(parseBook(book), said, at)), result: true }));
}

function withSaid(book: Book, said: KmsQuota | undefined, at: number): Book {
  const { unsaid: _, ...rest } = book;
  return said === undefined ? { ...rest, unsaid: at } : { ...rest, applied: { ...said, at } };
}

/** The numbers of a scope, for one who keeps to `own` of it. */
export function gaugeIn(
  ledger: Pick<KmsLedger, 'read'>,
  scope: string,
  now: number,
  own: QuotaInUse,
): KmsGauge {
  return gaugeOf(parseBook(ledger.read(scope)), now, own);
}

export class KmsLimiter {
  readonly #options: LimiterOptions;
  #quota: KmsQuota;
  #queue: Waiting[] = [];
  /** Answers that the book does not know of yet. */
  #answered: Answered[] = [];
  #asked = Number.NEGATIVE_INFINITY;
  #cancelPump: (() => void) | undefined;
  #busySince: number | undefined;
  #closed = false;
  /** What the book has not heard yet, because another process was at it. It hears of it before anything else is let through. */
  #unwritten: Unwritten = NOTHING_UNWRITTEN;
  #cancelWriting: (() => void) | undefined;
  /** Wall clock minus monotonic, and how far that went forward lately. */
  #offset: number;
  #forward = 0;
  #forwardUntil = 0;

  constructor(options: LimiterOptions) {
    const { clock, quota } = options;
    this.#options = options;
    this.#quota = quota;
    this.#offset = clock.now() - clock.ticks();
  }

  /** See `Pace`; first come, first served. */
  async take(cost: number, { signal }: Waits = {}): Promise<() => void> {
    if (signal?.aborted === true || this.#closed) throw cancelled();
    const { promise, resolve, reject } = Promise.withResolvers<{
      readonly now: number;
      readonly ticks: number;
    }>();
    const waiting: Waiting = { cost, go: resolve, fail: reject };
    const stop = (): void => {
      this.#queue = this.#queue.filter((other) => other !== waiting);
      reject(cancelled());
    };
    signal?.addEventListener('abort', stop, { once: true });
    this.#queue.push(waiting);
    this.#pumpAfter(this.#asked + GAP_MS - this.#options.clock.ticks());
    try {
      const { now: granted, ticks } = await promise;
      const { clock } = this.#options;
      return () => this.#note({ granted, cost, at: clock.now(), took: clock.ticks() - ticks });
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Kept until the ledger is asked for the next time: an answer that the book does not hear of is taken for a late one. */
  #note(answered: Answered): void {
    const oldest = answered.at - ANSWERS_MS;
    if ((this.#answered[0]?.at ?? oldest) < oldest)
      this.#answered = this.#answered.filter(({ at }) => at >= oldest);
    this.#answered.push(answered);
  }

  /** Counts requests that were made without having been waited for. */
  spent(cost: number): void {
    this.#write({ ...this.#unwritten, spent: this.#unwritten.spent + cost });
  }

  /** KMS said that it is too much: the pace is halved, for all. Gives the numbers as they are then. */
  throttled(): KmsGauge {
    this.#write({ ...this.#unwritten, slowed: true });
    return this.gauge();
  }

  /** What Service Quotas says; undefined: nothing, and it is left alone for some minutes. */
  setQuota(quota: KmsQuota | undefined): void {
    this.#quota = quota ?? this.#quota;
    this.#write({ ...this.#unwritten, said: { quota, at: this.#options.clock.now() } });
  }

  /** The numbers of all, and the quota and share of this one. */
  gauge(): KmsGauge {
    const { ledger, scope, clock, share } = this.#options;
    const own = { ...this.#quota, share };
    let book: string | undefined;
    try {
      book = ledger.read(scope);
    } catch {
      // It is only looked at; whoever asks for a place is told.
    }
    return gaugeOf(this.#withUnwritten(parseBook(book)), clock.now(), own);
  }

  /** What waits is refused. */
  close(): void {
    this.#tryWriting();
    this.#closed = true;
    this.#cancelPump?.();
    this.#cancelWriting?.();
    for (const { fail } of this.#queue.splice(0)) fail(cancelled());
  }

  get #limit(): number {
    return shareOf(this.#quota.quota, this.#options.share);
  }

  #write(unwritten: Unwritten): void {
    if (this.#closed) return;
    this.#unwritten = unwritten;
    // Else it is being tried again already.
    if (this.#cancelWriting === undefined)
      this.#writeUntil(this.#options.clock.ticks() + BUSY_PATIENCE_MS, BUSY_MS);
  }

  /** Later each time, and not for ever: then it waits for the next time that the ledger answers. */
  #writeUntil(end: number, wait: number): void {
    const { clock } = this.#options;
    this.#cancelWriting = undefined;
    if (this.#tryWriting() || clock.ticks() + wait > end) return;
    this.#cancelWriting = clock.after(wait, () => this.#writeUntil(end, Math.min(BUSY_LONGEST_MS, wait * 2)));
  }

  /** False where another process is at the ledger. */
  #tryWriting(): boolean {
    if (this.#closed || this.#unwritten === NOTHING_UNWRITTEN) return true;
    const { ledger, scope } = this.#options;
    try {
      const done = ledger.change(scope, (book) => ({
        book: bookText(this.#withUnwritten(parseBook(book))),
        result: true,
      }));
      if (done === undefined) return false;
      this.#unwritten = NOTHING_UNWRITTEN;
    } catch {
      // What cannot be written is told to whoever asks for a place next.
    }
    return true;
  }

  #withUnwritten(book: Book): Book {
    const { clock, owner } = this.#options;
    const { said, slowed: slower, spent: cost } = this.#unwritten;
    let next = book;
    if (said !== undefined) next = withSaid(next, said.quota, said.at);
    if (cost > 0) next = spent(next, clock.now(), owner, cost);
    return slower ? slowed(next, clock.now(), this.#limit) : next;
  }

  /** What any process heard of Service Quotas holds for all that were not told a number. */
  #learn({ applied }: Book): void {
    if (this.#quota.source === 'option' || applied === undefined) return;
    this.#quota = { quota: applied.quota, source: applied.source };
  }

  #pumpAfter(ms: number): void {
    if (ms <= 0 && this.#cancelPump === undefined) return this.#pump();
    this.#cancelPump ??= this.#options.clock.after(Math.max(0, ms), () => this.#pump());
  }

  #pump(): void {
    this.#cancelPump?.();
    this.#cancelPump = undefined;
    if (this.#queue.length === 0) return;
    const { ledger, scope, owner, clock } = this.#options;
    this.#asked = clock.ticks();
    const ask = {
      now: clock.now(),
      owner,
      costs: this.#queue.map(({ cost }) => cost),
      answered: this.#answered,
      forward: this.#lookAtClocks(),
    };
    let done;
    try {
      done = ledger.change(scope, (book) => {
        const known = this.#withUnwritten(parseBook(book));
        this.#learn(known);
        const { book: next, count, wait } = grant(known, { ...ask, limit: this.#limit });
        return { book: bookText(next), result: { count, wait } };
      });
    } catch (thrown) {
      // A full disk, say. This may be a timer: nobody but those who wait can be told.
      const error = asVaultError(thrown);
      for (const { fail } of this.#queue.splice(0)) fail(error);
      return;
    }
    if (done === undefined) return this.#busy();
    this.#busySince = undefined;
    this.#answered = [];
    this.#unwritten = NOTHING_UNWRITTEN;
    const { count, wait } = done.result;
    for (const { go } of this.#queue.splice(0, count)) go({ now: ask.now, ticks: this.#asked });
    if (this.#queue.length > 0) this.#pumpAfter(Math.max(GAP_MS, wait));
  }

  /** Nothing goes unasked: who cannot be asked for long fails what waits, and that is tried again later. */
  #busy(): void {
    const { clock } = this.#options;
    this.#busySince ??= clock.ticks();
    if (clock.ticks() - this.#busySince > BUSY_PATIENCE_MS) {
      this.#busySince = undefined;
      for (const { fail } of this.#queue.splice(0)) fail(ledgerBusy());
      return;
    }
    this.#pumpAfter(BUSY_MS * (1 + clock.random()));
  }

  /** Milliseconds by which the wall clock was put forward within the last second. */
  #lookAtClocks(): number {
    const { clock } = this.#options;
    const ticks = clock.ticks();
    const step = clock.now() - ticks - this.#offset;
    if (ticks >= this.#forwardUntil) this.#forward = 0;
    if (Math.abs(step) > STEP_MS) this.#offset += step;
    if (step > STEP_MS) {
      this.#forward += step;
      this.#forwardUntil = ticks + STEP_COUNTS_MS;
    }
    return this.#forward;
  }
}

const cancelled = (): VaultError => new VaultError('cancelled', 'cancelled', 'called off');

const ledgerBusy = (): VaultError =>
  new VaultError('transient', 'kms-ledger-busy', 'another s3vault process holds the list of KMS requests', {
    hint: 'it may be stopped in its middle: look for it with ps, let it go on or end it',
  });
