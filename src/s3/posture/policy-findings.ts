/** What a bucket's policy refuses, and what it lets pass. */
import type { BucketFacts, Finding, Setting } from '../../model/bucket.ts';
import { asVaultError } from '../../model/errors.ts';
import { MODE_KINDS } from '../../model/mode.ts';
import { note, ok, problem, unread } from './finding.ts';
import { type Coverage, type Question, deniedBy } from './policy-eval.ts';
import { publicStatements } from './policy-public.ts';
import { ownRuleIn } from './own-rule.ts';
import { VERSION, readPolicy } from './policy-text.ts';
import { type Ground, type Guard, hardenCommand, isKms, sides } from './guard.ts';
import {
  oldTlsQuestions,
  ownQuestions,
  plainHttpQuestions,
  removalQuestions,
  writeFacts,
  writeQuestion,
} from './questions.ts';

export function policyFindings(
  facts: BucketFacts,
  ground: Ground,
  guards: readonly Guard[],
): readonly Finding[] {
  const { policy } = facts;
  const harden = hardenCommand(ground, guards);
  const unreadable = policy.state === 'unknown' ? policy : unreadableIn(policy);
  if (unreadable !== undefined)
    return [
      unread({ code: 'plain-http', severity: 'high' }, 'whether plain HTTP is refused', unreadable),
      ...guards
        .filter(({ mode }) => mode !== 'client')
        .map((guard) =>
          unread(
            { code: 'encryption-header', severity: 'medium' },
            `whether other writes than ${guard.mode} are refused${inPlace(guard)}`,
            unreadable,
          ),
        ),
    ];
  const text = policy.state === 'set' ? policy.value : undefined;
  return [
    plainHttp(text, facts, ground, harden),
    ...oldTls(text, ground),
    ...guards.flatMap((guard) => modeFindings(text, ground, guard, harden)),
    ...guards.flatMap(sides).flatMap((guard) => lockedOut(text, ground, guard, harden)),
    ...removals(text, ground, guards),
    ...form(text, harden),
  ];
}

type Unknown = Extract<Setting<unknown>, { state: 'unknown' }>;

function unreadableIn(policy: Exclude<Setting<string>, { state: 'unknown' }>): Unknown | undefined {
  if (policy.state === 'absent') return undefined;
  try {
    readPolicy(policy.value);
    return undefined;
  } catch (thrown) {
    return { state: 'unknown', why: 'failed', reason: asVaultError(thrown).message };
  }
}

const inPlace = ({ prefix }: Guard): string => (prefix === '' ? '' : ` under ${prefix}`);

const coverages = (text: string | undefined, questions: readonly Question[]): readonly Coverage[] =>
  questions.map((question) => deniedBy(text, question).coverage);

const all = (found: readonly Coverage[]): boolean => found.every((one) => one === 'all');

function plainHttp(text: string | undefined, facts: BucketFacts, ground: Ground, harden: string): Finding {
  const base = { code: 'plain-http', severity: 'high' } as const;
  const signed = coverages(text, plainHttpQuestions(ground, true));
  const [onBucket, onObjects] = signed;
  if (all(signed)) return anonymousHttp(text, facts, ground, harden);
  if (signed.includes('unknown'))
    return {
      ...base,
      state: 'unknown',
      title: 'whether plain HTTP is refused',
      reason: 'the policy has a Deny statement with conditions that are not understood here',
      fix: harden,
    };
  const some = signed.some((one) => one !== 'none');
  return problem(
    base,
    some ? 'plain HTTP is refused in part only' : 'plain HTTP is not refused',
    some
      ? `for ${onBucket === 'all' ? 'the bucket itself but not all objects' : onObjects === 'all' ? 'all objects but not the bucket itself' : 'some requests, but others pass'}`
      : 'other programs can read and write over connections that anybody on the way can read and change',
    harden,
  );
}

/** A statement that asks for `aws:PrincipalIsAWSService` misses requests without a signature, which have no such key. */
function anonymousHttp(
  text: string | undefined,
  facts: BucketFacts,
  ground: Ground,
  harden: string,
): Finding {
  const base = { code: 'plain-http', severity: 'high' } as const;
  const { publicAccess } = facts;
  const closed =
    publicAccess.state === 'set' && publicAccess.value.restrictBuckets && publicAccess.value.ignoreAcls;
  if (closed || all(coverages(text, plainHttpQuestions(ground, false))))
    return ok(base, 'plain HTTP is refused', 'for every action, on the bucket and on all objects');
  return problem(
    { ...base, severity: 'low' },
    'plain HTTP is refused, but not for anonymous requests',
    'the statement has a condition that requests without a signature do not meet, and public access is not blocked',
    harden,
  );
}

