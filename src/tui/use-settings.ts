import { useCallback, useEffect, useRef, useState } from 'react';
import { asVaultError } from '../model/errors.ts';
import type { Setting, SettingsDesk } from '../model/settings-desk.ts';

export interface SettingsShown {
  readonly lines: readonly Setting[];
  change(name: string, value: string): void;
}

/** The settings behind a desk: read when they are looked at, and again after each change. What went wrong is said. */
export function useSettings(
  desk: SettingsDesk | undefined,
  looked: boolean,
  say: (message: string) => void,
): SettingsShown {
  const [found, setFound] = useState<{ readonly of: SettingsDesk; readonly lines: readonly Setting[] }>();
  const sayNow = useRef(say);
  sayNow.current = say;
  const fail = (thrown: unknown): void => {
    const { message, hint } = asVaultError(thrown);
    sayNow.current(hint === undefined ? message : `${message}; ${hint}`);
  };
  const read = useCallback(async (): Promise<void> => {
    if (desk === undefined) return;
    try {
      setFound({ of: desk, lines: await desk.read() });
    } catch (thrown) {
      fail(thrown);
    }
  }, [desk]);
  useEffect(() => {
    if (looked) void read();
  }, [looked, read]);
  const change = (name: string, value: string): void => {
    desk?.change(name, value).then((said) => {
      sayNow.current(said);
      return read();
    }, fail);
  };
  // Those of the vault before are not this one's.
  return { lines: found?.of === desk ? (found?.lines ?? []) : [], change };
}
