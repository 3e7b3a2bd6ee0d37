import { inspect } from 'node:util';

/**
 * Small Buffers would share pieces of memory: what a library leaves in one of them would live as long as any other in the
 * same piece. Now each has its own, which goes with it.
 */
Buffer.poolSize = 0;

const NOTHING = /^/;

/**
 * Bytes that must never be shown: keys and passphrases. Printing, logging, serialising or inspecting one gives
 * `[secret]`; the bytes come out only through `use`, so that every place that touches a key can be found by search.
 */
export class Secret {
  #bytes: Buffer;

  /** Takes a copy; the caller stays responsible for the original (see `Secret.take`). */
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  /** Takes over the bytes: copies them and wipes the original. */
  static take(bytes: Uint8Array): Secret {
    const secret = new Secret(bytes);
    bytes.fill(0);
    return secret;
  }

  /** Number of bytes, which is not secret. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Hands the bytes to `fn`. They must not be kept after it returns: `wipe` clears them in place. */
  use<T>(fn: (bytes: Buffer) => T): T {
    return fn(this.#bytes);
  }

  /** Overwrites the bytes. Copies made by the runtime (strings, moved buffers) can't be reached. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#bytes = Buffer.alloc(0);
    // The engine keeps the text that a regular expression matched last (`RegExp.$_`): it may have been this one.
    NOTHING.test('');
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.toPrimitive](): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
