import { Restore, type RestoreOptions } from '../engine/restore.ts';
import { openTarget } from '../local/write.ts';
import type { NameKey } from '../model/brands.ts';
import type { Outcome } from '../model/command.ts';
import type { VaultError } from '../model/errors.ts';
import { pathTyped } from '../model/names.ts';
import type { Vault } from '../model/vault.ts';
import { readIndex } from '../state/open-index.ts';
import { heldOpen } from './hold.ts';
import { type OpenOptions, vaultState } from './options.ts';
import { type ReadingOptions, type Source, openReading } from './reading.ts';

export interface OpenRestore {
  readonly restore: Restore;
  /** Runs to the end, then frees everything. */
  readonly run: () => Promise<Outcome>;
}

/** Opens a place for a restore into `out`, an absolute path. Rejects as `openReading` does. */
export async function openRestore(
  source: Source,
  out: string,
  wanted: RestoreOptions,
  options: ReadingOptions,
): Promise<OpenRestore> {
  let restore: Restore | undefined;
  const onThrottle = (error: VaultError): void => restore?.throttled(error);
  const reading = await openReading(source, { ...options, onThrottle });
  const index = await rememberedBy(source.vault, options);
  const { reader, prefix, names, clock, transfers, keepsVersions, emptyPlace } = reading;
  const { digestOf, wasLink, pathOf } = index;
  const made = new Restore(
    {
      reader,
      target: openTarget({ root: out, clock }),
      digestOf,
      wasLink,
      prefix,
      keepsVersions,
      emptyPlace,
      names,
      clock,
      transfers,
    },
    { ...wanted, paths: wanted.paths.map((path) => pathTyped(names, path)), pathOf },
  );
  restore = made;
  reading.tellTo(made.announce);
  const close = async (): Promise<void> => {
    index.close();
    await reading.close();
  };
  return { restore: made, run: () => heldOpen(() => made.run(), close) };
}

/** What this machine remembers of the objects it sent; nothing on a fresh one, and none of it is needed. */
async function rememberedBy(
  vault: Vault | undefined,
  options: Pick<OpenOptions, 'places'>,
): Promise<{
  digestOf: (name: NameKey, etag: string) => Uint8Array | undefined;
  wasLink: (name: NameKey, etag: string) => boolean;
  /** As the disk here spells it: not every name is in the Unicode form of keys. */
  pathOf: (name: NameKey) => string | undefined;
  close: () => void;
}> {
  const index =
    vault === undefined ? undefined : await readIndex({ folder: vaultState(options.places, vault) });
  return {
    digestOf: (name, etag) => {
      const record = index?.get(name);
      return record?.etag === etag ? record.digest : undefined;
    },
    wasLink: (name, etag) => {
      const record = index?.get(name);
      return record?.etag === etag && record.kind === 'link';
    },
    pathOf: (name) => index?.get(name)?.path,
    close: () => index?.close(),
  };
}
