import { safeName } from '../model/display.ts';
import { EXIT, type ErrorReport, VaultError } from '../model/errors.ts';
import type { Emitter } from './emitter.ts';
import { isKeyFault } from './fetching.ts';

/** Refusals told one by one; beyond this only counted. */
const TOLD = 1_000;
/** So many of one kind without a single success: it is not the objects that are wrong. */
const ALIKE = 10;
/** So many files in a row that there was no room for: another one would only be fetched in vain. */
const FULL = 4;

/** Before names of which nothing was found; no name begins so. */
const MISSING = /^\0/;

/** What concerns every object, whichever it was met with. */
const CONCERNS_ALL: ReadonlySet<string> = new Set([
  'credentials-expired',
  'credentials-unknown',
  'signature',
  'clock-skew',
  'bucket-missing',
  'encrypt-only',
]);

/** What did not come back, and what follows of it for the run and its exit code. */
export class Failures {
  readonly #refused = new Map<
    string,
    { readonly message: string; readonly code: string; readonly hint: string }
  >();
  /** Of the listing that found most: each may be read again, and a name is counted once. */
  #skipped = 0;
  #inThisListing = 0;
  #failed = 0;
  #missing = 0;
  #security = 0;
  #succeeded = 0;
  #full = 0;
  readonly #alike = new Map<string, number>();
  #empty: ErrorReport | undefined;
  #lacking: ErrorReport | undefined;
  #fatal: VaultError | undefined;
  #interrupted = false;

  get failed(): number {
    return this.#failed + this.#missing;
  }

  get skipped(): number {
    return this.#skipped;
  }

  get fatal(): VaultError | undefined {
    return this.#fatal;
  }

  get exit(): number {
    if (this.#fatal !== undefined) return this.#fatal.exit;
    if (this.#security > 0) return EXIT.security;
    if (this.#interrupted) return EXIT.interrupted;
    return this.failed + this.#skipped > 0 || this.#lacking !== undefined ? EXIT.someFailed : EXIT.inStep;
  }

  interrupted(): void {
    this.#interrupted = true;
  }

  /** Ends the run. */
  end(error: VaultError): void {
    this.#fatal ??= error;
  }

  succeeded(): void {
    this.#succeeded++;
    this.#full = 0;
  }

  /** A listing begins, perhaps the same one again. */
  listing(): void {
    this.#inThisListing = 0;
  }

  /** A name that cannot stand on this disk. */
  refuse(name: string, message: string): void {
    this.#skipped = Math.max(this.#skipped, ++this.#inThisListing);
    if (this.#refused.size >= TOLD || this.#refused.has(name)) return;
    const hint = 'it is left out; s3vault cat shows what is stored';
    this.#refused.set(name, { code: 'bad-name', message, hint });
  }

  notFound(
    name: string,
    { at, versionId }: { readonly at?: number | undefined; readonly versionId?: string | undefined },
  ): void {
    const was = at === undefined ? 'is' : 'was';
    const when = at === undefined ? (versionId === undefined ? '' : ' of that version') : ' at that time';
    const known = `\0${name}`;
    if (this.#refused.has(known)) return;
    this.#missing++;
    this.#refused.set(known, {
      code: 'nothing-there',
      message:
        name === ''
          ? `there was nothing to restore${when}`
          : `there ${was} nothing at ${safeName(name)}${when}`,
      hint: 's3vault ls shows what there is, s3vault versions what there was',
    });
  }

  /** Nobody knows what is not there; `why` tells people. */
  lacking(why: ErrorReport): void {
    this.#lacking = why;
  }

  /** Nothing of what was asked for is there, because the whole place is empty. */
  empty(why: ErrorReport | undefined): void {
    this.#empty = why;
  }

  /** Tells what was found out while planning. */
  tell(emitter: Emitter): void {
    if (this.#empty !== undefined) return emitter.emit({ event: 'warning', ...this.#empty });
    if (this.#lacking !== undefined) emitter.emit({ event: 'warning', ...this.#lacking });
    for (const [name, warning] of this.#refused) {
      const path = name.replace(MISSING, '');
      const left = this.#lacking === undefined || !MISSING.test(name) ? {} : { message: nothingLeft(path) };
      emitter.emit({ event: 'warning', path, ...warning, ...left });
    }
    const more = this.#skipped - [...this.#refused.values()].filter(({ code }) => code === 'bad-name').length;
    if (more <= 0) return;
    emitter.emit({
      event: 'warning',
      code: 'bad-name',
      message: more === 1 ? '1 more name cannot stand here' : `${more} more names cannot stand here`,
      hint: 'they are left out, like those above; s3vault ls shows all there are',
    });
  }

  /** Notes a failure; gives the error that ends the run, if one does. */
  note(error: VaultError): VaultError | undefined {
    if (error.kind === 'cancelled') return undefined;
    this.#failed++;
    if (error.kind === 'security') this.#security++;
    const alike = (this.#alike.get(error.code) ?? 0) + 1;
    this.#alike.set(error.code, alike);
    if (CONCERNS_ALL.has(error.code) || error.kind === 'offline' || error.kind === 'internal') return error;
    if (error.code === 'disk-full' && ++this.#full >= FULL) return noRoom();
    // Objects that somebody changed say nothing of the others, however many there are.
    const hopeless = error.kind === 'refused' || isKeyFault(error);
    return hopeless && this.#succeeded === 0 && alike >= ALIKE ? error : undefined;
  }
}

/** It is not known that nothing was there. */
const nothingLeft = (name: string): string =>
  name === '' ? 'nothing is left of that time' : `nothing is left of ${safeName(name)} at that time`;

const noRoom = (): VaultError =>
  new VaultError('file', 'disk-full', 'the disk is full', {
    hint: 'make room and run it again: what is there already is not fetched again',
  });
