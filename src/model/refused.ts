import type { NameKey, RelPath } from './brands.ts';
import type { Action } from './plan.ts';

/** A removal: of a file or of an object. */
export type Removal = Extract<Action, { kind: 'remove-remote' | 'remove-local' }>;

export const isRemoval = (action: Action): action is Removal =>
  action.kind === 'remove-remote' || action.kind === 'remove-local';

/** A removal that a person said no to, and what it would have removed: one of something else is another matter. */
export interface RefusedRemoval {
  readonly key: NameKey;
  readonly path: RelPath;
  readonly kind: Removal['kind'];
  /** Of the object as the Index knew it. */
  readonly etag: string;
  /** SHA-256 of the plaintext, as the Index knew it: it outlives a rekey, which changes the object. */
  readonly digest?: Uint8Array;
}

/** Those of one vault, across runs. Durable when a call returns. */
export interface RefusedBook {
  count(): number;
  /** In the order of keys. */
  all(): readonly RefusedRemoval[];
  /** At most `limit` of them behind a key, or from the beginning. */
  page(after: NameKey | undefined, limit: number): readonly RefusedRemoval[];
  /** Replaces what was said of the same keys. All of it or nothing. */
  put(removals: readonly RefusedRemoval[]): void;
  remove(keys: readonly NameKey[]): void;
  clear(): void;
}

export const refusedBy = ({ key, path, kind, record: { etag, digest } }: Removal): RefusedRemoval => ({
  key,
  path,
  kind,
  etag,
  ...(digest === undefined ? {} : { digest }),
});

/** Whether a removal is the one that was refused, as it was said then or found since. */
export function isRefused({ kind, record: now }: Removal, refused: RefusedRemoval | Removal): boolean {
  const { etag, digest } = 'record' in refused ? refused.record : refused;
  if (kind !== refused.kind) return false;
  if (now.etag === etag) return true;
  return digest !== undefined && now.digest !== undefined && Buffer.compare(digest, now.digest) === 0;
}
