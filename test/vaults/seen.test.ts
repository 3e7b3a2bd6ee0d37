/** What `doctor` remembered of a store decides before anything is sent. */
import { expect, test } from 'vitest';
import { places } from '../../src/config.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { Capabilities } from '../../src/model/doctor.ts';
import type { Mode } from '../../src/model/mode.ts';
import type { Vault } from '../../src/model/vault.ts';
import { copiesOf } from '../../src/vaults/options.ts';
import { openRekey } from '../../src/vaults/rekey.ts';

const seen: Capabilities = {
  time: '2026-11-25T12:00:00.000Z',
  mode: 'client',
  copy: false,
  sse: { 'sse-s3': 'unproved', 'sse-c': 'proved' },
};
const vault: Vault = {
  id: vaultId('00000000-0000-4000-8000-000000000001'),
  root: '/docs',
  // Refused by whatever asks the environment for a way there.
  remote: { bucket: 'any-bucket', prefix: '', endpoint: 'http://nowhere.test' },
  mode: { kind: 'client', key: { kind: 'stored', name: 'laptop' } },
  capabilities: seen,
  direction: 'push',
  rules: { removals: false, include: [], exclude: [] },
};
const moved = (next: Mode, from: Vault = vault) =>
  openRekey(from, next, {
    env: {},
    places: places({ S3VAULT_HOME: '/nowhere' }),
    keys: {},
    keyStore: 'file',
    once: true,
    dryRun: false,
  } as unknown as Parameters<typeof openRekey>[2]);

test('a rekey to a mode that the store was seen not to confirm is refused first of all', async () => {
  await expect(moved({ kind: 'sse-s3' })).rejects.toMatchObject({ kind: 'security', code: 'proof-missing' });
  const { capabilities: _, ...unseen } = vault;
  await expect(moved({ kind: 'sse-s3' }, unseen)).rejects.toMatchObject({ code: 'plain-http' });
  const sseC: Mode = { kind: 'sse-c', key: { kind: 'stored', name: 'laptop' } };
  await expect(moved(sseC)).rejects.toMatchObject({ code: 'plain-http' });
});

test('that it does not copy counts for the mode in which it was tried', () => {
  expect(copiesOf(vault)).toBe(false);
  expect(copiesOf({ ...vault, mode: { kind: 'sse-s3' } })).toBeUndefined();
  expect(copiesOf({ mode: vault.mode })).toBeUndefined();
});
