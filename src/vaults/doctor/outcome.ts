import type { Check } from '../../model/doctor.ts';
import type { VaultError } from '../../model/errors.ts';
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
  ...(error.hint === undefined ? {} : { hint: error.hint }),
});

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
