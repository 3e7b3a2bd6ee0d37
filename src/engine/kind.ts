/**
 * What an object says of its kind, in mode `client`: the keyed digest of a symbolic link is another one than that of a file with
 * the same bytes, and only who has the key can make either. So nobody else makes a file a link, or a link a file [KIND-1].
 */
import type { Opening } from '../crypto/open.ts';
import { safeName } from '../model/display.ts';
import type { Kind } from '../model/entry.ts';
import { VaultError } from '../model/errors.ts';
import type { EngineParts } from './world.ts';
import type { ObjectStat } from '../model/ports.ts';
import { META_MAC } from './stats.ts';
import { NOT_IN_STEP } from './strays.ts';

export interface Claimed {
  readonly stat: Pick<ObjectStat, 'key' | 'metadata'>;
  readonly opening: Opening | undefined;
  /** SHA-256 of the plaintext. */
  readonly digest: Uint8Array;
  readonly kind: Kind;
  /** Whether it is known from elsewhere that this very object was sent as a link: older versions did not bind that. */
  readonly wasLink: () => boolean;
}

/** Rejects with kind `security` where the keyed digest contradicts the bytes or the kind, or a link has none. */
export function refuseOtherKind({ stat, opening, digest, kind, wasLink }: Claimed): void {
  if (opening === undefined) return;
  const mac = stat.metadata[META_MAC];
  const fits = (as: Kind): boolean => mac !== undefined && opening.macFits(digest, mac, as);
  if (kind === 'link') {
    if (fits('link') || (fits('file') && wasLink())) return;
    throw unprovedLink(stat.key);
  }
  // Other programs keep no such digest, and theirs are files.
  if (mac === undefined || opening.format !== 'V3' || fits('file')) return;
  throw fits('link') ? noFile(stat.key) : macDiffers(stat.key);
}

/** True for the digest of a link as older versions made it: it says nothing of the kind. */
export const isOldLink = (opening: Opening, digest: Uint8Array, mac: string): boolean =>
  !opening.macFits(digest, mac, 'link') && opening.macFits(digest, mac, 'file');

const unprovedLink = (key: string): VaultError =>
  new VaultError(
    'security',
    'kind-unproved',
    `${safeName(key)} says that it is a symbolic link, and nothing proves that it was sent as one`,
    {
      hint: 'if an older s3vault sent it, sync once on the machine that has it, or restore with --old-links; s3vault cat shows what is stored',
    },
  );

const noFile = (key: string): VaultError =>
  new VaultError(
    'security',
    'kind-differs',
    `${safeName(key)} was sent as a symbolic link, and says that it is a file`,
    {
      hint: 'somebody changed it in the bucket; s3vault cat shows what is stored',
    },
  );

const macDiffers = (key: string): VaultError =>
  new VaultError('security', 'mac-differs', `${safeName(key)} is not what its digest says`, {
    hint: 'somebody changed it in the bucket; nothing was written here',
  });

const META_BOUND = 'links-bound';
const PAGE = 1_000;

/** Once for each Index: links that an older version sent are sent again, so that what they are is bound. */
export function bindLinks({ index, vault, sealing }: EngineParts): void {
  if (sealing.keyring === undefined || vault.direction === 'pull' || index.meta(META_BOUND) !== undefined)
    return;
  for (let page = index.page(undefined, PAGE); page.length > 0; ) {
    const links = page.filter(({ kind }) => kind === 'link');
    index.commit(
      links.map((record) => ({ kind: 'put', record: { ...record, modeFingerprint: NOT_IN_STEP } })),
    );
    page = index.page(page.at(-1)?.key, PAGE);
  }
  index.setMeta(META_BOUND, 'yes');
}
