/**
 * The book of one KMS quota: who was let through in the last second, who waits, and how fast KMS wants it. Pure, and all of
 * its state is text, so that any number of processes can keep it together.
 *
 * - Never more than the limit in any second: what was granted counts for HOLD, a second and what requests may differ in
 *   their way to KMS.
 * - No bursts: in a tenth of a second hardly more than a tenth of the limit.
 * - Fair: who waits has a claim; nobody takes from what an equal share leaves to the others that wait.
 * - A process that dies holds nothing: grants and claims age out by themselves.
 * - Times are the wall clock's. What lies in the future was written before the clock was set back, and counts as of now.
 */
import type { KmsGauge, KmsQuota } from '../model/kms.ts';

const HOLD_MS = 1_050;
const BURST_MS = 100;
/** Grants of one owner closer together than this are one line of the book. */
const LINE_MS = 10;
/** A claim not renewed for so long is that of a process that is gone. */
const CLAIM_MS = 1_000;
const LONGEST_WAIT_MS = 100;
const SHORTEST_WAIT_MS = 2;
const FAIR_WAIT_MS = 20;
/** Seconds after which a halved pace is what it was, and those after which even a pace near nothing is whole again. */
const CLIMB_SECONDS = 20;
const WHOLE_CLIMB_SECONDS = 200;

type Grant = readonly [at: number, owner: string, cost: number];
type Claim = readonly [seen: number, waiting: number, limit: number];

