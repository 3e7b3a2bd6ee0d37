import { useEffect, useMemo, useSyncExternalStore } from 'react';
import type { Clock } from '../model/ports.ts';
import type { PostureMark } from '../model/posture.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type BrowseShown, BrowseStore } from './browse/store.ts';
import type { View } from './keys.ts';
import type { Pacer } from './pacer.ts';
import type { DeskOrder, Led, Ui } from './ui.ts';
import type { ScreenVault } from './run.tsx';
import { type ConflictsShown, useConflicts } from './use-conflicts.ts';
import { usePosture } from './use-posture.ts';
import { type LongLists, useLongLists } from './use-long-lists.ts';
import { type SettingsShown, useSettings } from './use-settings.ts';

/** What the screen knows of the selected vault beside its engine. Undefined where it was given no such desk. */
export interface Desks {
  readonly settings: SettingsShown;
  readonly browse: BrowseShown | undefined;
  readonly store: BrowseStore | undefined;
  readonly conflicts: ConflictsShown | undefined;
  readonly posture: readonly PostureMark[] | undefined;
  readonly lists: LongLists;
  /** Does what a key led to. */
  obey(led: Pick<Led, 'set' | 'desk'>): void;
}

export interface DesksAround {
  readonly pacer: Pick<Pacer, 'soon'>;
  readonly clock: Pick<Clock, 'after' | 'ticks'>;
  /** Of the selected vault, as it is shown. */
  readonly snapshot: Snapshot | undefined;
  /** See `useLongLists`. */
  readonly moved: (view: View, by: number) => void;
  /** See `AppProps`. */
  readonly during: ((work: Promise<unknown>) => void) | undefined;
}

/** `height`: lines of a list. `say` shows a sentence. */
export function useDesks(
  vaults: readonly ScreenVault[],
  ui: Ui,
  height: number,
  say: (message: string) => void,
  { pacer, clock, snapshot, moved, during }: DesksAround,
): Desks {
  const vault = vaults[ui.vault];
  const settings = useSettings(vault?.settings, ui.view === 'settings', say);
  const store = useBrowse(vaults, ui, height, say, pacer);
  const conflicts = useConflicts(vault?.conflicts, ui.view === 'conflicts', say);
  const posture = usePosture(vault?.posture, snapshot?.state === 'offline', clock);
  const lists = useLongLists(vault?.handle, ui, { height, clock, snapshot, moved });
  const begin = (work: Promise<unknown> | undefined): void => {
    if (work !== undefined) during?.(work);
  };
  const obeyDesk = (order: DeskOrder): void => {
    switch (order.do) {
      case 'restore':
        return begin(store?.restore(order.wish));
      case 'stop-restore':
        return store?.stop();
      case 'undelete':
        return void store?.undelete(order.path);
      case 'keep-mine':
      case 'keep-theirs':
      case 'keep-both':
        return conflicts.settle(order);
      default:
        return order satisfies never;
    }
  };
  return {
    settings,
    store,
    browse: store?.get(),
    conflicts: vault?.conflicts === undefined ? undefined : conflicts,
    posture,
    lists,
    obey: ({ set, desk }) => {
      if (set !== undefined) settings.change(set.name, set.value);
      if (desk !== undefined) obeyDesk(desk);
    },
  };
}

const NONE = { subscribe: () => () => undefined, get: () => undefined };

/** The tree of the selected vault; those of the others are kept until the screen goes. */
function useBrowse(
  vaults: readonly ScreenVault[],
  { vault, view, browse, line, filter }: Ui,
  height: number,
  say: (message: string) => void,
  pacer: Pick<Pacer, 'soon'>,
): BrowseStore | undefined {
  const stores = useMemo(
    () =>
      vaults.map(({ browser }) => (browser === undefined ? undefined : new BrowseStore(browser, say, pacer))),
    // `say` does the same each time.
    [vaults],
  );
  useEffect(() => () => stores.forEach((store) => store?.close()), [stores]);
  const store = stores[vault];
  const { subscribe, get } = store ?? NONE;
  useSyncExternalStore<BrowseShown | undefined>(subscribe, get);
  const looked = view === 'browse';
  useEffect(() => {
    if (looked) store?.look(browse, line + 2 * height, filter);
  }, [looked, store, browse, line, height, filter]);
  useEffect(() => (looked ? () => store?.leave() : undefined), [looked, store]);
  return store;
}
