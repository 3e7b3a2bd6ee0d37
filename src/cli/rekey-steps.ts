import { type Places, changeConfig } from '../config.ts';
import type { Mode } from '../model/mode.ts';
import type { Vault } from '../model/vault.ts';

/**
 * What the configuration says while a rekey goes on, and afterwards. `onVersions` hears of a place whose older versions
 * still need the old key.
 */
export function steps(
  vault: Vault,
  next: Mode,
  where: Places,
  onVersions: (place: string) => Promise<void>,
): { readonly onBegin: () => Promise<void>; readonly onEnd: (versions: boolean) => Promise<void> } {
  const change = async (fn: (now: Vault) => Vault): Promise<void> => {
    await changeConfig(where, (now) => ({
      ...now,
      vaults: now.vaults.map((one) => (one.id === vault.id ? fn(one) : one)),
    }));
  };
  return {
    onBegin: () => change((now) => ({ ...now, rekeyTo: next })),
    onEnd: async (versions) => {
      if (versions) await onVersions(`s3://${vault.remote.bucket}/${vault.remote.prefix}`);
      await change((now) => {
        const { rekeyTo: _, ...rest } = now;
        return { ...rest, mode: next };
      });
    },
  };
}
