import type { ObjectKey } from '../model/brands.ts';
import type { ListedObject, ObjectStore, Waits } from '../model/ports.ts';

/** An object as a listing has it, which asks for no key: undefined where none stands at exactly this one. One request. */
export async function listedAt(
  store: Pick<ObjectStore, 'list'>,
  key: ObjectKey,
  options: Waits,
): Promise<ListedObject | undefined> {
  // A key stands before all that begin with it.
  for await (const [first] of store.list(key, options)) return first?.key === key ? first : undefined;
  return undefined;
}
