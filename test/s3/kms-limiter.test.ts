/** The limiter against a KMS that counts, in virtual time: never above the share, nearly all of it, fair, and it learns. */
import { describe, expect, test } from 'vitest';
import type { KmsQuota } from '../../src/model/kms.ts';
import { parseBook } from '../../src/s3/kms-book.ts';
import { KmsLimiter } from '../../src/s3/kms-limiter.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryLedger } from '../support/memory-ledger.ts';
import { CountingKms, hungry, mostInASecond } from '../support/counting-kms.ts';

const SCOPE = 'aws/000000000000/us-east-1/symmetric';
const option = (quota: number): KmsQuota => ({ quota, source: 'option' });

function machine() {
  const clock = new ManualClock();
  const ledger = new MemoryLedger();
  let owners = 0;
  const limiter = (quota: number, share = 50, on = clock, scope = SCOPE): KmsLimiter =>
    new KmsLimiter({ ledger, scope, owner: `p${++owners}`, clock: on, quota: option(quota), share });
  return { clock, ledger, limiter };
}

describe('one client [KMS-1]', () => {
  test.each([
    { quota: 50, share: 50, cost: 1 },
    { quota: 50, share: 50, cost: 2 },
    { quota: 10, share: 100, cost: 1 },
    { quota: 7, share: 50, cost: 2 },
    { quota: 500, share: 50, cost: 1 },
    { quota: 10_000, share: 50, cost: 1 },
    { quota: 100_000, share: 90, cost: 2 },
  ])('never above its share in any second, nearly all of it when work waits: $quota × $share at $cost', async ({
    quota,
    share,
    cost,
  }) => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, quota);
    const allowed = Math.floor((quota * share) / 100);
    const seconds = allowed > 10_000 ? 4 : 20;
    const stop = hungry(limiter(quota, share), kms, { cost, atATime: Math.max(16, Math.ceil(allowed / 5)) });
    await clock.run(seconds * 1_000, 5);
    stop();
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(allowed);
    // What costs two leaves an odd one over.
    const reachable = allowed - (allowed % cost);
    expect(kms.times.length).toBeGreaterThanOrEqual(0.9 * reachable * seconds);
    expect(kms.throttled).toBe(0);
  });

  test.each([
    20, 80,
  ])('requests that take up to %i ms on their way are never too close at KMS', async (most) => {
    const clock = new ManualClock();
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const kms = new CountingKms(clock, 100);
    const pace = new KmsLimiter({
      ledger: new MemoryLedger(),
      scope: SCOPE,
      owner: 'p',
      clock,
      quota: option(100),
      share: 50,
    });
    const way = (): Promise<void> => clock.sleep(random() * 0.5 * most);
    const stop = hungry(pace, kms, { way });
    await clock.run(20_000, 5);
    stop();
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(50);
    expect(kms.times.length).toBeGreaterThanOrEqual(0.9 * 50 * 20);
  });

  test.each([
    { trip: 2, stall: 600 },
    { trip: 300, stall: 250 },
  ])('a process that stands still for $stall ms now and then, $trip ms from KMS: still never too close', async ({
    trip,
    stall,
  }) => {
    const { clock, limiter } = machine();
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const kms = new CountingKms(clock, 50);
    // All that is on its way while the process stands still arrives together.
    const way = async (): Promise<void> => {
      await clock.sleep(trip / 2);
      const standing = clock.ticks() % 2_000;
      if (standing < stall) await clock.sleep(stall - standing);
      else await clock.sleep(random() * 3);
    };
    const stop = hungry(limiter(50), kms, { way });
    await clock.run(70_000, 5);
    const from = kms.times.length;
    await clock.run(60_000, 5);
    stop();
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(25);
    // What stood still is lost; of the rest nearly all is used, however far KMS is.
    expect(kms.times.length - from).toBeGreaterThanOrEqual(0.9 * 25 * 60 * (1 - stall / 2_000));
  });

  test.each([
    [1_200, 2_000],
    [500, 3_000],
  ])('answers that come after %i to %i ms hold their place for two seconds at most, and none is forgotten', async (least, most) => {
    const { clock, limiter } = machine();
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const kms = new CountingKms(clock, 100);
    const way = (): Promise<void> => clock.sleep((least + random() * (most - least)) / 2);
    const stop = hungry(limiter(100), kms, { way, atATime: 400 });
    await clock.run(40_000, 5);
    stop();
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(50);
    expect(kms.times.length).toBeGreaterThanOrEqual(0.45 * 50 * 40);
  });

  test('waits no longer than needed where there is room, and costs the ledger little', async () => {
    const { clock, ledger, limiter } = machine();
    const pace = limiter(1_000);
    const before = ledger.changes;
    await pace.take(1);
    expect(ledger.changes - before).toBe(1);
    const many = Array.from({ length: 40 }, () => pace.take(1));
    await clock.run(10, 5);
    await Promise.all(many);
    expect(ledger.changes - before).toBe(2);
  });

  test('what is called off waits no longer and takes nothing', async () => {
    const { clock, limiter } = machine();
    const pace = limiter(2);
    await pace.take(1);
    const { signal, abort } = withAbort();
    const waiting = pace.take(1, { signal });
    abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
    await clock.run(3_000);
    expect(pace.gauge()).toMatchObject({ requests: 1 });
  });

  test('another process at the ledger is waited for, not for ever', async () => {
    const { clock, ledger, limiter } = machine();
    const pace = limiter(100);
    ledger.busy = true;
    const short = pace.take(1);
    await clock.run(500);
    ledger.busy = false;
    await clock.run(50);
    await short;
    ledger.busy = true;
    const long = expect(pace.take(1)).rejects.toMatchObject({ kind: 'transient', code: 'kms-ledger-busy' });
    await clock.run(11_000);
    await long;
  });

  test('a ledger that fails fails what waits, and nothing else', async () => {
    const { clock, ledger, limiter } = machine();
    const pace = limiter(100);
    await pace.take(1);
    // It waits for a timer, and that must not throw.
    const later = expect(pace.take(1)).rejects.toThrow('the disk is full');
    ledger.fails = new Error('the disk is full');
    await clock.run(1_000);
    await later;
    pace.spent(1);
    expect(pace.throttled()).toMatchObject({ quota: 100 });
    await expect(pace.take(1)).rejects.toThrow('the disk is full');
    ledger.fails = undefined;
    // What KMS said meanwhile holds all the same, so this takes its time.
    expect(pace.gauge()).toMatchObject({ throttled: 1, requests: 2 });
    const fine = pace.take(1);
    await clock.run(5_000);
    await fine;
    expect(parseBook(ledger.read(SCOPE)).throttled).toBe(1);
  });

  test('what could not be written while another process was at the ledger is tried less and less, and not lost', async () => {
    const { clock, ledger, limiter } = machine();
    const pace = limiter(100);
    ledger.busy = true;
    const before = ledger.tries;
    for (let at = 0; at < 100; at++) pace.spent(2);
    expect(pace.throttled()).toMatchObject({ throttled: 1, requests: 200 });
    await clock.run(60_000);
    // Without a pause between them it would be 30,000.
    expect(ledger.tries - before).toBeLessThan(25);
    ledger.busy = false;
    expect(parseBook(ledger.read(SCOPE)).throttled).toBe(0);
    // The next to ask is not let through as if nothing had been.
    const next = pace.take(1);
    await clock.run(10_000);
    await next;
    expect(parseBook(ledger.read(SCOPE))).toMatchObject({ throttled: 1, requests: 201 });
    const written = ledger.changes;
    await clock.run(10_000);
    expect(ledger.changes).toBe(written);
  });

  test('the last word is written when it ends', () => {
    const { ledger, limiter } = machine();
    const pace = limiter(100);
    ledger.busy = true;
    pace.throttled();
    ledger.busy = false;
    pace.close();
    expect(parseBook(ledger.read(SCOPE)).throttled).toBe(1);
  });
});

