import { describe, inject } from 'vitest';
import { describeWithout } from './rgw.ts';

const REASON =
  'there is no throwaway keychain: run npm test with gnome-keyring, dbus and libsecret-1-0 installed ' +
  '(apt-get install --no-install-recommends gnome-keyring dbus dbus-daemon libsecret-1-0)';

/**
 * A suite that needs the operating system's keychain. It gets one that is thrown away afterwards (see
 * `scripts/test.js`), never a person's own. Where there is none the suite shows as skipped, or fails where skipping
 * is forbidden.
 */
export function describeKeychain(name: string, suite: () => void): void {
  if (inject('keychain')) describe(`${name} [keychain]`, suite);
  else describeWithout(`${name} [keychain]`, suite, REASON);
}
