/** A KMS that counts its requests and throttles above its quota, and clients that always have work for it. */
import { VaultError } from '../../src/model/errors.ts';
import type { Clock } from '../../src/model/ports.ts';
import type { KmsLimiter } from '../../src/s3/kms-limiter.ts';

const SECOND = 1_000;

export class CountingKms {
  readonly #clock: Pick<Clock, 'ticks'>;
  /** Requests a second; may be changed at any time. */
  quota: number;
  /** When requests were let through, in ms of the monotonic clock. */
  readonly times: number[] = [];
  throttled = 0;
  #oldest = 0;

  constructor(clock: Pick<Clock, 'ticks'>, quota: number) {
    this.#clock = clock;
    this.quota = quota;
  }

  /** `count` requests at once; rejects where one of them is too much. */
  request(count: number): void {
    const now = this.#clock.ticks();
    for (let n = 0; n < count; n++) {
      while ((this.times[this.#oldest] ?? now) <= now - SECOND) this.#oldest++;
      if (this.times.length - this.#oldest >= this.quota) {
        this.throttled++;
        throw new VaultError('throttled', 'kms-throttled', 'KMS asks for fewer requests', {
          resource: 'kms',
        });
      }
      this.times.push(now);
    }
  }
}

/** The most requests in any window of one second. */
export function mostInASecond(times: readonly number[]): number {
  let most = 0;
  let first = 0;
  times.forEach((time, last) => {
    while ((times[first] ?? time) <= time - SECOND) first++;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

/** Keeps `atATime` requests waiting; `way` is that to KMS, and that back; each failure is told to the limiter. Gives the function that ends it. */
export function hungry(
  limiter: KmsLimiter,
  kms: CountingKms,
  { cost = 1, atATime = 16, onDone = (): void => undefined, way = async (): Promise<void> => undefined } = {},
): () => void {
  const one = async (): Promise<void> => {
    for (;;) {
      const answered = await limiter.take(cost);
      try {
        await way();
        kms.request(cost);
        await way();
        onDone();
      } catch {
        limiter.throttled();
      } finally {
        answered();
      }
    }
  };
  for (let n = 0; n < atATime; n++) void one().catch(() => undefined);
  return () => limiter.close();
}
