import { compareUtf8 } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import type { RemoteEntry } from '../model/plan.ts';
import type { Record } from '../model/record.ts';

/** Something that is not as it should be, as a `warning` says it. */
export interface Finding {
  readonly kind: 'missing' | 'extra' | 'differing';
  readonly code: 'missing-remotely' | 'extra' | 'foreign-name' | 'size' | 'changed-remotely' | 'other-mode';
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

export interface Pair {
  readonly record?: Record | undefined;
  readonly remote?: RemoteEntry | undefined;
}

const SEND = 's3vault sync DIR --check-remote sends it again';

/**
 * What Index and listing say of one name; undefined where they agree. `path`: what the name of an object without a Record says,
 * undefined where it is none of this vault's.
 */
export function compare(
  record: Record | undefined,
  remote: RemoteEntry | undefined,
  modeFingerprint: string,
  path?: string,
): Finding | undefined {
  if (record === undefined) return remote === undefined ? undefined : extra(remote, path);
  const name = safeName(record.path);
  const finding = (kind: Finding['kind'], code: Finding['code'], message: string, hint = SEND): Finding => ({
    kind,
    code,
    path: record.path,
    message: `${name} ${message}`,
    hint,
  });
  if (remote === undefined) return finding('missing', 'missing-remotely', 'is not in the bucket');
  if (remote.size !== record.storedSize)
    return finding(
      'differing',
      'size',
      `has ${remote.size} bytes in the bucket, and ${record.storedSize} were sent`,
    );
  if (remote.etag !== record.etag)
    return finding('differing', 'changed-remotely', 'was written again since, and not by this machine');
  if (record.modeFingerprint === modeFingerprint) return undefined;
  return finding(
    'differing',
    'other-mode',
    'is not in the mode of its vault yet',
    's3vault sync DIR sends it again',
  );
}

const extra = ({ key }: RemoteEntry, path: string | undefined): Finding =>
  path === undefined
    ? {
        kind: 'extra',
        code: 'foreign-name',
        path: key,
        message: `${safeName(key)} is in the bucket under a name that does not open with the key of this vault`,
        hint: "somebody else wrote it, or moved it; it is left alone; remove it if it is nobody's",
      }
    : {
        kind: 'extra',
        code: 'extra',
        path,
        message: `${safeName(path)} is in the bucket, and this machine has not sent it`,
        hint: "s3vault restore fetches it if it opens; remove it if it is nobody's",
      };

/** Two streams in the order of keys, as one. */
export async function* mergeKeys(
  records: Iterable<readonly Record[]>,
  remotes: AsyncIterable<readonly RemoteEntry[]>,
): AsyncIterable<Pair> {
  const left = flat(records);
  let record = left.next();
  for await (const page of remotes) {
    for (const remote of page) {
      while (record.done !== true && compareUtf8(record.value.key, remote.key) < 0) {
        yield { record: record.value };
        record = left.next();
      }
      if (record.done !== true && record.value.key === remote.key) {
        yield { record: record.value, remote };
        record = left.next();
      } else yield { remote };
    }
  }
  for (; record.done !== true; record = left.next()) yield { record: record.value };
}

function* flat<T>(pages: Iterable<readonly T[]>): Generator<T, undefined> {
  for (const page of pages) yield* page;
  return undefined;
}