describe('a quota that changes', () => {
  /** Per second, of the last ten. */
  const speed = (kms: CountingKms, clock: ManualClock): number =>
    kms.times.filter((at) => at > clock.ticks() - 10_000).length / 10;
  const two = () => {
    const clock = new ManualClock();
    const ledger = new MemoryLedger();
    const of = (owner: string, source: KmsQuota['source']) =>
      new KmsLimiter({ ledger, scope: SCOPE, owner, clock, quota: { quota: 100, source }, share: 50 });
    return { clock, ledger, of };
  };

  test('what one process hears of it holds for the others at once, but for those that were told a number', async () => {
    const { clock, of } = two();
    const [one, other, told] = [of('a', 'region-table'), of('b', 'region-table'), of('c', 'option')];
    one.setQuota({ quota: 400, source: 'service-quotas' });
    const taken = [other.take(1), told.take(1)];
    await clock.run(1_000);
    await Promise.all(taken);
    expect(other.gauge()).toMatchObject({ quota: 400, source: 'service-quotas', limit: 200 });
    expect(told.gauge()).toMatchObject({ quota: 100, source: 'option', limit: 50 });
  });

  test('raised: work goes on at the new share; lowered: at its new share, and never above it', async () => {
    const { clock, of } = two();
    const [pace, other] = [of('a', 'region-table'), of('b', 'region-table')];
    const kms = new CountingKms(clock, 1_000);
    const stop = hungry(pace, kms, { atATime: 64 });
    await clock.run(12_000, 5);
    expect(speed(kms, clock)).toBeGreaterThanOrEqual(45);
    other.setQuota({ quota: 400, source: 'service-quotas' });
    await clock.run(12_000, 5);
    expect(speed(kms, clock)).toBeGreaterThanOrEqual(180);
    other.setQuota({ quota: 60, source: 'service-quotas' });
    await clock.run(12_000, 5);
    stop();
    expect(speed(kms, clock)).toBeGreaterThanOrEqual(27);
    const since = clock.ticks() - 10_000;
    expect(mostInASecond(kms.times.filter((at) => at > since))).toBeLessThanOrEqual(30);
    expect(kms.throttled).toBe(0);
  });
});

