/** Ctrl-C, SIGTERM and a terminal that goes away, for a command that must end in order: the first calls it off, the second ends it at once. */

export interface CallingOff {
  readonly signal: AbortSignal;
  /** Nothing is under way while somebody is asked: there a signal ends the command at once. */
  asking<T>(ask: () => Promise<T>): Promise<T>;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function untilCalledOff<T>(
  work: (calling: CallingOff) => Promise<T>,
  err: { write(text: string): unknown } = process.stderr,
): Promise<T> {
  const stop = new AbortController();
  const onSignal = (): void => {
    leave();
    stop.abort();
    err.write('s3vault: ending in order; once more ends it at once\n');
  };
  const listen = (): void => SIGNALS.forEach((name) => process.on(name, onSignal));
  const leave = (): void => SIGNALS.forEach((name) => process.off(name, onSignal));
  listen();
  try {
    return await work({
      signal: stop.signal,
      asking: async (ask) => {
        leave();
        try {
          return await ask();
        } finally {
          if (!stop.signal.aborted) listen();
        }
      },
    });
  } finally {
    leave();
  }
}
