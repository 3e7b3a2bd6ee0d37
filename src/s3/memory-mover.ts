/** The Mover of a bucket in memory, with the whole contract; faults as in `memory.ts`. */
import { createHash } from 'node:crypto';
import type { ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Metadata, Mover, ObjectStat, Waits } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { type MemoryOptions, type MemoryStep, type Stored, MemoryBucket, memoryStep } from './memory.ts';
import { type Protection, prove, readHeaders, saidUnder, writeHeaders } from './modes.ts';
import { updates } from './update.ts';

export interface MemoryMoverOptions extends Omit<MemoryOptions, 'protection'> {
  readonly from: Protection;
  readonly to: Protection;
  /** What the store answers that it does not do. */
  readonly without?: readonly ('copy' | 'update')[];
}

type Version = Waits & { readonly versionId?: string };

const same = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b);

export function memoryMover(options: MemoryMoverOptions): Mover {
  const { from, to, without = [] } = options;
  const bucket = options.bucket ?? new MemoryBucket();
  const step = <T>(
    operation: MemoryStep['operation'],
    key: ObjectKey,
    { signal }: Waits,
    work: () => T,
  ): Promise<T> => memoryStep(options, { operation, key }, signal, work);
  const find = (key: ObjectKey, { versionId }: Version): Stored => {
    const stored = bucket.find(key, versionId);
    if (stored === undefined)
      throw new VaultError('changed', 'object-missing', `${key} is no longer in the store`);
    const [needed, given] = [stored.needs, readHeaders(from)];
    if (same(needed, given)) return stored;
    const [kind, code] =
      same(needed, {}) || same(given, {})
        ? (['file', 'other-mode'] as const)
        : (['security', 'wrong-key'] as const);
    throw new VaultError(kind, code, `${key} can't be read with this key`);
  };
  const write = (key: ObjectKey, found: Stored, metadata: Metadata, id: string | undefined): Receipt => {
    const etag = createHash('md5').update(found.body).digest('hex');
    const version = id === undefined ? {} : { versionId: id };
    const { versionId: _, ...before } = found.stat;
    const stat: ObjectStat = { ...before, etag, ...version, metadata, modified: options.clock.now() };
    const answer = options.silent === true ? {} : writeHeaders(to);
    bucket.add(key, { id, stored: { ...found, stat, under: answer, needs: readHeaders(to) } });
    const proof = prove(to, answer, { algorithm: 'md5', value: etag });
    return { key, etag, ...version, size: stat.size, proof };
  };
  const refuse = (operation: 'copy' | 'update', key: ObjectKey): void => {
    if (without.includes(operation))
      throw new VaultError('file', `${operation}-unsupported`, `the store does not ${operation} ${key}`);
  };

  return {
    updates: updates(from, to),
    copy: async (key, rewrite, waits = {}) => {
      const found = await step('head', key, waits, () => find(key, waits));
      const metadata = await rewrite({ ...found.stat, ...saidUnder(from, found.under ?? {}) });
      return step('copy', key, waits, () => {
        refuse('copy', key);
        if (find(key, waits).stat.etag !== found.stat.etag)
          throw new VaultError('changed', 'precondition', `${key} is no longer what it was in the store`);
        const target = waits.to ?? key;
        if (waits.ifNoneMatch !== undefined && bucket.find(target) !== undefined)
          throw new VaultError('changed', 'precondition', `${target} is there already`);
        return write(target, found, metadata, bucket.versioned ? bucket.nextId() : undefined);
      });
    },
    update: (key, waits = {}) =>
      step('update', key, waits, () => {
        if (!updates(from, to))
          throw new VaultError('file', 'update-unsupported', 'not between these protections');
        refuse('update', key);
        const found = find(key, waits);
        const { versionId, etag, size } = found.stat;
        const under = options.silent === true ? {} : writeHeaders(to);
        bucket.replace(key, versionId, { ...found, under });
        const proof = prove(to, under, undefined);
        return { key, etag, ...(versionId === undefined ? {} : { versionId }), size, proof };
      }),
    moved: (key, waits = {}) =>
      step('head', key, waits, () => {
        const stored = bucket.find(key, waits.versionId);
        return stored !== undefined && same(stored.under ?? {}, writeHeaders(to)) ? stored.stat : undefined;
      }),
    kept: (key, waits = {}) => step('head', key, waits, () => find(key, waits).kept ?? {}),
    close: async () => undefined,
  };
}
