/** The rules of a bucket that s3vault stands for, as policy statements and as questions to a policy. */
import { createHash } from 'node:crypto';
import type { TrialHow } from '../../model/bucket.ts';
import type { ModeKind } from '../../model/mode.ts';
import type { TlsVersion } from '../../model/vault.ts';
import { EVERY_ACTION, type Facts, type Question } from './policy-eval.ts';
import { OWN_SID, type Statement } from './policy-text.ts';

/** Part of a bucket that is written in one mode: a vault's prefix, or the whole bucket. */
export interface Guard {
  /** Empty, or ends with `/`. */
  readonly prefix: string;
  readonly mode: ModeKind;
  /** KMS modes: the key as it is sent, and the encryption context that goes with it. */
  readonly kmsKeyId?: string;
  readonly context?: Readonly<Record<string, string>>;
  /** KMS modes: the key as the store names it in its answers (its ARN on AWS); undefined while that is not known. */
  readonly kmsKey?: string;
  /** The folder whose vault it is; undefined where a mode was named on the command line. */
  readonly vault?: string;
}

/** The bucket that rules are about. */
export interface Ground {
  readonly bucket: string;
  readonly region: string;
  readonly isAws: boolean;
}

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

const SSE = 's3:x-amz-server-side-encryption';
const KMS_KEY = `${SSE}-aws-kms-key-id`;
const CUSTOMER = `${SSE}-customer-algorithm`;
const SECURE = 'aws:SecureTransport';
const SERVICE = 'aws:PrincipalIsAWSService';
const TLS = 's3:TlsVersion';

/**
 * Plain HTTP is refused for every action on bucket and objects. AWS's own services call without these keys and are let
 * through; `IfExists`, because a request without a signature does not have the second key and must not slip by.
 */
export function plainHttpRule(ground: Ground): Statement {
  return {
    Sid: PLAIN_HTTP,
    ...everything(ground),
    Condition: { Bool: { [SECURE]: 'false' }, BoolIfExists: { [SERVICE]: 'false' } },
  };
}

export function oldTlsRule(ground: Ground, least: TlsVersion): Statement {
  return {
    Sid: OLD_TLS,
    ...everything(ground),
    Condition: { NumericLessThan: { [TLS]: least }, BoolIfExists: { [SERVICE]: 'false' } },
  };
}

const everything = (ground: Ground) =>
  ({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: [bucketArn(ground), objectsArn(ground)],
  }) as const;

/** What a write must say in each mode. A negated operator also holds where the header is absent (IAM User Guide). */
export function modeRules(ground: Ground, guard: Guard): readonly Statement[] {
  const { prefix, kmsKey } = guard;
  const algorithm = ALGORITHMS[guard.mode];
  const rule = (name: string, Condition: Statement['Condition']): Statement => ({
    Sid: sidOf(name, prefix),
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: objectsArn(ground, prefix),
    Condition,
  });
  if (guard.mode === 'sse-c') return [rule('RequireHeader', { Null: { [CUSTOMER]: 'true' } })];
  if (algorithm === undefined) return [];
  const header = rule('RequireHeader', { StringNotEquals: { [SSE]: algorithm } });
  return kmsKey === undefined
    ? [header]
    : [header, rule('RequireKey', { StringNotEquals: { [KMS_KEY]: kmsKey } })];
}

const ALGORITHMS: { readonly [M in ModeKind]: string | undefined } = {
  client: undefined,
  'sse-c': undefined,
  'sse-kms': 'aws:kms',
  'dsse-kms': 'aws:kms:dsse',
  'sse-s3': 'AES256',
};

/** Whether an own statement belongs to one of these guards: it is replaced or removed with them. */
export function belongsTo(sid: string, guards: readonly Guard[]): boolean {
  return guards.some(({ prefix }) =>
    [sidOf('RequireHeader', prefix), sidOf('RequireKey', prefix)].includes(sid),
  );
}

export const isTlsSid = (sid: string): boolean => sid === PLAIN_HTTP || sid === OLD_TLS;
export const isOldTlsSid = (sid: string): boolean => sid === OLD_TLS;

// --------------------------------------------------------------------------------------------------------- questions

const key = (name: string): string => name.toLowerCase();

