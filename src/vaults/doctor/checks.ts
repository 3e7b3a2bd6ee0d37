/**
 * From what was seen to what is said: pure. The first failure is the cause; what could not be asked because of it is
 * `unknown` and says so, not a failure of its own.
 */
import { type Capabilities, CHECK_NAMES, type Check, type CheckName } from '../../model/doctor.ts';
import { EXIT, type VaultError } from '../../model/errors.ts';
import type { DoctorFacts } from './facts.ts';
import { leftoverHint, leftoverText } from './leftovers.ts';
import {
  type Outcome,
  failed,
  notAsked,
  pass,
  reasonOf,
  trialFailure,
  unansweredHint,
  unknown,
  warn,
} from './outcome.ts';
import * as store from './store-checks.ts';

const CHECKS: { readonly [N in CheckName]: (facts: DoctorFacts) => Outcome } = {
  node: nodeCheck,
  keys: keysCheck,
  credentials: credentialsCheck,
  clock: clockCheck,
  tls: tlsCheck,
  bucket: bucketCheck,
  region: regionCheck,
  'sse-c': store.sseCCheck,
  kms: store.kmsCheck,
  watch: watchCheck,
  checksums: store.checksumsCheck,
  conditions: store.conditionsCheck,
  copy: store.copyCheck,
  versioning: store.versioningCheck,
  modes: store.modesCheck,
};

export const checksOf = (facts: DoctorFacts): readonly Check[] =>
  CHECK_NAMES.map((check) => ({ check, ...CHECKS[check](facts) }));

/**
 * The first that failed; it comes first because others follow from it. Else what could not be asked and somebody can do
 * something about, else the first that works and could be better.
 */
export const causeOf = (checks: readonly Check[]): Check | undefined =>
  checks.find(({ state }) => state === 'fail') ??
  checks.find(({ state, hint }) => state === 'unknown' && hint !== undefined) ??
  checks.find(({ state }) => state === 'warn');

/** What could not be tried and somebody can do something about is not in order either: it was refused. */
export function exitOf(checks: readonly Check[]): number {
  const cause = causeOf(checks);
  if (cause?.state === 'unknown') return EXIT.refused;
  return cause?.exit ?? EXIT.inStep;
}

/** What a run may rely on; undefined where the store was not reached. */
export const capabilitiesOf = (facts: DoctorFacts, time: string): Capabilities | undefined =>
  store.capabilities(facts, time);

const NEEDED_NODE = 24;

function nodeCheck({ node }: DoctorFacts): Outcome {
  const major = Number(/^v(\d+)/.exec(node)?.[1] ?? 0);
  if (major >= NEEDED_NODE) return pass(`Node ${node.replace('v', '')}`);
  return {
    state: 'fail',
    message: `Node ${node} is too old, ${NEEDED_NODE} is needed`,
    hint: 'install it from https://nodejs.org',
    exit: EXIT.usage,
  };
}

function keysCheck({ keys, patient }: DoctorFacts): Outcome {
  if (keys === undefined) return pass(`mode ${patient.mode.kind} needs no key of this machine`);
  return keys.ok ? pass(keys.value) : failed(keys.error);
}

const CREDENTIALS = new Set([
  'credentials-missing',
  'credentials-expired',
  'credentials-unknown',
  'signature',
]);

function credentialsCheck(facts: DoctorFacts): Outcome {
  const { credentials, reach } = facts;
  if (credentials?.ok === false) return failed(credentials.error);
  if (reach?.ok === false && CREDENTIALS.has(reach.error.code)) return failed(reach.error);
  if (reach?.ok === true) return pass('found, and the store accepts them');
  if (reach !== undefined && reach.error.status !== undefined && reach.error.code !== 'wrong-region')
    return pass('found, and the store knows them');
  return credentials === undefined
    ? notAsked(facts)
    : unknown(`found; whether the store accepts them could not be asked: ${reasonOf(facts)}`);
}

const MAX_SKEW = 15 * 60_000;
const ODD_SKEW = 2 * 60_000;
const CLOCK_HINT = 'set the clock, for example with: timedatectl set-ntp true';

function clockCheck(facts: DoctorFacts): Outcome {
  const { skew, reach } = facts;
  if (reach?.ok === false && reach.error.code === 'clock-skew') return failed(reach.error);
  if (skew === undefined) return notAsked(facts);
  const off = Math.abs(skew);
  const text = `the clock of this machine is ${span(off)} ${skew > 0 ? 'behind' : 'ahead of'} the store's`;
  if (off > MAX_SKEW)
    return { state: 'fail', message: text, code: 'clock-skew', hint: CLOCK_HINT, exit: EXIT.refused };
  if (off > ODD_SKEW) return warn(text, `from 15 minutes on, stores refuse requests; ${CLOCK_HINT}`);
  return pass("agrees with the store's");
}

