import { createHash } from 'node:crypto';
import type { NameKey } from '../model/brands.ts';
import type { Clock } from '../model/ports.ts';

const ALL = 100;
const STEPS = 2 ** 32;

/**
 * Which names belong to this run's share. A seed shuffles all names; each run takes the next so many percent of them, and
 * once all have had their turn the next seed shuffles anew. So every object is opened once in 100 / N runs.
 */
export class DeepShare {
  readonly #seed: string;
  readonly #from: number;
  readonly #percent: number;
  readonly #clock: Pick<Clock, 'random'>;

  constructor(remembered: string | undefined, percent: number, clock: Pick<Clock, 'random'>) {
    this.#clock = clock;
    this.#percent = percent;
    const match = /^([0-9a-z]+) (\d+(?:\.\d+)?)$/.exec(remembered ?? '');
    this.#seed = match?.[1] ?? this.#fresh();
    this.#from = Number(match?.[2] ?? 0);
  }

  #fresh(): string {
    return Math.floor(this.#clock.random() * Number.MAX_SAFE_INTEGER).toString(36);
  }

  holds(key: NameKey): boolean {
    const hash = createHash('sha256').update(`${this.#seed} ${key}`).digest().readUInt32BE(0);
    const at = (hash / STEPS) * ALL;
    return at >= this.#from && at < this.#from + this.#percent;
  }

  /** What the next run is to be given. */
  get next(): string {
    const to = this.#from + this.#percent;
    return to >= ALL ? `${this.#fresh()} 0` : `${this.#seed} ${to}`;
  }
}
