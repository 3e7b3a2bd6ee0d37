/** Requests wait until what they will cost of KMS may be spent. One concern: nothing is tried again here. */
import type { KmsCall } from './kms-cost.ts';
import { callOf, costOf, isWrite } from './kms-cost.ts';
import type { Pace } from '../model/kms.ts';
import type { ModeKind } from '../model/mode.ts';
import type { Waits } from '../model/ports.ts';
import { type KmsSaid, type Protection, kmsSaid } from './modes.ts';
import type { Headers } from './sign.ts';
import type { Wire, WireAnswer } from './wire.ts';

export type Sending = Pick<Wire, 'send'>;

/** What an object is, or will be, kept under at the store; undefined: nothing of KMS. */
type Under = KmsSaid | undefined;

/**
 * What the requests of one store cost of KMS; waits for it. What is asked for on writing is known. All else is what the
 * store's last answer said: what it asked KMS for unexpectedly is counted as soon as that is known.
 */
export class KmsCharge {
  readonly #pace: Pace;
  #writing: Under;
  #reading: Under;
  /** The first request that reads goes alone, where nothing is known of what is there. */
  #unread: boolean;
  #first: Promise<void> | undefined;
  /** Parts of a KMS request that are not counted yet. The first request under a Bucket Key always asks KMS. */
  #owed = 0.99;

  constructor(protection: Protection, pace: Pace, reads?: ModeKind | 'unknown') {
    this.#pace = pace;
    const under = 'keyId' in protection ? protection : undefined;
    this.#writing = under && { mode: under.mode, keyId: under.keyId, bucketKey: under.bucketKey === true };
    this.#reading = this.#writing;
    if (reads === 'sse-kms' || reads === 'dsse-kms') this.#reading = { mode: reads, bucketKey: false };
    this.#unread = reads === 'unknown';
  }

  /** Runs `send` once what it costs may be spent. `said`: what an answer says of encryption. */
  async paying<T>(
    call: KmsCall,
    waits: Waits,
    send: () => Promise<T>,
    said?: (answer: T) => Headers,
  ): Promise<T> {
    while (this.#unread && !isWrite(call) && this.#first !== undefined) await this.#first;
    if (!this.#unread || isWrite(call)) return this.#paid(call, waits, send, said);
    const paid = this.#paid(call, waits, send, said);
    this.#first = paid.then(nothing, nothing).then(() => (this.#first = undefined));
    return paid;
  }

  async #paid<T>(
    call: KmsCall,
    { signal }: Waits,
    send: () => Promise<T>,
    said?: (answer: T) => Headers,
  ): Promise<T> {
    const under = isWrite(call) ? this.#writing : this.#reading;
    const cost = under === undefined ? 0 : costOf(under.mode, under.bucketKey);
    const whole = this.#due(cost);
    const answered = whole === 0 ? nothing : await this.#pace(whole, { signal, keyId: under?.keyId });
    try {
      const answer = await send();
      if (said !== undefined) await this.#heard(call, said(answer), cost);
      return answer;
    } finally {
      answered();
    }
  }

  #due(cost: number): number {
    // What costs nothing leaves what is owed as it is.
    if (cost === 0) return 0;
    this.#owed += cost;
    const whole = Math.floor(this.#owed + 1e-9);
    this.#owed -= whole;
    return whole;
  }

  async #heard(call: KmsCall, answer: Headers, paid: number): Promise<void> {
    const said = kmsSaid(answer);
    if (!isWrite(call)) this.#unread = false;
    if (said === undefined) return;
    const under = said === 'none' ? undefined : said;
    if (isWrite(call)) {
      this.#writing = under;
      // What the bucket does to one object it did to others.
      this.#reading ??= under;
    } else this.#reading = under;
    const cost = under === undefined ? 0 : costOf(under.mode, under.bucketKey);
    const more = this.#due(Math.max(0, cost - paid));
    if (more > 0) await this.#pace(more, { keyId: under?.keyId, already: true });
  }

  /** What a request that costs nothing says of an object that is there. */
  noted(answer: Headers): void {
    const said = kmsSaid(answer);
    this.#unread = false;
    if (said !== undefined) this.#reading = said === 'none' ? undefined : said;
  }
}

const nothing = (): void => undefined;

/** Undefined where nobody counts. `reads`: what the objects that are there are known to be kept under. */
export const chargeFor = (
  protection: Protection,
  pace: Pace | undefined,
  reads?: ModeKind | 'unknown',
): KmsCharge | undefined => (pace === undefined ? undefined : new KmsCharge(protection, pace, reads));

/** Runs `send` under a charge where there is one. */
export const paying = <T>(
  charge: KmsCharge | undefined,
  call: KmsCall,
  waits: Waits,
  send: () => Promise<T>,
  said?: (answer: T) => Headers,
): Promise<T> => (charge === undefined ? send() : charge.paying(call, waits, send, said));

/** `source`: what reading costs where a request copies from elsewhere. */
export function throttling(wire: Sending, charge: KmsCharge | undefined, source?: KmsCharge): Sending {
  if (charge === undefined && source === undefined) return wire;
  return {
    send: async (request): Promise<WireAnswer> => {
      const call = callOf(request);
      if (call === undefined) {
        const answer = await wire.send(request);
        if (request.method === 'HEAD') charge?.noted(answer.headers);
        return answer;
      }
      const copies = request.headers?.['x-amz-copy-source'] !== undefined;
      return paying(copies ? source : undefined, 'copy-source', request, () =>
        paying(
          charge,
          call,
          request,
          () => wire.send(request),
          ({ headers }) => headers,
        ),
      );
    },
  };
}
