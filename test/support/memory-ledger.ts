import type { KmsLedger } from '../../src/model/kms.ts';

/** A ledger in memory; `busy` makes it one that another process is just at. */
export class MemoryLedger implements KmsLedger {
  readonly books = new Map<string, string>();
  busy = false;
  /** What every access throws: a full disk, say. */
  fails: Error | undefined;
  changes = 0;
  /** How often it was asked, also in vain. */
  tries = 0;

  change<T>(
    scope: string,
    change: (book: string | undefined) => { readonly book: string; readonly result: T },
  ): { readonly result: T } | undefined {
    this.tries++;
    if (this.fails !== undefined) throw this.fails;
    if (this.busy) return undefined;
    this.changes++;
    const { book, result } = change(this.books.get(scope));
    this.books.set(scope, book);
    return { result };
  }

  read(scope: string): string | undefined {
    if (this.fails !== undefined) throw this.fails;
    return this.books.get(scope);
  }

  close(): void {
    this.books.clear();
  }
}