function span(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(ms / 3_600_000);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

const DAY = 86_400_000;
const EXPIRES_SOON = 14 * DAY;

function tlsCheck({ handshake, resolved }: DoctorFacts): Outcome {
  if (!resolved.ok) return isPlace(resolved.error) ? notConnected() : failed(resolved.error);
  if (handshake === undefined) return notConnected();
  if (!handshake.ok) return isTls(handshake.error) ? failed(handshake.error) : notConnected();
  const { tls, issuer, validTo, date } = handshake.value;
  const by = issuer === undefined ? '' : `, certificate by ${issuer}`;
  const left = validTo === undefined || date === undefined ? undefined : validTo - date;
  if (left !== undefined && left < EXPIRES_SOON)
    return warn(
      `TLS ${tls}${by}, which ends in ${Math.max(0, Math.floor(left / DAY))} days`,
      'tell whoever runs the store, if it is not renewed by itself',
    );
  return pass(`TLS ${tls}${by}`);
}

const notConnected = (): Outcome => unknown('there was no connection to look at');

const isTls = ({ code }: VaultError): boolean => code.startsWith('tls-') || code === 'ca-bundle';
/** What the resolving of an address complains about that is not about trust. */
const isPlace = ({ code }: VaultError): boolean => code !== 'ca-bundle';

const REGION = new Set(['wrong-region', 'region-missing', 'redirected']);

function bucketCheck(facts: DoctorFacts): Outcome {
  const { resolved, handshake, reach, patient } = facts;
  if (!resolved.ok)
    return REGION.has(resolved.error.code) || isTls(resolved.error)
      ? notAsked(facts)
      : failed(resolved.error);
  if (handshake?.ok === false && !isTls(handshake.error)) return failed(handshake.error);
  if (reach === undefined) return notAsked(facts);
  const { bucket, prefix } = patient.remote;
  if (reach.ok)
    return writable(facts, `s3://${bucket}/${prefix} answers at ${resolved.value.endpoint ?? 'AWS'}`);
  const elsewhere = [...REGION, ...CREDENTIALS, 'clock-skew'].includes(reach.error.code);
  return elsewhere ? notAsked(facts) : failed(reach.error);
}

const OTHERS_FAULT = new Set(['sse-c-blocked', 'proof-missing']);

/** The temporary object could be written, read and removed. Refusals that other checks are about are theirs. */
function writable(facts: DoctorFacts, text: string): Outcome {
  const { probe, untried } = facts;
  if (untried !== undefined) return unknown(`${text}; no write was tried: ${untried.reason}`, untried.hint);
  const left = probe?.ok === true ? probe.value.left : undefined;
  const failure = trialFailure(facts);
  const others =
    failure === undefined || OTHERS_FAULT.has(failure.error.code) || failure.error.code.startsWith('kms-');
  if (!others) {
    const { what, error } = failure;
    const lead = what === 'read' ? 'what was written could not be read back: ' : '';
    const end = left === undefined ? '' : `; and ${left.message}`;
    return { ...failed(error), message: `${lead}${error.message}${end}` };
  }
  if (left !== undefined) return warn(`${text}; but ${left.message}`, left.hint ?? '');
  const { leftovers = [], unanswered = [], patient } = facts;
  if (unanswered.length > 0)
    return warn(`${text}; but not to ${unanswered.join(', ')}`, unansweredHint(unanswered));
  if (leftovers.length === 0) return pass(text);
  return warn(`${text}; but ${leftoverText(leftovers)}`, leftoverHint(leftovers, patient.remote));
}

function regionCheck(facts: DoctorFacts): Outcome {
  const { resolved, reach } = facts;
  if (!resolved.ok) return REGION.has(resolved.error.code) ? failed(resolved.error) : notAsked(facts);
  if (reach?.ok === false && REGION.has(reach.error.code)) return failed(reach.error);
  return reach?.ok === true ? pass(resolved.value.region) : notAsked(facts);
}

function watchCheck({ watch, patient }: DoctorFacts): Outcome {
  if (patient.root === undefined) return unknown('there is no folder yet to watch');
  if (watch === undefined) return unknown('the folder could not be looked at');
  const { folders, more, limit, used = 0, refused } = watch;
  const need = `${more ? 'more than ' : ''}${folders.toLocaleString()} ${folders === 1 ? 'folder' : 'folders'}`;
  const least = 2 ** Math.ceil(Math.log2((used + folders) * 2 + 8_192));
  const hint = `raise it: sudo sysctl fs.inotify.max_user_watches=${least} (and in /etc/sysctl.d to keep it); until then what is not watched is scanned every half minute`;
  if (refused !== undefined)
    return {
      state: 'fail',
      message: `the system refuses to watch a folder (${refused}): ${refused === 'EMFILE' ? 'too many programs watch' : 'no watches are left'}${limit === undefined ? '' : `, limit ${limit.toLocaleString()}`}`,
      code: 'watch-limit',
      hint: refused === 'EMFILE' ? 'raise fs.inotify.max_user_instances, or end other watchers' : hint,
      exit: EXIT.usage,
    };
  if (limit !== undefined && folders + used > limit)
    return {
      state: 'fail',
      message: `${need} to watch, but the limit is ${limit.toLocaleString()}, ${used.toLocaleString()} in use`,
      code: 'watch-limit',
      hint,
      exit: EXIT.usage,
    };
  return pass(
    limit === undefined
      ? need
      : `${need} to watch; limit ${limit.toLocaleString()}, ${used.toLocaleString()} in use`,
  );
}
