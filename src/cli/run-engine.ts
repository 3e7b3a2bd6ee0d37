import type { EngineHandle, Outcome } from '../model/command.ts';
import { besideOutput } from './stdout.ts';

/**
 * Runs an engine until it ends; SIGINT and SIGTERM stop it (a second one at once). Uploads under way are journaled, so
 * an interrupted run costs nothing but the parts in flight. A reader that goes away (`| head`) stops it too; a full disk
 * behind what is printed does not.
 */
export async function runToEnd(handle: EngineHandle, run: () => Promise<Outcome>): Promise<number> {
  const stop = (): void => handle.command({ command: 'stop' });
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return (await besideOutput(stop, run)).exit;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
