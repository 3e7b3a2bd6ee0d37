/** Names of objects read as paths: a cut one takes a look at its object. */
import { type NameKey, type ObjectKey, objectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { type ErrorReport, VaultError, report } from '../model/errors.ts';
import type { NameRead, Names } from '../model/names.ts';
import type { ObjectStore, Waits } from '../model/ports.ts';

export interface Naming {
  readonly store: Pick<ObjectStore, 'head'>;
  readonly prefix: string;
  readonly names: Names;
}

/** An object, or the version of it that has content. */
export interface Named {
  readonly key: ObjectKey;
  readonly versionId?: string | undefined;
}

/** What stands behind the prefix. */
export const nameIn = ({ prefix }: Pick<Naming, 'prefix'>, key: ObjectKey | string): NameKey =>
  key.slice(prefix.length) as NameKey;

export const keyOfPath = ({ prefix, names }: Omit<Naming, 'store'>, path: string): ObjectKey =>
  objectKey(prefix + names.keyOf(path));

/** The path that an object's name says; undefined where it is none of this vault's. */
export async function pathOf(
  naming: Naming,
  { key, versionId }: Named,
  options: Waits = {},
): Promise<string | undefined> {
  const name = nameIn(naming, key);
  const read: NameRead = naming.names.read(name);
  if (read.kind !== 'cut') return read.kind === 'path' ? read.path : undefined;
  const which = versionId === undefined ? options : { ...options, versionId };
  const stat = await naming.store.head(key, which).catch(notOurs);
  return stat === undefined ? undefined : naming.names.readCut(name, stat.metadata);
}

/** What this vault's key does not show is none of its objects, or not one that can be had: it ends no listing. */
export function notOurs(thrown: unknown): undefined {
  if (thrown instanceof VaultError && (thrown.code === 'other-mode' || thrown.code === 'wrong-key')) return;
  throw thrown;
}

/** As people are shown it: the path; or the bare name, marked as nobody's. */
export async function shownName(
  naming: Naming,
  named: Named,
  options: Waits = {},
): Promise<{ readonly name: string; readonly foreign?: true }> {
  const path = await pathOf(naming, named, options);
  return path === undefined ? { name: nameIn(naming, named.key), foreign: true } : { name: path };
}

/** What went wrong with one object, said of its path where its name in the bucket tells people nothing. */
export function reportOf(
  error: VaultError,
  { key, path }: { readonly key: string; readonly path: string },
): ErrorReport {
  const said = report(error);
  if (key.endsWith(path)) return said;
  return { ...said, message: said.message.replaceAll(safeName(key), safeName(path)) };
}
