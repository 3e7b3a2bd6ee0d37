import { timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import type { VaultError } from '../model/errors.ts';
import type { KeyInfo, KeyMaterial } from '../model/keyref.ts';
import type { Clock, KeyStore, Waits } from '../model/ports.ts';
import { withLock } from '../private-file.ts';
import { type KeychainRequest, callKeychain } from './keychain-call.ts';
import { notKept } from './keychain-errors.ts';
import { checkKeyName, keyExists, keyMissing } from './key-name.ts';
import { fromStored, infoOf, toStored, wipeMaterial } from './stored-key.ts';

const SERVICE = 's3vault';
const TIMEOUT_MS = 20_000;
const WHERE = 'the keychain';

export interface KeychainOptions {
  readonly clock: Clock;
  /** How long one answer may take; default 20 s. A desktop may be waiting for a person. */
  readonly timeoutMs?: number;
  /** A file beside which a lock lies while a key is saved: a keychain knows no "only if it is not there". */
  readonly lockAt?: string;
}

const found = v.array(v.object({ account: v.string(), password: v.string() }));

/**
 * Keys in the operating system's keychain (service `s3vault`, account = key name). Errors of its own: `keychain-no-bus`,
 * `keychain-no-provider`, `keychain-locked`, `keychain-dismissed`, `keychain-unloadable`, `keychain-timeout`,
 * `keychain-failed`, all of kind `usage`; `key-not-kept` of kind `security`.
 */
export function keychainStore({ clock, timeoutMs = TIMEOUT_MS, lockAt }: KeychainOptions): KeyStore {
  const alone = <T>(fn: () => Promise<T>): Promise<T> => (lockAt === undefined ? fn() : withLock(lockAt, fn));
  const call = (request: KeychainRequest, { signal }: Waits = {}) =>
    callKeychain(request, { clock, timeoutMs, signal });
  return {
    list: (options) => list(call, options),
    load: async (name, options) => (await read(call, checkKeyName(name), options)).material,
    save: async (name, material, created, options) =>
      alone(() => save(call, checkKeyName(name), material, created, options)),
    remove: async (name, options) => remove(call, checkKeyName(name), options),
    // Nothing is kept between two calls.
    lock: () => undefined,
  };
}

type Call = (request: KeychainRequest, options?: Waits) => Promise<unknown>;

async function list(call: Call, options?: Waits): Promise<readonly KeyInfo[]> {
  const entries = v.parse(found, await call({ call: 'find', service: SERVICE }, options));
  return entries
    .map(({ account, password }) => {
      const { material, created } = fromStored(password, account);
      wipeMaterial(material);
      return infoOf(account, material, created, 'keychain');
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function lookUp(call: Call, name: string, options?: Waits): Promise<string | undefined> {
  const value = await call({ call: 'get', service: SERVICE, account: name }, options);
  return typeof value === 'string' ? value : undefined;
}

async function read(call: Call, name: string, options?: Waits) {
  const text = await lookUp(call, name, options);
  if (text === undefined) throw await absent(call, name, options);
  return fromStored(text, name);
}

/**
 * A locked collection answers "no such item" to a look-up. Asking for all items tells the two apart: it fails, or lists
 * the name after all.
 */
async function absent(call: Call, name: string, options?: Waits): Promise<VaultError> {
  const entries = v.parse(found, await call({ call: 'find', service: SERVICE }, options));
  const hidden = entries.some(({ account }) => account === name);
  return keyMissing(
    name,
    WHERE,
    hidden ? 'it is there but was not handed out; try again' : 'see what is there: s3vault keys list',
  );
}

/** Reports success only after the keychain has given the same bytes back: a key lost is data lost. */
async function save(
  call: Call,
  name: string,
  material: KeyMaterial,
  created: string,
  options?: Waits,
): Promise<KeyInfo> {
  if ((await lookUp(call, name, options)) !== undefined) throw keyExists(name, WHERE);
  const value = JSON.stringify(toStored(material, created));
  await call({ call: 'set', service: SERVICE, account: name, value }, options);
  const back = await lookUp(call, name, options);
  if (back === undefined || !sameText(back, value)) throw notKept(name);
  return infoOf(name, material, created, 'keychain');
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

async function remove(call: Call, name: string, options?: Waits): Promise<void> {
  const removed = await call({ call: 'delete', service: SERVICE, account: name }, options);
  if (removed !== true) throw await absent(call, name, options);
}
