/** The rules of a bucket that s3vault stands for, as policy statements. */
import { createHash } from 'node:crypto';
import type { ModeKind } from '../../model/mode.ts';
import type { TlsVersion } from '../../model/vault.ts';
import { type Ground, type Guard, isKms, isUnnamed, sides } from './guard.ts';
import { OWN_SID, type Statement } from './policy-text.ts';

export { type Ground, type Guard, ownWay } from './guard.ts';

/** Partition of a region's ARNs (AWS General Reference, "Amazon Resource Names"). */
export function partitionOf({ region, isAws }: Ground): string {
  if (!isAws) return 'aws';
  const found = PARTITIONS.find(([start]) => region.startsWith(start));
  return found?.[1] ?? 'aws';
}

const PARTITIONS: readonly (readonly [string, string])[] = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-isob-', 'aws-iso-b'],
  ['us-isof-', 'aws-iso-f'],
  ['eu-isoe-', 'aws-iso-e'],
  ['us-iso-', 'aws-iso'],
  ['eusc-', 'aws-eusc'],
];

export const bucketArn = (ground: Ground): string => `arn:${partitionOf(ground)}:s3:::${ground.bucket}`;

/** Characters that mean something in a pattern stand for themselves among others. */
export const objectsArn = (ground: Ground, prefix = ''): string =>
  `${bucketArn(ground)}/${prefix.replace(/[*?$]/g, '?')}*`;

const PLAIN_HTTP = `${OWN_SID}DenyPlainHttp`;
const OLD_TLS = `${OWN_SID}DenyOldTls`;

/** Sids hold letters and digits only; statements for one prefix share an ending, the whole bucket has none. */
function sidOf(name: string, prefix: string): string {
  const ending = prefix === '' ? '' : createHash('sha256').update(prefix).digest('hex').slice(0, 8);
  return `${OWN_SID}${name}${ending}`;
}

export const SSE = 's3:x-amz-server-side-encryption';
export const KMS_KEY = `${SSE}-aws-kms-key-id`;
export const CUSTOMER = `${SSE}-customer-algorithm`;
export const SECURE = 'aws:SecureTransport';
export const BY_AWS = 'aws:PrincipalIsAWSService';
export const TLS = 's3:TlsVersion';

/**
 * Plain HTTP is refused for every action on bucket and objects. AWS's own services call without these keys and are let
 * through; `IfExists`, because a request without a signature does not have the second key and must not slip by.
 */
export function plainHttpRule(ground: Ground): Statement {
  return {
    Sid: PLAIN_HTTP,
    ...everything(ground),
    Condition: { Bool: { [SECURE]: 'false' }, BoolIfExists: { [BY_AWS]: 'false' } },
  };
}

export function oldTlsRule(ground: Ground, least: TlsVersion): Statement {
  return {
    Sid: OLD_TLS,
    ...everything(ground),
    Condition: { NumericLessThan: { [TLS]: least }, BoolIfExists: { [BY_AWS]: 'false' } },
  };
}

const everything = (ground: Ground) =>
  ({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: [bucketArn(ground), objectsArn(ground)],
  }) as const;

/**
 * What a write must say in each mode; in two, while objects move from one to the other. A negated operator also holds where
 * the header is absent (IAM User Guide), and with several values where none of them fits.
 */
export function modeRules(ground: Ground, guard: Guard): readonly Statement[] {
  const ways = sides(guard);
  if (ways.some(({ mode }) => mode === 'client')) return [];
  const rule = (name: string, Condition: Statement['Condition']): Statement => ({
    Sid: sidOf(name, guard.prefix),
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: objectsArn(ground, guard.prefix),
    Condition,
  });
  const algorithms = ways.flatMap(({ mode }) => ALGORITHMS[mode] ?? []);
  const header = rule('RequireHeader', {
    ...(ways.some(({ mode }) => mode === 'sse-c') ? { Null: { [CUSTOMER]: 'true' } } : {}),
    ...(algorithms.length === 0 ? {} : { StringNotEquals: { [SSE]: oneOf(algorithms) } }),
  });
  const kms = ways.filter(isKms);
  if (kms.length === 0 || kms.some(isUnnamed)) return [header];
  const others = kms.length === ways.length ? {} : { StringEquals: { [SSE]: oneOf(kms.map(algorithmOf)) } };
  const keys = kms.flatMap(({ kmsKey }) => kmsKey ?? []);
  return [header, rule('RequireKey', { StringNotEquals: { [KMS_KEY]: oneOf(keys) }, ...others })];
}

const algorithmOf = ({ mode }: Guard): string => ALGORITHMS[mode] ?? '';

/** Each once; a single one is no list. */
function oneOf(values: readonly string[]): string | readonly string[] {
  const once = [...new Set(values)];
  const [first = ''] = once;
  return once.length === 1 ? first : once;
}

export const ALGORITHMS: { readonly [M in ModeKind]: string | undefined } = {
  client: undefined,
  'sse-c': undefined,
  'sse-kms': 'aws:kms',
  'dsse-kms': 'aws:kms:dsse',
  'sse-s3': 'AES256',
};

/** Whether an own statement belongs to one of these guards: it is replaced or removed with them. */
export function belongsTo(sid: string, guards: readonly Pick<Guard, 'prefix'>[]): boolean {
  return guards.some(({ prefix }) =>
    [sidOf('RequireHeader', prefix), sidOf('RequireKey', prefix)].includes(sid),
  );
}

/** The prefix that an own statement about encryption is for, of those above a place; undefined where it is none of them. */
export function prefixOfSid(sid: string, place: string): string | undefined {
  const folders = place.split('/').slice(0, -1);
  const above = ['', ...folders.map((_, at) => `${folders.slice(0, at + 1).join('/')}/`)];
  return above.find((prefix) => belongsTo(sid, [{ prefix }]));
}

export const isTlsSid = (sid: string): boolean => sid === PLAIN_HTTP || sid === OLD_TLS;
export const isOldTlsSid = (sid: string): boolean => sid === OLD_TLS;
