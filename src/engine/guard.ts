import { shellWord } from '../model/display.ts';
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
  if (why === undefined) return;
  const known = guarded.index.meta(META_DEVICE) !== undefined;
  throw lostSource(guarded.vault, { kind: 'lost-source', why }, known);
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

/** `known`: the folder was taken for this vault before. */
export function lostSource(vault: Vault, lost: Lost, known = true): VaultError {
  return new VaultError('consent', lost.why, `${vault.root}: ${LOST_MESSAGE[lost.why]}`, {
    hint: `nothing was sent or removed; ${wayOut(vault, lost, known)}`,
  });
}

/** What takes the folder, or the bucket, as it is: wherever the vault is looked at, on a screen or in a daemon. */
export const acceptingCommand = ({ root }: Pick<Vault, 'root'>): string =>
  `s3vault sync ${shellWord(root)} --accept-source`;

function wayOut(vault: Vault, { why }: Lost, known: boolean): string {
  if (why === 'root-missing') return 'mount its disk or bring the folder back, then try again';
  if (known) return `if this is what you want: ${acceptingCommand(vault)}`;
  // The first sync names the bucket, which nothing else knows yet.
  return `if this is what you want, run the same command with --accept-source; where the vault is registered: ${acceptingCommand(vault)}`;
}
