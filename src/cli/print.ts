import type { EngineHandle } from '../model/command.ts';
import { formatBytes, formatDuration, plural, safeName, safeText } from '../model/display.ts';
import { CONTRACT_EVENTS, type Event, written } from '../model/event.ts';
import { shortWords } from '../model/in-step.ts';
import { LOST_QUESTIONS, type PlanTotals, filesOf } from '../model/plan.ts';
import type { Proof } from '../model/receipt.ts';
import type { Snapshot } from '../model/snapshot.ts';

/** Where lines go. Narrow, so that tests can read them. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** `--json`: one object a line, the events of the contract and nothing else. */
export function printJson(
  handle: Pick<EngineHandle, 'subscribe'>,
  out: Output,
  /** What a command has to add behind a line. */
  after: (event: Event) => object | undefined = () => undefined,
): void {
  const lines = new Lines(out);
  handle.subscribe((event) => {
    if (CONTRACT_EVENTS.has(event.event))
      lines.add(JSON.stringify(jsonLine(event)), event.event === 'summary');
    const more = after(event);
    if (more !== undefined) lines.add(JSON.stringify(more), false);
  });
}

/** Lines of one turn of the event loop are written together: a call of the system for each would cost more than the line. */
class Lines {
  readonly #out: Output;
  #waiting = '';

  constructor(out: Output) {
    this.#out = out;
  }

  /** `last`: nothing comes after it; it is written at once. */
  add(line: string, last: boolean): void {
    const first = this.#waiting === '';
    this.#waiting += `${line}\n`;
    if (last) this.#flush();
    else if (first) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const text = this.#waiting;
    this.#waiting = '';
    if (text !== '') this.#out.write(text);
  }
}

/** What only screens need is left out. */
function jsonLine(event: Event): { readonly [name: string]: unknown } {
  const { id: _id, ...line } = written(event);
  return line;
}

/** Plain lines: what happened on `out`, trouble on `err`. Stable when piped; no colour, no cursor movement. */
export function printPlain(
  handle: Pick<EngineHandle, 'subscribe'>,
  out: Output,
  err: Output,
  lineOf: (event: Event) => Line | undefined = plainLine,
): void {
  const progress = err.isTTY === true ? new ProgressLine(err) : undefined;
  handle.subscribe((event) => {
    progress?.clear();
    const line = lineOf(event);
    if (line !== undefined) (line.trouble ? err : out).write(`${line.text}\n`);
    progress?.update(event);
  });
}

export interface Line {
  readonly text: string;
  readonly trouble: boolean;
}

const said = (text: string): Line => ({ text, trouble: false });
const trouble = (text: string): Line => ({ text, trouble: true });

/** One Event as a line, or undefined where plain output says nothing. */
export function plainLine(event: Event): Line | undefined {
  switch (event.event) {
    case 'plan':
      return said(planLine(event));
    case 'transfer.done':
      return said(doneLine(event));
    case 'transfer.failed':
      return trouble(
        `! ${safeText(about(event.path, event.error.message))}${event.again ? '; trying again' : ''}${hintOf(event.error)}`,
      );
    case 'throttle':
      return trouble(throttleLine(event));
    case 'warning':
      return trouble(`! ${safeText(event.message)}${hintOf(event)}`);
    case 'watch':
      return event.state === 'starting' ? undefined : said(`watch: ${event.state}`);
    case 'consent':
      return trouble(consentLine(event));
    case 'state':
      return event.state === 'offline'
        ? trouble(`… offline, trying again in ${formatDuration(event.retryIn ?? 0)}`)
        : undefined;
    case 'idle':
      return event.short === undefined
        ? said('✓ in step')
        : trouble(`! in step but for ${shortWords(event.short)}`);
    case 'summary':
      return said(summaryLine(event));
    case 'answered':
    case 'plan.less':
    case 'scan':
    case 'queue':
    case 'cleared':
    case 'kms':
    case 'transfer.start':
    case 'transfer.progress':
    case 'transfer.stopped':
      return undefined;
    default:
      return event satisfies never;
  }
}

type Of<Name extends Event['event']> = Extract<Event, { event: Name }>;

/** Many messages begin with the path they are about. */
function about(path: string, message: string): string {
  const name = safeName(path);
  return message.startsWith(`${name} `) || message.startsWith(`${name}:`) ? message : `${name}: ${message}`;
}

function hintOf(error: { readonly hint?: string }): string {
  return error.hint === undefined ? '' : `\n  ${safeText(error.hint)}`;
}

function throttleLine(event: Of<'throttle'>): string {
  const { resource, rate, quota } = event;
  if (quota === null) return `≈ throttled by ${resource}: ${plural(rate, 'transfer')} at a time now`;
  return `≈ throttled by ${resource}: ${plural(rate, 'request')} a second at most now${hintOf(event)}`;
}

function planLine(plan: PlanTotals): string {
  const parts = [
    plan.put > 0 ? `${plural(plan.put, 'file')} to send (${formatBytes(plan.putBytes)})` : '',
    plan.get > 0 ? `${plural(plan.get, 'file')} to fetch (${formatBytes(plan.getBytes)})` : '',
    plan.removeRemote > 0 ? `${plural(plan.removeRemote, 'removal')} in the bucket` : '',
    plan.removeLocal > 0 ? `${plural(plan.removeLocal, 'removal')} here` : '',
    plan.conflict > 0 ? plural(plan.conflict, 'conflict') : '',
    plan.skip > 0 ? `${plan.skip} skipped` : '',
  ].filter((part) => part !== '');
  return `plan: ${parts.length === 0 ? 'nothing to do' : parts.join(', ')}`;
}

