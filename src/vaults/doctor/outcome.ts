import type { Check } from '../../model/doctor.ts';
import { RUN_AGAIN, type VaultError } from '../../model/errors.ts';
import type { DoctorFacts } from './facts.ts';

export const pass = (message: string): Outcome => ({ state: 'pass', message });
export const warn = (message: string, hint: string): Outcome => ({ state: 'warn', message, hint });
export const unknown = (message: string, hint?: string): Outcome => ({
  state: 'unknown',
  message,
  ...(hint === undefined ? {} : { hint }),
});
export const failed = (error: VaultError): Outcome => ({
  state: 'fail',
  message: error.message,
  code: error.code,
  exit: error.exit,
  ...wayOut(error),
});
/** What could not be tried because of an error. */
export const untried = (error: VaultError): Outcome => ({
  state: 'unknown',
  message: `could not be tried: ${error.message}`,
  ...wayOut(error),
});

/** Hints of runs speak of what a run does next; here nothing comes next, and doctor is what they send people to. */
function wayOut({ code, hint }: VaultError): { readonly hint?: string } {
  if (hint === undefined) return {};
  if (code === 'unreachable')
    return { hint: 'check the network, proxies and the endpoint, then run s3vault doctor again' };
  if (hint === RUN_AGAIN)
    return { hint: 'run s3vault doctor again; if it stays so, ask whoever runs the store or the network' };
  if (hint.includes('s3vault doctor'))
    return { hint: 'this store does not do what s3vault needs; ask whoever runs it, or take another one' };
  return { hint };
}

/** Where a question about the bucket stayed without an answer, though others had one. */
export const unansweredHint = (operations: readonly string[]): string =>
  `other questions were answered, so look for what holds ${operations.join(', ')} back: a proxy, a VPC endpoint or its policy; then run s3vault doctor again`;

export type Outcome = Omit<Check, 'check'>;

/** What kept a question from being asked, in the words of the cause. */
export function notAsked(facts: DoctorFacts): Outcome {
  return unknown(`could not be asked: ${reasonOf(facts)}`);
}

export function reasonOf(facts: DoctorFacts): string {
  const { resolved, handshake, credentials, reach } = facts;
  for (const step of [resolved, handshake, credentials, reach])
    if (step?.ok === false) return step.error.message;
  const untried = facts.untried && `no write was tried: ${facts.untried.reason}`;
  return untried ?? trialFailure(facts)?.error.message ?? 'nothing was tried';
}

/** What of the trial in the vault's own way failed first. */
export interface TrialFailure {
  readonly what: 'trial' | 'write' | 'read';
  readonly error: VaultError;
}

export function trialFailure({ probe }: DoctorFacts): TrialFailure | undefined {
  if (probe === undefined) return undefined;
  if (!probe.ok) return { what: 'trial', error: probe.error };
  const { write, read } = probe.value;
  if (!write.ok) return { what: 'write', error: write.error };
  return read?.ok === false ? { what: 'read', error: read.error } : undefined;
}
