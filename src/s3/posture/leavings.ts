/** What a test write may have left in the bucket, and its removal. */
import type { ObjectKey } from '../../model/brands.ts';
import { safeName } from '../../model/display.ts';
import { VaultError, asVaultError } from '../../model/errors.ts';
import type { Clock } from '../../model/ports.ts';
import { listUploads } from '../list.ts';
import { abortUpload } from '../multipart.ts';
import { withRetries } from '../retrying.ts';
import { type Site, askedOf, headAnswer } from '../site.ts';
import { drain } from '../wire.ts';

/** Tries of each removal in all. */
const ATTEMPTS = 4;
/** Versions of one key that are looked for at most. */
const MOST = 10;

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

  failed({ kind }: VaultError): void {
    this.#unsure = kind === 'transient' || kind === 'cancelled';
    if (!this.#unsure && this.#upload === undefined) this.#nameless = false;
  }

  /** Also after the signal has fired. Rejects with `trial-left` where something stays, or may. */
  async remove(): Promise<void> {
    try {
      await this.#abort();
      for (const versionId of this.#versions) await this.#removeVersion(versionId);
      if (this.#unsure) await this.#sweep();
    } catch (cause) {
      const state = this.#unsure ? 'may be left' : 'is left';
      throw new VaultError(
        'refused',
        'trial-left',
        `the test object ${safeName(this.key)} ${state} in the bucket: ${asVaultError(cause).message}`,
        {
          cause,
          hint: 'remove it by hand; s3:DeleteObject and, with versioning, s3:DeleteObjectVersion are needed',
        },
      );
    }
  }

  /** Where versions are suspended, a removal without one puts a mark in its place, which goes as well. */
  async #removeVersion(versionId: string): Promise<void> {
    const mark = await this.#again(() => this.#delete(versionId));
    if (mark !== undefined) await this.#again(() => this.#delete(mark));
  }

  /** Gives the version of the mark that was put in its place. */
  async #delete(versionId: string): Promise<string | undefined> {
    try {
      const answer = await this.#site.wire.send({
        method: 'DELETE',
        asked: askedOf(this.#site, 'remove', this.key),
        key: this.key,
        query: versionId === '' ? {} : { versionId },
      });
      await drain(answer);
      const marked = versionId === '' && answer.headers['x-amz-delete-marker'] === 'true';
      return marked ? (answer.headers['x-amz-version-id'] ?? 'null') : undefined;
    } catch (thrown) {
      if (asVaultError(thrown).code === 'object-missing') return undefined;
      throw thrown;
    }
  }

  async #sweep(): Promise<void> {
    for (let left = MOST; left > 0; left--) {
      const there = await this.#again(() => headAnswer(this.#site, this.key, undefined, false, {}));
      if (there === undefined) return;
      await this.#removeVersion(there['x-amz-version-id'] ?? '');
    }
  }

  async #abort(): Promise<void> {
    if (this.#upload !== undefined) await this.#end(this.#upload);
    if (!this.#nameless) return;
    const listing = { site: this.#site, clock: this.#clock, retries: { attempts: ATTEMPTS } };
    for await (const { key, uploadId } of listUploads(listing, this.key, {}))
      if (key === this.key) await this.#end(uploadId);
  }

  /** One that was completed after all is gone: that is fine. */
  async #end(uploadId: string): Promise<void> {
    await this.#again(() => abortUpload(this.#site, this.key, uploadId, {}));
  }

  #again<T>(make: () => Promise<T>): Promise<T> {
    return withRetries(make, this.#clock, { attempts: ATTEMPTS });
  }
}
