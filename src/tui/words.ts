/** States and proofs in signs and words. Meaning is never carried by colour alone. */
import { formatBytes, plural } from '../model/display.ts';
import type { VaultError } from '../model/errors.ts';
import { OUTCOME_WORDS } from '../model/history.ts';
import { inStepWords, problemCount } from '../model/in-step.ts';
import {
  type Action,
  type ActionKind,
  type ConsentReason,
  FLOW_WORDS,
  type Flow,
  LOST_QUESTIONS,
  filesOf,
  flowOf,
} from '../model/plan.ts';
import type { Proof } from '../model/receipt.ts';
import type { RecentLine, Snapshot } from '../model/snapshot.ts';
import type { TransferPhase } from '../model/transfer.ts';
import type { Shown } from './store.ts';

/** Of the user's own 16 colours; undefined: the terminal's foreground. */
export type Tone = 'green' | 'cyan' | 'yellow' | 'red' | undefined;

export interface Sign {
  readonly sign: string;
  readonly word: string;
  readonly tone: Tone;
}

const FLOW_SIGNS: { readonly [F in Flow]: string } = {
  sending: '↑',
  fetching: '↓',
  both: '⇅',
  removing: '-',
};

/** The state of a vault. */
export function stateOf({
  snapshot,
  retryIn,
  throttled,
}: Pick<Shown, 'snapshot' | 'retryIn' | 'throttled'>): Sign {
  const { state, throttle, consent, exit, plan } = snapshot;
  switch (state) {
    case 'starting':
      return { sign: '⟳', word: 'starting', tone: 'cyan' };
    case 'scanning':
      return { sign: '⟳', word: 'scanning', tone: 'cyan' };
    case 'working':
      return throttled && throttle !== null
        ? { sign: '≈', word: `throttled (${throttle.resource.toUpperCase()})`, tone: 'yellow' }
        : { sign: FLOW_SIGNS[flowOf(plan)], word: FLOW_WORDS[flowOf(plan)], tone: 'cyan' };
    case 'idle': {
      const problems = problemCount(snapshot);
      const word = inStepWords(problems);
      return problems === 0 ? { sign: '✓', word, tone: 'green' } : { sign: '!', word, tone: 'yellow' };
    }
    case 'paused':
      return { sign: '‖', word: 'paused', tone: 'yellow' };
    case 'offline':
      return {
        sign: '…',
        word: `offline${retryIn === null ? '' : `, trying again ${inTime(retryIn)}`}`,
        tone: 'yellow',
      };
    case 'needs-you':
      return {
        sign: '!',
        word: consent === null ? 'needs you' : `needs you: ${askedFor(consent)}`,
        tone: 'red',
      };
    case 'stopped':
      return {
        sign: '✗',
        word: exit === 0 || exit === null ? 'stopped' : `stopped (exit ${exit})`,
        tone: 'red',
      };
    default:
      return state satisfies never;
  }
}

const inTime = (ms: number): string => (ms <= 0 ? 'now' : `in ${timeLeft(ms)}`);

/** Whole seconds, minutes or hours: a number that jumps less. */
export function timeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

function askedFor(reason: ConsentReason): string {
  switch (reason.kind) {
    case 'lost-source':
      return 'is this the right folder';
    case 'many-removals':
      return `${plural(reason.removals, 'removal')} to confirm`;
    case 'plan-review':
      return 'the first plan to confirm';
    default:
      return reason satisfies never;
  }
}

/** When what was asked for is done, where that is not at once; undefined where it is. */
export function waitsFor({ state }: Pick<Snapshot, 'state'>): string | undefined {
  if (state === 'paused') return 'when you go on: p';
  return state === 'offline' ? 'once the store is reached' : undefined;
}

/** Why a Command was refused, in a line. */
export const refusedWords = ({ message, hint }: Pick<VaultError, 'message' | 'hint'>): string =>
  hint === undefined ? message : `${message} → ${hint}`;

/** The question that waits for `y` or `n`. Short enough for 80 columns. */
export function questionOf(reason: ConsentReason): string {
  if (reason.kind === 'lost-source') return LOST_QUESTIONS[reason.why];
  if (reason.kind === 'plan-review')
    return reason.again === true
      ? 'The plan has changed. Start with this one? v shows it.'
      : 'Start with this plan? v shows it line by line.';
  const removing = `Remove ${reason.removals.toLocaleString()} of ${plural(reason.of, 'file')}`;
  if (reason.again === true) return `The plan has changed. ${removing} now?`;
  const here = reason.here !== undefined || reason.first?.some(({ kind }) => kind === 'remove-local');
  const where = reason.here === reason.removals ? ' here' : here === true ? '' : ' in the bucket';
  return `${removing}${where}? v lists them.`;
}

/** A phase that is not a bar. */
export function phaseWord(phase: TransferPhase): string {
  switch (phase) {
    case 'queued':
      return 'waiting';
    case 'reading':
      return 'reading…';
    case 'sending':
      return 'sending…';
    case 'verifying':
      return 'proving encryption…';
    case 'done':
      return 'done';
    case 'failed':
      return 'failed';
    case 'cancelled':
      return 'called off';
    default:
      return phase satisfies never;
  }
}

const OUTCOMES: { readonly [K in RecentLine['outcome']]: Omit<Sign, 'word'> } = {
  written: { sign: '✓', tone: 'green' },
  restored: { sign: '↓', tone: 'green' },
  verified: { sign: '✓', tone: 'green' },
  differs: { sign: '!', tone: 'yellow' },
  opened: { sign: '✓', tone: 'green' },
  rewrapped: { sign: '✓', tone: 'green' },
  copied: { sign: '✓', tone: 'green' },
  resent: { sign: '✓', tone: 'green' },
  updated: { sign: '✓', tone: 'green' },
  removed: { sign: '-', tone: undefined },
  unchanged: { sign: '=', tone: undefined },
  failed: { sign: '!', tone: 'yellow' },
};

