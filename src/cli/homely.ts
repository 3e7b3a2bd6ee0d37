import { homedir } from 'node:os';

/** A path with the user's home folder as `~`. */
export function homely(path: string): string {
  const home = homedir();
  return path === home || path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** The other way round. */
export const fromHomely = (path: string): string => path.replace(/^~(?=\/|$)/, homedir());
