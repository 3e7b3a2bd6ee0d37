/** The keys of the simulated KMS: names, states, quota, and real wrapping of data keys. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { S3Error, accessDenied, slowDown } from './errors.ts';
import { ACCOUNT } from './world.ts';

export interface EmbeddedKmsKey {
  /** Key id: a UUID as on AWS, or any name. */
  readonly id: string;
  /** Without `alias/`. */
  readonly alias?: string;
  readonly state?: KeyState;
  /** Anything but `SYMMETRIC_DEFAULT` cannot encrypt objects. */
  readonly spec?: 'SYMMETRIC_DEFAULT' | 'RSA_2048' | 'HMAC_256';
  /** Id of the AWS CloudHSM or external key store that holds it; absent: KMS itself. */
  readonly customKeyStore?: string;
  /** Requests a second before throttling; absent: no limit. */
  readonly quota?: number;
  /** Actions that are refused, such as `kms:Decrypt`. */
  readonly denied?: readonly string[];
}

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion';

export type EncryptionContext = Readonly<Record<string, string>>;

interface KnownKey extends EmbeddedKmsKey {
  readonly arn: string;
  readonly secret: Buffer;
}

/** What went wrong with a key: S3 and KMS word it differently. */
export class KmsFault extends Error {
  readonly code: KmsCode;
  constructor(code: KmsCode, message: string) {
    super(message);
    this.code = code;
  }
}

export type KmsCode =
  | 'NotFoundException'
  | 'DisabledException'
  | 'KMSInvalidStateException'
  | 'InvalidKeyUsageException'
  | 'InvalidCiphertextException'
  | 'AccessDeniedException'
  | 'ThrottlingException';

export const KMS_THROTTLED =
  'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.';

const AWS_MANAGED = 'aws/s3';
/** Call times kept for tests and benchmarks; older ones go. */
const MAX_CALLS = 2_000_000;

export class KmsKeys {
  readonly #region: string;
  readonly #now: () => number;
  readonly #keys = new Map<string, KnownKey>();
  readonly #window = new Map<string, { second: number; calls: number }>();
  #calls: number[] = [];
  #throttled: number[] = [];
  /** Requests a second of the whole account, under all its keys; undefined: no limit. May be changed at any time. */
  quota: number | undefined;

  constructor(region: string, keys: readonly EmbeddedKmsKey[], now: () => number) {
    this.#region = region;
    this.#now = now;
    for (const key of keys) this.set(key);
    this.set({ id: AWS_MANAGED, alias: AWS_MANAGED });
  }

  /** Adds a key, or changes one; its secret stays what it was. */
  set(key: EmbeddedKmsKey): void {
    const secret = this.#keys.get(key.id)?.secret ?? randomBytes(32);
    this.#keys.set(key.id, { ...key, arn: this.#arn(`key/${key.id}`), secret });
  }

  /** Times (ms since 1970) of the calls that were let through, in order. */
  get callTimes(): readonly number[] {
    return this.#calls;
  }

  /** Times of the calls that were too many. */
  get throttledTimes(): readonly number[] {
    return this.#throttled;
  }

  /** Forgets the calls counted so far. */
  resetCalls(): void {
    this.#calls = [];
    this.#throttled = [];
    this.#window.clear();
  }

  /** ARN of the key AWS manages for S3: what `aws:kms` without a key id means. */
  get managedArn(): string {
    return this.arnOf(`alias/${AWS_MANAGED}`);
  }

  /** Key id, key ARN, alias name or alias ARN to key ARN. */
  arnOf(reference: string): string {
    return this.#find(reference).arn;
  }

  describe(reference: string): EmbeddedKmsKey & { readonly arn: string } {
    const { secret: _, ...shown } = this.#find(reference);
    return shown;
  }

  /** A call of `action` under a key: throws where the key's state, its permissions or its quota forbid it. */
  call(reference: string, action: string): { readonly arn: string } {
    const key = this.#find(reference);
    if (key.denied?.includes(action) === true) {
      throw new KmsFault(
        'AccessDeniedException',
        `User: arn:aws:iam::${ACCOUNT}:user/embedded is not authorized to perform: ${action} on resource: ${key.arn} because no identity-based policy allows the ${action} action`,
      );
    }
    checkState(key);
    this.#count(key);
    return key;
  }

  /** Counted in intervals of a second, as AWS does (AWS KMS Developer Guide, "Throttling AWS KMS requests"). */
  #count(key: KnownKey): void {
    const now = this.#now();
    const fits = this.#fits(key.id, key.quota, now) && this.#fits(ACCOUNT, this.quota, now);
    if (!fits) {
      this.#throttled.push(now);
      throw new KmsFault('ThrottlingException', KMS_THROTTLED);
    }
    this.#calls.push(now);
    if (this.#calls.length > MAX_CALLS) this.#calls = this.#calls.slice(MAX_CALLS / 2);
  }

