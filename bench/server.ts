/**
 * A store for the benchmarks in a process of its own. Arguments: file for its CA; `sink` (drops what it gets, see
 * `sink.ts`) or `keep` (the embedded server). Prints its connection as one JSON line and ends when its standard input does.
 */
import { writeFileSync } from 'node:fs';
import { startEmbedded } from '../src/embedded/server.ts';
import { startSink } from './sink.ts';

const [caFile = 'ca.pem', kind] = process.argv.slice(2);
const ANYONE = { region: 'us-east-1', accessKeyId: 'bench', secretAccessKey: 'bench-secret' };

async function start() {
  if (kind === 'sink') return { ...(await startSink()), ...ANYONE };
  const server = await startEmbedded({});
  server.createBucket('bench');
  return {
    url: server.url,
    caPem: server.caPem,
    region: server.region,
    ...server.credentials,
    close: () => server.close(),
  };
}

const { caPem, close, ...connection } = await start();
writeFileSync(caFile, caPem);
process.stdout.write(`${JSON.stringify(connection)}\n`);
process.stdin.resume();
process.stdin.on('end', () => {
  void Promise.resolve(close());
});
