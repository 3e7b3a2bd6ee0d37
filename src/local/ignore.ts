import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { OWN_FOLDER, type RelPath } from '../model/brands.ts';
import { outsideFault } from '../model/path-fault.ts';
import { isDraftName } from './draft-name.ts';

/** Rules for one folder and all below it, in gitignore syntax. Synced like any other file. */
export const IGNORE_FILE = '.s3vaultignore';

export interface IgnoreOptions {
  readonly root: string;
  /** Only what matches one of these is let through; empty: everything. */
  readonly include: readonly string[];
  /** What matches one of these is left out, whatever else says. */
  readonly exclude: readonly string[];
}

/**
 * What the vault leaves out: its own folder, `--exclude`, what `--include` does not name, and the rules of
 * `.s3vaultignore` files, of which a deeper one overrules a higher one. Once a folder is left out, so is all in it.
 */
export class IgnoreRules {
  readonly #root: string;
  readonly #exclude: Ignore | undefined;
  readonly #include: Ignore | undefined;
  /** Rules by folder (`''`: the root); null where a folder has none. */
  readonly #files = new Map<string, Ignore | null>();

  constructor({ root, include, exclude }: IgnoreOptions) {
    this.#root = root;
    this.#exclude = exclude.length > 0 ? ignore().add([...exclude]) : undefined;
    this.#include = include.length > 0 ? ignore().add([...include]) : undefined;
  }

  /** Notes what a folder's own rules are now. `present`: the folder has an ignore file. */
  refresh(folder: string, present: boolean): void {
    this.#files.set(folder, present ? this.#load(folder) : null);
  }

  #load(folder: string): Ignore | null {
    try {
      return ignore().add(readFileSync(join(this.#root, folder, IGNORE_FILE), 'utf8'));
    } catch {
      // Not there, or not readable: the scan reports it like any file; it rules nothing.
      return null;
    }
  }

  /** True for one path whose folders are known not to be left out. */
  leavesOut(path: string, isFolder: boolean): boolean {
    if (path === OWN_FOLDER || path.startsWith(`${OWN_FOLDER}/`)) return true;
    if (!isFolder && isDraftName(path.slice(path.lastIndexOf('/') + 1))) return true;
    const name = isFolder ? `${path}/` : path;
    if (this.#exclude?.ignores(name) === true) return true;
    if (!isFolder && this.#include !== undefined && !this.#include.ignores(name)) return true;
    return this.#byFiles(path, name);
  }

  #byFiles(path: string, name: string): boolean {
    for (let at = path.lastIndexOf('/'); ; at = path.lastIndexOf('/', at - 1)) {
      const folder = at < 0 ? '' : path.slice(0, at);
      const rules = this.#rulesOf(folder);
      if (rules !== null) {
        const { ignored, unignored } = rules.test(folder === '' ? name : name.slice(folder.length + 1));
        if (ignored || unignored) return ignored;
      }
      if (at <= 0) return false;
    }
  }

  #rulesOf(folder: string): Ignore | null {
    let rules = this.#files.get(folder);
    if (rules === undefined) {
      rules = this.#load(folder);
      this.#files.set(folder, rules);
    }
    return rules;
  }

  /** True where the path, or a folder above it, is left out, or it leads elsewhere. `isFolder` is for the path itself. */
  ignores(path: RelPath, isFolder = false): boolean {
    if (path === '') return false;
    if (outsideFault(path) !== undefined) return true;
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      if (this.leavesOut(path.slice(0, at), true)) return true;
    }
    return this.leavesOut(path, isFolder);
  }
}
