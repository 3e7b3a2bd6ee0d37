import { type ErrorReport, VaultError } from '../model/errors.ts';
import type { ObjectStore, Waits } from '../model/ports.ts';
import type { Remote } from '../model/vault.ts';

/**
 * Where nothing was found in a place that was typed: whether there is anything at all, for a mistyped prefix looks like an
 * empty vault, which has its description at least. Undefined where there is something. `prefix`: as it is in the bucket.
 */
export async function emptyPlace(
  store: Pick<ObjectStore, 'list'>,
  { bucket, prefix: typed }: Pick<Remote, 'bucket' | 'prefix'>,
  prefix: string,
  waits: Waits = {},
): Promise<ErrorReport | undefined> {
  for await (const page of store.list(prefix, waits)) if (page.length > 0) return undefined;
  return {
    code: 'no-vault',
    message: `there is no vault at s3://${bucket}/${typed}, nor anything else`,
    hint: 'check bucket and prefix; on the machine that sends the files, s3vault vaults says where they go',
  };
}

/** The same as what ends a command. */
export const noVault = ({ code, message, hint }: ErrorReport): VaultError =>
  new VaultError('file', code, message, hint === undefined ? {} : { hint });
