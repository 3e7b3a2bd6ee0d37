import { VaultError } from '../model/errors.ts';
import type { Event } from '../model/event.ts';

/** Writes one Event down. */
export type EventLog = (event: Event) => void;

/** Flags and description of the option that every command has. */
export const LOG_LEVEL = ['--log-level <level>', 'log to stderr: error, warn, info, debug, trace'] as const;

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;

/** Throws code `log-level` for a level that there isn't. */
export function checkLevel(level: unknown): void {
  if (level === undefined || (LEVELS as readonly unknown[]).includes(level)) return;
  throw new VaultError('usage', 'log-level', `there is no log level ${JSON.stringify(level)}`, {
    hint: `use one of ${LEVELS.join(', ')}`,
  });
}

/**
 * A log is the Events written down, JSON lines on stderr: there is no second channel of strings. Gives undefined where
 * no level was asked for. Events carry no secrets, so no line does.
 */
export async function openLog(level: string | undefined): Promise<EventLog | undefined> {
  checkLevel(level);
  if (level === undefined) return undefined;
  const { destination, pino } = await import('pino');
  const log = pino({ level, base: null, timestamp: false }, destination({ dest: 2, sync: true }));
  return (event) => log[levelOf(event)](event);
}

function levelOf(event: Event): (typeof LEVELS)[number] {
  switch (event.event) {
    case 'transfer.failed':
      return event.again ? 'warn' : 'error';
    case 'warning':
    case 'throttle':
    case 'consent':
      return 'warn';
    case 'plan':
    case 'summary':
    case 'watch':
    case 'state':
      return 'info';
    case 'transfer.start':
    case 'transfer.done':
    case 'idle':
      return 'debug';
    case 'transfer.progress':
    case 'scan':
    case 'queue':
    case 'kms':
      return 'trace';
    default:
      return event satisfies never;
  }
}
