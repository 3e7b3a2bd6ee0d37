import type { NameKey } from '../model/brands.ts';
import type { Entry, Seen } from '../model/entry.ts';
import type { RemoteEntry } from '../model/plan.ts';
import type { Record } from '../model/record.ts';
import type { Direction } from '../model/vault.ts';

/** What one key looks like on the three sides. At least one of them is there. */
export interface Sides {
  readonly key: NameKey;
  /** What an object's name says where nothing else says its path; null: it is no name of this vault. */
  readonly path?: string | null;
  readonly local?: Seen | undefined;
  /** Undefined: not there; where the remote was not listed: not known. */
  readonly remote?: RemoteEntry | undefined;
  readonly record?: Record | undefined;
}

export interface PlanRules {
  readonly direction: Direction;
  /** Removals are planned as such; else they become `skip` with reason `removal-off` or `kept-here`. */
  readonly removals: boolean;
  /** The remote side was listed, so its absence means something. */
  readonly listed: boolean;
  /** What a Record must carry to be in step with the vault's Mode. */
  readonly modeFingerprint: string;
  /** Largest plaintext that can be stored; larger files are skipped with reason `too-large`. */
  readonly maxSize: number;
  /** The path that an object's name says; null where it is none of this vault's. Undefined: each name is its path. */
  readonly pathOf?: ((remote: RemoteEntry) => Promise<string | null>) | undefined;
  /** True for paths that the ignore rules leave out: they are not removed for being unseen, and not fetched. */
  ignores(path: Entry['path']): boolean;
}
