/**
 * The book of one KMS quota: who was let through in the last second, who waits, and how fast KMS wants it. Pure, and all of
 * its state is text, so that any number of processes can keep it together.
 *
 * - [KMS-1] Never more than the limit in any second: somewhere between the moment a request may go and that of its answer KMS counts
 *   it, so it takes its place from the one until a second after the other, however the process or the network dawdles. The
 *   shortest way there and back is taken off: the request that takes over the place has to go it, too. An answer that takes
 *   longer than a second is not waited for, or slow uploads would keep the quota from being used.
 * - No bursts: in a tenth of a second hardly more than a tenth of the limit.
 * - [KMS-2] Fair: who waits has a claim; nobody takes from what an equal share leaves to the others that wait. Where equal
 *   shares are too small for what waits, they take turns: room that is enough for the one whose turn it is never stays empty.
 * - A process that dies holds nothing: grants and claims age out by themselves.
 * - [KMS-3] Times are the wall clock's. What lies in the future was written before the clock was set back, and counts as of now.
 */
import type { KmsGauge, KmsQuota } from '../model/kms.ts';

const SECOND_MS = 1_000;
const LATE_MS = 1_000;
const BURST_MS = 100;
/** Times closer together than this are one line of the book. */
const LINE_MS = 10;
/** A claim not renewed for so long is that of a process that is gone. */
const CLAIM_MS = 1_000;
const LONGEST_WAIT_MS = 100;
const SHORTEST_WAIT_MS = 2;
const FAIR_WAIT_MS = 20;
/** The shortest round trip of one such time is relied on in the next one, for the most part. */
const TRIPS_MS = 30_000;
const RELIED_ON = 0.8;
const TRIP_MARGIN_MS = 10;
/** Seconds after which a halved pace is what it was, and those after which even a pace near nothing is whole again. */
const CLIMB_SECONDS = 20;
const WHOLE_CLIMB_SECONDS = 200;

/** `at`: when they could go, rounded down; `answered`: when KMS had counted them at the latest, rounded up. */
type Grant = readonly [at: number, answered: number, owner: string, cost: number];
/** `head`: what the first of those that wait costs; `since`: when its owner was last served, or began to wait. */
type Claim = readonly [seen: number, waiting: number, limit: number, head?: number, since?: number];

export interface Book {
  readonly grants: readonly Grant[];
  readonly claims: Readonly<Record<string, Claim>>;
  /** The shortest of all round trips to KMS and back since `at`, and in the time before that: milliseconds. */
  readonly trips?: { readonly at: number; readonly shortest: number; readonly before?: number };
  /** KMS said it is too much: `base` a second then, `climb` more each second since. */
  readonly pace?: { readonly at: number; readonly base: number; readonly climb: number };
  /** What Service Quotas said last. */
  readonly applied?: KmsQuota & { readonly at: number };
  /** When it was asked in vain, after that. */
  readonly unsaid?: number;
  readonly throttled: number;
  readonly month: string;
  readonly requests: number;
}

export const EMPTY_BOOK: Book = { grants: [], claims: {}, throttled: 0, month: '', requests: 0 };

const VERSION = 1;

export const bookText = (book: Book): string => JSON.stringify({ version: VERSION, ...book });

/** Another version's book, or a damaged one, is an empty one: it holds but the last second and what can be asked again. */
export function parseBook(text: string | undefined): Book {
  if (text === undefined) return EMPTY_BOOK;
  try {
    const parsed = JSON.parse(text) as (Book & { readonly version?: number }) | null;
    if (parsed?.version !== VERSION || !Array.isArray(parsed.grants)) return EMPTY_BOOK;
    const { version: _, ...book } = parsed;
    return book;
  } catch {
    return EMPTY_BOOK;
  }
}

/** An answer to requests that were granted at a certain time. */
export interface Answered {
  readonly granted: number;
  readonly cost: number;
  readonly at: number;
  /** Milliseconds from the one to the other, by a clock that nobody sets. */
  readonly took: number;
}

