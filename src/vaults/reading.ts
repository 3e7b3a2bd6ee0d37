/** Opens a place in S3 for reading: a registered vault, another machine's vault, or objects of other programs. */
import { systemClock } from '../clock.ts';
import { RateLimit } from '../engine/budget.ts';
import { type VaultDescription, readDescription } from '../engine/description.ts';
import type { Reader } from '../engine/fetching.ts';
import { demandedIn } from '../engine/protected.ts';
import { explainedBy } from '../engine/underway.ts';
import { MAX_KEY_BYTES, vaultId } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { type ErrorReport, VaultError, asVaultError } from '../model/errors.ts';
import type { EventBody } from '../model/event.ts';
import type { KeyInfo, KeyRef } from '../model/keyref.ts';
import { MODE_KINDS, type Mode, type ModeKind } from '../model/mode.ts';
import { type Names, bareNames, namesBelow, pathTyped } from '../model/names.ts';
import type { Clock, ObjectStore } from '../model/ports.ts';
import { DEFAULT_TRANSFERS, type Rules, type Vault } from '../model/vault.ts';
import { type ResolvedRemote, resolveRemote } from '../s3/connect.ts';
import type { Protection } from '../s3/modes.ts';
import { type StoreOptions, openStore } from '../s3/open-store.ts';
import { keepsVersions } from './keeps-versions.ts';
import type { KmsPlace } from './kms-group.ts';
import { type KmsPace, openKmsPace, throttling } from './kms-pace.ts';
import { emptyPlace } from './nothing-there.ts';
import { type NamedPlace, openNames, placeOfNames } from './names.ts';
import type { OpenOptions } from './options.ts';
import { type Protecting, keysOf, protect } from './protect.ts';

/** A place to read from. */
export interface Source extends Pick<Vault, 'remote' | 'keyStore'> {
  /** A registered vault's. */
  readonly vault?: Vault;
  /** A registered vault in which the place lies; what this machine remembers of it is not used. */
  readonly around?: Vault;
  /** Undefined: what the description in the bucket says. */
  readonly mode?: ReadMode | undefined;
  readonly rules?: Pick<Rules, 'transfers' | 'limitDownload' | 'kmsQuota' | 'kmsShare'>;
}

/** Reading needs a key only where the store does not decrypt by itself. */
export interface ReadMode {
  /** Undefined: found out; the key is for whatever needs one. */
  readonly kind?: ModeKind;
  readonly key?: KeyRef;
}

export interface ReadingOptions extends OpenOptions {
  readonly commitment: 'require' | 'allow';
  /** The key need not be the one the vault uses now: older versions are read. */
  readonly anyKey: boolean;
  /** Nothing is opened: listings and versions need no key. */
  readonly keyless?: boolean;
  readonly onThrottle?: StoreOptions['onThrottle'];
}

export interface Reading {
  readonly reader: Omit<Reader, 'reach'>;
  /** What the names of the place stand behind. */
  readonly prefix: string;
  readonly names: Names;
  readonly mode: ModeKind;
  /** Fingerprint of the key in use, or empty. */
  readonly key: string;
  readonly protection: Protection;
  /** Undefined where the place has none, or it was not needed. */
  readonly description: VaultDescription | undefined;
  readonly clock: Clock;
  readonly transfers: number;
  /** Whether the bucket keeps what is overwritten or removed. */
  readonly keepsVersions: () => Promise<boolean>;
  /** Where nothing was found: what to say of a place with nothing at all in it, not even a vault. */
  readonly emptyPlace: () => Promise<ErrorReport | undefined>;
  /** Who hears of KMS under its quota. */
  tellTo(tell: (body: EventBody) => void): void;
  close(): Promise<void>;
}

const PLAIN: Protection = { mode: 'sse-s3' };
/** Folders above an object in which its vault's description is looked for. */
const MAX_UP = 16;

