import type { DaemonLog } from '../daemon/log.ts';
import { VaultError } from '../model/errors.ts';
import { type Event, written } from '../model/event.ts';

/** Writes one Event down. */
export type EventLog = (event: Event) => void;

/** Flags and description of the option that every command has. */
export const LOG_LEVEL = ['--log-level <level>', 'log to stderr: error, warn, info, debug, trace'] as const;

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
type Level = (typeof LEVELS)[number];

/** Throws code `log-level` for a level that there isn't. */
export function checkLevel(level: unknown): void {
  if (level === undefined || (LEVELS as readonly unknown[]).includes(level)) return;
  throw new VaultError('usage', 'log-level', `there is no log level ${JSON.stringify(level)}`, {
    hint: `use one of ${LEVELS.join(', ')}`,
  });
}

const STDERR = 2;
/** Bytes of lines that wait for room; what comes after them is dropped. */
const WAITING_MAX = 2 ** 20;

/** Opens the log of a level: JSON lines on stderr. */
async function openPino(level: string): Promise<(level: Level, line: object) => void> {
  checkLevel(level);
  const { destination, pino } = await import('pino');
  const to = destination({ dest: STDERR, sync: true, maxLength: WAITING_MAX });
  // A full disk: the lines wait for room, and nothing else does.
  to.on('error', () => undefined);
  const log = pino({ level, base: null, timestamp: false }, to);
  return (at, line) => log[at](line);
}

/**
 * A log is the Events written down, JSON lines on stderr: there is no second channel of strings. Gives undefined where
 * no level was asked for. Events carry no secrets, so no line does.
 */
export async function openLog(level: string | undefined): Promise<EventLog | undefined> {
  if (level === undefined) return undefined;
  const write = await openPino(level);
  return (event) => write(levelOf(event), written(event));
}

/** The daemon's log: the same, each line with the folder of its vault, and the daemon's own facts. */
export async function openDaemonLog(level: string): Promise<DaemonLog> {
  const write = await openPino(level);
  return (event, vault) => {
    const whose = vault === undefined ? {} : { vault: vault.root };
    if (event.event === 'daemon' || event.event === 'client')
      write(event.event === 'daemon' ? 'info' : 'warn', { ...event, ...whose });
    else write(levelOf(event), { ...written(event), ...whose });
  };
}

function levelOf(event: Event): Level {
  switch (event.event) {
    case 'transfer.failed':
      return event.again ? 'warn' : 'error';
    case 'warning':
    case 'throttle':
    case 'consent':
      return 'warn';
    case 'plan':
      return event.adds === true ? 'debug' : 'info';
    case 'summary':
    case 'watch':
    case 'state':
    case 'answered':
      return 'info';
    case 'transfer.start':
    case 'transfer.done':
    case 'transfer.stopped':
      return 'debug';
    case 'idle':
      return event.short === undefined ? 'debug' : 'info';
    case 'transfer.progress':
    case 'scan':
    case 'queue':
    case 'plan.less':
    case 'cleared':
    case 'kms':
      return 'trace';
    default:
      return event satisfies never;
  }
}
