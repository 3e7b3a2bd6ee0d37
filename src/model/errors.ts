/**
 * Errors by what the caller should do. A message is lower-case and has no full stop; the hint says what to do next.
 *
 * | kind | the caller | exit |
 * |---|---|---|
 * | transient, throttled | tries again, later and slower | 3 if it never works |
 * | offline | waits until the store answers | 4 |
 * | refused | stops: credentials, policy, SSE-C blocked | 4 |
 * | changed | drops this Transfer and makes a new Hint | 3 if it never settles |
 * | file | reports this file and goes on | 3 |
 * | consent | asks a person | 5 |
 * | security | reports, removes what was written, never records | 6 |
 */
export type ErrorKind =
  | 'usage'
  | 'transient'
  | 'throttled'
  | 'offline'
  | 'refused'
  | 'changed'
  | 'file'
  | 'consent'
  | 'security'
  | 'held'
  | 'cancelled'
  | 'internal';

export const EXIT = {
  inStep: 0,
  internal: 1,
  usage: 2,
  someFailed: 3,
  refused: 4,
  consent: 5,
  security: 6,
  held: 7,
  interrupted: 130,
} as const;

const EXIT_OF: { readonly [K in ErrorKind]: number } = {
  usage: EXIT.usage,
  transient: EXIT.someFailed,
  throttled: EXIT.someFailed,
  offline: EXIT.refused,
  refused: EXIT.refused,
  changed: EXIT.someFailed,
  file: EXIT.someFailed,
  consent: EXIT.consent,
  security: EXIT.security,
  held: EXIT.held,
  cancelled: EXIT.interrupted,
  internal: EXIT.internal,
};

export interface ErrorDetail {
  /** The way out, for a person. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Milliseconds the store asked to wait. */
  readonly retryAfter?: number;
  /** Whose limit was hit, when throttled. */
  readonly resource?: 'kms' | 's3';
  /** HTTP status and request id, for reports. */
  readonly status?: number;
  readonly requestId?: string;
}

export class VaultError extends Error {
  override readonly name = 'VaultError';
  readonly kind: ErrorKind;
  /** Stable, kebab-case: other programs match on it. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryAfter: number | undefined;
  readonly resource: 'kms' | 's3' | undefined;
  readonly status: number | undefined;
  readonly requestId: string | undefined;

  constructor(kind: ErrorKind, code: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.kind = kind;
    this.code = code;
    this.hint = detail.hint;
    this.retryAfter = detail.retryAfter;
    this.resource = detail.resource;
    this.status = detail.status;
    this.requestId = detail.requestId;
  }

  get exit(): number {
    return EXIT_OF[this.kind];
  }
}

/** In hints about what another try may mend: true wherever nothing tries again by itself. */
export const RUN_AGAIN = 'run it again';
const TRIED_AGAIN = 'it is tried again';
const AT_THE_STORE = 'check the network and the endpoint';
const GOES_ON = `${AT_THE_STORE}; it goes on by itself once the store answers`;
/** The way out where the store cannot be reached and nothing waits for it. */
export const RUN_ONCE_REACHED = `${AT_THE_STORE}, and ${RUN_AGAIN} once the store can be reached`;

/** As said where another try comes by itself. */
export function triedAgain(error: VaultError): VaultError {
  const { code, hint } = error;
  // Of its tries there are only so many: they may all be over before the store answers.
  if (code === 'unreachable' || hint?.includes(RUN_AGAIN) !== true) return error;
  return hinting(error, hint.replace(RUN_AGAIN, TRIED_AGAIN));
}

/** As said by what tries again for as long as it takes, and by nothing else. */
export function goingOn(error: VaultError): VaultError {
  if (error.code !== 'unreachable') return triedAgain(error);
  return hinting(error, GOES_ON);
}

/** A hint of `triedAgain` or `goingOn` once what tried has ended. */
export const onceEnded = (hint: string): string =>
  hint === GOES_ON ? RUN_ONCE_REACHED : hint.replace(TRIED_AGAIN, RUN_AGAIN);

function hinting({ kind, code, message, cause }: VaultError, hint: string): VaultError {
  return new VaultError(kind, code, message, { hint, cause });
}

/** Any thrown value as a VaultError; what is not one is an internal error. */
export function asVaultError(thrown: unknown): VaultError {
  if (thrown instanceof VaultError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new VaultError('internal', 'internal', message, {
    cause: thrown,
    hint: 'this is a fault of s3vault; please report it with the output of --log-level debug',
  });
}

/** The plain form that goes into events and JSON. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

export function report(error: VaultError): ErrorReport {
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}
