/** A rekey in memory or on a server: sides in every mode, objects put by hand, opened again by whichever stored key fits. */
import { createHash, randomBytes } from 'node:crypto';
import { aesMaterial, generateRsa } from '../../src/crypto/generate.ts';
import { startOpen } from '../../src/crypto/open.ts';
import { keyringOf } from '../../src/crypto/wrap.ts';
import type { Side } from '../../src/engine/conversion.ts';
import type { RekeyOptions } from '../../src/engine/rekey-parts.ts';
import { Rekey } from '../../src/engine/rekey.ts';
import { clientSealing, serverSealing } from '../../src/engine/sealing.ts';
import { nameKey, objectKey, relPath, vaultId } from '../../src/model/brands.ts';
import type { Kind } from '../../src/model/entry.ts';
import type { Event } from '../../src/model/event.ts';
import type { KeyMaterial } from '../../src/model/keyref.ts';
import type {
  Clock,
  Index,
  Keyring,
  ListedVersion,
  Metadata,
  Mover,
  ObjectStore,
} from '../../src/model/ports.ts';
import { Secret } from '../../src/model/secret.ts';
import type { Direction, Rules, Vault } from '../../src/model/vault.ts';
import { systemClock } from '../../src/clock.ts';
import { MemoryBucket, type MemoryStep, memoryStore } from '../../src/s3/memory.ts';
import { memoryMover } from '../../src/s3/memory-mover.ts';
import type { Protection } from '../../src/s3/modes.ts';
import { bytesIn, sourceOf, TestJournal } from '../contract/object-store.ts';

export const PREFIX = 'docs/';
export const SIDES = ['aes', 'rsa', 'sse-c', 'sse-kms', 'dsse-kms', 'sse-s3'] as const;
/** The other key of the same kind has a `2` behind it. */
export type SideName = (typeof SIDES)[number] | 'aes2' | 'rsa2' | 'sse-c2' | 'sse-kms2' | 'dsse-kms2';

/** Where objects are kept. */
export interface Ground {
  readonly kmsKeys: readonly [string, string];
  store(protection: Protection): Promise<ObjectStore>;
  mover(from: Protection, to: Protection): Promise<Mover>;
}

export const KMS: readonly [string, string] = [
  'arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  'arn:aws:kms:us-east-1:000000000000:key/2234abcd-12ab-34cd-56ef-1234567890ab',
];

export interface Held {
  readonly protection: Protection;
  readonly keyring?: Keyring;
}

const bytesOf = (name: string): Buffer => createHash('sha256').update(name).digest();
let rsa: Promise<readonly [KeyMaterial, KeyMaterial]> | undefined;
/** Two pairs for all tests: making one takes a while. */
export const rsaKeys = (): Promise<readonly [KeyMaterial, KeyMaterial]> =>
  (rsa ??= Promise.all([generateRsa(), generateRsa()]));

const sealedBy = (keyring: Keyring): Held => ({
  protection: { mode: 'client', key: keyring.fingerprint },
  keyring,
});

export async function held(name: SideName, kmsKeys: readonly [string, string]): Promise<Held> {
  const second = name.endsWith('2');
  switch (name) {
    case 'aes':
    case 'aes2':
      return sealedBy(keyringOf(aesMaterial(new Secret(bytesOf(name)))));
    case 'rsa':
    case 'rsa2':
      return sealedBy(keyringOf((await rsaKeys())[second ? 1 : 0]));
    case 'sse-c':
    case 'sse-c2':
      return { protection: { mode: 'sse-c', key: new Secret(bytesOf(name)) } };
    case 'sse-kms':
    case 'sse-kms2':
    case 'dsse-kms':
    case 'dsse-kms2': {
      const mode = name.startsWith('dsse') ? 'dsse-kms' : 'sse-kms';
      return { protection: { mode, keyId: kmsKeys[second ? 1 : 0], context: {} } };
    }
    case 'sse-s3':
      return { protection: { mode: 'sse-s3' } };
    default:
      return name satisfies never;
  }
}

