/** The rules of a bucket as questions to its policy. */
import type { ModeKind } from '../../model/mode.ts';
import type { Ground, Guard } from './guard.ts';
import { EVERY_ACTION, type Facts, type Question } from './policy-eval.ts';
import { ALGORITHMS, CUSTOMER, KMS_KEY, SECURE, BY_AWS, SSE, TLS, bucketArn } from './rules.ts';

const key = (name: string): string => name.toLowerCase();

/** A request over plain HTTP: by somebody with credentials, or by nobody in particular. */
export function plainHttpQuestions(ground: Ground, signed: boolean): readonly Question[] {
  const facts: Facts = new Map([
    [key(SECURE), 'false'],
    [key(TLS), undefined],
    [key(BY_AWS), signed ? 'false' : undefined],
  ]);
  return allOver(ground, facts);
}

export function oldTlsQuestions(ground: Ground, version: string): readonly Question[] {
  return allOver(
    ground,
    new Map([
      [key(SECURE), 'true'],
      [key(TLS), version],
      [key(BY_AWS), 'false'],
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
  [key(BY_AWS), 'false'],
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

/** What s3vault itself cannot do without in a vault: if one of these is refused, it is locked out. */
export function ownQuestions(ground: Ground, guard: Guard, tls: string | undefined): readonly Question[] {
  const [below, bucket] = placesOf(ground, guard);
  // Parts and Complete are judged as the upload they belong to; vault.json goes the same way as every object.
  const headers = new Map([...secure(tls), ...writeFacts(guard.mode, guard.kmsKey)]);
  const bare = readFacts(guard, tls);
  return [
    ours('s3:PutObject', below, headers),
    ...['s3:GetObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'].map((action) =>
      ours(action, below, bare),
    ),
    ...['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:PutBucketPolicy', 's3:GetBucketPolicy'].map(
      (action) => ours(action, bucket, bare),
    ),
  ];
}

/** What is needed to remove objects. Without it a vault goes on working, and nothing that is tried can be taken back. */
export function removalQuestions(ground: Ground, guard: Guard): readonly Question[] {
  const [below] = placesOf(ground, guard);
  return ['s3:DeleteObject', 's3:DeleteObjectVersion'].map((action) =>
    ours(action, below, readFacts(guard, undefined)),
  );
}

const placesOf = (ground: Ground, { prefix }: Guard) =>
  [
    { arn: `${bucketArn(ground)}/${prefix}`, below: true },
    { arn: bucketArn(ground), below: false },
  ] as const;

/** The customer's key goes along with reads, too. */
const readFacts = ({ mode }: Guard, tls: string | undefined): Facts =>
  new Map([...secure(tls), ...writeFacts(mode === 'sse-c' ? mode : 'plain')]);

const ours = (action: string, resource: Question['resource'], facts: Facts): Question => ({
  action,
  resource,
  facts,
  principal: 'us',
});
