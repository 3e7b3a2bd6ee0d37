import { systemClock } from '../clock.ts';
import type { Side } from '../engine/conversion.ts';
import type { RekeyOptions as EngineOptions, RekeyTotals } from '../engine/rekey-parts.ts';
import { Rekey } from '../engine/rekey.ts';
import type { Outcome } from '../model/command.ts';
import type { KeyStore, Mover } from '../model/ports.ts';
import { VaultError } from '../model/errors.ts';
import type { Pace } from '../model/kms.ts';
import { type Mode, modeFingerprint } from '../model/mode.ts';
import type { NamesSetting } from '../model/names.ts';
import { DEFAULT_TRANSFERS, type Vault } from '../model/vault.ts';
import { type ResolvedRemote, resolveRemote } from '../s3/connect.ts';
import type { Protection } from '../s3/modes.ts';
import { type MoverOptions, openMover } from '../s3/mover.ts';
import { openStore } from '../s3/open-store.ts';
import { openIndex } from '../state/open-index.ts';
import { heldOpen } from './hold.ts';
import { type KmsPace, openKmsPace } from './kms-pace.ts';
import { type OpenOptions, copiesOf, vaultState } from './options.ts';
import { explainOwnRule } from './own-rules.ts';
import { type NamesKeeper, namesUnderBoth } from './names.ts';
import { keysOf, protect } from './protect.ts';
import { wipeMaterial } from '../keys/stored-key.ts';

export type { RekeyTotals };

export interface RekeyOptions extends Omit<EngineOptions, 'onMet'> {
  /** See the engine's; with the key to the vault's names under both keys, where it has one. */
  readonly onMet?: (names: NamesSetting | undefined) => Promise<void>;
}

export interface OpenRekey {
  readonly rekey: Rekey;
  /** Runs to the end, then frees everything. */
  readonly run: () => Promise<Outcome>;
}

type OpenSide = Side & {
  readonly protection: Protection;
  readonly pace: Pace | undefined;
  readonly keeper: NamesKeeper | undefined;
};

/** Opens a vault for moving its objects to another Mode. Rejects as `openVault` does. */
export async function openRekey(
  vault: Vault,
  next: Mode,
  { onMet, ...options }: Omit<OpenOptions, 'onMet'> & RekeyOptions,
): Promise<OpenRekey> {
  refuseUnproved(vault, next);
  const clock = options.clock ?? systemClock;
  const closing: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closing.splice(0)) await close();
  };
  try {
    const resolved = await resolveRemote(vault.remote, options.env);
    closing.push(() => resolved.close());
    const index = await openIndex({ folder: vaultState(options.places, vault) });
    closing.push(() => index.close());
    const keysFrom = options.keysFrom ?? keysOf(vault, options, clock);
    if (options.keysFrom === undefined) closing.push(() => keysFrom.lock());
    const opening = { ...options, keysFrom };
    const transfers = vault.rules.transfers ?? DEFAULT_TRANSFERS;
    const paces: KmsPace[] = [];
    const onThrottle = (error: VaultError): void => {
      const kms = error.resource === 'kms' ? paces.filter((pace) => pace.throttled('store')) : [];
      if (kms.length === 0) rekey.throttled(error);
    };
    const side = async (mode: Mode, from?: Mode): Promise<OpenSide> => {
      const pace = await openKmsPace(vault, mode, resolved, options, clock);
      paces.push(pace);
      closing.push(() => pace.close());
      const protecting = await protect(mode, vault, resolved, opening, clock, pace);
      const { protection, sealing, key, names: keeper, wipe } = protecting;
      // Each store closes the connections and credentials it was given.
      const own = await resolveRemote(vault.remote, options.env);
      const explain = explainOwnRule(vault, own, mode, from);
      const store = openStore(own, protection, { clock, transfers, onThrottle, pace: pace.store, explain });
      closing.push(() => store.close(), wipe);
      return {
        kind: mode.kind,
        store,
        sealing,
        fingerprint: modeFingerprint(mode, key),
        key,
        protection,
        pace: pace.store,
        keeper,
      };
    };
    const from = await side(vault.mode);
    const to = await side(next, vault.mode);
    const { vault: named, names } = await namesUnderBoth(vault, from.keeper, to.keeper, next.kind);
    closing.push(() => names.wipe());
    const { mover, onward } = movers(vault, resolved, from, to, { clock, transfers, onThrottle });
    closing.push(
      () => mover.close(),
      () => onward.close(),
    );
    const keysHold = allHold(options, keysFrom, [vault.mode, from.key], [next, to.key]);
    const rekey: Rekey = new Rekey(
      { vault: named, names, from, to, mover, onward, index, clock, keysHold },
      { ...options, onMet: async () => onMet?.(named.names) },
    );
    paces.at(-1)?.tellTo((body) => rekey.announce(body));
    return { rekey, run: () => heldOpen(() => rekey.run(), closeAll) };
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
}

/** A store that was seen not to confirm a mode would have each object written, and then removed again. */
function refuseUnproved({ capabilities }: Vault, { kind }: Mode): void {
  if (kind === 'client' || capabilities?.sse?.[kind] !== 'unproved') return;
  throw new VaultError('security', 'proof-missing', `the store was seen not to confirm mode ${kind}`, {
    hint: `move to mode client, or where the store has changed, have it looked at anew: s3vault doctor`,
  });
}

const allHold =
  ({ material }: Pick<OpenOptions, 'material'>, keys: KeyStore, ...all: readonly [Mode, string][]) =>
  async (begun: boolean): Promise<void> => {
    if (material !== undefined) return;
    for (const [mode, fingerprint] of all) await holds(keys, mode, fingerprint, begun);
  };

/** Fetches a key anew: it must still be the one in use. */
async function holds(keys: KeyStore, mode: Mode, fingerprint: string, begun: boolean): Promise<void> {
  const name = storedKeyOf(mode);
  if (name === undefined) return;
  try {
    const material = await keys.load(name);
    wipeMaterial(material);
    if (material.fingerprint === fingerprint) return;
  } catch (thrown) {
    if (!(thrown instanceof VaultError) || thrown.code !== 'key-missing') throw thrown;
  }
  const touched = begun ? 'objects are under it' : 'no object was touched';
  throw new VaultError(
    'security',
    'key-changed',
    `key ${name} (fingerprint ${fingerprint}) was deleted or replaced while this went on`,
    {
      hint: `${touched}: bring it back with s3vault keys recover or keys import, then run the same command again`,
    },
  );
}

function storedKeyOf(mode: Mode): string | undefined {
  if (mode.kind === 'sse-c') return mode.key.name;
  return mode.kind === 'client' && mode.key.kind === 'stored' ? mode.key.name : undefined;
}

/** From the old protection to the new one; and from the new one to itself, for versions in between. */
function movers(
  vault: Vault,
  resolved: ResolvedRemote,
  from: OpenSide,
  to: OpenSide,
  options: Pick<MoverOptions, 'clock' | 'transfers' | 'onThrottle'>,
): { readonly mover: Mover; readonly onward: Mover } {
  const copies = copiesOf(vault);
  const pace = { from: from.pace, to: to.pace };
  const paceOnward = { from: to.pace, to: to.pace };
  return {
    mover: openMover(resolved, from.protection, to.protection, { ...options, copies, pace }),
    onward: openMover(resolved, to.protection, to.protection, { ...options, pace: paceOnward }),
  };
}
