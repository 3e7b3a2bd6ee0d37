/** What `verify` says of an object that is not protected as its vault is, and how its file comes into the bucket again. */
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { ModeKind } from '../model/mode.ts';
import type { RemoteEntry } from '../model/plan.ts';
import type { Record } from '../model/record.ts';
import { isUnprotected } from './protected.ts';

export interface Refused {
  readonly record: Record;
  readonly remote: RemoteEntry;
  /** Changes come from the bucket, too. */
  readonly receives: boolean;
}

export const unproved = (refused: Refused, mode: ModeKind): VaultError =>
  new VaultError(
    'security',
    'proof-missing',
    `the store does not say that ${safeName(refused.record.path)} is protected by ${mode}`,
    { hint: `somebody wrote it in another way; ${wayBack(refused)}` },
  );

export const notSealed = (refused: Refused): VaultError =>
  new VaultError('security', 'not-sealed', `${safeName(refused.record.path)} is not sealed in the bucket`, {
    hint: `somebody wrote it, or took its envelope away; ${wayBack(refused)}`,
  });

/** What opening it was refused with, said as a look says it. */
export function asHere(error: VaultError, refused: Refused, mode: ModeKind): VaultError {
  if (isUnprotected(error)) return unproved(refused, mode);
  return error.code === 'not-sealed' ? notSealed(refused) : error;
}

/** The file here is sent again only where it is known to be this machine's, and not what a stranger put into the bucket. */
function wayBack({ record, remote, receives }: Refused): string {
  const touch = record.kind === 'link' ? 'touch -h' : 'touch';
  const own = remote.etag === record.etag && record.received !== true;
  if (!receives || own) return `${touch} the file here and sync: it is sent again`;
  if (remote.etag === record.etag)
    return 'the file here came from there, so look at it before you trust it; s3vault versions shows older ones';
  return `sync does not fetch it; to send the file here instead, ${touch} it, remove the object from the bucket, and sync (with --direction pull: on the machine that sends)`;
}
