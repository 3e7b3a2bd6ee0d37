/** What a test write may have left in the bucket, and its removal. */
import type { ObjectKey } from '../../model/brands.ts';
import { safeName } from '../../model/display.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Clock, Waits } from '../../model/ports.ts';
import { listUploads } from '../list.ts';
import { abortUpload } from '../multipart.ts';
import { BY_HAND, REMOVAL_ATTEMPTS, removeVersions } from '../probe-clean.ts';
import { withRetries } from '../retrying.ts';
import { type Site, askedOf } from '../site.ts';
import { drain } from '../wire.ts';

const LATER =
  'once the store is reached again, bucket harden removes it, from a quarter of an hour after this run on';

/** Where something stays because the store was not reached: that, for then nothing else works either. */
export function awayOf(error: VaultError): VaultError | undefined {
  if (error.kind === 'offline') return error;
  return error.cause instanceof VaultError ? awayOf(error.cause) : undefined;
}

/** Of one key, which nobody else uses. */
export class Leavings {
  readonly key: ObjectKey;
  readonly #site: Site;
  readonly #clock: Clock;
  /** Versions that were written; empty: in a bucket that has none. `null`: in one where they are suspended. */
  readonly #versions = new Set<string>();
  #upload: string | undefined;
  /** Uploads may be there whose names are not known. */
  #nameless = false;
  /** An answer got lost: what it would have said is not known. */
  #unsure = false;

  /** `site` without any key of a customer: a removal needs none, and it may come when that is gone. */
  constructor(site: Site, clock: Clock, key: ObjectKey) {
    this.#site = site;
    this.#clock = clock;
    this.key = key;
  }

  wrote(versionId: string | undefined): void {
    this.#versions.add(versionId ?? '');
    this.#upload = undefined;
  }

  /** An upload is asked for. */
  uploading(): void {
    this.#nameless = true;
  }

  /** `others`: it was asked for more than once. */
  began(id: string | undefined, others: boolean): void {
    this.#upload = id;
    this.#nameless = others || id === undefined;
  }

  failed({ kind, code }: VaultError): void {
    this.#unsure = kind === 'transient' || kind === 'cancelled' || code === 'no-answer';
    if (!this.#unsure && this.#upload === undefined) this.#nameless = false;
  }

  /** Removes what can be removed, whatever else fails; may be called again. Gives why something stays, or may; never rejects. */
  async remove(waits: Waits): Promise<VaultError | undefined> {
    const uploads = await failureOf(() => this.#abort(waits));
    const objects = this.#unsure ? await this.#sweep(waits) : await this.#removeKnown(waits);
    const failed = objects ?? uploads;
    if (failed === undefined) return undefined;
    const away = awayOf(failed);
    const cause = away ?? failed;
    if (cause.code === 'trial-left') return cause;
    const state = this.#unsure ? 'may be left' : 'is left';
    const message = `the test object ${safeName(this.key)} ${state} in the bucket: ${cause.message}`;
    const hint = away === undefined ? BY_HAND : LATER;
    return new VaultError('refused', 'trial-left', message, { cause, hint });
  }

  async #removeKnown(waits: Waits): Promise<VaultError | undefined> {
    let failed: VaultError | undefined;
    for (const versionId of this.#versions) {
      const failure = await failureOf(() => this.#removeVersion(versionId, waits));
      if (failure === undefined) this.#versions.delete(versionId);
      failed ??= failure;
    }
    return failed;
  }

  /** Where an answer got lost, all that is there under the key is ours. */
  async #sweep(waits: Waits): Promise<VaultError | undefined> {
    const known = [...this.#versions].map((id) => (id === '' ? undefined : id));
    const left = await removeVersions(this.#site, this.key, known, this.#clock, waits);
    if (left === undefined) this.#unsure = false;
    return left;
  }

  /** Where versions are suspended, a removal without one puts a mark in its place, which goes as well. */
  async #removeVersion(versionId: string, waits: Waits): Promise<void> {
    const mark = await this.#again(() => this.#delete(versionId, waits), waits);
    if (mark !== undefined) await this.#again(() => this.#delete(mark, waits), waits);
  }

  /** Gives the version of the mark that was put in its place. */
  async #delete(versionId: string, { signal }: Waits): Promise<string | undefined> {
    try {
      const answer = await this.#site.wire.send({
        method: 'DELETE',
        asked: askedOf(this.#site, 'remove', this.key),
        key: this.key,
        query: versionId === '' ? {} : { versionId },
        signal,
      });
      await drain(answer);
      const marked = versionId === '' && answer.headers['x-amz-delete-marker'] === 'true';
      return marked ? (answer.headers['x-amz-version-id'] ?? 'null') : undefined;
    } catch (thrown) {
      if (asVaultError(thrown).code === 'object-missing') return undefined;
      throw thrown;
    }
  }

  async #abort(waits: Waits): Promise<void> {
    if (this.#upload !== undefined) await this.#end(this.#upload, waits);
    this.#upload = undefined;
    if (!this.#nameless) return;
    const listing = { site: this.#site, clock: this.#clock, retries: { attempts: REMOVAL_ATTEMPTS } };
    for await (const { key, uploadId } of listUploads(listing, this.key, waits))
      if (key === this.key) await this.#end(uploadId, waits);
    this.#nameless = false;
  }

  /** One that was completed after all is gone: that is fine. */
  async #end(uploadId: string, waits: Waits): Promise<void> {
    await this.#again(() => abortUpload(this.#site, this.key, uploadId, waits), waits);
  }

  #again<T>(make: () => Promise<T>, { signal }: Waits): Promise<T> {
    return withRetries(make, this.#clock, { attempts: REMOVAL_ATTEMPTS }, signal);
  }
}

async function failureOf(work: () => Promise<void>): Promise<VaultError | undefined> {
  try {
    await work();
    return undefined;
  } catch (thrown) {
    return asVaultError(thrown);
  }
}
