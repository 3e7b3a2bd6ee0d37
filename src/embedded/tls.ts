/** Certificates of the endpoint: one for localhost that is also the authority for `BUCKET.localhost`. */
import { X509Certificate } from 'node:crypto';
import { type SecureContext, createSecureContext } from 'node:tls';
import { generate } from 'selfsigned';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const DAY = 86_400_000;

const validity = (): { notBeforeDate: Date; notAfterDate: Date } => ({
  notBeforeDate: new Date(Date.now() - DAY),
  notAfterDate: new Date(Date.now() + 30 * DAY),
});

/** Self-signed, for localhost and 127.0.0.1, on an elliptic curve: made in some 20 ms, valid for a month. */
export async function makeCertificate(): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...validity(),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}

/**
 * Picks the certificate by the name the client asks for. Names of buckets get one of their own, made when first asked
 * for, because clients do not accept a wildcard directly under `localhost`.
 */
export function serverNames(
  authority: Certificate,
): (name: string, done: (error: Error | null, context?: SecureContext) => void) => void {
  const made = new Map<string, Promise<SecureContext>>();
  const known = new X509Certificate(authority.cert);
  return (name, done) => {
    if (known.checkHost(name) !== undefined || !name.endsWith('.localhost')) {
      done(null);
      return;
    }
    const context = made.get(name) ?? contextFor(name, authority);
    made.set(name, context);
    context.then((ready) => done(null, ready), done);
  };
}

async function contextFor(name: string, authority: Certificate): Promise<SecureContext> {
  const leaf = await generate([{ name: 'commonName', value: name.slice(0, 64) }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...validity(),
    ca: authority,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: [{ type: 2, value: name }] },
    ],
  });
  return createSecureContext({ cert: leaf.cert, key: leaf.private });
}