/** Said only where there is a rule: S3 itself takes TLS 1.2 and later only. */
function oldTls(text: string | undefined, ground: Ground): readonly Finding[] {
  const base = { code: 'tls-version', severity: 'low' } as const;
  for (const [version, least] of [
    ['1.2', '1.3'],
    ['1.1', '1.2'],
  ] as const)
    if (all(coverages(text, oldTlsQuestions(ground, version))))
      return [
        ok(base, `TLS below ${least} is refused`, 'for every action, on the bucket and on all objects'),
      ];
  return [];
}

/**
 * UpdateObjectEncryption puts an object under another KMS key without a write that these rules see. No own rule refuses it: AWS
 * publishes no condition key for what it changes to, and one that is never there would refuse what rekey does, too.
 */
function inPlaceChanges(text: string | undefined, ground: Ground, guard: Guard): readonly Finding[] {
  if (!ground.isAws || !sides(guard).every(({ mode }) => mode === 'sse-kms' || mode === 'sse-s3')) return [];
  const action = 's3:UpdateObjectEncryption';
  const question = { ...writeQuestion(ground, guard, new Map()), action };
  if (deniedBy(text, question).coverage === 'all') return [];
  return [
    {
      ...note(
        { code: 'in-place', severity: 'low' },
        `the encryption of what is there can be changed in place${inPlace(guard)}`,
        `whoever is allowed ${action} can put objects under another KMS key of the bucket owner's account, past the rules for writes`,
      ),
      fix: `allow ${action} to nobody but who runs s3vault rekey, or deny it to all others in the policy (ArnNotEquals aws:PrincipalArn)`,
    },
  ];
}

function modeFindings(
  text: string | undefined,
  ground: Ground,
  guard: Guard,
  harden: string,
): readonly Finding[] {
  const base = { code: 'encryption-header', severity: 'medium' } as const;
  const place = inPlace(guard);
  const ways = sides(guard);
  if (ways.some(({ mode }) => mode === 'client'))
    return [
      ok(
        { ...base, severity: 'low' },
        `mode client needs no header${place}`,
        'files are sealed before they are sent; no policy can tell whether an object is',
      ),
    ];
  const others = MODE_KINDS.filter((mode) => mode !== 'client' && !ways.some((way) => way.mode === mode));
  const plain = together(
    [writeFacts('plain'), ...others.map((mode) => writeFacts(mode, guard.kmsKey ?? OTHER_KEY))].map(
      (facts) => deniedBy(text, writeQuestion(ground, guard, facts)).coverage,
    ),
  );
  // Ceph RGW, for one, does not apply a negated condition to a header that is absent.
  const tried = ground.isAws ? '' : ' by the policy (harden tries it)';
  const names = [...new Set(ways.map(({ mode }) => HEADER[mode]))].join(' or ');
  const header = verdict(
    plain,
    base,
    `writes without ${names} are refused${place}${tried}`,
    `writes without ${names} are not refused${place}`,
    'another program, or a mistake, could put objects there that are protected otherwise',
    harden,
  );
  const [kms] = ways.filter(isKms);
  if (kms === undefined) return [header, ...inPlaceChanges(text, ground, guard)];
  const other = deniedBy(text, writeQuestion(ground, guard, writeFacts(kms.mode, OTHER_KEY))).coverage;
  const key = verdict(
    other,
    { code: 'kms-key', severity: 'medium' },
    `writes with another KMS key are refused${place}${tried}`,
    `writes with another KMS key are not refused${place}`,
    'objects could lie under a key that you do not hold',
    harden,
  );
  return [header, key, ...inPlaceChanges(text, ground, guard)];
}

/** Of writes that must all be refused. */
function together(each: readonly Coverage[]): Coverage {
  const [first = 'none'] = each;
  if (each.every((coverage) => coverage === first)) return first;
  return each.includes('unknown') && !each.includes('none') && !each.includes('part') ? 'unknown' : 'part';
}