const withAbort = (): { signal: AbortSignal; abort: () => void } => {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
};

describe('several processes [KMS-2]', () => {
  test.each([
    2, 3, 7,
  ])('%i share one quota: never above it, nearly all of it, each the same', async (count) => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, 200);
    const done = Array.from({ length: count }, () => 0);
    const stops = done.map((_, n) =>
      hungry(limiter(200), kms, { onDone: () => (done[n] = (done[n] ?? 0) + 1), atATime: 16 + n }),
    );
    await clock.run(20_000, 5);
    for (const stop of stops) stop();
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(100);
    expect(kms.times.length).toBeGreaterThanOrEqual(0.9 * 100 * 20);
    expect(Math.min(...done)).toBeGreaterThanOrEqual(0.8 * Math.max(...done));
  });

  test.each([
    { allowed: 1, costs: [1, 1] },
    { allowed: 1, costs: [2, 2] },
    { allowed: 2, costs: [1, 1, 1, 1, 1] },
    { allowed: 2, costs: [2, 2, 2] },
    { allowed: 3, costs: [2, 2] },
    { allowed: 3, costs: [2, 1] },
    { allowed: 5, costs: [2, 2, 2] },
    { allowed: 6, costs: [2, 2] },
    { allowed: 7, costs: [2, 2, 2, 2] },
    { allowed: 25, costs: [2, 2, 1, 2] },
    { allowed: 59, costs: Array.from({ length: 30 }, () => 2) },
  ])('$allowed a second for requests that cost $costs: who fits goes, and each as often as the others', async ({
    allowed,
    costs,
  }) => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, allowed);
    const done = costs.map(() => 0);
    const stops = costs.map((cost, n) =>
      hungry(limiter(allowed, 100), kms, {
        cost,
        atATime: 1 + (n % 4),
        onDone: () => (done[n] = (done[n] ?? 0) + cost),
      }),
    );
    const seconds = costs.length > 10 ? 10 : 40;
    await clock.run(seconds * 1_000, 5);
    for (const stop of stops) stop();
    const dearest = Math.max(...costs);
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(Math.max(allowed, dearest));
    const reachable = allowed < dearest ? allowed : allowed - (allowed % dearest);
    expect(kms.times.length).toBeGreaterThanOrEqual(0.85 * reachable * seconds);
    // In turns each goes as often as the others, with shares each gets as much.
    expect(Math.min(...done)).toBeGreaterThanOrEqual((allowed < 4 ? 0.4 : 0.7) * Math.max(...done));
  });

  test('one that comes late has its part within two seconds, one that needs little leaves the rest', async () => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, 200);
    let late = 0;
    const stopFirst = hungry(limiter(200), kms);
    await clock.run(5_000, 5);
    const stopLate = hungry(limiter(200), kms, { onDone: () => late++ });
    await clock.run(2_000, 5);
    const from = late;
    await clock.run(5_000, 5);
    expect(late - from).toBeGreaterThanOrEqual(0.9 * 0.5 * 100 * 5);
    stopLate();
    const before = kms.times.length;
    await clock.run(1_000, 5);
    await clock.run(5_000, 5);
    stopFirst();
    expect(kms.times.length - before).toBeGreaterThanOrEqual(0.9 * 100 * 5.5);
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(100);
  });

  test('one that dies in its middle holds nothing up', async () => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, 200);
    const died = limiter(200);
    for (let n = 0; n < 500; n++) void died.take(1).catch(() => undefined);
    await clock.run(200, 5);
    // Its timers end with it; its claim and its grants stay in the book.
    died.close();
    const stop = hungry(limiter(200), kms);
    await clock.run(1_500, 5);
    const from = kms.times.length;
    await clock.run(5_000, 5);
    stop();
    expect(kms.times.length - from).toBeGreaterThanOrEqual(0.9 * 100 * 5);
  });

  test('where vaults disagree, the lowest share of those that wait counts; other quotas are not touched', async () => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, 200);
    const other = new CountingKms(clock, 200);
    const stops = [
      hungry(limiter(200, 50), kms),
      hungry(limiter(200, 20), kms),
      hungry(limiter(200, 50, clock, `${SCOPE}/other`), other),
    ];
    await clock.run(10_000, 5);
    for (const stop of stops) stop();
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(40 + 60);
    expect(kms.times.length).toBeLessThanOrEqual(41 * 10 + 60);
    expect(other.times.length).toBeGreaterThanOrEqual(0.9 * 100 * 10);
  });
});

