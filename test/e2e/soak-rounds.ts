import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { places } from '../../src/config.ts';
import { type DaemonClient, connectDaemon } from '../../src/daemon/client.ts';
import { startEmbedded } from '../../src/embedded/server.ts';
import { Machine } from './harness.ts';

const BUCKET = 'soak-bucket';
const MIB = 2 ** 20;
const FILES = 300;
/** Every so many rounds, something else than files: a large file, clients, a reload, locking. */
const EVERY = 10;

interface Sample {
  readonly ms: number;
  readonly bytes: number;
}

/**
 * A daemon under churn for so long: files come, change and go, clients join and leave, the configuration is read again,
 * keys are locked and fetched. Its memory must not grow: what the second half of the time adds stays below `growth` bytes
 * by the slope of all that was measured in it. A round begins `everyMs` after the one before at the earliest.
 */
export async function soak(ms: number, growth: number, everyMs = 0): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 's3vault-soak-'));
  const server = await startEmbedded({});
  server.createBucket(BUCKET);
  writeFileSync(join(folder, 'ca.pem'), server.caPem);
  const endpoint = {
    endpoint: server.url,
    caFile: join(folder, 'ca.pem'),
    ...server.credentials,
    region: server.region,
  };
  const machine = new Machine(endpoint);
  try {
    const to = ['--to', `s3://${BUCKET}/v`, '--delete', ...machine.keyArgs, ...machine.remoteArgs];
    expect((await machine.run(['sync', machine.root, '--once', ...to])).code).toBe(0);
    const daemon = machine.start(['daemon', 'run', '--log-level', 'warn']);
    const where = places({ S3VAULT_HOME: join(machine.home, 's3vault') });
    const client = await reached(where, daemon.ended);
    await client.watch();
    const samples: Sample[] = [];
    const started = systemClock.ticks();
    let rounds = 0;
    while (systemClock.ticks() - started < ms) {
      const next = systemClock.sleep(everyMs);
      await round(client, machine, rounds++);
      await next;
      if (rounds % EVERY !== 0) continue;
      // Locking collects garbage: how much of it lies about in between is chance, and more where processors are busy.
      await client.ask({ do: 'lock' });
      const { memory: bytes } = await client.status();
      await client.ask({ do: 'unlock' });
      samples.push({ ms: systemClock.ticks() - started, bytes });
    }
    client.close();
    daemon.kill('SIGTERM');
    expect((await daemon.ended).code).toBe(0);
    const half = samples.filter((one) => one.ms > ms / 2);
    const added = slope(half) * (ms / 2);
    const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
    process.stdout.write(
      `soak: ${rounds} rounds, ${mb(half[0]?.bytes ?? 0)} MB at half time, ${mb(half.at(-1)?.bytes ?? 0)} MB at the end, ` +
        `${mb(added)} MB added by the slope\n`,
    );
    expect(half.length).toBeGreaterThan(5);
    expect(added).toBeLessThan(growth);
  } finally {
    await server.close();
    machine.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function reached(where: ReturnType<typeof places>, ended: Promise<unknown>): Promise<DaemonClient> {
  const over = ended.then(() => true);
  for (;;) {
    const client = await connectDaemon(where).catch(() => undefined);
    if (client?.facts.ready === true) return client;
    client?.close();
    const ending = await Promise.race([over, systemClock.sleep(50)]);
    if (ending === true) throw new Error('the daemon ended');
  }
}

async function round(client: DaemonClient, machine: Machine, at: number): Promise<void> {
  const special = at % EVERY === EVERY - 1 ? Math.floor(at / EVERY) % 4 : -1;
  if (special === 1) {
    for (let n = 0; n < 5; n++) {
      const guest = await connectDaemon(places({ S3VAULT_HOME: join(machine.home, 's3vault') }));
      await guest?.watch();
      guest?.close();
    }
  }
  if (special === 2) await client.reload();
  if (special === 3) {
    await client.ask({ do: 'lock' });
    await client.ask({ do: 'unlock' });
  }
  for (let n = 0; n < 30; n++) {
    const name = `f${(at * 31 + n * 7) % FILES}`;
    // Few: many removals within a minute are held back.
    if (n === 0 && at % EVERY === 0) rmSync(join(machine.root, name), { force: true });
    else machine.write(name, randomBytes(1 + ((at * 7919 + n * 104_729) % 20_000)));
  }
  if (special === 0) machine.write('large', randomBytes(9 * MIB));
  await inStep(client);
}

/** Asks for a scan and waits until everything is in step after it. */
async function inStep(client: DaemonClient): Promise<void> {
  const [remote] = client.vaults;
  if (remote === undefined) throw new Error('no vault');
  const { promise, resolve } = Promise.withResolvers<void>();
  let scanned = false;
  const off = remote.subscribe((event) => {
    if (event.event === 'scan' && event.state === 'start') scanned = true;
    if (event.event === 'idle' && scanned) resolve();
  });
  remote.command({ command: 'rescan' });
  await Promise.race([promise, client.closed]);
  off();
  if (client.over) throw client.why ?? new Error('the daemon hung up');
}

/** Bytes a millisecond, by least squares. */
function slope(samples: readonly Sample[]): number {
  const count = samples.length;
  const meanMs = samples.reduce((sum, one) => sum + one.ms, 0) / count;
  const meanBytes = samples.reduce((sum, one) => sum + one.bytes, 0) / count;
  const over = samples.reduce((sum, one) => sum + (one.ms - meanMs) * (one.bytes - meanBytes), 0);
  const under = samples.reduce((sum, one) => sum + (one.ms - meanMs) ** 2, 0);
  return under === 0 ? 0 : over / under;
}
