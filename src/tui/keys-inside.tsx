/** The key screen inside the main one: it has the whole window and all keys until it is left. */
import { Box, Text } from 'ink';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { asVaultError } from '../model/errors.ts';
import type { KeyDesk } from '../model/key-desk.ts';
import type { Clock } from '../model/ports.ts';
import { sentence } from './browse/store.ts';
import { KeysApp } from './keys-screen/keys-app.tsx';
import { KeysStore } from './keys-screen/store.ts';

export interface KeysAccess {
  /** Opens no key yet. */
  readonly desk: () => Promise<KeyDesk>;
  readonly clock: Clock;
  /** Resolves when what is to be seen by now is on the screen. */
  readonly drawn: () => Promise<void>;
  /** Told when the key screen opens and when nothing of it is under way any more. */
  readonly onOpen?: ((open: boolean) => void) | undefined;
}

interface Opened {
  readonly desk: KeyDesk;
  readonly store: KeysStore;
}

export function KeysInside({
  access,
  onEnd,
}: {
  readonly access: KeysAccess;
  readonly onEnd: (message: string) => void;
}): ReactNode {
  const [opened, setOpened] = useState<Opened>();
  const end = useRef(onEnd);
  end.current = onEnd;
  useEffect(() => {
    let gone = false;
    let store: KeysStore | undefined;
    const { clock, drawn, onOpen } = access;
    const run = async (): Promise<string> => {
      const desk = await access.desk();
      if (gone) return '';
      store = new KeysStore(desk, clock);
      setOpened({ desk, store });
      store.start(drawn);
      try {
        await store.left;
      } finally {
        desk.ask = undefined;
        desk.lock();
      }
      return '';
    };
    onOpen?.(true);
    void run()
      .catch((thrown: unknown) => sentence(asVaultError(thrown)))
      .then((message) => {
        if (!gone) end.current(message);
        onOpen?.(false);
      });
    return () => {
      gone = true;
      // In order: secrets leave it, what is under way is interrupted and waited for.
      store?.end();
    };
  }, [access]);
  if (opened === undefined) {
    return (
      <Box>
        <Text> opening the keys…</Text>
      </Box>
    );
  }
  return <KeysApp store={opened.store} place={opened.desk.place} clock={access.clock} inside />;
}
