/** What keys lead to in the tree and among conflicts. Pure. */
import type { BrowseLine, FileVersion } from '../model/browser.ts';
import type { Conflict } from '../model/conflicts.ts';
import { conflictsOf, filesOf, nameIn } from './lists.ts';
import { type Around, type DeskOrder, type Led, type Ui, led } from './ui.ts';

type BrowseOrder = 'open' | 'restore' | 'stop-restore' | 'undelete' | 'removed';

export function browsed(order: BrowseOrder, ui: Ui, around: Around): Led {
  switch (order) {
    case 'open':
      return opened(ui, around);
    case 'restore':
      return asksWhere(ui, around);
    case 'stop-restore':
      return { ...led({ ...ui, message: 'stopping' }), desk: { do: 'stop-restore' } };
    case 'removed': {
      const { browse } = ui;
      return led({ ...ui, line: 0, browse: { ...browse, file: undefined, removed: !browse.removed } });
    }
    case 'undelete': {
      const path = removedFile(ui, around);
      return path === undefined ? led(ui) : { ...led(ui), desk: { do: 'undelete', path } };
    }
    default:
      return order satisfies never;
  }
}

export const browseLines = (ui: Ui, around: Around): number =>
  ui.browse.file === undefined
    ? filesOf(around.browse?.lines ?? [], ui.filter).length
    : (around.browse?.versions?.length ?? 0);

const at = <T>(lines: readonly T[], line: number): T | undefined => lines[Math.min(line, lines.length - 1)];

function selectedLine(ui: Ui, around: Around): BrowseLine | undefined {
  return ui.browse.file === undefined
    ? at(filesOf(around.browse?.lines ?? [], ui.filter), ui.line)
    : undefined;
}

const selectedVersion = (ui: Ui, around: Around): FileVersion | undefined =>
  ui.browse.file === undefined ? undefined : at(around.browse?.versions ?? [], ui.line);

/** The path of the selected file where it is removed. */
export function removedFile(ui: Ui, around: Around): string | undefined {
  if (ui.view !== 'browse') return undefined;
  const { file } = ui.browse;
  if (file !== undefined) return around.browse?.versions?.[0]?.marker === true ? file : undefined;
  const line = selectedLine(ui, around);
  return line?.kind === 'file' && line.removed ? line.path : undefined;
}

function opened(ui: Ui, around: Around): Led {
  const line = selectedLine(ui, around);
  if (line === undefined)
    return led(ui.browse.file === undefined ? ui : { ...ui, message: 'g restores this version' });
  const above = [...ui.browse.above, ui.line];
  const place = line.kind === 'folder' ? { folder: line.path } : { file: line.path };
  // A filter was for the folder that is left.
  return led({ ...ui, line: 0, filter: '', browse: { ...ui.browse, ...place, above } });
}

/** Out of the versions of a file, out of a folder, out of the tree. */
export function wentUp(ui: Ui): Led {
  const { folder, file, above } = ui.browse;
  const line = above.at(-1) ?? 0;
  const before = above.slice(0, -1);
  if (file !== undefined)
    return led({ ...ui, line, filter: '', browse: { ...ui.browse, file: undefined, above: before } });
  if (folder === '') return led({ ...ui, line: 0, filter: '', view: 'dashboard' });
  const up = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1);
  return led({ ...ui, line, filter: '', browse: { ...ui.browse, folder: up, above: before } });
}

function asksWhere(ui: Ui, around: Around): Led {
  const version = selectedVersion(ui, around);
  const line = selectedLine(ui, around);
  const path = version === undefined ? line?.path : ui.browse.file;
  if (path === undefined) return led(ui);
  if (version?.marker === true)
    return led({ ...ui, message: 'this is a removal: choose a version below it' });
  if (version === undefined && line?.kind === 'file' && line.removed)
    return led({ ...ui, message: 'it is removed: u brings it back, or enter and choose a version' });
  // The newest one needs no name: as anybody would restore the file.
  const wish = version === undefined || version.latest ? { path } : { path, versionId: version.versionId };
  const text = `~/restored-${nameIn(path).replace(/\/$/, '')}`;
  return led({ ...ui, typing: { for: 'out', text, before: text, wish } });
}

/** One side of a conflict is kept, or both. */
export function settled(order: 'keep-mine' | 'keep-theirs' | 'keep-both', ui: Ui, around: Around): Led {
  const conflict = at(conflictsOf(around.conflicts ?? [], ui.filter), ui.line);
  if (conflict === undefined) return led(ui);
  const desk: DeskOrder = { do: order, conflict };
  if (order === 'keep-both') return { ...led({ ...ui, message: 'both stay' }), desk };
  if (order === 'keep-theirs' && conflict.theirs === undefined)
    return led({ ...ui, message: 'the other one is gone: m gives its name to this one' });
  return led({ ...ui, asked: { question: questionOf(order, conflict), yes: desk } });
}

const questionOf = (order: 'keep-mine' | 'keep-theirs', { path, copy, host, theirs }: Conflict): string => {
  if (order === 'keep-theirs') return `Remove ${nameIn(copy)}?`;
  return theirs === undefined
    ? `Rename ${nameIn(copy)} to ${nameIn(path)}?`
    : `Replace ${nameIn(path)} by the copy of ${host}?`;
};
