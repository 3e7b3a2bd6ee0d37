import { type Places, changeConfig } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { Mode } from '../model/mode.ts';
import type { Vault } from '../model/vault.ts';
import { keyNotes } from '../vaults/keys.ts';
import type { RekeyOptions } from '../vaults/rekey.ts';
import { nameOfMode } from './register.ts';

type Steps = Required<Pick<RekeyOptions, 'onMet' | 'onUndone' | 'onBegin' | 'onEnd'>>;

/**
 * What the configuration says while a rekey goes on, and afterwards; and the note that keeps an old key which older versions
 * still need. `onVersions` hears of the place of these.
 */
export function steps(
  vault: Vault,
  next: Mode,
  where: Places,
  onVersions: (place: string) => void = () => undefined,
): Steps {
  const change = async (fn: (now: Vault) => Vault): Promise<void> => {
    await changeConfig(where, (now) => ({
      ...now,
      vaults: now.vaults.map((one) => (one.id === vault.id ? fn(one) : one)),
    }));
  };
  const place = `s3://${vault.remote.bucket}/${vault.remote.prefix}`;
  let named = false;
  return {
    onMet: (names) =>
      change((now) => {
        refuseOther(now, next);
        named = now.rekeyTo === undefined;
        return { ...now, rekeyTo: next, ...(names === undefined ? {} : { names }) };
      }),
    onUndone: async () => {
      const names = vault.names === undefined ? {} : { names: vault.names };
      if (named) await change((now) => ({ ...settled(now), ...names }));
    },
    onBegin: () => change((now) => ({ ...now, rekeyTo: next })),
    onEnd: async (versions, oldKey) => {
      if (versions) {
        if (oldKey !== '') await noteVersions(where, oldKey, place);
        onVersions(place);
      }
      await change((now) => ({ ...settled(now), mode: next }));
    },
  };
}

function settled(vault: Vault): Vault {
  const { rekeyTo: _, ...rest } = vault;
  return rest;
}

function refuseOther({ root, rekeyTo }: Vault, next: Mode): void {
  if (rekeyTo === undefined || nameOfMode(rekeyTo) === nameOfMode(next)) return;
  throw new VaultError('usage', 'other-rekey', `${root} is on its way to ${nameOfMode(rekeyTo)}`, {
    hint: `let that end first: s3vault rekey ${root}`,
  });
}

async function noteVersions(where: Places, fingerprint: string, place: string): Promise<void> {
  await keyNotes(where).change(fingerprint, (note) => ({
    ...note,
    versionsIn: [...new Set([...(note.versionsIn ?? []), place])],
  }));
}