/** Rejects before any key is read where an endpoint is not HTTPS; with `no-key` where one is needed and not said. */
export async function openReading(source: Source, options: ReadingOptions): Promise<Reading> {
  const clock = options.clock ?? systemClock;
  const resolved = await resolveRemote(source.remote, options.env);
  const transfers = source.rules?.transfers ?? DEFAULT_TRANSFERS;
  const pace = await openKmsPace(placeIn(source), kmsMode(source), resolved, options, clock);
  const paces = [pace];
  const storeOptions = {
    clock,
    transfers,
    onThrottle: throttling(pace, options.onThrottle),
    pace: pace.store,
    reads: readsOf(source),
  };
  const plain = openStore(resolved, PLAIN, storeOptions);
  const closePaces = (): Promise<unknown> => Promise.all(paces.map((one) => one.close()));
  try {
    const found = await findOut(source, plain);
    const keyless = options.keyless === true && !needsKeyForNames(source, found);
    const how = keyless ? { kind: found.kind } : await keyedMode(found, source, options, clock);
    if ('key' in how && how.key.kind === 'kms')
      paces.push(await openKmsPace(placeIn(source), how, resolved, options, clock));
    const opened = await protectReading(how, source, resolved, options, clock, paces.at(-1));
    const { protection, sealing, key } = opened;
    checkKey(found, source, key, { ...options, keyless });
    if (sealing.keyring?.canOpen === false) throw encryptOnly(source);
    const store = protection.mode === 'sse-c' ? openStore(resolved, protection, storeOptions) : plain;
    const named = await namesOfPlace(source, found, store, { ...opened, kind: how.kind, keyless });
    return {
      ...named,
      reader: {
        store,
        mode: how.kind,
        demanded: demandedIn(modesOf(found)),
        explain: explainFor(source, found, how.kind, store, clock),
        keyring: sealing.keyring,
        commitment: options.commitment,
        download: new RateLimit(clock, source.rules?.limitDownload),
      },
      mode: how.kind,
      key,
      protection,
      description: found.description,
      clock,
      transfers,
      keepsVersions: () => keepsVersions(resolved, store, named.prefix, clock),
      emptyPlace: async () =>
        source.vault === undefined ? emptyPlace(store, source.remote, named.prefix) : undefined,
      tellTo: (tell) => {
        for (const one of paces) one.tellTo(tell);
      },
      close: async () => {
        await closePaces();
        if (store !== plain) await store.close();
        await plain.close();
        if (protection.mode === 'sse-c') protection.key.wipe();
        named.names.wipe();
      },
    };
  } catch (thrown) {
    await closePaces();
    await plain.close();
    throw thrown;
  }
}

const placeIn = ({ vault, remote, rules }: Source): KmsPlace => ({
  ...(vault === undefined ? {} : { id: vault.id }),
  remote,
  rules,
});

/** The mode whose objects the store itself asks KMS for, where it is known before anything was read. */
function kmsMode({ vault, mode }: Source): Mode | undefined {
  if (vault === undefined || (mode?.kind ?? vault.mode.kind) !== vault.mode.kind) return undefined;
  return vault.mode.kind === 'sse-kms' || vault.mode.kind === 'dsse-kms' ? vault.mode : undefined;
}

/** What is in another mode can lie in a bucket that encrypts all by KMS: then the store says so. */
function readsOf({ mode, vault }: Source): ModeKind | 'unknown' {
  const kind = mode?.kind ?? vault?.mode.kind;
  return kind === 'sse-kms' || kind === 'dsse-kms' ? kind : 'unknown';
}

interface Found {
  readonly kind: ModeKind;
  readonly key?: KeyRef | undefined;
  readonly description?: VaultDescription | undefined;
  /** The prefix of the vault that the description is of. */
  readonly home?: string | undefined;
  /** The description itself is under a customer key. */
  readonly unread?: boolean;
}

/** What the command line and the description in the bucket say of the mode. */
async function findOut({ remote, mode }: Source, store: ObjectStore): Promise<Found> {
  if (mode?.kind !== undefined) return { kind: mode.kind, key: mode.key };
  const above = await describedAbove(store, remote.prefix);
  if (above === 'under-customer-key') return { kind: 'sse-c', key: mode?.key, unread: true };
  if (above === undefined) return { kind: mode?.key === undefined ? 'sse-s3' : 'client', key: mode?.key };
  const { description, home } = above;
  const kind = MODE_KINDS.find((one) => one === description.mode);
  if (kind !== undefined) return { kind, key: mode?.key, description, home };
  throw new VaultError(
    'usage',
    'description-newer',
    `the vault is in mode ${description.mode}, unknown here`,
    {
      hint: 'update s3vault on this machine',
    },
  );
}