export interface RekeyRun {
  readonly exit: number;
  readonly events: readonly Event[];
  readonly rekey: Rekey;
  /** What `onEnd` was told; undefined where it was not called. */
  readonly versions: boolean | undefined;
}

export class RekeyMachine {
  readonly ground: Ground;
  readonly clock: Clock;
  index: Index;
  rules: Rules = { removals: false, include: [], exclude: [], transfers: 4 };
  direction: Direction = 'push';
  /** Stands in for the store of keys. */
  keysHold: (begun: boolean) => void = () => undefined;
  readonly #open: { close(): Promise<void> }[] = [];

  constructor(ground: Ground, clock: Clock, index: Index) {
    this.ground = ground;
    this.clock = clock;
    this.index = index;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((one) => one.close()));
  }

  async side(name: SideName, ground = this.ground): Promise<Side & Held> {
    const made = await held(name, this.ground.kmsKeys);
    return this.sideOf(made, ground);
  }

  async sideOf({ protection, keyring }: Held, ground = this.ground): Promise<Side & Held> {
    const store = await ground.store(protection);
    this.#open.push(store);
    const key = keyring?.fingerprint ?? keyNameOf(protection);
    const { mode: kind } = protection;
    const sealing = keyring === undefined ? serverSealing : clientSealing(keyring);
    return {
      kind,
      store,
      sealing,
      key,
      fingerprint: `${kind}:${key}`,
      protection,
      ...(keyring && { keyring }),
    };
  }

  /** An object as a sync would have sent it, in parts where it is large; and its Record, unless `index` is false. */
  async put(
    side: Side,
    name: string,
    content: Buffer,
    {
      index = true,
      mode = '100644',
      bound = 'file',
    }: { readonly index?: boolean; readonly mode?: string; readonly bound?: Kind } = {},
  ): Promise<string | undefined> {
    const key = objectKey(PREFIX + name);
    const digest = createHash('sha256').update(content).digest();
    const wrapping = await side.sealing.start();
    const mac = wrapping.mac(digest, bound);
    const metadata: Metadata = {
      's3vault-mtime': '12.500000',
      's3vault-mode': mode,
      ...wrapping.metadata,
      ...(mac === undefined ? {} : { 's3vault-mac': mac }),
    };
    const sealed = wrapping.whole(Buffer.from(content));
    const receipt =
      sealed.length > LARGE
        ? await side.store.upload(key, { ...sourceOf(partsOf(sealed)), metadata }, new TestJournal())
        : await side.store.put(key, sealed, metadata);
    if (index)
      this.index.commit([
        {
          kind: 'put',
          record: {
            path: relPath(name),
            key: nameKey(name),
            kind: bound,
            size: content.length,
            mtime: 12_500,
            ctime: 12_500,
            inode: 1,
            mode: 0o100644,
            digest,
            etag: receipt.etag,
            ...(receipt.versionId === undefined ? {} : { versionId: receipt.versionId }),
            storedSize: receipt.size,
            modeFingerprint: side.fingerprint,
            seenAt: 100_000,
          },
        },
      ]);
    return receipt.versionId;
  }

  /** A vault of which only the place, the id and the rules count. */
  get vault(): Vault {
    return {
      id: vaultId('11111111-1111-4111-8111-111111111111'),
      root: '/files',
      remote: { bucket: 'bucket', prefix: PREFIX },
      mode: { kind: 'sse-s3' },
      direction: this.direction,
      rules: this.rules,
    };
  }

  async rekey(
    from: Side & Held,
    to: Side & Held,
    options: Partial<RekeyOptions> = {},
    ground = this.ground,
  ): Promise<{ readonly rekey: Rekey; readonly events: Event[]; readonly told: { versions?: boolean } }> {
    const { clock, index, vault } = this;
    const mover = await ground.mover(from.protection, to.protection);
    const onward = await ground.mover(to.protection, to.protection);
    this.#open.push(mover, onward);
    const told: { versions?: boolean } = {};
    const rekey = new Rekey(
      { vault, from, to, mover, onward, index, clock, keysHold: async (begun) => this.keysHold(begun) },
      {
        dryRun: false,
        onBegin: async () => undefined,
        onEnd: async (versions) => {
          told.versions = versions;
        },
        ...options,
      },
    );
    const events: Event[] = [];
    rekey.subscribe((event) => events.push(event));
    return { rekey, events, told };
  }

  async run(from: Side & Held, to: Side & Held, options: Partial<RekeyOptions> = {}): Promise<RekeyRun> {
    const { rekey, events, told } = await this.rekey(from, to, options);
    const { exit } = await rekey.run();
    return { exit, events, rekey, versions: told.versions };
  }
}

