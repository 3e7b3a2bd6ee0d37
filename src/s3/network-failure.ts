/** What went wrong before the store answered, or while it did: names, connections, certificates, time. */
import { RUN_AGAIN, RUN_ONCE_REACHED, VaultError } from '../model/errors.ts';

const OFFLINE = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const TLS_HINT = 'if the store has a private certificate authority, name its PEM file with --ca-bundle';

const TLS: { readonly [code: string]: readonly [code: string, message: string, hint: string] } = {
  DEPTH_ZERO_SELF_SIGNED_CERT: ['tls-untrusted', 'the store shows a self-signed certificate', TLS_HINT],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'tls-untrusted',
    'the certificate authority of the store is not trusted',
    TLS_HINT,
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['tls-untrusted', 'the certificate of the store is not trusted', TLS_HINT],
  UNABLE_TO_GET_ISSUER_CERT: ['tls-untrusted', 'the certificate of the store is not trusted', TLS_HINT],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'tls-untrusted',
    'the certificate of the store is not trusted',
    TLS_HINT,
  ],
  CERT_UNTRUSTED: ['tls-untrusted', 'the certificate of the store is not trusted', TLS_HINT],
  CERT_SIGNATURE_FAILURE: [
    'tls-untrusted',
    'the certificate of the store is not signed by who it says',
    TLS_HINT,
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'tls-hostname',
    'the certificate of the store is for another host name',
    'check the endpoint; with --path-style the bucket is not part of the host name',
  ],
  HOSTNAME_MISMATCH: [
    'tls-hostname',
    'the certificate of the store is for another host name',
    'check the endpoint; with --path-style the bucket is not part of the host name',
  ],
  CERT_HAS_EXPIRED: [
    'tls-expired',
    'the certificate of the store has expired',
    "check this machine's clock, then tell whoever runs the store; a new authority is named with --ca-bundle",
  ],
  CERT_NOT_YET_VALID: [
    'tls-expired',
    'the certificate of the store is not valid yet',
    "check this machine's clock",
  ],
  CERT_REVOKED: ['tls-untrusted', 'the certificate of the store was revoked', 'tell whoever runs the store'],
  EPROTO: [
    'tls-protocol',
    'no common TLS version with the store',
    'it must speak TLS 1.2 or later (see --tls-min)',
  ],
};

/** Any error thrown while a request was under way, as a VaultError. `signal` tells a cancel from a reset. */
export function failureOfThrown(thrown: unknown, signal: AbortSignal | undefined): VaultError {
  if (signal?.aborted === true)
    return new VaultError('cancelled', 'cancelled', 'called off', { cause: thrown });
  if (thrown instanceof VaultError) return thrown;
  const code = codeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const tls = TLS[code] ?? (code.startsWith('ERR_SSL_') ? TLS['EPROTO'] : undefined);
  if (tls !== undefined) {
    const [name, text, hint] = tls;
    return new VaultError('refused', name, `${text} (${code})`, { cause: thrown, hint });
  }
  if (OFFLINE.has(code))
    return new VaultError('offline', 'unreachable', `the store can't be reached (${code})`, {
      cause: thrown,
      hint: RUN_ONCE_REACHED,
    });
  if (isLocal(thrown, code))
    return new VaultError('file', 'bad-request', `the request can't be made: ${message}`, {
      cause: thrown,
      hint: 'a name or a metadata value has characters that HTTP does not carry',
    });
  return new VaultError('transient', 'connection', `the connection to the store broke: ${message}`, {
    cause: thrown,
    hint: RUN_AGAIN,
  });
}

/** The first system or TLS code in an error, its causes and the errors it stands for. */
function codeOf(thrown: unknown): string {
  let at: unknown = thrown;
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && code !== 'UND_ERR_SOCKET') return code;
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return '';
}

const isLocal = (thrown: unknown, code: string): boolean =>
  thrown instanceof URIError || code === 'UND_ERR_INVALID_ARG' || code === 'ERR_INVALID_CHAR';
