/** What else a change of a bucket's settings brings about, beside what its diff says. */
import { ACCESS_SWITCHES } from '../model/bucket.ts';
import type { Change } from '../vaults/bucket.ts';

/** One sentence each, for who has to agree. `all`: what is changed together. */
export function effectsOf(change: Change, all: readonly Change[] = [change]): readonly string[] {
  switch (change.setting) {
    case 'versioning':
      return versioning(all);
    case 'ownership':
      return ownership(change);
    case 'publicAccess':
      return publicAccess(change);
    case 'encryption':
      return encryption(change);
    case 'lifecycle':
      return lifecycle(change);
    case 'policy':
      return change.after === undefined
        ? []
        : ['it holds for everybody who uses this bucket, not for s3vault alone'];
    default:
      return change satisfies never;
  }
}

type Of<S extends Change['setting']> = Extract<Change, { readonly setting: S }>;

function versioning(all: readonly Change[]): readonly string[] {
  const ends = all.some((one) => one.setting === 'lifecycle' && one.after.rules.some(endsVersions));
  return [
    'what is replaced or removed stays as an old version, and is paid for like the rest',
    ...(ends
      ? []
      : ['nothing ends old versions unless a lifecycle rule does: --expire-versions DAYS adds one']),
    'it can be suspended later, but never be switched off again',
  ];
}

const endsVersions = ({
  enabled,
  oldVersionsDays,
}: {
  enabled: boolean;
  oldVersionsDays?: number;
}): boolean => enabled && oldVersionsDays !== undefined;

function ownership({ after }: Of<'ownership'>): readonly string[] {
  if (after !== 'BucketOwnerEnforced') return [];
  return [
    'ACLs of the bucket and its objects count no longer: who has access by an ACL alone (another account, server access logs) loses it; give it by policy first',
    'the bucket owner owns every object, and uploads that send another ACL than bucket-owner-full-control are refused',
  ];
}

function publicAccess({ before, after }: Of<'publicAccess'>): readonly string[] {
  const on = ACCESS_SWITCHES.filter(([name]) => after[name] && before?.[name] !== true);
  return on.length === 0
    ? []
    : [
        'what the public reads here by ACL or policy, such as a website, is closed; policies that open it are refused',
      ];
}

function encryption({ before, after }: Of<'encryption'>): readonly string[] {
  const key = after.kmsKeyId !== before?.kmsKeyId && after.kmsKeyId !== undefined;
  const blocks = (value: typeof before): boolean => value?.blocked?.includes('SSE-C') === true;
  return [
    ...(key
      ? [
          'what anybody writes without an encryption header is under this KMS key from now on: whoever writes or reads it needs the right to use that key',
        ]
      : []),
    ...(after.bucketKey && before?.bucketKey !== true
      ? [
          'KMS sees the bucket instead of each object: key policies that ask for the ARN of an object refuse it then',
        ]
      : []),
    ...(blocks(after) && !blocks(before)
      ? ['writes under keys that come with the request (SSE-C) are refused, whatever program makes them']
      : []),
    ...(blocks(before) && !blocks(after)
      ? ['writes under keys that come with the request (SSE-C) are let through, whatever program makes them']
      : []),
  ];
}

function lifecycle({ before, after }: Of<'lifecycle'>): readonly string[] {
  const had = new Set((before?.rules ?? []).map((rule) => JSON.stringify(rule)));
  const added = after.rules.filter((rule) => !had.has(JSON.stringify(rule)));
  return added.flatMap(({ abortUploadsDays, oldVersionsDays }) => [
    ...(abortUploadsDays === undefined
      ? []
      : [
          `uploads that are unfinished after ${abortUploadsDays} days, of any program, are called off and their parts removed`,
        ]),
    ...(oldVersionsDays === undefined
      ? []
      : [`versions that were replaced or removed ${oldVersionsDays} days ago are removed for good`]),
  ]);
}
