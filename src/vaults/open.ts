/**
 * The composition root: one vault's configuration and the adapters become a running Engine. Read from top to bottom:
 * refuse plain HTTP, take the vault, fetch the key, connect, assemble.
 */
import { hostname } from 'node:os';
import { systemClock } from '../clock.ts';
import { Engine } from '../engine/engine.ts';
import { openWriter } from '../local/incoming.ts';
import { openTree } from '../local/tree.ts';
import { openWatcher } from '../local/watch.ts';
import type { Outcome } from '../model/command.ts';
import { modeFingerprint } from '../model/mode.ts';
import type { Action } from '../model/plan.ts';
import type { Clock, Index, Waits } from '../model/ports.ts';
import { DEFAULT_TRANSFERS, type Vault } from '../model/vault.ts';
import { type ResolvedRemote, resolveRemote } from '../s3/connect.ts';
import { openMover } from '../s3/mover.ts';
import { openStore } from '../s3/open-store.ts';
import { quirksOf } from '../s3/site.ts';
import { openIndex } from '../state/open-index.ts';
import { heldOpen } from './hold.ts';
import { type KmsPace, openKmsPace, throttling } from './kms-pace.ts';
import { type OpenOptions, copiesOf, vaultState } from './options.ts';
import { explainOwnRule } from './own-rules.ts';
import { type Protecting, protect } from './protect.ts';
import { type WithNames, holdToNames, namesOfVault } from './settle-names.ts';

/** Copies of renamed files at a time. */
const COPIES = 4;

export interface OpenVault {
  readonly engine: Engine;
  /** As it was given, with the key to its names where that was not known before. */
  readonly vault: Vault;
  /** Runs to the end, then frees everything. */
  run(): Promise<Outcome>;
  /** One cheap request: rejects where the store does not answer. */
  reach(options?: Waits): Promise<void>;
  /** Only plans (`--dry-run`), then frees everything. */
  preview(onAction: (action: Action) => void): Promise<Outcome>;
}

/** Opens a vault. Rejects before any key is read where an endpoint is not HTTPS, and with exit 7 where it is held. */
export async function openVault(vault: Vault, options: OpenOptions): Promise<OpenVault> {
  const clock = options.clock ?? systemClock;
  const resolved = await resolveRemote(vault.remote, options.env);
  const index = await openIndex({ folder: vaultState(options.places, vault) });
  let pace: KmsPace | undefined;
  try {
    pace = await openKmsPace(vault, vault.mode, resolved, options, clock);
    const protecting = await protect(vault.mode, vault, resolved, options, clock, pace);
    const named = await namesOfVault(vault, protecting, options).catch((thrown: unknown) => {
      protecting.wipe();
      throw thrown;
    });
    holdToNames(index, named.names);
    return assemble(named, resolved, index, { ...protecting, pace }, options, clock);
  } catch (thrown) {
    await pace?.close();
    index.close();
    await resolved.close();
    throw thrown;
  }
}

function assemble(
  { vault, names }: WithNames,
  resolved: ResolvedRemote,
  index: Index,
  protecting: Protecting & { readonly pace: KmsPace },
  options: OpenOptions,
  clock: Clock,
): OpenVault {
  const { include, exclude, transfers } = vault.rules;
  const { pace } = protecting;
  const onThrottle = throttling(pace, (error) => engine.throttled(error));
  const quirks = quirksOf(vault.capabilities);
  const store = openStore(resolved, protecting.protection, {
    clock,
    transfers: transfers ?? DEFAULT_TRANSFERS,
    seen: vault.capabilities,
    quirks,
    onThrottle,
    pace: pace.store,
    explain: explainOwnRule(vault, resolved, vault.mode),
  });
  const copier = openMover(resolved, protecting.protection, protecting.protection, {
    clock,
    transfers: COPIES,
    quirks,
    onThrottle,
    copies: copiesOf(vault),
    pace: { from: pace.store, to: pace.store },
  });
  const tree = openTree({ root: vault.root, include, exclude, clock, names });
  const watcher = options.once
    ? undefined
    : openWatcher({ root: vault.root, ignores: (path) => tree.ignores(path), clock });
  const engine: Engine = new Engine(
    {
      vault,
      store,
      index,
      tree,
      writer: openWriter(vault.root, names, { now: () => clock.now(), ticks: () => clock.ticks() }),
      copier,
      host: hostname(),
      watcher,
      sealing: protecting.sealing,
      names,
      clock,
      modeFingerprint: modeFingerprint(vault.mode, protecting.key),
      keyFingerprint: protecting.key,
      kmsPaced: () => pace.counts,
    },
    options,
  );
  pace.tellTo((body) => engine.announce(body));
  const close = async (): Promise<void> => {
    index.close();
    await pace.close();
    await copier.close();
    await store.close();
    protecting.wipe();
    names.wipe();
  };
  return {
    engine,
    vault,
    reach: (options) => store.reach(options),
    run: () => heldOpen(() => engine.run(), close),
    preview: (onAction) => heldOpen(() => engine.preview(onAction), close),
  };
}