/** A request over plain HTTP: by somebody with credentials, or by nobody in particular. */
export function plainHttpQuestions(ground: Ground, signed: boolean): readonly Question[] {
  const facts: Facts = new Map([
    [key(SECURE), 'false'],
    [key(TLS), undefined],
    [key(SERVICE), signed ? 'false' : undefined],
  ]);
  return allOver(ground, facts);
}

export function oldTlsQuestions(ground: Ground, version: string): readonly Question[] {
  return allOver(
    ground,
    new Map([
      [key(SECURE), 'true'],
      [key(TLS), version],
      [key(SERVICE), 'false'],
    ]),
  );
}

const allOver = (ground: Ground, facts: Facts): readonly Question[] => [
  { action: EVERY_ACTION, resource: { arn: bucketArn(ground), below: false }, facts, principal: 'everyone' },
  {
    action: EVERY_ACTION,
    resource: { arn: `${bucketArn(ground)}/`, below: true },
    facts,
    principal: 'everyone',
  },
];

/** A write under a guard's prefix with these headers: everybody's. */
export function writeQuestion(ground: Ground, guard: Guard, headers: Facts): Question {
  return {
    action: 's3:PutObject',
    resource: { arn: `${bucketArn(ground)}/${guard.prefix}`, below: true },
    facts: new Map([...secure(undefined), ...headers]),
    principal: 'everyone',
  };
}

const secure = (tls: string | undefined): readonly (readonly [string, string | undefined])[] => [
  [key(SECURE), 'true'],
  [key(SERVICE), 'false'],
  ...(tls === undefined ? [] : ([[key(TLS), tls]] as const)),
];

/** The encryption headers of a write as condition keys; those it does not send are absent. */
export function writeFacts(mode: ModeKind | 'plain', kmsKey?: string): Facts {
  const kms = mode === 'sse-kms' || mode === 'dsse-kms';
  const facts = new Map([
    [key(SSE), mode === 'plain' ? undefined : ALGORITHMS[mode]],
    [key(KMS_KEY), kms ? kmsKey : undefined],
    [key(CUSTOMER), mode === 'sse-c' ? 'AES256' : undefined],
  ]);
  // A key is sent, but how the store will name it is not known: not the same as none.
  if (kms && kmsKey === undefined) facts.delete(key(KMS_KEY));
  return facts;
}

/** Everything s3vault itself asks for in a vault: if one of these is refused, it is locked out. */
export function ownQuestions(ground: Ground, guard: Guard, tls: string | undefined): readonly Question[] {
  const below = { arn: `${bucketArn(ground)}/${guard.prefix}`, below: true } as const;
  const bucket = { arn: bucketArn(ground), below: false } as const;
  // Parts and Complete are judged as the upload they belong to; vault.json goes the same way as every object.
  const headers = new Map([...secure(tls), ...writeFacts(guard.mode, guard.kmsKey)]);
  // The customer's key goes along with reads, too.
  const bare = guard.mode === 'sse-c' ? headers : new Map([...secure(tls), ...writeFacts('plain')]);
  const ask = (action: string, resource: Question['resource'], facts: Facts): Question => ({
    action,
    resource,
    facts,
    principal: 'us',
  });
  return [
    ask('s3:PutObject', below, headers),
    ...['s3:GetObject', 's3:DeleteObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'].map(
      (action) => ask(action, below, bare),
    ),
    ...['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:PutBucketPolicy', 's3:GetBucketPolicy'].map(
      (action) => ask(action, bucket, bare),
    ),
  ];
}

/** A write as the vault makes it. */
export function ownWay({ mode, kmsKeyId, kmsKey, context = {} }: Guard): TrialHow {
  switch (mode) {
    case 'client':
      return { kind: 'plain' };
    case 'sse-c':
    case 'sse-s3':
      return { kind: mode };
    case 'sse-kms':
    case 'dsse-kms':
      return { kind: mode, keyId: kmsKeyId ?? kmsKey ?? '', context };
    default:
      return mode satisfies never;
  }
}

/** What mends the findings: the same command line that was asked about. */
export function hardenCommand({ bucket }: Ground, guards: readonly Guard[]): string {
  const named = guards.find(({ vault }) => vault === undefined);
  if (named === undefined) return `s3vault bucket harden ${bucket}`;
  const place = named.prefix === '' ? bucket : `s3://${bucket}/${named.prefix}`;
  const key = named.kmsKeyId === undefined ? '' : ` --kms-key ${named.kmsKeyId}`;
  return `s3vault bucket harden ${place} --mode ${named.mode}${key}`;
}
