import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { settingsDesk } from '../../src/cli/settings.ts';
import { changeConfig, places, readConfig } from '../../src/config.ts';
import type { Taken } from '../../src/model/settings-desk.ts';
import { EngineMachine } from '../engine/machine.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-settings-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a setting is saved; of a vault that was forgotten meanwhile none is, and that is said', async () => {
  const where = places({ S3VAULT_HOME: folder });
  const { vault } = await EngineMachine.make();
  await changeConfig(where, (config) => ({ ...config, vaults: [vault] }));
  let taken: Taken = 'now';
  const desk = settingsDesk(vault.id, where, async () => taken);
  expect(await desk.change('transfers', '7')).toBe('saved');
  taken = 'after-transfers';
  expect(await desk.change('transfers', '7')).toContain('saved; it holds once what is under way has ended');
  taken = 'at-next-start';
  expect(await desk.change('transfers', '7')).toBe('saved; it holds from the next start on');
  expect((await readConfig(where)).vaults[0]?.rules.transfers).toBe(7);
  await changeConfig(where, (config) => ({ ...config, vaults: [] }));
  await expect(desk.change('transfers', '8')).rejects.toThrow('not saved: this vault was forgotten');
  expect((await readConfig(where)).vaults).toEqual([]);
});
