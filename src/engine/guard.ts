import { VaultError } from '../model/errors.ts';
import type { ConsentReason } from '../model/plan.ts';
import type { FileTree, Index, SourceState } from '../model/ports.ts';
import type { Vault } from '../model/vault.ts';

type Here = Extract<SourceState, { state: 'here' }>;
type Lost = Extract<ConsentReason, { kind: 'lost-source' }>;

const META_DEVICE = 'source-device';

interface Guarded {
  readonly vault: Vault;
  readonly tree: FileTree;
  readonly index: Index;
}

/**
 * The lost-source guard: a folder that is not the one it was (unmounted disk, other device, foreign or missing marker)
 * is neither pushed nor taken for a mass removal [DEL-5]. Rejects with kind `consent`; changes nothing.
 */
export async function checkSource(guarded: Guarded): Promise<void> {
  const source = await guarded.tree.source();
  const why = source.state === 'missing' ? 'root-missing' : whyLost(source, guarded);
  if (why !== undefined) throw lostSource(guarded.vault, { kind: 'lost-source', why });
}

function whyLost(source: Here, { vault, index }: Guarded): Lost['why'] | undefined {
  const known = index.count().files > 0;
  const device = index.meta(META_DEVICE);
  if (source.markedAs !== undefined && source.markedAs !== vault.id) return 'marker-foreign';
  if (source.markedAs === undefined && known) return 'marker-missing';
  return device !== undefined && Number(device) !== source.device && known ? 'other-device' : undefined;
}

/** Checks the folder, or takes it as it is where the user says so, and marks it as this vault's. */
export async function takeSource(guarded: Guarded, accept: boolean): Promise<void> {
  const { vault, tree, index } = guarded;
  const source = await tree.source();
  if (!accept || source.state === 'missing') await checkSource(guarded);
  if (source.state === 'missing') return;
  if (source.markedAs !== vault.id) await tree.mark(vault.id);
  if (index.meta(META_DEVICE) !== String(source.device)) index.setMeta(META_DEVICE, String(source.device));
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