  #fits(whose: string, quota: number | undefined, now: number): boolean {
    if (quota === undefined) return true;
    const second = Math.floor(now / 1000);
    const window = this.#window.get(whose);
    const calls = window?.second === second ? window.calls + 1 : 1;
    this.#window.set(whose, { second, calls });
    return calls <= quota;
  }

  #find(reference: string): KnownKey {
    const name = this.#localName(reference);
    const found = name.startsWith('alias/')
      ? [...this.#keys.values()].find((key) => key.alias === name.slice('alias/'.length))
      : this.#keys.get(name);
    if (found !== undefined) return found;
    const uuid = /^(mrk-)?[0-9a-f-]{32,36}$/.test(name);
    if (name.startsWith('alias/')) throw missing(`Alias ${this.#arn(name)} is not found.`);
    throw missing(uuid ? `Key '${this.#arn(`key/${name}`)}' does not exist` : `Invalid keyId '${reference}'`);
  }

  /** `alias/NAME` or the bare key id. */
  #localName(reference: string): string {
    if (!reference.startsWith('arn:')) return reference;
    const [, , service, region, account, ...rest] = reference.split(':');
    if (service !== 'kms' || region !== this.#region) throw missing(`Invalid arn ${region ?? ''}`);
    const name = rest.join(':');
    if (account !== ACCOUNT) throw missing(`Key '${reference}' does not exist`);
    return name.startsWith('key/') ? name.slice('key/'.length) : name;
  }

  #arn(name: string): string {
    return `arn:aws:kms:${this.#region}:${ACCOUNT}:${name}`;
  }

  /** Wraps bytes under a key, bound to the encryption context. Not counted: see `call`. */
  wrap(reference: string, plaintext: Uint8Array, context: EncryptionContext): Buffer {
    const key = this.#find(reference);
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', key.secret, nonce).setAAD(contextBytes(context));
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    const id = Buffer.from(key.id, 'utf8');
    return Buffer.concat([Buffer.of(VERSION, id.length), id, nonce, sealed, cipher.getAuthTag()]);
  }

  /** Id of the key that something was wrapped under. */
  wrappedUnder(wrapped: Uint8Array): string {
    const length = wrapped[1] ?? 0;
    if (wrapped[0] !== VERSION || wrapped.length < 2 + length + NONCE + TAG) throw invalidCiphertext();
    const id = Buffer.from(wrapped.subarray(2, 2 + length)).toString('utf8');
    if (!this.#keys.has(id)) throw invalidCiphertext();
    return id;
  }

  unwrap(wrapped: Uint8Array, context: EncryptionContext): Buffer {
    const id = this.wrappedUnder(wrapped);
    const key = this.#find(id);
    const rest = wrapped.subarray(2 + Buffer.byteLength(id));
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.secret, rest.subarray(0, NONCE), {
        authTagLength: TAG,
      });
      decipher.setAAD(contextBytes(context)).setAuthTag(rest.subarray(-TAG));
      return Buffer.concat([decipher.update(rest.subarray(NONCE, -TAG)), decipher.final()]);
    } catch {
      throw invalidCiphertext();
    }
  }
}

const VERSION = 1;
const NONCE = 12;
const TAG = 16;

const missing = (message: string): KmsFault => new KmsFault('NotFoundException', message);
const invalidCiphertext = (): KmsFault => new KmsFault('InvalidCiphertextException', '');

/** The same for the same pairs in any order. */
const contextBytes = (context: EncryptionContext): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))), 'utf8');

function checkState(key: KnownKey): void {
  if (key.state === 'Disabled') throw new KmsFault('DisabledException', `${key.arn} is disabled.`);
  if (key.state === 'PendingDeletion') {
    throw new KmsFault('KMSInvalidStateException', `${key.arn} is pending deletion.`);
  }
  if (key.spec !== undefined && key.spec !== 'SYMMETRIC_DEFAULT') {
    throw new KmsFault(
      'InvalidKeyUsageException',
      `${key.arn} key usage is not compatible with the requested operation.`,
    );
  }
}

/** A key's fault as S3 answers it. */
export function asS3Error(fault: KmsFault): S3Error {
  if (fault.code === 'ThrottlingException') return slowDown(true);
  if (fault.code === 'AccessDeniedException') return accessDenied(fault.message);
  return new S3Error(400, `KMS.${fault.code}`, fault.message);
}