describe('KMS that says it is too much', () => {
  test('halves the pace at once, climbs back step by step, and counts', async () => {
    const { clock, limiter } = machine();
    const pace = limiter(1_000);
    const stop = hungry(pace, new CountingKms(clock, 1_000_000));
    await clock.run(3_000, 5);
    expect(pace.gauge()).toMatchObject({ limit: 500, throttled: 0 });
    const halved = pace.throttled();
    expect(halved).toMatchObject({ throttled: 1 });
    expect(halved?.limit).toBeLessThanOrEqual(250);
    // What was under way says the same: that is one throttle of the pace.
    pace.throttled();
    expect(pace.gauge()).toMatchObject({ throttled: 2, limit: halved?.limit });
    await clock.run(5_000, 5);
    const later = pace.gauge()?.limit ?? 0;
    expect(later).toBeGreaterThan(300);
    expect(later).toBeLessThan(500);
    await clock.run(15_000, 5);
    expect(pace.gauge()?.limit).toBe(500);
    stop();
  });

  test('finds the pace of a quota that is lower than thought, and that of one that was raised', async () => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, 60);
    const pace = limiter(1_000);
    const stop = hungry(pace, kms);
    await clock.run(30_000, 5);
    const throttledThen = kms.throttled;
    const granted = kms.times.length;
    expect(granted).toBeGreaterThan(0.6 * 60 * 30);
    kms.quota = 1_000;
    await clock.run(120_000, 5);
    expect(pace.gauge()?.limit).toBeGreaterThan(300);
    expect(kms.throttled).toBe(throttledThen);
    stop();
  });

  test('another quota that was learned counts at once', async () => {
    const { clock, limiter } = machine();
    const kms = new CountingKms(clock, 400);
    const pace = limiter(40);
    const stop = hungry(pace, kms);
    await clock.run(3_000, 5);
    pace.setQuota({ quota: 400, source: 'service-quotas' });
    const from = kms.times.length;
    await clock.run(5_000, 5);
    stop();
    expect(kms.times.length - from).toBeGreaterThanOrEqual(0.9 * 200 * 5);
    expect(pace.gauge()).toMatchObject({ quota: 400, source: 'service-quotas', share: 50 });
  });
});

/** A wall clock that can be set while the monotonic one goes on. */
class SettableClock extends ManualClock {
  set = 0;
  override now(): number {
    return super.now() + this.set;
  }
}

describe('a wall clock that is set [KMS-3]', () => {
  test.each([
    -3_600_000, -700, 700, 3_600_000,
  ])('by %i ms: never above the share, and no standstill', async (step) => {
    const clock = new SettableClock();
    const ledger = new MemoryLedger();
    const kms = new CountingKms(clock, 200);
    const pace = new KmsLimiter({ ledger, scope: SCOPE, owner: 'p', clock, quota: option(200), share: 50 });
    const stop = hungry(pace, kms);
    await clock.run(3_300, 5);
    clock.set += step;
    const from = kms.times.length;
    await clock.run(6_000, 5);
    stop();
    expect(mostInASecond(kms.times)).toBeLessThanOrEqual(100);
    expect(kms.times.length - from).toBeGreaterThanOrEqual(0.9 * 100 * 4.5);
  });
});
