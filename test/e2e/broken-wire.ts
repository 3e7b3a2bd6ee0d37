/** A wire that breaks: passes TLS on to a server untouched, and cuts connections by chance. */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

export interface BrokenWire {
  /** Like the server's own address, with the wire's port. */
  readonly endpoint: string;
  /** Share of bursts after which a connection is cut, either way. */
  trouble: number;
  close(): Promise<void>;
}

export async function breakWire(endpoint: string, random: () => number): Promise<BrokenWire> {
  const target = new URL(endpoint);
  const { hostname, port } = target;
  const sockets = new Set<Socket>();
  const wire = { trouble: 0 };
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const cut = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', cut).on('close', cut);
      from.on('data', (data) => {
        // The burst goes through and its answer gets lost, or it never arrives.
        const cutsNow = random() < wire.trouble;
        if (cutsNow && random() < 0.5) cut();
        else to.write(data);
        if (cutsNow) setImmediate(cut);
      });
      from.on('end', () => to.end());
      from.on('close', () => sockets.delete(from));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  target.port = String((server.address() as AddressInfo).port);
  return Object.assign(wire, {
    endpoint: target.href.replace(/\/$/, ''),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  });
}
