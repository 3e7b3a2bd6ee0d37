/** Test objects of earlier runs that were killed before they could remove them. */
import type { ObjectKey } from '../../model/brands.ts';
import { plural, safeName, shellWord } from '../../model/display.ts';
import { asVaultError } from '../../model/errors.ts';
import type { Clock, ObjectStore, Waits } from '../../model/ports.ts';
import type { Remote } from '../../model/vault.ts';
import type { ResolvedRemote } from '../../s3/connect.ts';
import { openStore } from '../../s3/open-store.ts';
import { commandLine } from '../../s3/posture/guard.ts';
import { LEFT_MS, leftoverStarts } from '../../s3/posture/leftovers.ts';
import { shortly } from '../kms-asking.ts';

export interface Leftover {
  readonly key: ObjectKey;
  readonly versionId?: string;
}

const PATIENCE_MS = 4_000;
const MOST = 1_000;

/** At most a thousand; none where nobody may look. */
export async function leftoversIn(
  remote: ResolvedRemote,
  prefix: string,
  clock: Clock,
  waits: Waits,
): Promise<readonly Leftover[]> {
  // `close` of the store would close the remote, which goes on being used.
  const own = { ...remote, prefix, close: () => Promise.resolve() };
  const store = openStore(own, { mode: 'client', key: '' }, { clock, transfers: 1, attempts: 2 });
  try {
    return await shortly(
      'the store',
      clock,
      waits,
      (short) => listed(store, prefix, clock, short),
      PATIENCE_MS,
    );
  } catch (thrown) {
    if (asVaultError(thrown).kind === 'cancelled') throw thrown;
    return [];
  } finally {
    await store.close();
  }
}

/** With their versions and marks where those may be listed. */
async function listed(
  store: Pick<ObjectStore, 'list' | 'versions'>,
  prefix: string,
  clock: Clock,
  waits: Waits,
): Promise<readonly Leftover[]> {
  const before = clock.now() - LEFT_MS;
  const found: Leftover[] = [];
  for (const start of leftoverStarts(prefix)) {
    for await (const page of pagesOf(store, start, waits)) {
      found.push(...page.filter(({ modified }) => modified < before));
      if (found.length >= MOST) return found;
    }
  }
  return found;
}

type Page = readonly (Leftover & { readonly modified: number })[];

async function* pagesOf(
  store: Pick<ObjectStore, 'list' | 'versions'>,
  start: string,
  waits: Waits,
): AsyncIterable<Page> {
  try {
    yield* store.versions(start, waits);
  } catch (thrown) {
    if (asVaultError(thrown).kind !== 'refused') throw thrown;
    yield* store.list(start, waits);
  }
}

const NAMED = 3;

export function leftoverText(left: readonly Leftover[]): string {
  const keys = [...new Set(left.map(({ key }) => safeName(key)))];
  const names = keys.slice(0, NAMED).join(', ');
  const more = keys.length > NAMED ? ` and ${keys.length - NAMED} more` : '';
  const count = keys.length < left.length ? `${plural(left.length, 'version')} of ` : '';
  return `${count}${plural(keys.length, 'test object')} of a run that was killed ${left.length === 1 ? 'is' : 'are'} still there: ${names}${more}`;
}

export function leftoverHint([first, ...more]: readonly Leftover[], remote: Remote): string {
  if (first === undefined) return '';
  const command = commandLine([
    'aws s3api delete-object --bucket',
    remote.bucket,
    '--key',
    shellWord(first.key),
    first.versionId === undefined ? '' : `--version-id ${shellWord(first.versionId)}`,
    remote.endpoint === undefined ? '' : `--endpoint-url ${shellWord(remote.endpoint)}`,
    remote.caBundle === undefined ? '' : `--ca-bundle ${shellWord(remote.caBundle)}`,
  ]);
  return more.length === 0
    ? `it holds nothing of yours; remove it with: ${command}`
    : `they hold nothing of yours; remove each of them, the first one with: ${command}`;
}
