import { lstat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Config, findVault, places, readConfig } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { Vault } from '../model/vault.ts';
import { type OpenVault, openVault } from '../vaults/open.ts';
import { openLog } from './log.ts';
import { readPlanFile } from './plan-file.ts';
import { registerVault } from './register.ts';
import { type SyncFlags, openOptions, present, refuseRekeyed } from './sync.ts';
import { holderOf, withReleased } from './with-daemon.ts';

type ApplyFlags = Pick<
  SyncFlags,
  'json' | 'plain' | 'logLevel' | 'keyStore' | 'keyCommand' | 'passphraseCommand' | 'acceptSource'
>;

/** `s3vault apply FILE`: does exactly what the plan file says, removals too, or refuses with exit 5. */
export async function applyCommand(file: string, flags: ApplyFlags): Promise<number> {
  const where = places(process.env);
  const log = await openLog(flags.logLevel);
  const { vault, lines } = await readPlanFile(file);
  const config = await readConfig(where);
  const known = findVault(config, vault.root);
  if (known === undefined) await refuseElsewhere(config, vault);
  else refuseOther(known, vault);
  refuseRekeyed(known ?? vault);
  const options = {
    ...openOptions({ ...flags, once: true, yes: true, checkRemote: true }, where, config),
    planned: lines,
  };
  const alone = async (): Promise<number> => {
    const onMet = async (): Promise<void> => {
      if (known === undefined) await registerVault(where, open.vault, flags);
    };
    const open: OpenVault = await openVault(vault, { ...options, onMet });
    return present(open, vault, { ...flags, once: true }, log);
  };
  const holding = await holderOf(vault, where);
  if (holding === undefined) return alone();
  holding.client.close();
  return withReleased([vault], where, alone, (text) => process.stderr.write(`${text}\n`));
}

/** A plan of another machine, or of a vault that is not registered any more: its paths and its bucket say too little. */
async function refuseElsewhere({ vaults }: Config, { id, root, remote }: Vault): Promise<void> {
  const here = vaults.find(
    (one) => one.id === id || (one.remote.bucket === remote.bucket && one.remote.prefix === remote.prefix),
  );
  if (here !== undefined) {
    throw new VaultError(
      'usage',
      'other-folder',
      `the plan is for ${root}, which is no vault of this machine`,
      {
        hint: `s3://${remote.bucket}/${remote.prefix} is kept in ${here.root} here; for a plan of that: s3vault sync ${here.root} --plan FILE`,
      },
    );
  }
  const stat = await lstat(root).catch(() => undefined);
  if (stat !== undefined) return;
  throw new VaultError('usage', 'no-folder', `the plan is for ${root}, and there is no such folder here`, {
    hint: 'apply it on the machine that made it, or make a new one with: s3vault sync DIR --plan FILE',
  });
}

/** The folder is kept elsewhere or otherwise by now. Direction and rules are the plan's own. */
function refuseOther(known: Vault, planned: Vault): void {
  const place = ({ id, remote: { endpoint, bucket, prefix }, mode }: Vault) => ({
    id,
    endpoint,
    bucket,
    prefix,
    mode,
  });
  if (isDeepStrictEqual(place(known), place(planned))) return;
  throw new VaultError('consent', 'plan-changed', `${planned.root} is kept elsewhere, or otherwise, by now`, {
    hint: 'make a new plan with: s3vault sync DIR --plan FILE',
  });
}
