import { VaultError } from '../model/errors.ts';
import type { ConsentReason } from '../model/plan.ts';
import type { FileTree, Index } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';

type Lost = Extract<ConsentReason, { kind: 'lost-source' }>;

const META_DEVICE = 'source-device';

/**
 * The lost-source guard: a folder that is not the one it was (unmounted disk, other device, foreign or missing marker)
 * is neither pushed nor taken for a mass removal. On first use (an empty Index, no marker) the folder is marked.
 */
export async function checkSource(
  vault: Vault,
  tree: FileTree,
  index: Index,
  accept: boolean,
): Promise<Lost | undefined> {
  const source = await tree.source();
  if (source.state === 'missing') return { kind: 'lost-source', why: 'root-missing' };
  const known = index.count().files > 0;
  const device = index.meta(META_DEVICE);
  if (source.markedAs !== undefined && source.markedAs !== vault.id && !accept) {
    return { kind: 'lost-source', why: 'marker-foreign' };
  }
  if (source.markedAs === undefined && known && !accept)
    return { kind: 'lost-source', why: 'marker-missing' };
  if (device !== undefined && Number(device) !== source.device && known && !accept) {
    return { kind: 'lost-source', why: 'other-device' };
  }
  if (source.markedAs !== vault.id) await tree.mark(vault.id);
  if (device !== String(source.device)) index.setMeta(META_DEVICE, String(source.device));
  return undefined;
}

const LOST_MESSAGE: { readonly [K in Lost['why']]: string } = {
  'root-missing': 'the folder is not there',
  'marker-missing':
    'the folder lost its marker .s3vault/vault.json: is this the right folder, is its disk mounted',
  'marker-foreign': 'the folder carries the marker of another vault',
  'other-device': 'the folder is on another device than before: is the right disk mounted',
  'empty-root': 'the folder used to hold files and is empty now: is its disk mounted',
};

export function lostSource(vault: Vault, lost: Lost): VaultError {
  return new VaultError('consent', lost.why, `${vault.root}: ${LOST_MESSAGE[lost.why]}`, {
    hint: 'nothing was sent or removed; if this is what you want, run the same command with --accept-source',
  });
}
