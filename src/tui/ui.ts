/** The state of the screen, and what a key can lead to. */
import type { RestoreWish } from '../model/browser.ts';
import type { Command } from '../model/command.ts';
import type { Conflict } from '../model/conflicts.ts';
import type { PlannedLine } from '../model/plan.ts';
import type { Setting } from '../model/settings-desk.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { BrowseShown } from './browse/store.ts';
import type { View } from './keys.ts';
import type { Typing } from './typing.ts';
import type { Lines } from './window-store.ts';

/** What only the screen knows. */
export interface Ui {
  readonly view: View;
  /** The selected line of a list. */
  readonly line: number;
  readonly vault: number;
  /** Lists show only lines with this text; empty shows all. */
  readonly filter: string;
  /** A line that is being typed. */
  readonly typing?: Typing | undefined;
  /** One sentence for the user; gone with the next key. */
  readonly message: string;
  /** Times that `quit` was asked for. */
  readonly quits: number;
  readonly browse: BrowsePlace;
  /** A question of the screen's own; only y and n answer it. */
  readonly asked?: Asked | undefined;
  /** The key screen is open above everything else. */
  readonly keys: boolean;
}

/** Where in the tree one is. */
export interface BrowsePlace {
  /** Empty, or ends in `/`. */
  readonly folder: string;
  /** Its versions are shown. */
  readonly file?: string | undefined;
  /** Files that were removed are shown, too. */
  readonly removed: boolean;
  /** The selected lines of the folders above. */
  readonly above: readonly number[];
}

export interface Asked {
  readonly question: string;
  readonly yes: DeskOrder | ({ readonly do: 'set' } & NewValue);
}

/** A setting of the selected vault gets another value. */
export interface NewValue {
  readonly name: string;
  readonly value: string;
}

export const START: Ui = {
  view: 'dashboard',
  line: 0,
  vault: 0,
  filter: '',
  message: '',
  quits: 0,
  browse: { folder: '', removed: false, above: [] },
  keys: false,
};

/** Where one was on a screen that gives way to another one, for that one to begin there. Written as one goes. */
export interface Memory {
  last?: { readonly ui: Ui; readonly title: string };
}

/**
 * Where a screen begins: at the same place of the same vault, where that is still there; what was being asked is over,
 * what was said may not have been read.
 */
export function resumed({ last }: Memory, titles: readonly string[]): Ui {
  const vault = last === undefined ? -1 : titles.indexOf(last.title);
  if (last === undefined) return START;
  const { view, line, filter, browse, message } = last.ui;
  return vault === -1 ? { ...START, message } : { ...START, view, line, filter, browse, message, vault };
}

export interface Around {
  readonly snapshot: Snapshot;
  readonly vaults: number;
  /** Lines of a page. */
  readonly page: number;
  /** Of the selected vault; empty where they are not known. */
  readonly settings: readonly Setting[];
  /** Undefined where the screen was given none. */
  readonly browse?: Pick<BrowseShown, 'lines' | 'versions' | 'restoring'> | undefined;
  readonly conflicts?: readonly Conflict[] | undefined;
  /** Under the filter. */
  readonly queue: Lines<PlannedLine>;
  readonly activity: Pick<Lines<unknown>, 'total'>;
  /** There are keys to be shown. */
  readonly keys?: boolean;
}

/** What is asked of the vault beside its engine. */
export type DeskOrder =
  | { readonly do: 'restore'; readonly wish: RestoreWish }
  | { readonly do: 'stop-restore' }
  | { readonly do: 'undelete'; readonly path: string }
  | { readonly do: 'keep-mine' | 'keep-theirs' | 'keep-both'; readonly conflict: Conflict };

/** What a key leads to: another Ui, and Commands for the selected vault's engine (`stop` goes to all). */
export interface Led {
  readonly ui: Ui;
  readonly commands: readonly Command[];
  readonly set?: NewValue;
  readonly desk?: DeskOrder;
}

export const led = (ui: Ui, ...commands: readonly Command[]): Led => ({ ui, commands });
