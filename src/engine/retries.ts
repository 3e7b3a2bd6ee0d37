import type { NameKey, RelPath } from '../model/brands.ts';
import type { VaultError } from '../model/errors.ts';
import type { Action, RemoteEntry } from '../model/plan.ts';
import type { Clock } from '../model/ports.ts';

/** Attempts before a file counts as failed, without watching. */
const TRIES_ONCE = 5;
const BASE_MS = 500;
const MAX_ONCE_MS = 8_000;
const MAX_WATCH_MS = 300_000;

/** Errors that another try cannot mend and that concern every file: the run stops. */
export const isFinal = ({ kind }: VaultError): boolean =>
  kind === 'security' || kind === 'refused' || kind === 'usage' || kind === 'internal';

interface Trouble {
  readonly path: RelPath;
  readonly failures: number;
  readonly remote: RemoteEntry | undefined;
}

/** An object that could not be brought here, as its ETag says, and when it is worth another try. */
interface Refusal {
  readonly etag: string;
  readonly failures: number;
  readonly until: number;
}

/** Remembers what failed and when it is worth another try: exponential, jittered, never blocking the rest. */
export class Retries {
  readonly #clock: Clock;
  readonly #once: boolean;
  readonly #troubles = new Map<NameKey, Trouble>();
  readonly #refusals = new Map<NameKey, Refusal>();

  constructor(clock: Clock, once: boolean) {
    this.#clock = clock;
    this.#once = once;
  }

  attempts(key: NameKey): number {
    return this.#troubles.get(key)?.failures ?? 0;
  }

  paths(): readonly RelPath[] {
    return [...this.#troubles.values()].map((trouble) => trouble.path);
  }

  /** What the listing said of a key whose comparison failed: it is compared, not sent, at the next try. */
  remote(key: NameKey): RemoteEntry | undefined {
    return this.#troubles.get(key)?.remote;
  }

  forget(key: NameKey): void {
    this.#troubles.delete(key);
    this.#refusals.delete(key);
  }

  /** True where this very object could not be brought here a short while ago: each listing shows it anew. */
  holds(action: Action): boolean {
    if (action.kind !== 'get' && action.kind !== 'conflict') return false;
    const refusal = this.#refusals.get(action.key);
    return refusal?.etag === action.remote.etag && this.#clock.ticks() < refusal.until;
  }

  /** It is tried now, whatever came of it before. */
  release(key: NameKey): void {
    this.#refusals.delete(key);
  }

  #refused({ key, ...action }: Action, error: VaultError, delay: number | undefined): void {
    if (this.#once || (action.kind !== 'get' && action.kind !== 'conflict')) return;
    if (error.kind !== 'file' && error.kind !== 'security') return;
    const { etag } = action.remote;
    const known = this.#refusals.get(key);
    const failures = known?.etag === etag ? known.failures + 1 : 1;
    const wait = Math.min(MAX_WATCH_MS, BASE_MS * 2 ** failures);
    this.#refusals.set(key, { etag, failures, until: this.#clock.ticks() + Math.min(wait, delay ?? wait) });
  }

  /** Nothing waits any more: what failed has resolved itself. */
  clear(): void {
    this.#troubles.clear();
  }

  /** Whether one more failure of this kind would be followed by another try. */
  willRetry(key: NameKey, error: VaultError): boolean {
    switch (error.kind) {
      case 'transient':
      case 'throttled':
      case 'changed':
        return !this.#once || this.attempts(key) + 1 < TRIES_ONCE;
      case 'offline':
        return true;
      case 'file':
        return !this.#once;
      case 'cancelled':
      case 'usage':
      case 'refused':
      case 'consent':
      case 'security':
      case 'held':
      case 'internal':
        return false;
      default:
        return error.kind satisfies never;
    }
  }

  /** Notes a failure; milliseconds until the next try, or undefined for none. */
  failed(action: Action, error: VaultError): number | undefined {
    const { key, path } = action;
    const again = this.willRetry(key, error);
    const failures = this.attempts(key) + (error.kind === 'offline' ? 0 : 1);
    const remote = action.kind === 'put' && action.doubt === 'index-lost' ? action.remote : undefined;
    this.#troubles.set(key, { path, failures, remote });
    const delay = again ? this.#delay(failures, error) : undefined;
    this.#refused(action, error, delay);
    return delay;
  }

  #delay(failures: number, error: VaultError): number {
    const cap = this.#once ? MAX_ONCE_MS : MAX_WATCH_MS;
    const ceiling = Math.min(cap, BASE_MS * 2 ** Math.max(0, failures - 1));
    return Math.max(error.retryAfter ?? 0, ceiling * (0.5 + this.#clock.random() / 2));
  }
}
