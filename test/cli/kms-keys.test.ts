import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Desk } from '../../src/cli/key-desk.ts';
import { kmsKeyNamed, kmsKeys, refuseKms } from '../../src/cli/kms-keys.ts';
import { type Config, changeConfig, places } from '../../src/config.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { Mode } from '../../src/model/mode.ts';
import type { Vault } from '../../src/model/vault.ts';
import { ManualClock } from '../support/manual-clock.ts';

const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/1c2d3e4f-5678-4abc-9def-0123456789ab';
const kms = (keyId: string): Mode => ({ kind: 'sse-kms', keyId, context: {} });
const vaultOf = (n: number, mode: Mode, rekeyTo?: Mode): Vault => ({
  id: vaultId(`0b7a2a4e-5f0c-4c8b-9a39-0d9a5d1c2e3${n}`),
  root: `/docs-${n}`,
  remote: { bucket: 'my-bucket', prefix: `${n}/` },
  mode,
  ...(rekeyTo === undefined ? {} : { rekeyTo }),
  direction: 'push',
  rules: { removals: false, include: [], exclude: [] },
});
const configOf = (...vaults: readonly Vault[]): Config => ({ version: 1, vaults });

describe('KMS keys of registered vaults', () => {
  test('are those of every mode that has one, once each, the next key of a rekey too', () => {
    const sealed: Mode = { kind: 'client', key: { kind: 'kms', keyId: 'alias/server-kms', context: {} } };
    const config = configOf(
      vaultOf(1, kms(ARN)),
      vaultOf(2, sealed, kms(ARN)),
      vaultOf(3, { kind: 'dsse-kms', keyId: '9b025e1d-04aa-4abc-9def-0123456789ab', context: {} }),
      vaultOf(4, { kind: 'sse-c', key: { kind: 'stored', name: 'laptop' } }),
    );
    expect(kmsKeys(config).map(({ name, fingerprint, users }) => [name, fingerprint, users.length])).toEqual([
      ['9b025e1d-04aa-4abc-9def-0123456789ab', '9b025e1d…', 1],
      ['alias/server-kms', 'alias/server-kms', 1],
      ['1c2d3e4f-5678-4abc-9def-0123456789ab', 'arn…:key/1c2d3e4f', 2],
    ]);
    for (const name of [ARN, '1c2d3e4f-5678-4abc-9def-0123456789ab'])
      expect(kmsKeyNamed(config, name)?.keyId).toBe(ARN);
    expect(kmsKeyNamed(config, 'laptop')).toBeUndefined();
  });

  test('of the same alias in two accounts are told apart', () => {
    const ids = ['1', '2'].map((n) => `arn:aws:kms:eu-central-1:11112222333${n}:alias/photos`);
    const names = kmsKeys(configOf(...ids.map((id, n) => vaultOf(n, kms(id))))).map(({ name }) => name);
    expect(names).toEqual(ids);
  });

  test.each(['export', 'delete', 'rotate', 'words', 'create'] as const)('%s says why not', (what) => {
    const config = configOf(vaultOf(1, kms('alias/photos')));
    expect(() => refuseKms(config, 'alias/photos', what)).toThrow(
      expect.objectContaining({ code: 'kms-key', exit: 2, hint: expect.stringMatching(/KMS|AWS/) }),
    );
    expect(() => refuseKms(config, 'photos', what)).not.toThrow();
  });
});

describe('the desk', () => {
  let home: string;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), 's3vault-kms-keys-'));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  test('has a row for each, and refuses what only AWS can do', async () => {
    const env = { S3VAULT_HOME: home };
    const where = places(env);
    await changeConfig(where, () => configOf(vaultOf(1, kms('alias/photos'))));
    const desk = new Desk({
      kind: 'credentials',
      flags: {},
      where,
      env: { ...env, CREDENTIALS_DIRECTORY: home },
      clock: new ManualClock(),
    });
    expect(await desk.list()).toEqual([
      {
        name: 'alias/photos',
        kind: 'kms',
        store: 'kms',
        fingerprint: 'alias/photos',
        created: '',
        words: 'none',
        uses: [{ root: '/docs-1', mode: 'sse-kms', objects: 0 }],
        versionsIn: [],
      },
    ]);
    const { signal } = new AbortController();
    for (const refused of [
      () => desk.remove('alias/photos'),
      () => desk.words('alias/photos'),
      () => desk.exportTo('alias/photos', 'base64', join(home, 'out')),
      () => desk.rotate('alias/photos', () => undefined, signal),
    ])
      await expect(refused()).rejects.toMatchObject({ code: 'kms-key' });
    // A vault that was never synced has nothing to open.
    expect(await desk.test('alias/photos')).toEqual([{ root: '/docs-1' }]);
  });
});
