import { EXIT, type ErrorKind, type VaultError } from '../model/errors.ts';

/** How long after a failure a vault is tried again: doubling from `first` to `most`, in ms. */
interface Pace {
  readonly first: number;
  readonly most: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/**
 * A vault that cannot run is tried again where time can mend it: the network, another process that ends, a disk that is
 * mounted, a keychain that is unlocked, credentials that are renewed. Never after a security failure: that needs a person.
 */
const PACES: { readonly [K in ErrorKind]: Pace | undefined } = {
  offline: { first: 5 * SECOND, most: MINUTE },
  transient: { first: 5 * SECOND, most: MINUTE },
  throttled: { first: 5 * SECOND, most: MINUTE },
  held: { first: 5 * SECOND, most: MINUTE },
  consent: { first: 30 * SECOND, most: 5 * MINUTE },
  refused: { first: 30 * SECOND, most: 15 * MINUTE },
  usage: { first: MINUTE, most: 15 * MINUTE },
  internal: { first: MINUTE, most: 15 * MINUTE },
  file: { first: MINUTE, most: 15 * MINUTE },
  changed: { first: MINUTE, most: 15 * MINUTE },
  cancelled: { first: MINUTE, most: 15 * MINUTE },
  security: undefined,
};

/** Codes that only a change of the configuration, which is told to the daemon, can mend. */
const NEVER: ReadonlySet<string> = new Set(['rekey-unfinished', 'direction']);

/** ms until the next try after `failures` in a row; undefined: not by itself. */
export function againIn(
  error: Pick<VaultError, 'kind' | 'code'>,
  failures: number,
  chance: number,
): number | undefined {
  const pace = PACES[error.kind];
  if (pace === undefined || NEVER.has(error.code)) return undefined;
  const wait = Math.min(pace.most, pace.first * 2 ** Math.min(failures - 1, 20));
  return Math.round(wait * (0.8 + 0.4 * chance));
}

/** What kind of trouble an engine that ended by itself was in. */
export function kindOfExit(exit: number): ErrorKind {
  switch (exit) {
    case EXIT.usage:
      return 'usage';
    case EXIT.refused:
      return 'refused';
    case EXIT.consent:
      return 'consent';
    case EXIT.security:
      return 'security';
    case EXIT.held:
      return 'held';
    case EXIT.someFailed:
      return 'file';
    default:
      return 'internal';
  }
}