export interface Book {
  readonly grants: readonly Grant[];
  readonly claims: Readonly<Record<string, Claim>>;
  /** KMS said it is too much: `base` a second then, `climb` more each second since. */
  readonly pace?: { readonly at: number; readonly base: number; readonly climb: number };
  readonly quota?: KmsQuota & { readonly share: number };
  /** What Service Quotas said, for a day. */
  readonly applied?: KmsQuota & { readonly at: number };
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

export interface Ask {
  readonly now: number;
  readonly owner: string;
  /** Requests a second: this owner's share of the quota. The lowest of those that wait counts. */
  readonly limit: number;
  /** What waits, in its order. */
  readonly costs: readonly number[];
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
  const book = aged(before, now, ask.forward);
  const claims = { ...book.claims, [owner]: [now, sum(costs), ask.limit] as const };
  const limit = limitOf({ ...book, claims }, now, ask.limit);
  const used = usedSince(book, Number.NEGATIVE_INFINITY);
  const burst = burstOf(limit) - usedSince(book, now - BURST_MS);
  const room = Math.min(limit - used, burst);
  const fair = fairRoom({ ...book, claims }, owner, limit, room);
  let spent = 0;
  let count = 0;
  for (const cost of costs) {
    // A request that costs more than the whole limit goes alone.
    if (spent + cost > fair && !(used + spent === 0 && cost > Math.min(limit, burst))) break;
    spent += cost;
    count++;
  }
  const waiting = sum(costs) - spent;
  const { [owner]: _, ...others } = claims;
  const left: Book['claims'] = waiting === 0 ? others : { ...others, [owner]: [now, waiting, ask.limit] };
  const next = counted({ ...book, claims: left }, now, owner, spent);
  const wait = waiting === 0 ? 0 : waitFor(next, now, limit, costs[count] ?? 1, ask.forward);
  return { book: next, count, wait };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** What fits in a tenth of a second, with room to catch up; two always do, for those that ask twice at once. */
const burstOf = (limit: number): number => Math.max(Math.min(2, limit), Math.ceil(limit / 8));

/** Without what has aged out; nothing is in the future. */
function aged(book: Book, now: number, forward: number): Book {
  const oldest = now - HOLD_MS - forward;
  const grants = book.grants
    .filter(([at]) => at > oldest)
    .map((line): Grant => (line[0] > now ? [now, line[1], line[2]] : line));
  const claims = Object.entries(book.claims)
    .filter(([, [seen]]) => seen > now - CLAIM_MS)
    .map(([owner, [seen, ...rest]]) => [owner, [Math.min(seen, now), ...rest]] as const);
  const { pace } = book;
  return {
    ...book,
    grants,
    claims: Object.fromEntries(claims),
    ...(pace !== undefined && pace.at > now ? { pace: { ...pace, at: now } } : {}),
  };
}

const usedSince = ({ grants }: Book, after: number, whose?: string): number =>
  sum(grants.filter(([at, owner]) => at > after && (whose ?? owner) === owner).map(([, , cost]) => cost));

/** Requests a second at most now: the lowest share of those that wait, or what KMS has slowed it down to. */
function limitOf(book: Book, now: number, own: number): number {
  const limits = Object.values(book.claims).map(([, , limit]) => limit);
  const { pace } = book;
  const slowed = pace === undefined ? own : pace.base + (pace.climb * Math.max(0, now - pace.at)) / 1_000;
  return Math.max(1, Math.floor(Math.min(own, slowed, ...limits)));
}

/** Of the room there is, what this owner may take: an equal share, and what the others' claims leave. */
function fairRoom(book: Book, owner: string, limit: number, room: number): number {
  const others = Object.entries(book.claims).filter(([other]) => other !== owner);
  const equal = Math.floor(limit / (others.length + 1));
  const used = (whose: string): number => usedSince(book, Number.NEGATIVE_INFINITY, whose);
  const reserved = others.map(([other, [, waiting]]) => Math.max(0, Math.min(waiting, equal - used(other))));
  return Math.max(room - sum(reserved), Math.min(room, equal - used(owner)));
}

function counted(book: Book, now: number, owner: string, cost: number): Book {
  if (cost === 0) return book;
  const month = new Date(now).toISOString().slice(0, 7);
  const requests = (month === book.month ? book.requests : 0) + cost;
  const last = book.grants.findLastIndex((line) => line[1] === owner);
  const line = book.grants[last];
  const joins = line !== undefined && Math.floor(line[0] / LINE_MS) === Math.floor(now / LINE_MS);
  const rest = joins ? book.grants.toSpliced(last, 1) : book.grants;
  return { ...book, month, requests, grants: [...rest, [now, owner, cost + (joins ? line[2] : 0)]] };
}

/** When the next one may go, by what ages out until then; sooner where others hold a claim, for they may give it up. */
function waitFor(book: Book, now: number, limit: number, cost: number, forward: number): number {
  const freed = (holdMs: number, most: number): number => {
    let used = usedSince(book, now - holdMs);
    for (const [at, , spent] of book.grants) {
      if (used + cost <= most || at <= now - holdMs) continue;
      used -= spent;
      if (used + cost <= most || used === 0) return at + holdMs - now;
    }
    return 0;
  };
  const wait = Math.max(freed(HOLD_MS + forward, limit), freed(BURST_MS, burstOf(limit)));
  const shared = Object.keys(book.claims).length > 1;
  return Math.max(SHORTEST_WAIT_MS, Math.min(wait === 0 || shared ? FAIR_WAIT_MS : wait, LONGEST_WAIT_MS));
}

/** KMS said it is too much: half of what went through, and from there upwards step by step. */
export function slowed(before: Book, now: number, limit: number): Book {
  const book = { ...aged(before, now, 0), throttled: before.throttled + 1 };
  const { pace } = book;
  // What was under way when it was said says it again.
  if (pace !== undefined && now >= pace.at && now - pace.at < HOLD_MS) return book;
  const rate = Math.max(1, Math.min(limitOf(book, now, limit), usedSince(book, Number.NEGATIVE_INFINITY)));
  const climb = Math.max(limit / WHOLE_CLIMB_SECONDS, rate / CLIMB_SECONDS);
  return { ...book, pace: { at: now, base: Math.max(1, Math.floor(rate / 2)), climb } };
}

/** The share of a quota, in whole requests a second; one at least. */
export const shareOf = (quota: number, share: number): number =>
  Math.max(1, Math.floor((quota * share) / 100));

/** Undefined where nothing was asked of this quota yet. */
export function gaugeOf(book: Book, now: number): KmsGauge | undefined {
  if (book.quota === undefined) return undefined;
  const { quota, source, share } = book.quota;
  const month = new Date(now).toISOString().slice(0, 7);
  return {
    quota,
    source,
    share,
    rate: usedSince(book, now - 1_000),
    limit: limitOf(aged(book, now, 0), now, shareOf(quota, share)),
    throttled: book.throttled,
    requests: month === book.month ? book.requests : 0,
  };
}
