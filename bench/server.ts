/**
 * The store of the benchmarks: the embedded server in a process of its own. Arguments: file for its CA, `keep` or `discard`
 * bodies. Prints its connection as
 * one JSON line and ends when its standard input does.
 */
import { writeFileSync } from 'node:fs';
import { startEmbedded } from '../src/embedded/server.ts';

const [caFile = 'ca.pem', store] = process.argv.slice(2);
const server = await startEmbedded({ store: store === 'keep' ? 'keep' : 'discard' });
writeFileSync(caFile, server.caPem);
server.createBucket('bench');
process.stdout.write(
  `${JSON.stringify({ url: server.url, region: server.region, ...server.credentials })}\n`,
);
process.stdin.resume();
process.stdin.on('end', () => void server.close());
