import { VaultError } from '../model/errors.ts';

/** Letters, digits, dot, underscore and hyphen, 1 to 64 of them: safe in every keychain, file and command line. */
const KEY_NAME = /^[A-Za-z0-9._-]{1,64}$/;

export const isKeyName = (name: string): boolean => KEY_NAME.test(name) && !name.startsWith('-');

/** The name as it is, or kind `usage`, code `key-name`. */
export function checkKeyName(name: string): string {
  if (isKeyName(name)) return name;
  throw new VaultError('usage', 'key-name', `${JSON.stringify(name)} cannot be the name of a key`, {
    hint: 'use 1 to 64 letters, digits, dots, underscores and hyphens, and no hyphen at the start',
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
