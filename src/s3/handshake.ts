/** What can be learned of a store before anything is signed: TLS, certificate, its clock. */
import { Agent, request } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Waits } from '../model/ports.ts';
import type { ResolvedRemote } from './connect.ts';
import { failureOfThrown } from './network-failure.ts';

export interface Handshake {
  /** `1.2` or `1.3`. */
  readonly tls: string;
  /** End of the certificate's validity, ms since 1970. */
  readonly validTo: number | undefined;
  /** Who signed it, in one word or two. */
  readonly issuer: string | undefined;
  /** The store's `Date`, ms since 1970; whole seconds. */
  readonly date: number | undefined;
}

const TIMEOUT_MS = 10_000;

/** One unsigned request, which the store may refuse: its headers are enough. Rejects as every request does. */
export async function shakeHands(remote: ResolvedRemote, { signal }: Waits = {}): Promise<Handshake> {
  const url = new URL(`${remote.place.origin}${remote.place.base}/`);
  const trust = { secureContext: remote.tls, keepAlive: false };
  const agent = new Agent(trust);
  try {
    return await new Promise<Handshake>((resolve, reject) => {
      const asking = request(url, {
        method: 'HEAD',
        agent,
        timeout: TIMEOUT_MS,
        ...(signal === undefined ? {} : { signal }),
      });
      asking.on('timeout', () => asking.destroy(timedOut()));
      asking.on('error', reject);
      asking.on('response', (answer) => {
        const { socket } = answer;
        resolve(handshakeOf(socket, answer.headers.date));
        answer.resume();
      });
      asking.end();
    });
  } catch (thrown) {
    throw failureOfThrown(thrown, signal);
  } finally {
    agent.destroy();
  }
}

const timedOut = (): Error => Object.assign(new Error('no answer'), { code: 'UND_ERR_CONNECT_TIMEOUT' });

function handshakeOf(socket: unknown, date: string | undefined): Handshake {
  const parsed = Date.parse(date ?? '');
  const base = { date: Number.isNaN(parsed) ? undefined : parsed };
  if (!(socket instanceof TLSSocket)) return { ...base, tls: '', validTo: undefined, issuer: undefined };
  const certificate = socket.getPeerCertificate();
  const validTo = Date.parse(certificate.valid_to);
  const { O: organisation, CN: name } = certificate.issuer ?? {};
  return {
    ...base,
    tls: (socket.getProtocol() ?? '').replace('TLSv', ''),
    validTo: Number.isNaN(validTo) ? undefined : validTo,
    issuer: textOf(organisation) ?? textOf(name),
  };
}

const textOf = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;
