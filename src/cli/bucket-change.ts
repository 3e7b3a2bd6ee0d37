/** What hardening would change, in the words of the command line. */
import {
  type DefaultEncryption,
  type Lifecycle,
  type LifecycleRule,
  type PublicAccess,
  SETTING_WORDS,
} from '../model/bucket.ts';
import type { Change } from '../vaults/bucket.ts';
import { effectsOf } from './bucket-effects.ts';
import { lineDiff } from './line-diff.ts';
import { hung } from './lines.ts';

/** The setting's name, then what goes (`-`) and what comes (`+`), then what else comes of it. */
export function changeText(change: Change, all?: readonly Change[]): string {
  const [before, after] = texts(change);
  const lines = lineDiff(before, after).map((line) => `  ${line}`.trimEnd());
  const total = removed(change) ? ['  - the whole policy is removed'] : [];
  const effects = effectsOf(change, all).map((effect) => hung('  · ', effect).trimEnd());
  return [SETTING_WORDS[change.setting], ...lines, ...total, ...effects].join('\n');
}

const removed = (change: Change): boolean => change.setting === 'policy' && change.after === undefined;

function texts(change: Change): readonly [string, string] {
  switch (change.setting) {
    case 'policy':
      return [pretty(change.before), pretty(change.after)];
    case 'encryption':
      return [encryption(change.before), encryption(change.after)];
    case 'versioning':
      return [change.before ?? 'off', change.after];
    case 'publicAccess':
      return [access(change.before), access(change.after)];
    case 'ownership':
      return [change.before ?? 'not set', change.after];
    case 'lifecycle':
      return [rules(change.before), rules(change.after)];
    default:
      return change satisfies never;
  }
}

/** A store may give the policy back on one line. */
const pretty = (policy: string | undefined): string =>
  policy === undefined ? '' : JSON.stringify(JSON.parse(policy), undefined, 2);

function encryption(value: DefaultEncryption | undefined): string {
  if (value === undefined) return 'not set';
  const { algorithm, kmsKeyId, bucketKey, blocked } = value;
  return [
    `algorithm  ${algorithm}`,
    ...(kmsKeyId === undefined ? [] : [`key        ${kmsKeyId}`]),
    `Bucket Key ${bucketKey ? 'on' : 'off'}`,
    ...(blocked === undefined ? [] : [`SSE-C      ${blocked.includes('SSE-C') ? 'blocked' : 'allowed'}`]),
  ].join('\n');
}

function access(value: PublicAccess | undefined): string {
  if (value === undefined) return 'not set';
  const word = (on: boolean): string => (on ? 'on' : 'off');
  return [
    `BlockPublicAcls       ${word(value.blockAcls)}`,
    `IgnorePublicAcls      ${word(value.ignoreAcls)}`,
    `BlockPublicPolicy     ${word(value.blockPolicy)}`,
    `RestrictPublicBuckets ${word(value.restrictBuckets)}`,
  ].join('\n');
}

const rules = (value: Lifecycle | undefined): string =>
  value === undefined ? 'no rules' : value.rules.map(rule).join('\n');

function rule({
  id,
  enabled,
  prefix,
  abortUploadsDays,
  oldVersionsDays,
  removesObjects,
}: LifecycleRule): string {
  const what = [
    ...(abortUploadsDays === undefined ? [] : [`unfinished uploads end after ${abortUploadsDays} days`]),
    ...(oldVersionsDays === undefined ? [] : [`old versions end after ${oldVersionsDays} days`]),
    ...(removesObjects === undefined ? [] : [`objects are removed ${removesObjects}`]),
  ];
  const place = prefix === undefined ? 'some objects' : prefix === '' ? 'all objects' : prefix;
  const text = what.length === 0 ? 'something else' : what.join(', ');
  return `${id ?? 'unnamed'} (${place})${enabled ? '' : ', switched off'}: ${text}`;
}
