/** Decides one key where changes may come from the bucket too: local × remote × Index. Pure. */
import { type RelPath, relPath } from '../model/brands.ts';
import type { Entry } from '../model/entry.ts';
import type { Action, RemoteEntry } from '../model/plan.ts';
import type { Record } from '../model/record.ts';
import { type Difference, difference } from './detect.ts';
import { fitsHere, marksFolder } from './remote-names.ts';
import type { PlanRules, Sides } from './sides.ts';

/** What became of the object since the Record was made. `unknown`: nobody has looked. */
type RemoteChange = 'unknown' | 'gone' | 'same' | 'changed';

interface Known extends Sides {
  readonly local?: Entry | undefined;
}

/** `both`: each side gets what the other one changed. What both changed is compared, and kept twice where it differs. */
export function decideBoth(sides: Known, rules: PlanRules): Action | undefined {
  const { local, record, remote } = sides;
  if (local === undefined) return decideAbsent(sides, rules);
  if (record === undefined) {
    return remote === undefined ? putOf(sides, local, rules, 'new') : conflictOf(local, remote, undefined);
  }
  const change = remoteChange(sides, rules);
  const differs = difference(local, record);
  if (change === 'changed' && remote !== undefined) return meetChange(local, remote, record, differs);
  if (differs === 'changed') {
    return putOf(sides, local, rules, change === 'gone' ? 'missing-remotely' : 'changed');
  }
  if (change === 'gone') return removeLocal(local, record, rules);
  if (record.modeFingerprint !== rules.modeFingerprint) return putOf(sides, local, rules, 'other-mode');
  return differs === 'doubt' ? putOf(sides, local, rules, 'touched') : undefined;
}

/** `pull`: the folder gets what the bucket has. Nothing is sent; what was changed here is kept. */
export function decidePull(sides: Known, rules: PlanRules): Action | undefined {
  const { key, local, record, remote } = sides;
  if (!rules.listed) return undefined;
  if (local === undefined) return decideAbsent(sides, rules);
  const skip = (reason: 'local-only' | 'local-changed'): Action => ({
    kind: 'skip',
    key,
    path: local.path,
    reason,
  });
  if (record === undefined) {
    return remote === undefined ? skip('local-only') : conflictOf(local, remote, undefined);
  }
  const differs = difference(local, record);
  if (remote === undefined) {
    return differs === 'changed' ? skip('local-changed') : removeLocal(local, record, rules);
  }
  if (remote.etag !== record.etag) return meetChange(local, remote, record, differs);
  return differs === 'changed' ? skip('local-changed') : undefined;
}

/** Nothing stands here: it is fetched, or what was removed here is removed there. */
function decideAbsent(sides: Known, rules: PlanRules): Action | undefined {
  const { key, remote, record } = sides;
  const path = record?.path ?? relPath(sides.path ?? key);
  if (record === undefined && remote === undefined) return undefined;
  if (sides.path === null && remote !== undefined) return foreign(remote);
  // Rules are for paths of this folder; what a stranger calls an object may be none.
  if (record === undefined && remote !== undefined && !fitsHere(path)) return unfit(remote, path);
  if (rules.ignores(path)) return undefined;
  if (record === undefined) return remote === undefined ? undefined : getNew(remote, path);
  const base = { key, path, record };
  const change = remoteChange(sides, rules);
  if (change === 'gone') return { ...base, kind: 'forget', reason: 'gone-on-both' };
  if (remote !== undefined && change === 'changed')
    return { ...base, kind: 'get', reason: 'changed', remote };
  if (rules.direction === 'pull') {
    return remote === undefined ? undefined : { ...base, kind: 'get', reason: 'missing-locally', remote };
  }
  if (!rules.removals) return { kind: 'skip', key, path, reason: 'removal-off', stays: record };
  return { ...base, kind: 'remove-remote', reason: 'gone-locally' };
}

function remoteChange({ remote, record }: Known, { listed }: PlanRules): RemoteChange {
  if (remote !== undefined) return remote.etag === record?.etag ? 'same' : 'changed';
  return listed ? 'gone' : 'unknown';
}

function foreign(remote: RemoteEntry): Action | undefined {
  const { key } = remote;
  return marksFolder(remote) ? undefined : { kind: 'skip', key, path: relPath(key), reason: 'foreign-name' };
}

function unfit(remote: RemoteEntry, path: RelPath): Action | undefined {
  const { key } = remote;
  return marksFolder(remote) ? undefined : { kind: 'skip', key, path, reason: 'remote-name' };
}

const getNew = (remote: RemoteEntry, path: RelPath): Action | undefined =>
  marksFolder(remote) ? undefined : { kind: 'get', key: remote.key, path, reason: 'new', remote };

/** The object changed. A file that provably did not is replaced; any other is compared first. */
function meetChange(local: Entry, remote: RemoteEntry, record: Record, differs: Difference): Action {
  if (differs !== 'same') return conflictOf(local, remote, record);
  const { key, path } = local;
  return { kind: 'get', key, path, reason: 'changed', remote, local, record };
}

function conflictOf(local: Entry, remote: RemoteEntry, record: Record | undefined): Action {
  const { key, path } = local;
  const base = { kind: 'conflict', key, path, local, remote } as const;
  return record === undefined
    ? { ...base, reason: 'first-contact' }
    : { ...base, reason: 'both-changed', record };
}

function removeLocal(local: Entry, record: Record, { removals }: PlanRules): Action {
  const { key, path } = local;
  if (!removals) return { kind: 'skip', key, path, reason: 'kept-here' };
  return { kind: 'remove-local', key, path, reason: 'gone-remotely', local, record };
}

function putOf(
  { record, remote }: Known,
  local: Entry,
  { maxSize }: PlanRules,
  reason: 'new' | 'changed' | 'touched' | 'other-mode' | 'missing-remotely',
): Action {
  const { key, path } = local;
  if (local.size > maxSize) return { kind: 'skip', key, path, reason: 'too-large' };
  return {
    kind: 'put',
    key,
    path,
    local,
    reason,
    ...(reason === 'touched' ? { doubt: 'stamp' as const } : {}),
    ...(record === undefined ? {} : { record }),
    ...(remote === undefined ? {} : { remote }),
  };
}