function doneLine(done: Of<'transfer.done'>): string {
  const path = safeName(done.path);
  switch (done.result) {
    case 'removed':
      return `- ${path}  removed ${done.direction === 'remove-local' ? 'here' : 'from the bucket'}`;
    case 'unchanged':
      return `= ${path}  ${done.direction === 'down' ? 'is there already' : 'unchanged, nothing sent'}`;
    case 'verified':
      return `✓ ${path}  ${formatBytes(done.bytes)}  opened, and equal to what was sent`;
    case 'differs':
      return `≠ ${path}  ${formatBytes(done.bytes)}  opens, but is not what was sent`;
    case 'opened':
      return `✓ ${path}  ${formatBytes(done.bytes)}  opened; there is nothing here to compare it with`;
    case 'restored':
      return `↓ ${path}  ${formatBytes(done.bytes)}`;
    case 'written':
    case 'rewrapped':
    case 'copied':
    case 'resent':
    case 'updated': {
      const version = done.versionId === null ? '' : `  v ${done.versionId}`;
      return `✓ ${path}  ${formatBytes(done.bytes)}  ${done.proof === null ? '' : proofText(done.proof)}${version}${REKEYED[done.result] ?? ''}`;
    }
    default:
      return done.result satisfies never;
  }
}

/** How a rekeyed object came under its new protection. */
const REKEYED: { readonly [result: string]: string } = {
  written: '',
  rewrapped: '  rewrapped, body untouched',
  copied: '  copied inside the store',
  resent: '  fetched and sent again',
  updated: '  encryption changed in place',
};

/** The proof in words: what the store said about encryption at rest. */
export function proofText(proof: Proof): string {
  switch (proof.mode) {
    case 'client':
      return `sealed, ${proof.format}, key ${proof.key}`;
    case 'sse-c':
      return `SSE-C, ${proof.algorithm}, key MD5 ${proof.keyMd5}`;
    case 'sse-kms':
    case 'dsse-kms':
      return `${proof.algorithm}, key ${proof.keyId}`;
    case 'sse-s3':
      return `SSE-S3, ${proof.algorithm}`;
    default:
      return proof satisfies never;
  }
}

function consentLine({ reason }: Of<'consent'>): string {
  if (reason.kind === 'lost-source') {
    const way =
      reason.why === 'root-missing'
        ? 'mount its disk or bring the folder back, then try again'
        : 'if this is what you want, run the same command with --accept-source';
    return `! ${LOST_QUESTIONS[reason.why]}\n  nothing was sent or removed; ${way}`;
  }
  if (reason.kind === 'plan-review') return `${planLine(reason.totals)}\n  nothing is done before you agree`;
  const { removals, here = 0, of } = reason;
  const where = here === 0 ? '' : here === removals ? ' here' : `, ${here} of them here,`;
  return (
    `! ${plural(removals, 'removal')} of ${plural(of, 'file')}${where} held back: too many at once\n` +
    `  ${toLookAt(removals, here)}; if this is what you want, run the same command with --yes`
  );
}

/** Where it shows whether somebody meant the removals: not where they are to happen. */
function toLookAt(removals: number, here: number): string {
  if (here === 0) return 'look at the folder first';
  const there = removals === 1 ? 'its object is' : 'their objects are';
  if (here === removals)
    return `${there} gone from the bucket: look there first, and on the machine that removed them`;
  return 'look at the folder first, and at the bucket: the objects of those here are gone from there';
}

function summaryLine(summary: Of<'summary'>): string {
  const failed = summary.failed > 0 ? `, ${summary.failed} failed` : '';
  const skipped = summary.skipped > 0 ? `, ${summary.skipped} skipped` : '';
  return `${plural(summary.files, 'file')}, ${formatBytes(summary.bytes)} in ${formatDuration(summary.ms)}${failed}${skipped}`;
}

const NONE: Snapshot['done'] = { files: 0, bytes: 0 };

/** One line on a terminal's stderr that is rewritten in place; at most ten times a second by the events' own times. */
class ProgressLine {
  readonly #err: Output;
  #shown = false;
  #lastMs = 0;
  #planned = NONE;
  #done = NONE;

  constructor(err: Output) {
    this.#err = err;
  }

  clear(): void {
    if (this.#shown) this.#err.write('\r\u001b[K');
    this.#shown = false;
  }

  update(event: Event): void {
    if (event.event === 'plan') {
      const { files, bytes } = event.adds === true ? this.#planned : NONE;
      this.#planned = { files: files + filesOf(event), bytes: bytes + event.bytes };
      if (event.adds !== true) this.#done = NONE;
    }
    if (event.event === 'transfer.failed' && event.again) {
      // The next try is part of another plan.
      const { files, bytes } = this.#planned;
      this.#planned = { files: files - 1, bytes: bytes - event.bytes };
    }
    if (event.event === 'transfer.done') {
      this.#done = { files: this.#done.files + 1, bytes: this.#done.bytes + event.bytes };
    }
    const now = Date.parse(event.time);
    const ends = event.event === 'idle' || event.event === 'summary' || this.#planned.files === 0;
    if (ends || now - this.#lastMs < 100) return;
    this.#lastMs = now;
    const { files, bytes } = this.#done;
    this.#err.write(
      `${files} of ${plural(this.#planned.files, 'file')}, ${formatBytes(bytes)} of ${formatBytes(this.#planned.bytes)}`,
    );
    this.#shown = true;
  }
}
