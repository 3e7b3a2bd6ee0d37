/** Requests wait until what they will cost of KMS may be spent. One concern: nothing is tried again here. */
import type { KmsCall } from './kms-cost.ts';
import { callOf, costOf, isWrite } from './kms-cost.ts';
import type { Pace } from '../model/kms.ts';
import type { Waits } from '../model/ports.ts';
import { type Protection, saysBucketKey } from './modes.ts';
import type { Headers } from './sign.ts';
import type { Wire, WireAnswer } from './wire.ts';

export type Sending = Pick<Wire, 'send'>;

/** What the requests of one store under one protection cost of KMS; waits for it. */
export class KmsCharge {
  readonly #mode: 'sse-kms' | 'dsse-kms';
  readonly #pace: Pace;
  /** Whether a Bucket Key serves, as asked for or as the store's answers have it: objects may differ from what is asked. */
  readonly #bucketKey: { write: boolean; read: boolean };
  /** Parts of a KMS request that are not counted yet. The first request always asks KMS. */
  #owed = 0.99;

  constructor(protection: Extract<Protection, { keyId: string }>, pace: Pace) {
    this.#mode = protection.mode;
    this.#pace = pace;
    const asked = protection.bucketKey === true;
    this.#bucketKey = { write: asked, read: asked };
  }

  /** Runs `send` once what it costs may be spent. */
  async paying<T>(call: KmsCall, { signal }: Waits, send: () => Promise<T>): Promise<T> {
    const { write, read } = this.#bucketKey;
    this.#owed += costOf(this.#mode, isWrite(call) ? write : read);
    const whole = Math.floor(this.#owed + 1e-9);
    if (whole === 0) return send();
    this.#owed -= whole;
    const answered = await this.#pace(whole, { signal });
    try {
      return await send();
    } finally {
      answered();
    }
  }

  learn(call: KmsCall, answer: Headers): void {
    const says = saysBucketKey(answer);
    if (says !== undefined) this.#bucketKey[isWrite(call) ? 'write' : 'read'] = says;
  }
}

/** Undefined where the store asks no KMS for this protection, or nobody counts. */
export function chargeFor(protection: Protection, pace: Pace | undefined): KmsCharge | undefined {
  const asksKms = protection.mode === 'sse-kms' || protection.mode === 'dsse-kms';
  return asksKms && pace !== undefined ? new KmsCharge(protection, pace) : undefined;
}

/** Runs `send` under a charge where there is one. */
export const paying = <T>(
  charge: KmsCharge | undefined,
  call: KmsCall,
  waits: Waits,
  send: () => Promise<T>,
): Promise<T> => (charge === undefined ? send() : charge.paying(call, waits, send));

/** `source`: what reading costs where a request copies from elsewhere. */
export function throttling(wire: Sending, charge: KmsCharge | undefined, source?: KmsCharge): Sending {
  if (charge === undefined && source === undefined) return wire;
  return {
    send: async (request): Promise<WireAnswer> => {
      const call = callOf(request);
      if (call === undefined) return wire.send(request);
      const copies = request.headers?.['x-amz-copy-source'] !== undefined;
      const answer = await paying(copies ? source : undefined, 'copy-source', request, () =>
        paying(charge, call, request, () => wire.send(request)),
      );
      charge?.learn(call, answer.headers);
      return answer;
    },
  };
}
