/** `/metrics` over HTTPS on the loopback, for who shows the token: paths of folders are nobody else's business. */
import { X509Certificate, createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Server, createServer } from 'node:https';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { Places } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { Clock } from '../model/ports.ts';
import { readSecretFile, replacePrivate } from '../private-file.ts';
import { daemonFolder } from '../vaults/daemon-lock.ts';

export const METRICS_PORT = 9763;

const DAY = 86_400_000;
const VALID_DAYS = 397;
/** A certificate with less left is made anew. */
const RENEW_DAYS = 60;

export interface MetricsServer {
  readonly port: number;
  /** Files for the configuration of Prometheus: `ca_file` and `credentials_file`. */
  readonly certificate: string;
  readonly token: string;
  close(): Promise<void>;
}

export interface MetricsOptions {
  readonly port: number;
  readonly places: Places;
  readonly clock: Clock;
  readonly text: () => string;
}

export async function serveMetrics({ port, places, clock, text }: MetricsOptions): Promise<MetricsServer> {
  const files = metricsFiles(places);
  const { cert, key } = await certificateIn(files, clock);
  const token = await tokenIn(files.token);
  const server = createServer({ cert, key, minVersion: 'TLSv1.2' }, (request, response) => {
    const may = isBearer(request.headers.authorization ?? '', token);
    const status = !may ? 401 : request.url !== '/metrics' ? 404 : request.method !== 'GET' ? 405 : 200;
    response.writeHead(status, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'cache-control': 'no-store',
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    });
    response.end(status === 200 ? text() : '');
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 16;
  const listening = await listen(server, port);
  let over = false;
  const look = async (): Promise<void> => {
    // What cannot be renewed today is tried tomorrow, for weeks.
    const now = await certificateIn(files, clock).catch(() => undefined);
    if (now !== undefined && !over) server.setSecureContext({ ...now, minVersion: 'TLSv1.2' });
    callOff = over ? callOff : clock.after(DAY, () => void look());
  };
  let callOff = clock.after(DAY, () => void look());
  return {
    port: listening,
    certificate: files.cert,
    token: files.token,
    close: async () => {
      over = true;
      callOff();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Files {
  readonly cert: string;
  readonly key: string;
  readonly token: string;
}

function metricsFiles(places: Places): Files {
  const folder = daemonFolder(places);
  const [cert, key, token] = ['metrics-cert.pem', 'metrics-key.pem', 'metrics-token'] as const;
  return { cert: join(folder, cert), key: join(folder, key), token: join(folder, token) };
}

/** The same from run to run, so that Prometheus can be told once. */
async function certificateIn({ cert, key }: Files, clock: Clock): Promise<{ cert: string; key: string }> {
  const [oldCert, oldKey] = await Promise.all([readSecretFile(cert), readSecretFile(key)]);
  if (oldCert !== undefined && oldKey !== undefined && isFresh(oldCert, clock)) {
    return { cert: oldCert.toString(), key: oldKey.toString() };
  }
  const made = await generate([{ name: 'commonName', value: 's3vault metrics' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(clock.now() - DAY),
    notAfterDate: new Date(clock.now() + VALID_DAYS * DAY),
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
  await replacePrivate(key, Buffer.from(made.private));
  await replacePrivate(cert, Buffer.from(made.cert));
  return { cert: made.cert, key: made.private };
}

function isFresh(pem: Buffer, clock: Clock): boolean {
  try {
    return Date.parse(new X509Certificate(pem).validTo) - clock.now() > RENEW_DAYS * DAY;
  } catch {
    return false;
  }
}

async function tokenIn(file: string): Promise<string> {
  const known = (await readSecretFile(file))?.toString('utf8').trim();
  if (known !== undefined && known.length >= 32) return known;
  const token = randomBytes(32).toString('hex');
  await replacePrivate(file, Buffer.from(`${token}\n`));
  return token;
}

/** Digests are compared: lengths say nothing then. */
function isBearer(header: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header), digest(`Bearer ${token}`));
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new VaultError(
          'usage',
          'metrics-port',
          `metrics cannot be served on port ${port}: ${cause.message}`,
          {
            cause,
            hint: 'name another port: --metrics PORT',
          },
        ),
      ),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
