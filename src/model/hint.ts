import type { RelPath } from './brands.ts';

/**
 * "This path may have changed." Never believed, only looked at. `under` asks for a scan of the whole folder
 * (the empty path: of everything), as after a watcher error.
 */
export type Hint =
  | { readonly kind: 'path'; readonly path: RelPath }
  | { readonly kind: 'under'; readonly path: RelPath };