function keyNameOf(protection: Protection): string {
  if ('keyId' in protection) return protection.keyId;
  return protection.mode === 'sse-c' ? protection.key.use((bytes) => bytes.toString('hex', 0, 8)) : '';
}

const LARGE = 8 * 2 ** 20 + 16;
const PART = 5 * 2 ** 20;
const partsOf = (body: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(body.length / PART) }, (_, at) => body.subarray(at * PART, (at + 1) * PART));

/** The plaintext, by one of the sides that fits; rejects where none does. */
export async function readBy(
  sides: readonly Side[],
  name: string,
  versionId?: string,
): Promise<{ readonly content: Buffer; readonly by: Side; readonly metadata: Metadata }> {
  const failures: unknown[] = [];
  const key = objectKey(PREFIX + name);
  for (const side of sides) {
    try {
      const { stat, body } = await side.store.get(key, versionId === undefined ? {} : { versionId });
      const stored = await bytesIn(body);
      const { keyring } = side.sealing;
      const sealed = Object.keys(stat.metadata).some((one) => one.startsWith('x-amz-'));
      if (sealed !== (keyring !== undefined)) throw new Error(`${name} is in another mode`);
      const content = keyring === undefined ? stored : await unsealed(keyring, stat.metadata, stored);
      return { content, by: side, metadata: stat.metadata };
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  throw new Error(`no key opens ${name}: ${failures.map(String).join('; ')}`);
}

async function unsealed(keyring: Keyring, metadata: Metadata, stored: Buffer): Promise<Buffer> {
  const opening = await startOpen(keyring, metadata);
  try {
    return Buffer.from(opening.whole(stored));
  } finally {
    opening.wipe();
  }
}

export async function versionsOf(store: ObjectStore, name: string): Promise<readonly ListedVersion[]> {
  const key = objectKey(PREFIX + name);
  const found: ListedVersion[] = [];
  for await (const page of store.versions(key)) found.push(...page.filter((one) => one.key === key));
  return found.toReversed();
}

/** Names and contents of all that has edges: empty, small, odd, several parts. */
export const CONTENTS: ReadonlyMap<string, Buffer> = new Map([
  ['empty', Buffer.alloc(0)],
  ['small', Buffer.from('small')],
  ['odd/line\nbreak 🏔 +%20', Buffer.from('odd')],
  ['large', randomBytes(9 * 2 ** 20 + 3)],
]);

export interface MemoryWorld {
  readonly bucket: MemoryBucket;
  readonly ground: Ground;
  /** The same bucket for a process that may die: its faults are its own. */
  readonly groundWith: (fault: MemoryWorld['fault']) => Ground;
  fault: (step: MemoryStep) => void | Promise<void>;
  without: readonly ('copy' | 'update')[];
  silent: boolean;
  readonly steps: MemoryStep[];
}

export function memoryWorld(versioned = false): MemoryWorld {
  const bucket = new MemoryBucket({ versioned });
  const clock = systemClock;
  const groundWith: MemoryWorld['groundWith'] = (fault) => ({
    kmsKeys: KMS,
    store: async (protection) => memoryStore({ clock, bucket, protection, fault, silent: world.silent }),
    mover: async (from, to) =>
      memoryMover({ clock, bucket, from, to, fault, without: world.without, silent: world.silent }),
  });
  const world: MemoryWorld = {
    bucket,
    fault: () => undefined,
    without: [],
    silent: false,
    steps: [],
    groundWith,
    ground: groundWith((step) => {
      if (step.when === 'before') world.steps.push(step);
      return world.fault(step);
    }),
  };
  return world;
}
