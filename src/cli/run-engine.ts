import type { EngineHandle, Outcome } from '../model/command.ts';

/**
 * Runs an engine until it ends; SIGINT and SIGTERM stop it (a second one at once). Uploads under way are journaled, so
 * an interrupted run costs nothing but the parts in flight. A reader that goes away (`| head`) stops it too.
 */
export async function runToEnd(handle: EngineHandle, run: () => Promise<Outcome>): Promise<number> {
  const stop = (): void => handle.command({ command: 'stop' });
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.stdout.once('error', stop);
  try {
    return (await run()).exit;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    process.stdout.off('error', stop);
  }
}
