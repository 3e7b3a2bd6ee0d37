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

export function reasonOf({ resolved, handshake, credentials, reach, probe }: DoctorFacts): string {
  for (const step of [resolved, handshake, credentials, reach, probe])
    if (step?.ok === false) return step.error.message;
  if (probe?.ok === true && !probe.value.write.ok) return probe.value.write.error.message;
  return 'nothing was tried';
}
