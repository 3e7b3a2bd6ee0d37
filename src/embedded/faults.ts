/** Faults on command: which requests go wrong, how, and how often. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from './operation.ts';

export type Fault =
  /** 503 SlowDown; at the KMS endpoint 400 ThrottlingException. */
  | { readonly kind: 'slow-down' }
  /** The same with the text that names KMS. */
  | { readonly kind: 'kms-slow-down' }
  | { readonly kind: 'error-500' }
  /** The connection breaks before the request is looked at. */
  | { readonly kind: 'reset-before' }
  /** It breaks in the middle of the request's body, or of the answer's where the request has none. */
  | { readonly kind: 'reset-mid-body' }
  /** The request is carried out; the connection breaks instead of an answer. */
  | { readonly kind: 'reset-after' }
  /** Bodies, both ways, trickle: a pause of `ms` (20) after each `bytes` (16 KiB). */
  | { readonly kind: 'slow-body'; readonly ms?: number; readonly bytes?: number }
  | { readonly kind: 'expired-token' }
  | { readonly kind: 'status'; readonly status: number; readonly code: string; readonly message: string }
  /** The endpoint's clock runs `ms` ahead (an hour) for the request, in its judgement and its Date. */
  | { readonly kind: 'clock-skew'; readonly ms?: number }
  /** These headers are missing in the answer. */
  | { readonly kind: 'strip-headers'; readonly names: readonly string[] }
  /** One bit in the middle of the answer's body is flipped. */
  | { readonly kind: 'corrupt-body' }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  /** No answer, ever. */
  | { readonly kind: 'hang' }
  /** Answered as usual, `ms` later. */
  | { readonly kind: 'delay'; readonly ms: number };

/** What a fault can be chosen by. */
export interface FaultSubject {
  readonly method: string;
  readonly operation: Operation;
  readonly bucket: string;
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: IncomingHttpHeaders;
}

export interface FaultRule {
  readonly match: Operation | ((request: FaultSubject) => boolean);
  /** How many requests it strikes; without it, all until it is removed. */
  readonly times?: number;
  readonly fault: Fault;
}

export interface ActiveFault {
  /** Requests struck so far. */
  readonly hits: number;
  remove(): void;
}

interface Entry {
  readonly rule: FaultRule;
  hits: number;
}

/** The first rule that fits and is not used up strikes; one fault a request. */
export class Faults {
  #entries: Entry[] = [];

  add(rule: FaultRule): ActiveFault {
    const entry: Entry = { rule, hits: 0 };
    this.#entries.push(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove: () => {
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
  }

  clear(): void {
    this.#entries = [];
  }

  /** The fault for a request, counted as a hit. */
  strike(subject: FaultSubject): Fault | undefined {
    for (const entry of this.#entries) {
      const { match, times, fault } = entry.rule;
      if (times !== undefined && entry.hits >= times) continue;
      if (typeof match === 'string' ? match !== subject.operation : !match(subject)) continue;
      entry.hits++;
      return fault;
    }
    return undefined;
  }
}
