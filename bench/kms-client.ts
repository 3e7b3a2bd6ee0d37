/**
 * One client of the KMS benchmark, a process of its own: `demand` requests a second through a limiter on the common ledger,
 * to a simulated KMS behind a socket. Arguments: state folder, socket, name, quota, share, demand, seconds. Prints how many
 * requests it wanted and how many were answered.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { systemClock } from '../src/clock.ts';
import { KmsLimiter } from '../src/s3/kms-limiter.ts';
import { openKmsLedger } from '../src/state/kms-ledger.ts';

const [folder = '', socketPath = '', owner = '', ...numbers] = process.argv.slice(2);
const [quota = 0, share = 0, demand = 0, seconds = 0] = numbers.map(Number);
const TICK_MS = 10;
/** Under way at a time, as a vault has transfers. */
const TRANSFERS = Math.max(16, Math.ceil((quota * share) / 100 / 10));

const ledger = await openKmsLedger(folder);
const limiter = new KmsLimiter({
  ledger,
  scope: 'bench',
  owner,
  clock: systemClock,
  quota: { quota, source: 'option' },
  share,
});
const socket = connect(socketPath);
const answers: ((answer: string) => void)[] = [];
createInterface({ input: socket }).on('line', (line) => answers.shift()?.(line));

let wanted = 0;
let answered = 0;
let waiting = 0;
let underWay = 0;

async function request(): Promise<void> {
  underWay++;
  const done = await limiter.take(1);
  const answer = await new Promise<string>((resolve) => {
    answers.push(resolve);
    socket.write('.');
  });
  done();
  if (answer === 'ok') answered++;
  else limiter.throttled();
  underWay--;
}

const started = systemClock.ticks();
let asked = 0;
for (let passed = 0; passed < seconds * 1_000; passed = systemClock.ticks() - started) {
  const due = Math.floor((passed / 1_000) * demand);
  wanted += due - asked;
  waiting += due - asked;
  asked = due;
  while (waiting > 0 && underWay < TRANSFERS) {
    waiting--;
    void request().catch(() => undefined);
  }
  await systemClock.sleep(TICK_MS / 2);
}
limiter.close();
socket.end();
ledger.close();
process.stdout.write(`${JSON.stringify({ wanted, answered })}\n`);