/** Those that objects of the place may be in: of a rekey that has not ended both. */
const modesOf = ({ kind, description }: Found): readonly string[] => [
  kind,
  ...(description?.movingTo === undefined ? [] : [description.movingTo.mode]),
];

/** Of a vault that this machine knows. Elsewhere the description has said already what may be there, or `--mode` has. */
function explainFor(
  { vault, around }: Source,
  { description }: Found,
  mode: ModeKind,
  store: ObjectStore,
  clock: Clock,
): Reader['explain'] {
  const known = vault ?? around;
  return known === undefined || description !== undefined
    ? undefined
    : explainedBy({ vault: known, store, mode, clock });
}

interface DescribedAt {
  readonly description: VaultDescription;
  readonly home: string;
}

async function describedAbove(
  store: ObjectStore,
  prefix: string,
): Promise<DescribedAt | 'under-customer-key' | undefined> {
  let folder = prefix;
  for (let up = 0; up < MAX_UP; up++) {
    try {
      const description = await readDescription(store, folder);
      if (description !== undefined) return { description, home: folder };
    } catch (thrown) {
      if (thrown instanceof VaultError && thrown.code === 'other-mode') return 'under-customer-key';
      throw thrown;
    }
    if (folder === '') return undefined;
    folder = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1);
  }
  return undefined;
}

type Keyed =
  | { readonly kind: 'client'; readonly key: KeyRef }
  | Exclude<Mode, { kind: 'client' }>
  | { readonly kind: ModeKind };

/** The key by its name, or by the fingerprint that the vault names. */
async function keyedMode(
  found: Found,
  source: Source,
  options: ReadingOptions,
  clock: Clock,
): Promise<Keyed> {
  const { kind } = found;
  if (kind !== 'client' && kind !== 'sse-c') return { kind };
  const key = found.key ?? (await keyByFingerprint(found, source, options, clock));
  if (kind === 'client') return { kind, key };
  if (key.kind === 'stored') return { kind, key };
  throw new VaultError('usage', 'key-kind', 'mode sse-c needs a key of your own, not one of KMS', {
    hint: 'name it with --key NAME',
  });
}

async function keyByFingerprint(
  { kind, description, unread }: Found,
  source: Source,
  options: ReadingOptions,
  clock: Clock,
): Promise<KeyRef> {
  const place = placeOf(source);
  const wanted = description?.keys ?? [];
  // A KMS key is named by its id or ARN, the others by 16 hex digits.
  const kms = wanted.find((one) => !/^[0-9a-f]{16}$/.test(one));
  if (kind === 'client' && kms !== undefined) return { kind: 'kms', keyId: kms, context: {} };
  const keys = (): Promise<readonly KeyInfo[]> =>
    (options.keysFrom ?? keysOf(asVault(source), options, clock)).list();
  if (unread === true || wanted.length === 0) throw keyUnnamed(place, await keys().catch(() => []));
  const match = (await keys()).find((info) => wanted.includes(info.fingerprint));
  if (match !== undefined) return { kind: 'stored', name: match.name };
  throw new VaultError(
    'usage',
    'no-key',
    `${place} needs a key with the fingerprint ${wanted.join(' or ')}`,
    {
      hint: `${BRING_BACK}; then name it with --key NAME`,
    },
  );
}

const BRING_BACK = 'bring it back with: s3vault keys recover NAME (24 words) or keys import NAME';

/** Nothing that can be read says which key it is: those that are here come first, for it may well be one of them. */
function keyUnnamed(place: string, here: readonly KeyInfo[]): VaultError {
  const names = here.map(({ name }) => safeName(name));
  if (names.length === 0)
    return new VaultError('usage', 'no-key', `${place} needs a key`, {
      hint: `${BRING_BACK}; then name it with --key NAME`,
    });
  const which = names.length === 1 ? `--key ${names[0]}` : `--key NAME, one of ${names.join(', ')}`;
  return new VaultError('usage', 'no-key', `${place} needs its key, and does not say which one that is`, {
    hint: `name it with ${which}; where it is not here, ${BRING_BACK}`,
  });
}

