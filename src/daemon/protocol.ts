/**
 * What is spoken on the daemon's socket: one JSON object a line. The client greets, the daemon greets back; then requests
 * with ids, each answered once, and after `watch` what happens to the vaults: a Snapshot of each first, then Events.
 */
import * as v from 'valibot';
import type { Command } from '../model/command.ts';
import { type ErrorKind, type ErrorReport, VaultError, report } from '../model/errors.ts';
import type { Event, Shortfall } from '../model/event.ts';
import type { HistoryAsk } from '../model/history.ts';
import type { Flow } from '../model/plan.ts';
import { type QueueAsk, MOST_LINES } from '../model/queue.ts';
import { type ActiveTransfer, type Problem, type Snapshot, problemKey } from '../model/snapshot.ts';
import type { Vault } from '../model/vault.ts';

/** Both ends speak the older of their two versions; what came later is not asked for then. */
export const PROTOCOL = 3;
/** Spoken still, by daemon and client. */
export const OLDEST_PROTOCOL = 2;

/** Bytes of one line that a client may send. */
export const MAX_REQUEST = 64 * 1024;
/** Bytes of one line of the daemon: a Snapshot with all its problems is well below. */
export const MAX_MESSAGE = 64 * 2 ** 20;

// ------------------------------------------------------------------------------------------------- client to daemon

/** Which ones are paths, the engine says, in words; a line is short as it is. */
const path = v.string();

const command = v.variant('command', [
  v.strictObject({ command: v.picklist(['pause', 'resume', 'rescan']) }),
  v.strictObject({
    command: v.literal('retry'),
    paths: v.exactOptional(v.pipe(v.array(path), v.maxLength(1_000))),
  }),
  v.strictObject({ command: v.picklist(['first', 'skip']), path }),
  v.strictObject({ command: v.literal('consent'), yes: v.boolean(), question: v.exactOptional(v.number()) }),
]) satisfies v.GenericSchema<unknown, Command>;

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const asked = {
  filter: v.pipe(v.string(), v.maxLength(1_000)),
  from: whole,
  count: v.pipe(whole, v.maxValue(MOST_LINES)),
};
const queueAsk = v.strictObject({
  ...asked,
  held: v.exactOptional(v.strictObject({ path: v.pipe(path, v.maxLength(4_096)), line: whole })),
}) satisfies v.GenericSchema<unknown, QueueAsk>;
const historyAsk = v.strictObject({
  ...asked,
  held: v.exactOptional(v.strictObject({ id: whole, line: whole })),
}) satisfies v.GenericSchema<unknown, HistoryAsk>;

const id = v.pipe(v.number(), v.integer(), v.minValue(1));
const vault = v.pipe(v.string(), v.maxLength(64));

const greeting = v.strictObject({
  hello: v.literal('s3vault'),
  protocol: v.pipe(v.number(), v.integer()),
  token: v.pipe(v.string(), v.maxLength(128)),
});

const request = v.variant('do', [
  v.strictObject({ id, do: v.picklist(['status', 'watch', 'reload', 'lock', 'unlock', 'stop']) }),
  v.strictObject({ id, do: v.picklist(['release', 'take-back']), vault }),
  v.strictObject({ id, do: v.literal('command'), vault, command }),
  v.strictObject({ id, do: v.literal('queue'), vault, ask: queueAsk }),
  v.strictObject({ id, do: v.literal('history'), vault, ask: historyAsk }),
]);

/** The version that a request came with; the others have been there from the beginning. */
const SINCE: { readonly [Do in Request['do']]?: number } = { queue: 3, history: 3 };

export type Greeting = v.InferOutput<typeof greeting>;
export type Request = v.InferOutput<typeof request>;
/** A Request before it has its number. */
export type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

/** The greeting in a line, or undefined. */
export const parseGreeting = (line: string): Greeting | undefined => parse(greeting, line);

/** The request in a line, or undefined where it is none: unknown in that version, unfinished, or with what does not belong there. */
export function parseRequest(line: string, protocol: number = PROTOCOL): Request | undefined {
  const found = parse(request, line);
  return found !== undefined && (SINCE[found.do] ?? OLDEST_PROTOCOL) <= protocol ? found : undefined;
}

