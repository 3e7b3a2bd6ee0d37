import { VaultError } from '../model/errors.ts';

/** Letters, digits, dot, underscore and hyphen, 1 to 64 of them: safe in every keychain, file and command line. */
const KEY_NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** 32 bytes in hex: somebody gave the key itself, and names are shown, logged and kept in the configuration. */
const KEY_ITSELF = /^[0-9A-Fa-f]{64}$/;
/** As long as a key in base64. */
const SHOWN = 40;

export const isKeyName = (name: string): boolean =>
  KEY_NAME.test(name) && !name.startsWith('-') && !KEY_ITSELF.test(name);

/** The name as it is, or kind `usage`, code `key-name`. A long one is not shown: it may be a key in the wrong place. */
export function checkKeyName(name: string): string {
  if (isKeyName(name)) return name;
  const shown = name.length < SHOWN ? JSON.stringify(name) : `what was given (${name.length} characters)`;
  throw new VaultError('usage', 'key-name', `${shown} cannot be the name of a key`, {
    hint: 'use 1 to 64 letters, digits, dots, underscores and hyphens, and no hyphen at the start; a key itself comes in on stdin',
  });
}

export function keyMissing(name: string, where: string, hint: string): VaultError {
  return new VaultError('usage', 'key-missing', `there is no key ${name} in ${where}`, { hint });
}

export function keyExists(name: string, where: string): VaultError {
  return new VaultError('usage', 'key-exists', `there is a key ${name} in ${where} already`, {
    hint: 'choose another name; a key is never replaced, for objects may need it',
  });
}
