import { VaultError } from '../model/errors.ts';

const UNITS: { readonly [unit: string]: number } = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** A time, absolute (ISO 8601; without a zone: local time) or so long ago (`2d`, `90m`, `1d12h`). In ms since 1970. */
export function parseTime(text: string, now: number): number {
  const relative = /^(?:\d+(?:\.\d+)?[smhdw])+$/.test(text);
  if (relative) {
    let ago = 0;
    for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g))
      ago += Number(count) * (UNITS[unit ?? ''] ?? 0);
    return now - ago;
  }
  const iso = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(
    text,
  );
  // A date alone would be taken for UTC; people mean their own midnight.
  const time = iso
    ? Date.parse(text.length === 10 ? `${text}T00:00:00` : text.replace(' ', 'T'))
    : Number.NaN;
  if (Number.isNaN(time) || !isDay(text.slice(0, 10))) {
    throw new VaultError('usage', 'bad-time', `${JSON.stringify(text)} is not a time`, {
      hint: 'write 2026-11-24T18:30, 2026-11-24T17:30Z, or how long ago: 2d, 90m, 1d12h',
    });
  }
  if (time > now) {
    throw new VaultError('usage', 'bad-time', `${text} is in the future`, {
      hint: 'leave --at out for the newest state',
    });
  }
  return time;
}

/** `Date.parse` takes 30 February for 2 March. */
function isDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number);
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return day >= 1 && day <= last;
}