export interface Ask {
  readonly now: number;
  readonly owner: string;
  /** Requests a second: this owner's share of the quota. The lowest of those that wait counts. */
  readonly limit: number;
  /** What waits, in its order. */
  readonly costs: readonly number[];
  /** Answers since the last time. */
  readonly answered: readonly Answered[];
  /** Milliseconds that the wall clock was put forward lately: grants are that much younger than they look. */
  readonly forward: number;
}

export interface Granted {
  readonly book: Book;
  /** How many of `costs` may go, from the first. */
  readonly count: number;
  /** Milliseconds after which asking again is worth it; 0 where nothing waits any more. */
  readonly wait: number;
}

/** Lets through what may go now. */
export function grant(before: Book, ask: Ask): Granted {
  const { now, owner, costs } = ask;
  const book = aged(withAnswers(withTrips(before, ask), owner, ask.answered), now, ask.forward);
  const since = book.claims[owner]?.[SINCE] ?? now;
  const claims = { ...book.claims, [owner]: [now, sum(costs), ask.limit, costs[0] ?? 0, since] as const };
  const limit = limitOf({ ...book, claims }, now, ask.limit);
  const used = usedBy(book);
  const burst = burstOf(limit) - usedSince(book, now - BURST_MS);
  const room = Math.min(limit - used, burst);
  const { fair, first } = partOf({ ...book, claims }, owner, limit, room);
  let spent = 0;
  let count = 0;
  for (const cost of costs) {
    // A request that costs more than the whole limit goes alone.
    if (spent + cost > fair && !(first && used + spent === 0 && cost > Math.min(limit, burst))) break;
    spent += cost;
    count++;
  }
  const waiting = sum(costs) - spent;
  const { [owner]: _, ...others } = claims;
  const left: Book['claims'] =
    waiting === 0
      ? others
      : { ...others, [owner]: [now, waiting, ask.limit, costs[count] ?? 0, count > 0 ? now : since] };
  const next = counted({ ...book, claims: left }, now, owner, spent);
  const wait = waiting === 0 ? 0 : waitFor(next, now, limit, costs[count] ?? 1, ask.forward);
  return { book: next, count, wait };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** What fits in a tenth of a second, with room to catch up; two always do, for those that ask twice at once. */
const burstOf = (limit: number): number => Math.max(Math.min(2, limit), Math.ceil(limit / 8));

const roundDown = (time: number): number => Math.floor(time / LINE_MS) * LINE_MS;
const roundUp = (time: number): number => Math.ceil(time / LINE_MS) * LINE_MS;

function withTrips(book: Book, { now, answered }: Ask): Book {
  if (answered.length === 0) return book;
  const least = Math.min(...answered.map(({ took }) => took));
  const { at, shortest, before } = book.trips ?? { at: Number.NaN, shortest: 0 };
  const age = Math.abs(now - at);
  if (age < TRIPS_MS) {
    const trips = { at, shortest: Math.min(shortest, least), ...(before === undefined ? {} : { before }) };
    return least < shortest ? { ...book, trips } : book;
  }
  return {
    ...book,
    trips: { at: now, shortest: least, ...(age < 3 * TRIPS_MS ? { before: shortest } : {}) },
  };
}

/** Milliseconds that the next request will be on its way at least. Nothing until there was time to see many. */
function tripOf({ trips }: Book): number {
  const seen = Math.min(trips?.before ?? 0, trips?.shortest ?? 0);
  return Math.max(0, seen * RELIED_ON - TRIP_MARGIN_MS);
}

/** What is answered counts from its answer, less the shortest way; what never is, from when it was late. */
function withAnswers(book: Book, owner: string, answered: readonly Answered[]): Book {
  if (answered.length === 0) return book;
  const grants = [...book.grants];
  const less = tripOf(book);
  for (const { granted, cost, at } of answered) {
    const late = roundUp(granted + LATE_MS);
    const counted = roundUp(Math.max(granted, at - less));
    if (counted >= late) continue;
    const line = findLine(grants, roundDown(granted), late, owner);
    if (line < 0) continue;
    add(grants, line, -cost);
    const early = findLine(grants, roundDown(granted), counted, owner);
    if (early < 0) grants.push([roundDown(granted), counted, owner, cost]);
    else add(grants, early, cost);
  }
  return { ...book, grants: grants.filter(([, , , cost]) => cost > 0) };
}

const findLine = (grants: readonly Grant[], at: number, answered: number, owner: string): number =>
  grants.findIndex((line) => line[0] === at && line[1] === answered && line[2] === owner);

function add(grants: Grant[], index: number, more: number): void {
  const line = grants[index];
  if (line !== undefined) grants[index] = [line[0], line[1], line[2], line[3] + more];
}

/** Without what has aged out; nothing is in the future. */
function aged(book: Book, now: number, forward: number): Book {
  const oldest = now - SECOND_MS - forward;
  const newest = roundUp(now + LATE_MS);
  const grants = book.grants
    .filter(([, answered]) => answered > oldest)
    .map((line): Grant => {
      const [at, answered, owner, cost] = line;
      if (at <= now && answered <= newest) return line;
      return [roundDown(now), Math.min(newest, roundUp(now + answered - at)), owner, cost];
    });
  const claims = Object.entries(book.claims)
    .filter(([, [seen]]) => seen > now - CLAIM_MS)
    .map(([owner, [seen, waiting, limit, head = 1, since = seen]]) => {
      return [owner, [Math.min(seen, now), waiting, limit, head, Math.min(since, now)]] as const;
    });
  const { pace } = book;
  return {
    ...book,
    grants,
    claims: Object.fromEntries(claims),
    ...(pace !== undefined && pace.at > now ? { pace: { ...pace, at: now } } : {}),
  };
}

const usedBy = ({ grants }: Book, whose?: string): number =>
  sum(grants.filter(([, , owner]) => (whose ?? owner) === owner).map(([, , , cost]) => cost));

const usedSince = ({ grants }: Book, after: number): number =>
  sum(grants.filter(([at]) => at > after - LINE_MS).map(([, , , cost]) => cost));

/** Requests a second at most now: the lowest share of those that wait, or what KMS has slowed it down to. */
function limitOf(book: Book, now: number, own: number): number {
  const limits = Object.values(book.claims).map(([, , limit]) => limit);
  const { pace } = book;
  const slowed = pace === undefined ? own : pace.base + (pace.climb * Math.max(0, now - pace.at)) / 1_000;
  return Math.max(1, Math.floor(Math.min(own, slowed, ...limits)));
}

const HEAD = 3;
const SINCE = 4;
const headOf = (claim: Claim): number => claim[HEAD] ?? 1;

interface Part {
  readonly fair: number;
  /** Nobody that waits is before this owner. */
  readonly first: boolean;
}

/** What this owner may take now: of equal shares, or in turns where those are too small for what waits. */
function partOf(book: Book, owner: string, limit: number, room: number): Part {
  const claims = Object.entries(book.claims).filter(([, [, waiting]]) => waiting > 0);
  const equal = Math.floor(limit / claims.length);
  const shared = (whose: string): number => fairRoom(book, whose, limit, room);
  const turns =
    claims.length > 1 &&
    (claims.some(([, claim]) => headOf(claim) > equal) ||
      claims.every(([whose, claim]) => headOf(claim) > shared(whose)));
  return turns ? turnOf(claims, owner, room) : { fair: shared(owner), first: true };
}

/** One request each time, and only what those leave that were not served for longer. */
function turnOf(claims: readonly (readonly [string, Claim])[], owner: string, room: number): Part {
  const order = claims.toSorted(
    ([a, one], [b, other]) => (one[SINCE] ?? 0) - (other[SINCE] ?? 0) || (a < b ? -1 : 1),
  );
  const place = order.findIndex(([whose]) => whose === owner);
  const heads = order.map(([, claim]) => headOf(claim));
  if (place < 0) return { fair: 0, first: false };
  return { fair: Math.min(heads[place] ?? 0, room - sum(heads.slice(0, place))), first: place === 0 };
}

/** Of the room there is, what this owner may take of equal shares: an equal share, and what the others' claims leave. */
function fairRoom(book: Book, owner: string, limit: number, room: number): number {
  const others = Object.entries(book.claims).filter(([other]) => other !== owner);
  const equal = Math.floor(limit / (others.length + 1));
  const used = (whose: string): number => usedBy(book, whose);
  const reserved = others.map(([other, [, waiting]]) => Math.max(0, Math.min(waiting, equal - used(other))));
  return Math.max(room - sum(reserved), Math.min(room, equal - used(owner)));
}

function counted(book: Book, now: number, owner: string, cost: number): Book {
  if (cost === 0) return book;
  const grants = [...book.grants];
  const [at, answered] = [roundDown(now), roundUp(now + LATE_MS)];
  const line = findLine(grants, at, answered, owner);
  if (line < 0) grants.push([at, answered, owner, cost]);
  else add(grants, line, cost);
  return { ...book, grants, ...ofMonth(book, now, { requests: cost }) };
}

/** Requests that were made unasked, for nobody knew that they would cost something: they count, and others wait for them. */
export const spent = (before: Book, now: number, owner: string, cost: number): Book =>
  counted(aged(before, now, 0), now, owner, cost);

/** Totals of the calendar month, with what is new. */
function ofMonth(
  book: Book,
  now: number,
  { requests = 0, throttled = 0 } = {},
): Pick<Book, 'month' | 'requests' | 'throttled'> {
  const month = new Date(now).toISOString().slice(0, 7);
  const before = month === book.month ? book : { requests: 0, throttled: 0 };
  return { month, requests: before.requests + requests, throttled: before.throttled + throttled };
}

/** When the next one may go, by what ages out until then; sooner where others hold a claim, for they may give it up. */
function waitFor(book: Book, now: number, limit: number, cost: number, forward: number): number {
  const most = burstOf(limit);
  const burst = book.grants.map(([at, , , spent]) => [at + BURST_MS + LINE_MS, spent] as const);
  const second = book.grants.map(([, at, , spent]) => [at + SECOND_MS + forward, spent] as const);
  const wait = Math.max(freedAt(second, now, limit - cost), freedAt(burst, now, most - cost)) - now;
  const shared = Object.keys(book.claims).length > 1;
  return Math.max(SHORTEST_WAIT_MS, Math.min(wait <= 0 || shared ? FAIR_WAIT_MS : wait, LONGEST_WAIT_MS));
}

/** When so much has ended that no more than `most` is left; nothing ends before `now`. */
function freedAt(
  ends: readonly (readonly [end: number, spent: number])[],
  now: number,
  most: number,
): number {
  const left = ends.filter(([end]) => end > now).toSorted(([a], [b]) => a - b);
  let used = sum(left.map(([, spent]) => spent));
  for (const [end, spent] of left) {
    if (used <= Math.max(0, most)) return now;
    used -= spent;
    if (used <= Math.max(0, most)) return end;
  }
  return now;
}

/** KMS said it is too much: half of what went through, and from there upwards step by step. */
export function slowed(before: Book, now: number, limit: number): Book {
  const book = { ...aged(before, now, 0), ...ofMonth(before, now, { throttled: 1 }) };
  const { pace } = book;
  // What was under way when it was said says it again.
  if (pace !== undefined && now >= pace.at && now - pace.at < SECOND_MS + LATE_MS) return book;
  const rate = Math.max(1, Math.min(limitOf(book, now, limit), usedBy(book)));
  const climb = Math.max(limit / WHOLE_CLIMB_SECONDS, rate / CLIMB_SECONDS);
  return { ...book, pace: { at: now, base: Math.max(1, Math.floor(rate / 2)), climb } };
}

/** The share of a quota, in whole requests a second; one at least. */
export const shareOf = (quota: number, share: number): number =>
  Math.max(1, Math.floor((quota * share) / 100));

/** For one who keeps to this share of this quota: others that use it may keep to other ones. */
export function gaugeOf(
  book: Book,
  now: number,
  { quota, source, share }: Pick<KmsGauge, 'quota' | 'source' | 'share'>,
): KmsGauge {
  const { requests, throttled } = ofMonth(book, now);
  return {
    quota,
    source,
    share,
    rate: usedSince(book, now - SECOND_MS),
    limit: limitOf(aged(book, now, 0), now, shareOf(quota, share)),
    throttled,
    requests,
  };
}
