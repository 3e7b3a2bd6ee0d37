/** What must be known and in order before changes of the bucket are let into the folder. */
import { shellWord } from '../model/display.ts';
import { VaultError, report } from '../model/errors.ts';
import { commandLine, placeFlags } from '../model/place-flags.ts';
import type { Conditions, ConditionSupport, Index } from '../model/ports.ts';
import type { Remote } from '../model/vault.ts';
import type { Emitter } from './emitter.ts';
import { placeOf } from './rounds.ts';
import { type EngineParts, writerOf } from './world.ts';

/** Of writes, removals and copies, in this order, and whether versions tell where they are not. */
const META_CONDITIONS = 'conditions-tried';
/** Where that was tried: another store may do otherwise. */
const META_TRIED_AT = 'conditions-tried-at';
/** Of earlier versions, which did not try whether something can be changed on condition; neither does doctor. */
const META_EARLIER = 'conditions-kept';
/** When a try left its object in the bucket: not every start shall leave one more. */
const META_LEFT = 'conditions-left';
const LEFT_MS = 30 * 24 * 3_600_000;
const OF = ['writes', 'removals', 'copies'] as const;

const SUPPORT: ReadonlySet<string> = new Set(['kept', 'ignored', 'refused'] satisfies ConditionSupport[]);
const isSupport = (text: string | undefined): text is ConditionSupport =>
  text !== undefined && SUPPORT.has(text);

function remembered(index: Pick<Index, 'meta'>): Partial<Conditions> {
  const words = (index.meta(META_CONDITIONS) ?? index.meta(META_EARLIER) ?? '').split(' ');
  return Object.fromEntries(OF.flatMap((of, at) => (isSupport(words[at]) ? [[of, words[at]]] : [])));
}

/** That all are kept is known once of a store; what else one does may be mended meanwhile. */
function knownOf({ index, vault, clock }: EngineParts): Partial<Conditions> {
  const here = index.meta(META_CONDITIONS) !== undefined && index.meta(META_TRIED_AT) === placeOf(vault);
  const known = here ? remembered(index) : {};
  if (OF.every((of) => known[of] === 'kept')) return known;
  const left = Number(index.meta(META_LEFT) ?? Number.NEGATIVE_INFINITY);
  if (known.writes !== 'kept' || Math.abs(clock.now() - left) > LEFT_MS) return {};
  return { ...known, versions: index.meta(META_CONDITIONS)?.endsWith(' versions') ?? false };
}

/** Whether a removal on the other machine cannot have taken along what this one wrote in that moment. */
export const keepsRemovals = (index: Pick<Index, 'meta'>): boolean =>
  (remembered(index).removals ?? 'kept') === 'kept';

/** Refuses a key that can't open, clears away what a killed run left, and learns once what conditions are worth here. */
export async function prepareTwoWay(
  parts: EngineParts,
  emitter: Emitter,
  signal: AbortSignal,
): Promise<void> {
  const { sealing, vault, index, store, clock } = parts;
  if (sealing.keyring?.canOpen === false) {
    throw new VaultError(
      'usage',
      'encrypt-only',
      `direction ${vault.direction} needs a key that opens; this one only seals`,
      {
        hint: 'use the private key, or --direction push',
      },
    );
  }
  for (const path of await writerOf(parts).sweep()) {
    emitter.emit({
      event: 'warning',
      code: 'left-behind',
      path,
      message: `${path} was taken out of the folder when a run was killed`,
      hint: 'look at it; move it back if you need it, else remove it',
    });
  }
  if (vault.direction !== 'both') return;
  const support = await store.conditions(vault.remote.prefix, { signal, known: knownOf(parts) });
  const words = [...OF.map((of) => support[of]), ...(support.versions ? ['versions'] : [])].join(' ');
  if (index.meta(META_CONDITIONS) !== words) index.setMeta(META_CONDITIONS, words);
  // Last: without it they are tried anew.
  if (index.meta(META_TRIED_AT) !== placeOf(vault)) index.setMeta(META_TRIED_AT, placeOf(vault));
  if (support.left !== undefined) {
    index.setMeta(META_LEFT, String(clock.now()));
    emitter.emit({ event: 'warning', ...report(support.left) });
  }
  if (support.unmet === true && !support.versions) {
    emitter.emit({
      event: 'warning',
      code: 'conditions-refused',
      message:
        'this store does not let an object be changed on condition that it still is what it was, though it is: new files are sent, changed ones fail',
      hint: `turn versioning on, which tells who came between: ${versionsOn(vault.remote)}; where this is the only machine that writes, --direction push needs no conditions`,
    });
    return;
  }
  const unkept = support.writes === 'kept' ? 'removals' : 'writes';
  if (support[unkept] === 'kept' || support.versions) return;
  emitter.emit({
    event: 'warning',
    code: 'no-conditions',
    message:
      unkept === 'writes'
        ? 'this store does not keep conditions of writes, and no versions tell who came between: two machines that write the same file in the same moment can go over each other unseen'
        : 'this store does not keep conditions of removals, and no versions tell who came between: a removal can take along what another machine wrote in that moment',
    hint: `turn versioning on: ${versionsOn(vault.remote)}; where it is on, allow s3:ListBucketVersions`,
  });
}

const versionsOn = (remote: Remote): string =>
  commandLine(['s3vault bucket harden', shellWord(remote.bucket), '--only versioning', placeFlags(remote)]);
