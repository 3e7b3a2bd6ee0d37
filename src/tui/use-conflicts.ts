import { useCallback, useEffect, useRef, useState } from 'react';
import type { Conflict, ConflictDesk } from '../model/conflicts.ts';
import { asVaultError } from '../model/errors.ts';
import { sentence } from './browse/store.ts';
import type { DeskOrder } from './ui.ts';

export interface ConflictsShown {
  readonly conflicts: readonly Conflict[];
  readonly reading: boolean;
}

export interface ConflictsHook extends ConflictsShown {
  settle(order: Extract<DeskOrder, { conflict: Conflict }>): void;
}

/** The conflicts behind a desk: read when they are looked at, and again after each change. Dismissed ones stay so. */
export function useConflicts(
  desk: ConflictDesk | undefined,
  looked: boolean,
  say: (message: string) => void,
): ConflictsHook {
  const [found, setFound] = useState<{ readonly of: ConflictDesk; readonly all: readonly Conflict[] }>();
  const [reading, setReading] = useState(false);
  const [dismissed, setDismissed] = useState<ReadonlySet<string>>(new Set());
  const sayNow = useRef(say);
  sayNow.current = say;
  const read = useCallback(
    async (signal?: AbortSignal): Promise<void> => {
      if (desk === undefined) return;
      setReading(true);
      try {
        const all = await desk.list({ signal });
        if (signal?.aborted !== true) setFound({ of: desk, all });
      } catch (thrown) {
        const error = asVaultError(thrown);
        if (error.kind !== 'cancelled') sayNow.current(sentence(error));
      }
      setReading(false);
    },
    [desk],
  );
  useEffect(() => {
    if (!looked) return undefined;
    const abort = new AbortController();
    void read(abort.signal);
    return () => abort.abort();
  }, [looked, read]);
  const settle: ConflictsHook['settle'] = ({ do: what, conflict }) => {
    if (what === 'keep-both') {
      setDismissed((before) => new Set([...before, conflict.copy]));
      return;
    }
    const settled = async (): Promise<string> => {
      if (what === 'keep-mine') {
        await desk?.keepMine(conflict);
        return 'the copy has the name; the sync sends it';
      }
      await desk?.keepTheirs(conflict);
      return 'the copy is removed; theirs stays';
    };
    const done = settled().catch((thrown: unknown) => sentence(asVaultError(thrown)));
    void done.then((said) => {
      sayNow.current(said);
      return read();
    });
  };
  // Those of the vault before are not this one's.
  const all = found?.of === desk ? (found?.all ?? []) : [];
  return { conflicts: all.filter(({ copy }) => !dismissed.has(copy)), reading, settle };
}