/** The number of a request that could not be understood otherwise, so that its answer finds it. */
export const idOf = (line: string): number | undefined => parse(v.object({ id }), line)?.id;

function parse<T>(schema: v.GenericSchema<unknown, T>, line: string): T | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const result = v.safeParse(schema, value);
  return result.success ? result.output : undefined;
}

// ------------------------------------------------------------------------------------------------- daemon to client

export type Message =
  | ({ readonly type: 'hello'; readonly protocol: number } & DaemonFacts)
  /** The connection ends after it. */
  | { readonly type: 'refused'; readonly error: ErrorReport }
  | { readonly type: 'answer'; readonly id: number; readonly ok: unknown }
  | { readonly type: 'answer'; readonly id: number; readonly error: ErrorReport; readonly kind: ErrorKind }
  | News;

/** What happens to vaults. `vault` comes first for each, and again when its configuration changed. */
export type News =
  | { readonly type: 'vault'; readonly vault: Vault; readonly snapshot: WireSnapshot }
  | { readonly type: 'event'; readonly vault: string; readonly event: Event }
  | { readonly type: 'gone'; readonly vault: string };

export interface DaemonFacts {
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly started: string;
  /** Every vault was tried once. */
  readonly ready: boolean;
}

/** How one vault stands with the daemon; `locked` and `released`: the daemon does not hold it just now. */
export type Phase = 'opening' | 'running' | 'waiting' | 'locked' | 'released' | 'closing';

export interface VaultLine {
  readonly id: string;
  readonly root: string;
  readonly phase: Phase;
  readonly state: Snapshot['state'];
  readonly paused: boolean;
  readonly failed: number;
  /** Open, also where only so many are listed. */
  readonly problems: number;
  /** Of `problems`: counted, and not listed on the screen. */
  readonly unlisted?: number;
  /** See `isInStep`. Daemons before it did not say. */
  readonly inStep?: boolean;
  /** What keeps it from that, where nothing is left to do. */
  readonly short?: Shortfall;
  /** Files not in the bucket that ought to be, when nothing was left to do last. */
  readonly unprotected: number;
  readonly underWay: number;
  /** Of the last Plan, acknowledged by the store. */
  readonly done: Snapshot['done'];
  readonly planned: { readonly files: number; readonly bytes: number };
  /** Which way the last Plan goes. */
  readonly flow: Flow;
  /** Why it is not running, or what a person should see to. */
  readonly why?: ErrorReport;
  /** The exit code of what keeps it from running; where nothing is left to do, what `sync --once` would end with; else 0. */
  readonly exit: number;
}

export interface DaemonStatus extends DaemonFacts {
  readonly locked: boolean;
  /** Resident memory in bytes. */
  readonly memory: number;
  readonly clients: number;
  readonly vaults: readonly VaultLine[];
}

/** What a reload changed. */
export interface Reloaded {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** A Snapshot without maps. */
export type WireSnapshot = Omit<Snapshot, 'active' | 'problems'> & {
  readonly active: readonly ActiveTransfer[];
  readonly problems: readonly Problem[];
};

export const packed = (snapshot: Snapshot): WireSnapshot => ({
  ...snapshot,
  active: [...snapshot.active.values()],
  problems: [...snapshot.problems.values()],
});

export const unpacked = (wire: WireSnapshot): Snapshot => ({
  ...wire,
  active: new Map(wire.active.map((one) => [one.id, one])),
  problems: new Map(wire.problems.map((one) => [problemKey(one), one])),
});

/** The answer to a request that failed. */
export const failure = (to: number, error: VaultError): Message => ({
  type: 'answer',
  id: to,
  error: report(error),
  kind: error.kind,
});

/** An error that came over the socket, as if it had happened here. */
export const remade = (kind: ErrorKind, { code, message, hint }: ErrorReport): VaultError =>
  new VaultError(kind, code, message, hint === undefined ? {} : { hint });
