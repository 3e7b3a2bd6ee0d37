/** Actions as lines of a file that people and programs read. */
import type { Entry } from './entry.ts';
import type { Action, RemoteEntry } from './plan.ts';
import type { Record } from './record.ts';

/**
 * One Action with the facts it rests on, as JSON: what stands here (`local`), what stands in the bucket (`remote`), and what
 * was last in step (`inStep`). Equal lines are the same Action in the same world. Holds no secret and no digest.
 */
export function planFileLine(action: Action): string {
  const { kind, path, reason } = action;
  const local = 'local' in action ? action.local : undefined;
  const remote = 'remote' in action ? action.remote : undefined;
  const record = 'record' in action ? action.record : undefined;
  return JSON.stringify({
    do: kind,
    path,
    reason,
    ...(local === undefined ? {} : { local: localFacts(local) }),
    ...(remote === undefined ? {} : { remote: remoteFacts(remote) }),
    ...(record === undefined ? {} : { inStep: recordFacts(record) }),
  });
}

const localFacts = ({ kind, size, mtime, ctime, inode, mode }: Entry) => ({
  kind,
  size,
  mtime: new Date(mtime).toISOString(),
  mtimeMs: mtime,
  ctimeMs: ctime,
  inode,
  mode: mode.toString(8),
});

const remoteFacts = ({ etag, size }: RemoteEntry) => ({ etag, size });

const recordFacts = ({ etag, versionId, size, modeFingerprint }: Record) => ({
  etag,
  ...(versionId === undefined ? {} : { versionId }),
  size,
  mode: modeFingerprint,
});
