import { type Server, createServer } from 'node:net';
import { chmod, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { VaultError } from '../model/errors.ts';
import type { Clock } from '../model/ports.ts';
import { removeStale, socketFolder } from './endpoint.ts';
import { type Parting, type Served, Session } from './session.ts';
import { within } from './within.ts';

export interface ServerOptions {
  readonly path: string;
  readonly token: string;
  readonly served: Served;
  readonly clock: Clock;
  readonly maxWaiting?: number;
  readonly onParting: (how: Parting) => void;
}

export interface SocketServer {
  readonly clients: number;
  close(): Promise<void>;
}

const MAX_CLIENTS = 64;
const isPipe = process.platform === 'win32';

/** Listens for clients of the same user: a socket with permissions 0600 in a folder with 0700. */
export async function listenForClients(options: ServerOptions): Promise<SocketServer> {
  const { path, token, served, clock, maxWaiting, onParting } = options;
  const sessions = new Set<Session>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (sessions.size >= MAX_CLIENTS) {
      socket.destroy();
      onParting('refused');
      return;
    }
    const onEnd = (how: Parting): void => {
      sessions.delete(session);
      onParting(how);
    };
    const limit = maxWaiting === undefined ? {} : { maxWaiting };
    const session = new Session(socket, { served, token, clock, onEnd, ...limit });
    sessions.add(session);
  });
  if (!isPipe) {
    await socketFolder(dirname(path));
    await removeStale(path);
  }
  await listen(server, path);
  if (!isPipe) await chmod(path, 0o600);
  return {
    get clients() {
      return sessions.size;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      if (!isPipe) await rm(path, { force: true });
      await within(clock, PARTING_MS, closed);
      for (const session of sessions) session.destroy();
    },
  };
}

/** Who does not hang up is not waited for. */
const PARTING_MS = 500;

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new VaultError('usage', 'cannot-listen', `the daemon cannot listen on ${path}: ${cause.message}`, {
          cause,
          hint: 'check the folder it lies in, or set S3VAULT_HOME to a folder with a short path',
        }),
      ),
    );
    server.listen(path, () => resolve());
  });
}
