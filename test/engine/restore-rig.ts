/** A restore in memory: a bucket filled by the real sealing, a folder in memory, scripted faults. */
import { aesMaterial } from '../../src/crypto/generate.ts';
import { createHash } from 'node:crypto';
import { keyringOf } from '../../src/crypto/wrap.ts';
import { RateLimit } from '../../src/engine/budget.ts';
import type { Reader } from '../../src/engine/fetching.ts';
import { demandedIn } from '../../src/engine/protected.ts';
import { Restore, type RestoreOptions } from '../../src/engine/restore.ts';
import { clientSealing, serverSealing } from '../../src/engine/sealing.ts';
import { type ObjectKey, objectKey } from '../../src/model/brands.ts';
import type { Event } from '../../src/model/event.ts';
import { type Names, bareNames } from '../../src/model/names.ts';
import type { ModeKind } from '../../src/model/mode.ts';
import type { Metadata, ObjectStore } from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';
import { MemoryBucket, type MemoryStep, memoryStore } from '../../src/s3/memory.ts';
import type { Protection } from '../../src/s3/modes.ts';
import type { Headers } from '../../src/s3/sign.ts';
import { FakeTarget } from '../support/fake-target.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const PREFIX = 'docs/';
export const MIB = 2 ** 20;

export class RestoreRig {
  readonly clock = new ManualClock();
  readonly bucket: MemoryBucket;
  readonly mode: ModeKind;
  readonly keyring = keyringOf(aesMaterial(new Secret(Buffer.alloc(32, 9))));
  readonly target = new FakeTarget();
  names: Names = bareNames(1_024);
  fault: (step: MemoryStep) => void | Promise<void> = () => undefined;
  unconditional = false;
  steps: MemoryStep[] = [];
  digests = new Map<string, Uint8Array>();
  /** What this machine remembers to have sent as links. */
  links = new Set<string>();

  constructor(mode: ModeKind = 'client', versioned = false) {
    this.mode = mode;
    this.bucket = new MemoryBucket({ versioned });
  }

  get #protection(): Protection {
    const { mode } = this;
    if (mode === 'client') return { mode, key: 'memory' };
    if (mode === 'sse-c') return { mode, key: new Secret(Buffer.alloc(32, 9)) };
    return mode === 'sse-s3' ? { mode } : { mode, keyId: 'kms-key', context: {} };
  }

  /** What the store says of the object's encryption from now on; it is given out to whoever could read it before. */
  under(path: string, headers: Headers): void {
    const stored = this.bucket.find(this.keyOf(path));
    if (stored === undefined) throw new Error(`no object ${path}`);
    this.bucket.replace(this.keyOf(path), stored.stat.versionId, { ...stored, under: headers });
  }

  store(): ObjectStore {
    return memoryStore({
      clock: this.clock,
      bucket: this.bucket,
      unconditional: this.unconditional,
      protection: this.#protection,
      fault: (step) => {
        if (step.when === 'before') this.steps.push(step);
        return this.fault(step);
      },
    });
  }

  /** An object as a sync leaves it; `unbound`: as one of an older version did, which did not bind the kind. */
  async put(path: string, content: string | Buffer, over: Metadata = {}, unbound = false): Promise<void> {
    const plaintext = Buffer.from(content);
    const wrapping = await (this.mode === 'client' ? clientSealing(this.keyring) : serverSealing).start();
    const kind = over['s3vault-mode']?.startsWith('120') === true && !unbound ? 'link' : 'file';
    const mac = wrapping.mac(createHash('sha256').update(plaintext).digest(), kind);
    const facts = {
      's3vault-mtime': '1577880000.123456',
      's3vault-mode': '100640',
      ...this.names.metadata(path),
      ...over,
    };
    const metadata = { ...wrapping.metadata, ...facts, ...(mac === undefined ? {} : { 's3vault-mac': mac }) };
    await this.store().put(this.keyOf(path), wrapping.whole(Buffer.from(plaintext)), metadata);
    this.clock.advance(1_000);
  }

  keyOf(path: string): ObjectKey {
    return objectKey(PREFIX + this.names.keyOf(path));
  }

  /** Something that was put there as it is. */
  async raw(path: string, body: string | Buffer, metadata: Metadata = {}): Promise<void> {
    await this.store().put(objectKey(PREFIX + path), Buffer.from(body), metadata);
  }

  /** Changes one stored byte under the same metadata. */
  async flip(path: string, at = 0): Promise<void> {
    const stored = this.bucket.find(PREFIX + path);
    if (stored === undefined) throw new Error(`no object ${path}`);
    const body = Buffer.from(stored.body);
    body[at] = (body[at] ?? 0) ^ 1;
    await this.raw(path, body, stored.stat.metadata);
  }

  reader(): Omit<Reader, 'reach'> {
    return {
      store: this.store(),
      mode: this.mode,
      demanded: demandedIn([this.mode]),
      keyring: this.mode === 'client' ? this.keyring : undefined,
      commitment: 'require',
      download: new RateLimit(this.clock, undefined),
    };
  }

  async restore(over: Partial<RestoreOptions> = {}, stopAt?: (event: Event) => boolean) {
    const restore = new Restore(
      {
        reader: this.reader(),
        target: this.target,
        digestOf: (name) => this.digests.get(name),
        wasLink: (name) => this.links.has(name),
        prefix: PREFIX,
        keepsVersions: () => Promise.resolve(this.bucket.versioned),
        names: this.names,
        clock: this.clock,
        transfers: 4,
      },
      { paths: [''], force: false, ...over },
    );
    const events: Event[] = [];
    restore.subscribe((event) => {
      events.push(event);
      if (stopAt?.(event) === true) restore.command({ command: 'stop' });
    });
    this.steps = [];
    const { exit } = await this.drive(restore.run());
    const failed = events.flatMap((event) =>
      event.event === 'transfer.failed' ? [`${event.path} ${event.error.code}`] : [],
    );
    const warnings = events.flatMap((event) => (event.event === 'warning' ? [event.code] : []));
    return { exit, events, failed: failed.sort(), warnings };
  }

  async drive<T>(promise: Promise<T>): Promise<T> {
    const state = { over: false };
    const settled = promise.finally(() => {
      state.over = true;
    });
    for (let turn = 0; !state.over; turn++) {
      if (turn > 20_000) throw new Error('it never ends');
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 4 === 3) this.clock.advance(20);
    }
    return settled;
  }

  /** What is in the folder, by path. */
  get files(): { [path: string]: string } {
    return Object.fromEntries(
      [...this.target.files].map(([path, { content }]) => [path, content.toString('latin1')]),
    );
  }

  count(operation: MemoryStep['operation']): number {
    return this.steps.filter((step) => step.operation === operation).length;
  }
}