/** No key of anybody. */
const OTHER_KEY = 'arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000';

const HEADER: { readonly [M in Guard['mode']]: string } = {
  client: '',
  'sse-c': 'SSE-C',
  'sse-kms': 'aws:kms',
  'dsse-kms': 'aws:kms:dsse',
  'sse-s3': 'AES256',
};

function verdict(
  coverage: Coverage,
  base: { readonly code: string; readonly severity: 'medium' },
  good: string,
  bad: string,
  reason: string,
  fix: string,
): Finding {
  switch (coverage) {
    case 'all':
      return ok(base, good, 'by the policy of the bucket, for everybody');
    case 'part':
      return problem(base, bad, `the policy refuses some of them only; ${reason}`, fix);
    case 'none':
      return problem(base, bad, reason, fix);
    case 'unknown':
      return {
        ...base,
        state: 'unknown',
        title: `whether ${good}`,
        reason: 'the policy has a Deny statement with conditions that are not understood here',
        fix,
      };
    default:
      return coverage satisfies never;
  }
}

function form(text: string | undefined, harden: string): readonly Finding[] {
  if (text === undefined) return [];
  const { version } = readPolicy(text);
  return [
    ...open(text),
    ...(version === VERSION
      ? []
      : [
          problem(
            { code: 'policy-version', severity: 'low' },
            `the policy has ${version === undefined ? 'no Version' : `Version ${version}`}`,
            `variables such as \${aws:username} mean nothing in it; the current one is ${VERSION}`,
            text.includes('${') ? `change it by hand: it has variables, which would come to life` : harden,
          ),
        ]),
  ];
}

/** Also where public access is blocked: that may be switched off, and stores other than AWS need not know it. */
function open(text: string): readonly Finding[] {
  const statements = publicStatements(text);
  if (statements.length === 0) return [];
  return [
    problem(
      { code: 'policy-open', severity: 'high' },
      'the policy lets everybody in',
      `what counts as public is allowed by ${statements.join(', ')}: it is for any principal, and no condition names who asks by a fixed value`,
      'remove it, name the principals, or add a condition that only they meet: aws:PrincipalOrgID, aws:SourceVpce, or an aws:SourceIp range no broader than /8',
    ),
  ];
}

function lockedOut(
  text: string | undefined,
  ground: Ground,
  guard: Guard,
  harden: string,
): readonly Finding[] {
  const refusals = refusalsOf(text, ground, guard, undefined);
  if (text === undefined || refusals.length === 0) return [];
  const own = ownRuleIn(text, ground, guard);
  const replaced = own?.prefix === guard.prefix && refusals.every((one) => one.endsWith(` by ${own.sid}`));
  return [
    problem(
      { code: 'locked-out', severity: 'high' },
      `the policy refuses what the vault itself does${inPlace(guard)}`,
      refusals.join('; '),
      replaced ? harden : 'change those statements; s3vault can not work in this mode as long as they stand',
    ),
  ];
}

/** Write once, read many: a choice of the owner's, and nothing that keeps s3vault from sending. */
function removals(text: string | undefined, ground: Ground, guards: readonly Guard[]): readonly Finding[] {
  const refusals = new Set(guards.flatMap((guard) => removalsRefused(text, ground, guard)));
  if (refusals.size === 0) return [];
  return [
    note(
      { code: 'removals-refused', severity: 'low' },
      'the policy keeps objects from being removed',
      `${[...refusals].join('; ')}: removals of files are not carried out in the bucket, and a write that was not proved can not be taken back`,
    ),
  ];
}

/** What the policy surely refuses of what s3vault cannot do without in a vault, in words. */
export function refusalsOf(
  text: string | undefined,
  ground: Ground,
  guard: Guard,
  tls: string | undefined,
): readonly string[] {
  return refused(text, ownQuestions(ground, guard, tls));
}

/** The same of removing objects. */
export const removalsRefused = (text: string | undefined, ground: Ground, guard: Guard): readonly string[] =>
  refused(text, removalQuestions(ground, guard));

function refused(text: string | undefined, questions: readonly Question[]): readonly string[] {
  return questions.flatMap((question) => {
    const { coverage, by } = deniedBy(text, question);
    return coverage === 'all' || coverage === 'part' ? [`${question.action} by ${by.join(', ')}`] : [];
  });
}
