import type { Finding, Setting, Severity } from '../../model/bucket.ts';

export interface Base {
  readonly code: string;
  readonly severity: Severity;
}

export const ok = (base: Base, title: string, reason: string): Finding => ({
  ...base,
  state: 'ok',
  title,
  reason,
});
export const problem = (base: Base, title: string, reason: string, fix: string): Finding => ({
  ...base,
  state: 'problem',
  title,
  reason,
  fix,
});
export const note = (base: Base, title: string, reason: string): Finding => ({
  ...base,
  state: 'note',
  title,
  reason,
});

/** A setting that could not be read. */
export function unread(
  base: Base,
  title: string,
  setting: Extract<Setting<unknown>, { state: 'unknown' }>,
): Finding {
  const fix =
    setting.why === 'denied'
      ? 'allow these credentials to read it, or let the owner of the bucket run the audit'
      : setting.why === 'failed'
        ? 'try again'
        : undefined;
  return {
    ...base,
    state: 'unknown',
    title,
    reason: setting.reason,
    ...(fix === undefined ? {} : { fix }),
  };
}