async function protectReading(
  how: Keyed,
  source: Source,
  resolved: ResolvedRemote,
  options: ReadingOptions,
  clock: Clock,
  pace: KmsPace | undefined,
): Promise<Pick<Protecting, 'protection' | 'sealing' | 'key' | 'names'>> {
  if ('key' in how) return protect(how, asVault(source), resolved, options, clock, pace);
  const { serverSealing } = await import('../engine/sealing.ts');
  return { protection: PLAIN, sealing: serverSealing, key: '', names: undefined };
}

// -------------------------------------------------------------------------------------------------------------- names

/** The vault's names are encrypted: without its key there is nothing to see. */
function needsKeyForNames({ vault, around, mode }: Source, { description, unread }: Found): boolean {
  if ((vault ?? around)?.names !== undefined || description?.names !== undefined) return true;
  return unread === true && mode?.key !== undefined;
}

interface OpenedForNames extends Pick<Protecting, 'names'> {
  readonly kind: ModeKind;
  readonly keyless: boolean;
}

async function namesOfPlace(
  source: Source,
  found: Found,
  store: ObjectStore,
  { names: keeper, kind, keyless }: OpenedForNames,
): Promise<Pick<Reading, 'prefix' | 'names'>> {
  const { prefix } = source.remote;
  const place = keyless ? undefined : await namedPlace(source, found, store);
  if (place?.setting === undefined) return { prefix, names: bareNames(MAX_KEY_BYTES) };
  const names = await openNames(place, keeper, kind);
  // What was typed behind the vault's own prefix is a folder: as people call it, or as the bucket does.
  const folder = pathTyped(names, prefix.slice(place.prefix.length).replace(/\/+$/, ''));
  if (folder === '') return { prefix: place.prefix, names };
  return { prefix: `${place.prefix}${names.keyOf(folder)}/`, names: namesBelow(names, folder) };
}

/** The vault whose names these are; undefined where there is none, or it does not say. */
async function namedPlace(
  source: Source,
  { description, home }: Found,
  store: ObjectStore,
): Promise<NamedPlace | undefined> {
  const known = source.vault ?? source.around;
  // Before it has met its bucket a vault does not know its names key.
  if (known !== undefined && known.names?.keys.length !== 0) return placeOfNames(known);
  const above = description === undefined ? await describedForNames(store, source.remote.prefix) : undefined;
  if (above !== undefined)
    return { id: above.description.id, prefix: above.home, setting: above.description.names };
  if (description === undefined || home === undefined) return undefined;
  return { id: description.id, prefix: home, setting: description.names };
}

/** Where the description cannot be had, objects are read by the names they have. */
async function describedForNames(store: ObjectStore, prefix: string): Promise<DescribedAt | undefined> {
  try {
    const above = await describedAbove(store, prefix);
    return above === 'under-customer-key' ? undefined : above;
  } catch (thrown) {
    const { kind, status, code } = asVaultError(thrown);
    if (kind === 'refused' || status === 400 || code === 'wrong-key' || code === 'description-unreadable')
      return undefined;
    throw thrown;
  }
}

/** A wrong key is noticed before anything is fetched. */
function checkKey(found: Found, source: Source, key: string, { anyKey, keyless }: ReadingOptions): void {
  const keys = found.description?.keys ?? [];
  if (anyKey || keyless === true || found.kind !== 'client' || keys.length === 0 || keys.includes(key))
    return;
  throw new VaultError(
    'security',
    'other-key',
    `${placeOf(source)} is kept under key ${keys.join(', ')}, not ${key}`,
    { hint: 'choose the right key with --key, or bring it back with: s3vault keys recover NAME' },
  );
}

const encryptOnly = (source: Source): VaultError =>
  new VaultError(
    'security',
    'encrypt-only',
    `this key can only encrypt: ${placeOf(source)} cannot be read with it`,
    {
      hint: 'use the private key, on a machine that may read',
    },
  );

const placeOf = ({ remote }: Source): string => `s3://${remote.bucket}/${remote.prefix}`;

/** What fetching a key needs to know of a vault, of a place that is none of this machine's. */
function asVault(source: Source): Vault {
  const { remote, keyStore } = source;
  return (
    source.vault ?? {
      id: vaultId(''),
      root: '',
      remote,
      mode: { kind: 'sse-s3' },
      ...(keyStore === undefined ? {} : { keyStore }),
      direction: 'push',
      rules: { removals: false, include: [], exclude: [] },
    }
  );
}
