import { createHash } from 'node:crypto';
import type { NameKey } from '../model/brands.ts';
import type { Clock } from '../model/ports.ts';

const ALL = 100;
const STEPS = 2 ** 32;
const DECIMALS = 10_000;

/**
 * Which names belong to this run's share. A seed shuffles all names; each run takes the next so many percent of them. A run
 * that comes to the end of them goes on with the next seed, which shuffles anew, so that nobody who sees what is opened knows
 * in which order it is the next time; it takes so many of those that it opens as many as any other run, some being in both.
 */
export class DeepShare {
  readonly #seed: string;
  readonly #from: number;
  readonly #to: number;
  /** Of the next seed: names up to `#rest` percent; 0 where this run does not come to the end. */
  readonly #nextSeed: string;
  readonly #rest: number;

  constructor(remembered: string | undefined, percent: number, clock: Pick<Clock, 'random'>) {
    const fresh = (): string => Math.floor(clock.random() * Number.MAX_SAFE_INTEGER).toString(36);
    const match = /^([0-9a-z]+) (\d+(?:\.\d+)?)$/.exec(remembered ?? '');
    this.#seed = match?.[1] ?? fresh();
    this.#from = Number(match?.[2] ?? 0);
    this.#to = this.#from + percent;
    this.#nextSeed = fresh();
    this.#rest = this.#to > ALL ? rounded(((this.#to - ALL) / this.#from) * ALL) : 0;
  }

  holds(key: NameKey): boolean {
    const at = placeOfName(this.#seed, key);
    if (at >= this.#from && at < this.#to) return true;
    return this.#rest > 0 && placeOfName(this.#nextSeed, key) < this.#rest;
  }

  /** What the next run is to be given. */
  get next(): string {
    return this.#to >= ALL ? `${this.#nextSeed} ${this.#rest}` : `${this.#seed} ${rounded(this.#to)}`;
  }
}

/** In percent, evenly spread. */
function placeOfName(seed: string, key: NameKey): number {
  const hash = createHash('sha256').update(`${seed} ${key}`).digest().readUInt32BE(0);
  return (hash / STEPS) * ALL;
}

/** As it is written down, so that one run begins just where the last one ended. */
const rounded = (percent: number): number => Math.floor(percent * DECIMALS) / DECIMALS;