/** How a transfer ended. */
export const outcomeOf = ({ outcome }: RecentLine): Sign => ({
  ...OUTCOMES[outcome],
  word: OUTCOME_WORDS[outcome],
});

/** What is said beside the name: the proof, or what went wrong. */
export function remarkOf(line: RecentLine): string {
  if (line.outcome === 'failed') return aboutPath(line.message ?? 'failed', line.path);
  if (line.proof === null) return outcomeOf(line).word;
  const version = line.versionId === null ? '' : `  v ${line.versionId.slice(0, 3)}…`;
  return `${proofWord(line.proof)}${version}`;
}

/** A message beside a path it begins with, without it. */
export const aboutPath = (message: string, path: string): string =>
  message.startsWith(`${path} `) ? message.slice(path.length + 1) : message;

/** The proof of a write, short. */
export function proofWord(proof: Proof): string {
  switch (proof.mode) {
    case 'client':
      return `sealed, ${proof.format}, ${tail(proof.key)}`;
    case 'sse-c':
      return `SSE-C, key MD5 ${proof.keyMd5.slice(0, 4)}…`;
    case 'sse-kms':
    case 'dsse-kms':
      return `${proof.algorithm}, ${tail(proof.keyId)}`;
    case 'sse-s3':
      return `SSE-S3, ${proof.algorithm}`;
    default:
      return proof satisfies never;
  }
}

/** A fingerprint's first four digits; of an ARN or another id, its end. */
const tail = (key: string): string => (/^[0-9a-f]{16}$/.test(key) ? key.slice(0, 4) : `…${key.slice(-8)}`);

/** `1,204 of 5,310 files   312 MB of 1.1 GB`; what there is to say between two plans. */
export function progressWords({ plan, done, state, scanned, files: known }: Snapshot): string {
  if (state === 'scanning' || state === 'starting')
    return scanned === 0 ? '' : `${plural(scanned, 'file')} seen`;
  const files = filesOf(plan);
  if (state === 'idle' && known !== null) return known === 0 ? '' : plural(known, 'file');
  if (state === 'idle' || files === 0)
    return scanned === 0 ? '' : `${plural(scanned, 'file')} in the last scan`;
  const of = `${done.files.toLocaleString()} of ${plural(files, 'file')}`;
  return plan.bytes === 0 ? of : `${of}   ${formatBytes(done.bytes)} of ${formatBytes(plan.bytes)}`;
}

/** Why a vault does nothing by itself, in a sentence; undefined where it does, or a question says it. */
export function whyStopped({ state, exit, consent, problems }: Snapshot): string | undefined {
  const stopped = state === 'stopped' && exit !== null && exit !== 0;
  if (!stopped && (state !== 'needs-you' || consent !== null)) return undefined;
  return [...problems.values()].at(-1)?.message;
}

/** Share done, 0 to 1; less than 1 while a file lacks its proof. Undefined where nothing is planned or left to do. */
export function shareDone(snapshot: Snapshot): number | undefined {
  const { plan, done, active, state } = snapshot;
  const files = filesOf(plan);
  if (files === 0 || state === 'idle' || state === 'stopped') return undefined;
  if (done.files >= files) return 1;
  let sent = 0;
  for (const transfer of active.values()) sent += transfer.sent;
  return Math.min(0.99, plan.bytes > 0 ? (done.bytes + sent) / plan.bytes : done.files / files);
}

/** As people have it on their clocks: `2026-11-24 18:23`. */
export function dateTime(ms: number): string {
  const time = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** `12:04:31` of an ISO time, in the user's zone. */
export function clockTime(iso: string): string {
  const date = new Date(iso);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

const ACTIONS: { readonly [K in ActionKind]: { readonly sign: string; readonly word: string } } = {
  put: { sign: '↑', word: 'send' },
  get: { sign: '↓', word: 'fetch' },
  'remove-remote': { sign: '-', word: 'remove there' },
  'remove-local': { sign: '-', word: 'remove here' },
  conflict: { sign: '!', word: 'conflict' },
  forget: { sign: ' ', word: 'forget' },
  skip: { sign: ' ', word: 'leave out' },
};

/** What is to be done, as a sign and a word. */
export const actionWord = (kind: ActionKind): { readonly sign: string; readonly word: string } =>
  ACTIONS[kind];

/** Why it is to be done: `gone-locally` reads `gone locally`. */
export const reasonWord = (reason: Action['reason']): string => reason.replaceAll('-', ' ');

/** The whole proof of a finished write: nothing shortened. */
export function proofLine({ proof, versionId, outcome }: RecentLine): string {
  if (proof === null) return OUTCOME_WORDS[outcome];
  const version = versionId === null ? '' : `, version ${versionId}`;
  switch (proof.mode) {
    case 'client':
      return `sealed with key ${proof.key}, ${proof.checksum.algorithm} ${proof.checksum.value} confirmed by the store${version}`;
    case 'sse-c':
      return `the store confirmed ${proof.algorithm} under your key (MD5 ${proof.keyMd5})${version}`;
    case 'sse-kms':
    case 'dsse-kms':
      return `the store confirmed ${proof.algorithm} with ${proof.keyId}${version}`;
    case 'sse-s3':
      return `the store confirmed ${proof.algorithm}${version}`;
    default:
      return proof satisfies never;
  }
}
