/** Which removals a look at some paths has shown to be over: their files are there again. */
import type { NameKey } from '../model/brands.ts';
import type { Hint } from '../model/hint.ts';
import { outsideFault } from '../model/path-fault.ts';
import type { Brake } from './brake.ts';
import type { Looks } from './looks.ts';
import { type EngineParts, namesOf } from './world.ts';

/** Keys that are looked at on both sides, where they are: before they are. */
export function bothLookedAt(
  hints: readonly Hint[],
  looks: Pick<Looks, 'asked'>,
  parts: Pick<EngineParts, 'names'>,
): readonly NameKey[] {
  const keys = inside(hints)
    .filter(({ kind }) => kind === 'path')
    .map(({ path }) => namesOf(parts).keyOf(path));
  return keys.filter((key) => looks.asked(key));
}

/** Of the objects whose files were gone, those at or below these paths whose files are here now. */
export async function backAmong(
  hints: readonly Hint[],
  brake: Pick<Brake, 'knowsAny' | 'awaitsFile'>,
  { index, tree, ...parts }: Pick<EngineParts, 'names' | 'index' | 'tree'>,
): Promise<readonly NameKey[]> {
  const back: NameKey[] = [];
  if (!brake.knowsAny) return back;
  for (const hint of inside(hints)) {
    for (const { key, path } of index.under(namesOf(parts).keyOf(hint.path)))
      if (brake.awaitsFile(key) && (await tree.look(path)) !== undefined) back.push(key);
  }
  return back;
}

const inside = (hints: readonly Hint[]): readonly Hint[] =>
  hints.filter(({ path }) => outsideFault(path) === undefined);
