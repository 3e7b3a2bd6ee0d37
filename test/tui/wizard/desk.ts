/** A desk that answers as the test says. */
import type { Finding } from '../../../src/model/bucket.ts';
import { VaultError } from '../../../src/model/errors.ts';
import type {
  BucketFound,
  CredentialsFound,
  FolderFound,
  InitChoice,
  InitDesk,
  KeyPlace,
} from '../../../src/model/init-desk.ts';
import type { KeyInfo, KeyStoreKind } from '../../../src/model/keyref.ts';
import { Secret } from '../../../src/model/secret.ts';

export const WORDS = Array.from({ length: 24 }, (_, at) => `word${String.fromCharCode(97 + at)}`);

export const LAPTOP: KeyInfo = {
  name: 'laptop',
  kind: 'aes-256',
  fingerprint: 'a3f941c077be0011',
  created: '2026-10-02T10:00:00.000Z',
  store: 'file',
};
export const PAIR: KeyInfo = { ...LAPTOP, name: 'pair', kind: 'rsa' };

export const FINDINGS: readonly Finding[] = [
  { code: 'encryption', state: 'ok', severity: 'medium', title: 'default encryption is on', reason: '' },
  {
    code: 'plain-http',
    state: 'problem',
    severity: 'high',
    title: 'plain HTTP is not refused',
    reason: 'other programs can read and write in the clear',
    fix: 's3vault bucket harden s3://acme/files/ --mode client',
  },
  { code: 'policy', state: 'unknown', severity: 'low', title: 'the policy was not read', reason: 'denied' },
];

export class FakeDesk implements InitDesk {
  readonly keyName = 'laptop';
  readonly log: string[] = [];
  given: InitDesk['given'] = {};
  ask: InitDesk['ask'];
  bucketNames: readonly string[] | VaultError = ['acme', 'beta'];
  keyInfos: readonly KeyInfo[] = [];
  stored: readonly KeyPlace[] = [
    { kind: 'keychain', says: 'opened when you sign in', why: 'there is none here' },
    { kind: 'file', says: 'sealed with a passphrase' },
  ];
  credential: CredentialsFound | VaultError = { from: 'the environment', id: 'AKIA1' };
  found: readonly Finding[] | VaultError = FINDINGS;
  /** Methods whose answer is kept back until `letGo`. */
  readonly kept = new Set<string>();
  #letGo: (() => void)[] = [];
  passphrase: string | undefined;
  words_: Secret | undefined;

  letGo(): void {
    for (const go of this.#letGo) go();
    this.#letGo = [];
  }

  async #gate(name: string): Promise<void> {
    this.log.push(name);
    if (this.kept.has(name)) await new Promise<void>((resolve) => this.#letGo.push(resolve));
  }

  async folder(path: string): Promise<FolderFound> {
    await this.#gate('folder');
    if (path === '/bad')
      throw new VaultError('usage', 'no-folder', '/bad is not a folder', { hint: 'name another' });
    return { root: path, shown: path, exists: path !== '/new', prefix: `${path.slice(1)}/` };
  }

  async credentials(): Promise<CredentialsFound> {
    await this.#gate('credentials');
    return answer(this.credential);
  }

  async buckets(): Promise<readonly string[]> {
    await this.#gate('buckets');
    return answer(this.bucketNames);
  }

  async bucket(name: string): Promise<BucketFound> {
    await this.#gate('bucket');
    if (name === 'none') throw new VaultError('refused', 'bucket-missing', 'there is no bucket none');
    return { bucket: name, region: 'eu-west-1' };
  }

  async prefix(_root: string, _bucket: string, prefix: string): Promise<string> {
    await this.#gate('prefix');
    if (prefix === 'taken/') throw new VaultError('usage', 'shared-prefix', 'it overlaps the vault of /b');
    return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
  }

  async stores(): Promise<readonly KeyPlace[]> {
    await this.#gate('stores');
    return this.stored;
  }

  async keys(_store: KeyStoreKind): Promise<readonly KeyInfo[]> {
    await this.#gate('keys');
    if (this.passphrase !== undefined) await this.#open(this.passphrase);
    return this.keyInfos;
  }

  async #open(right: string): Promise<void> {
    const typed = await this.ask?.('passphrase of the key file: ');
    const fits = typed?.use((bytes) => bytes.toString('utf8') === right);
    typed?.wipe();
    if (fits !== true) throw new VaultError('usage', 'passphrase', 'the passphrase does not open it');
  }

  async createKey(_store: KeyStoreKind, name: string): Promise<KeyInfo> {
    await this.#gate('create');
    this.keyInfos = [...this.keyInfos, { ...LAPTOP, name }];
    return { ...LAPTOP, name };
  }

  async words(): Promise<Secret> {
    await this.#gate('words');
    this.words_ = new Secret(Buffer.from(WORDS.join(' ')));
    return this.words_;
  }

  async noteWords(_store: KeyStoreKind, name: string, state: 'shown' | 'checked'): Promise<void> {
    this.log.push(`${name} ${state}`);
  }

  async posture(): Promise<readonly Finding[]> {
    await this.#gate('posture');
    return answer(this.found);
  }

  hardenCommand({ bucket, prefix }: InitChoice): string {
    return `s3vault bucket harden s3://${bucket.bucket}/${prefix} --dry-run`;
  }

  choice: InitChoice | undefined;

  async register(choice: InitChoice): Promise<string> {
    await this.#gate('register');
    this.choice = choice;
    return 'the-id';
  }
}

function answer<T>(value: T | VaultError): T {
  if (value instanceof VaultError) throw value;
  return value;
}
