/** A test object is removed in all its versions: what can go goes, whatever else fails, and what stays is named. */
import type { ObjectKey } from '../model/brands.ts';
import { plural, safeName } from '../model/display.ts';
import { VaultError, asVaultError } from '../model/errors.ts';
import type { Clock, Waits } from '../model/ports.ts';
import { noAnswer, withinMs } from './grace.ts';
import { withRetries } from './retrying.ts';
import { headObject, removeObject } from './single.ts';
import type { Site } from './site.ts';
import { newestVersions } from './versions.ts';

/** Tries of each request of a removal in all. */
export const REMOVAL_ATTEMPTS = 4;
/** What puts a mark in its place, or hides another version, is looked for again. */
const ROUNDS = 3;

export const BY_HAND =
  'remove it by hand; s3:DeleteObject and, with versioning, s3:DeleteObjectVersion are needed';

/**
 * The key is nobody else's, so whatever is there under it is ours: also what was written and never confirmed. `written`:
 * versions that are known; undefined in a bucket without. `forMs`: no longer than that, whatever the store does. Gives what
 * stays, or may; never rejects.
 */
export function removeAll(
  site: Site,
  key: ObjectKey,
  written: Iterable<string | undefined>,
  clock: Clock,
  forMs: number,
): Promise<VaultError | undefined> {
  return withinMs(clock, forMs, (waits) => removeVersions(site, key, written, clock, waits));
}

/** The same for as long as the signal lets it. */
export async function removeVersions(
  site: Site,
  key: ObjectKey,
  written: Iterable<string | undefined>,
  clock: Clock,
  { signal }: Waits,
): Promise<VaultError | undefined> {
  const cleaning = new Cleaning(site, key, clock, signal);
  let failed: VaultError | undefined;
  let look: Look = { there: [...written] };
  for (let round = 0; round < ROUNDS && 'there' in look; round++) {
    for (const versionId of look.there) failed = (await cleaning.remove(versionId)) ?? failed;
    look = await cleaning.look();
    if ('there' in look && look.there.length === 0) return undefined;
  }
  return leftBehind(key, look, failed);
}

function leftBehind(key: ObjectKey, look: Look, failed: VaultError | undefined): VaultError {
  const known = 'there' in look ? look.there.length : 0;
  const name = `the test object ${safeName(key)}`;
  const cause = failed ?? ('error' in look ? look.error : undefined);
  const left =
    known > 1
      ? `${plural(known, 'version')} of ${name} stay`
      : `${name} ${known === 1 || failed !== undefined ? 'stays' : 'may stay'}`;
  const reason = cause?.message ?? 'the store took its removal, and it is there all the same';
  return new VaultError('refused', 'trial-left', `${left} in the bucket: ${reason}`, {
    cause,
    hint: BY_HAND,
  });
}

/** Whether an object of this key could be removed: a removal is asked for while nothing is there. Rejects with the refusal. */
export async function tryRemovingNothing(
  site: Site,
  key: ObjectKey,
  versioned: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    // By version, or a mark would be made.
    await removeObject(site, key, versioned ? { versionId: 'null', signal } : { signal });
  } catch (thrown) {
    const error = asVaultError(thrown);
    if (error.kind === 'cancelled' || error.status === 403) throw error;
  }
}

/** Versions that are there, marks too; undefined: one without. */
type Look = { readonly there: readonly (string | undefined)[] } | { readonly error: VaultError };

class Cleaning {
  readonly #site: Site;
  readonly #key: ObjectKey;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;

  constructor(site: Site, key: ObjectKey, clock: Clock, signal: AbortSignal | undefined) {
    this.#site = site;
    this.#key = key;
    this.#clock = clock;
    this.#signal = signal;
  }

  async remove(versionId: string | undefined): Promise<VaultError | undefined> {
    const version = { ...(versionId === undefined ? {} : { versionId }), signal: this.#signal };
    try {
      await this.#again(() => removeObject(this.#site, this.#key, version));
      return undefined;
    } catch (thrown) {
      return this.#refusal(thrown);
    }
  }

  /** A listing sees all of it; who may not list versions sees at least the newest one. */
  async look(): Promise<Look> {
    const waits = { signal: this.#signal };
    try {
      const versions = await this.#again(() => newestVersions(this.#site, this.#key, waits));
      return { there: versions.map(({ versionId }) => versionId) };
    } catch {
      return this.#again(() => headObject(this.#site, this.#key, waits)).then(
        (stat) => ({ there: stat === undefined ? [] : [stat.versionId] }),
        (thrown: unknown) => refusalOf(this.#refusal(thrown)),
      );
    }
  }

  #again<T>(make: () => Promise<T>): Promise<T> {
    return withRetries(make, this.#clock, { attempts: REMOVAL_ATTEMPTS }, this.#signal);
  }

  #refusal(thrown: unknown): VaultError {
    const error = asVaultError(thrown);
    return error.kind === 'cancelled' ? noAnswer(error) : error;
  }
}

/** One under another customer key refuses with 400: it is there. Any other refusal says nothing of it. */
function refusalOf(error: VaultError): Look {
  return error.status === 400 ? { there: [undefined] } : { error };
}
