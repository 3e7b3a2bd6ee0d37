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

/** The conflicts behind a desk: read when they are looked at, and again after each change. */
export function useConflicts(
  desk: ConflictDesk | undefined,
  looked: boolean,
  say: (message: string) => void,
): ConflictsHook {
  const [found, setFound] = useState<{ readonly of: ConflictDesk; readonly all: readonly Conflict[] }>();
  const [reading, setReading] = useState(false);
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
    const settled = async (): Promise<string> => {
      if (what === 'keep-both') {
        await desk?.keepBoth(conflict);
        return 'both stay, and this is not asked again';
      }
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
  return { conflicts: found?.of === desk ? (found?.all ?? []) : [], reading, settle };
}
