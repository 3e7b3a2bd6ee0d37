/**
 * A file system that folds names, as those of macOS and Windows do: case and Unicode form make no difference to what is found,
 * and names stay as they were given. Laid over the real one below one folder, for `vi.mock('node:fs')`.
 */
import type * as Fs from 'node:fs';

/** The folder below which names are folded; none where it is empty. Kept where every copy of this module finds it. */
const state = globalThis as { foldingRoot?: string; foldingListed?: string[] };
export const foldBelow = (root: string): void => {
  state.foldingRoot = root;
  state.foldingListed = [];
};

/** How often a folder was listed since `foldBelow`. */
export const listings = (folder: string): number =>
  (state.foldingListed ?? []).filter((listed) => listed === folder).length;

const folded = new Map<string, string>();
function fold(name: string): string {
  const known = folded.get(name) ?? name.normalize('NFC').toUpperCase().toLowerCase();
  folded.set(name, known);
  return known;
}

type Call = (...all: unknown[]) => unknown;

const ONE = [
  'lstatSync',
  'statSync',
  'openSync',
  'unlinkSync',
  'mkdirSync',
  'rmdirSync',
  'rmSync',
  'readlinkSync',
  'accessSync',
  'lutimesSync',
  'utimesSync',
  'chmodSync',
  'readFileSync',
  'writeFileSync',
] as const;
const TWO = ['linkSync', 'copyFileSync'] as const;

export function foldingFs(real: typeof Fs): typeof Fs {
  const found = (path: unknown): unknown => {
    const root = state.foldingRoot ?? '';
    if (typeof path !== 'string' || root === '' || !path.startsWith(`${root}/`)) return path;
    let at = root;
    for (const name of path.slice(root.length + 1).split('/')) at = `${at}/${nameIn(real, at, name)}`;
    return at;
  };
  const fs: Record<string, unknown> = { ...real };
  const wrap = (name: string, call: (work: Call, all: unknown[]) => unknown): void => {
    const work = real[name as keyof typeof Fs] as Call;
    fs[name] = (...all: unknown[]): unknown => call(work, all);
  };
  for (const name of ONE) wrap(name, (work, [path, ...rest]) => work(found(path), ...rest));
  wrap('readdirSync', (work, [path, ...rest]) => {
    state.foldingListed?.push(String(found(path)).replace(/\/$/, ''));
    return work(found(path), ...rest);
  });
  for (const name of TWO) wrap(name, (work, [from, to, ...rest]) => work(found(from), found(to), ...rest));
  wrap('symlinkSync', (work, [to, path, ...rest]) => work(to, found(path), ...rest));
  wrap('renameSync', (work, [from, to]) => {
    const same = found(from) === found(to);
    const name = String(to).slice(String(to).lastIndexOf('/'));
    return work(found(from), same ? String(found(to)).replace(/\/[^/]*$/, name) : found(to));
  });
  const promises = { ...real.promises };
  const { mkdir, open } = real.promises as unknown as { mkdir: Call; open: Call };
  Object.assign(promises, {
    mkdir: async (path: unknown, ...rest: unknown[]) => mkdir(found(path), ...rest),
    open: async (path: unknown, ...rest: unknown[]) => open(found(path), ...rest),
  });
  return { ...fs, promises, default: { ...fs, promises } } as unknown as typeof Fs;
}

function nameIn(real: typeof Fs, folder: string, name: string): string {
  // The real one folds nothing.
  if (real.lstatSync(`${folder}/${name}`, { throwIfNoEntry: false }) !== undefined) return name;
  let names: readonly string[];
  try {
    names = real.readdirSync(folder);
  } catch {
    return name;
  }
  return names.find((other) => fold(other) === fold(name)) ?? name;
}
