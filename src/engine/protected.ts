/**
 * Whether an object is under the protection of its place, by what the store says of it. Where objects are not sealed that is all
 * that tells the vault's own from what anybody else with write access put there [READ-1].
 */
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { ServerMode } from '../model/mode.ts';
import type { ObjectStat } from '../model/ports.ts';

/** Modes of which an object must be in one to be opened; undefined: it is taken as it is. */
export type Demanded = readonly ServerMode[] | undefined;

/**
 * What is demanded of objects of a place whose objects may be in any of `modes`. Nothing where `sse-s3` is one of them: stores
 * give that to whatever comes. What mode `client` sends is told by its envelope.
 */
export function demandedIn(modes: readonly string[]): Demanded {
  if (modes.includes('sse-s3')) return undefined;
  const demanded = PROTECTING.filter((mode) => modes.includes(mode));
  return demanded.length === 0 ? undefined : demanded;
}

const PROTECTING: readonly ServerMode[] = ['sse-c', 'sse-kms', 'dsse-kms'];

const isKms = (mode: ServerMode): boolean => mode === 'sse-kms' || mode === 'dsse-kms';

/** Either mode of KMS does for the other. */
export const isProtected = (demanded: Demanded, { under }: Pick<ObjectStat, 'under'>): boolean =>
  demanded === undefined ||
  demanded.some((mode) => under !== undefined && (mode === under || (isKms(mode) && isKms(under))));

const CODE = 'not-protected';

/** Throws kind `security`, code `not-protected`. */
export function refuseUnprotected(demanded: Demanded, stat: Pick<ObjectStat, 'key' | 'under'>): void {
  if (demanded !== undefined && !isProtected(demanded, stat)) throw notProtected(demanded, stat.key);
}

/** AWS does not give out with a customer key what is not under one: that says as much as an answer that does not name the key. */
export async function orUnprotected<T>(demanded: Demanded, key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const only = demanded?.every((mode) => mode === 'sse-c') === true;
    if (only && thrown instanceof VaultError && thrown.code === 'other-mode')
      throw notProtected(demanded, key);
    throw thrown;
  }
}

/** What `head` finds, if it is protected as it should be. */
export async function ifProtected(
  demanded: Demanded,
  key: string,
  head: () => Promise<ObjectStat | undefined>,
): Promise<ObjectStat | undefined> {
  try {
    const stat = await orUnprotected(demanded, key, head);
    return stat !== undefined && isProtected(demanded, stat) ? stat : undefined;
  } catch (thrown) {
    if (thrown instanceof VaultError && isUnprotected(thrown)) return undefined;
    throw thrown;
  }
}

export const isUnprotected = ({ code }: VaultError): boolean => code === CODE;

const notProtected = (demanded: readonly ServerMode[], key: string): VaultError =>
  new VaultError(
    'security',
    CODE,
    `${safeName(key)} is not protected by ${demanded.join(' or ')}, so anybody who may write to the bucket could have put it there`,
    {
      hint: 's3vault versions shows older ones; to take it as it is: s3vault restore, or cat, with --from s3://BUCKET/PREFIX --mode sse-s3',
    },
  );
