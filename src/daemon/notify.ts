/**
 * What systemd wants to hear of a service with `Type=notify` (sd_notify(3)). Node has no datagram sockets of the file
 * system, so the messages go out through `systemd-notify`, which is wherever systemd is; the unit allows that with
 * `NotifyAccess=all`.
 */
import { execFile } from 'node:child_process';
import type { Clock } from '../model/ports.ts';

export interface Notifier {
  ready(): void;
  /** Shown by `systemctl status`; repeated texts and those that follow quickly are saved. */
  status(text: string): void;
  /** A reload begins; `ready` ends it. `monotonicUs`: CLOCK_MONOTONIC. */
  reloading(monotonicUs: bigint): void;
  stopping(): void;
  /** Resolves when what was said has been sent. */
  settled(): Promise<void>;
  close(): void;
}

export interface NotifyOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  readonly clock: Clock;
  /** Asked before each sign of life to the watchdog. */
  readonly alive: () => boolean;
  /** Called once, where nothing can be sent. */
  readonly onTrouble: (message: string) => void;
}

const STATUS_EVERY_MS = 2_000;
const SEND_LIMIT_MS = 5_000;

/** Undefined where nobody listens. */
export function openNotifier(options: NotifyOptions): Notifier | undefined {
  const { env, clock, alive } = options;
  const socket = env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return undefined;
  const send = sender(socket, options);
  const endWatchdog = watchdog(options, () => alive() && void send('WATCHDOG=1'));
  let [said, wanted] = ['', ''];
  let resting: (() => void) | undefined;
  const say = (): void => {
    if (said === wanted) return;
    said = wanted;
    void send(`STATUS=${said}`);
    resting = clock.after(STATUS_EVERY_MS, () => {
      resting = undefined;
      say();
    });
  };
  return {
    ready: () => void send('READY=1'),
    status: (text) => {
      // Messages are lines: a name must not become one of its own.
      wanted = text.replaceAll(/[\u0000-\u001f\u007f]/g, ' ');
      if (resting === undefined) say();
    },
    reloading: (monotonicUs) => void send('RELOADING=1', `MONOTONIC_USEC=${monotonicUs}`),
    stopping: () =>
      void send('STOPPING=1', 'STATUS=ending; what is under way is finished or kept for next time'),
    settled: () => send(),
    close: () => {
      endWatchdog();
      resting?.();
    },
  };
}

/** Sends one message after the other, each by a process of its own; without words, waits for those before. */
function sender(
  socket: string,
  { env, onTrouble }: NotifyOptions,
): (...words: readonly string[]) => Promise<void> {
  let turn: Promise<void> = Promise.resolve();
  let troubled = false;
  const run = (words: readonly string[]): Promise<void> =>
    new Promise((resolve) => {
      const childEnv = { PATH: env['PATH'] ?? '/usr/bin:/bin', NOTIFY_SOCKET: socket };
      execFile('systemd-notify', [...words], { env: childEnv, timeout: SEND_LIMIT_MS }, (error) => {
        if (error !== null && !troubled) {
          troubled = true;
          onTrouble(`systemd cannot be told: systemd-notify ${whatOf(error)}`);
        }
        resolve();
      });
    });
  return (...words) => {
    if (words.length > 0) turn = turn.then(() => run(words));
    return turn;
  };
}

function whatOf({ code, killed }: Error & { code?: string | number | null; killed?: boolean }): string {
  if (code === 'ENOENT') return 'is not installed';
  return killed === true ? 'did not end' : `ended with ${code ?? 'a signal'}`;
}

/** Calls `beat` at half of the time that systemd waits, where it does so for this process (sd_watchdog_enabled(3)). */
function watchdog({ env, pid, clock }: NotifyOptions, beat: () => unknown): () => void {
  const microseconds = Number(env['WATCHDOG_USEC'] ?? 0);
  const whose = env['WATCHDOG_PID'];
  if (!(microseconds > 0) || (whose !== undefined && whose !== String(pid))) return () => undefined;
  let callOff: () => void;
  const arm = (): void => {
    callOff = clock.after(microseconds / 2_000, () => {
      beat();
      arm();
    });
  };
  arm();
  return () => callOff();
}

const OWN = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'FDSTORE', 'S3VAULT_HEARTBEAT_URL'];

/** The environment for everything else: what systemd says to this process is not for its children. */
export function withoutNotify(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OWN.includes(name)));
}
