import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openKeyStore } from '../../src/keys/open-key-store.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-keys-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const options = (env: NodeJS.ProcessEnv = {}) => ({ clock: systemClock, env, places: { config: folder } });

test('a place that fails is never replaced by another that would work [KEY-1]', async () => {
  // A key file is there, a command is there: the keychain that was asked for has no session bus.
  writeFileSync(join(folder, 'keys.age'), 'whatever');
  const env = {
    S3VAULT_KEY_COMMAND: 'echo QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=',
    PATH: process.env['PATH'],
  };
  const bus = process.env['DBUS_SESSION_BUS_ADDRESS'];
  process.env['DBUS_SESSION_BUS_ADDRESS'] = `unix:path=${join(folder, 'no-bus')}`;
  try {
    await expect(openKeyStore('keychain', options(env)).load('laptop')).rejects.toMatchObject({
      code: expect.stringMatching(/^keychain-/) as unknown,
      hint: expect.stringContaining('--key-store file') as unknown,
    });
  } finally {
    if (bus === undefined) delete process.env['DBUS_SESSION_BUS_ADDRESS'];
    else process.env['DBUS_SESSION_BUS_ADDRESS'] = bus;
  }
  expect(() => openKeyStore('command', options())).toThrowError(/needs a command/);
});
