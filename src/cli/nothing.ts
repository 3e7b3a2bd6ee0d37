/** That nothing is where something was looked for, and why, as far as that is known. */
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Peek } from '../vaults/peek.ts';
import { noVault } from '../vaults/nothing-there.ts';

export interface Sought {
  readonly at?: number | undefined;
  readonly versionId?: string | undefined;
}

/** Nothing at and below a name; `sought`: at a time, or of one version. */
export async function nothingAt(peek: Peek, name: string, sought: Sought = {}): Promise<VaultError> {
  const empty = await peek.emptyPlace();
  if (empty !== undefined) return noVault(empty);
  const { at, versionId } = sought;
  const where = name === '' ? '' : ` at ${safeName(name)}`;
  if (versionId !== undefined) {
    return new VaultError('file', 'nothing-there', `there is no version ${safeName(versionId)}${where}`, {
      hint: 's3vault versions shows those that there are',
    });
  }
  if (at !== undefined && !(await peek.keepsVersions())) {
    const what = name === '' ? '' : ` of ${safeName(name)}`;
    return new VaultError('file', 'nothing-there', `nothing is left${what} at that time`, {
      hint: 'the bucket keeps no versions: what was overwritten or removed since is gone; s3vault ls shows what there is',
    });
  }
  const said =
    at === undefined ? `is nothing${where === '' ? ' there' : where}` : `was nothing${where} at that time`;
  return new VaultError('file', 'nothing-there', `there ${said}`, {
    hint: 's3vault ls shows what there is, s3vault versions what there was',
  });
}

/** There is no such file to print: it may be a folder. */
export async function nothingToCat(peek: Peek, name: string, sought: Sought): Promise<VaultError> {
  const { at } = sought;
  for await (const shown of peek.ls(name, { recursive: true, at })) {
    // The file itself is there, though not in that version.
    if (shown.name === name) break;
    return new VaultError(
      'usage',
      'is-folder',
      name === '' ? 'this is a folder' : `${safeName(name)} is a folder`,
      {
        hint: 'name a file in it; s3vault ls shows them, s3vault restore brings all of them back',
      },
    );
  }
  return nothingAt(peek, name, sought);
}
