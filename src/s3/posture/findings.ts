/** What a bucket's settings say about its safety; pure. What could not be read is `unknown`, never fine. */
import {
  ACCESS_SWITCHES,
  type BucketFacts,
  type DefaultEncryption,
  type Finding,
  type PublicAccess,
  type Setting,
} from '../../model/bucket.ts';
import { shellWord } from '../../model/display.ts';
import { note, ok, problem, unread } from './finding.ts';
import { lifecycle } from './lifecycle-findings.ts';
import { policyFindings } from './policy-findings.ts';
import { type Ground, type Guard, hardenCommand, isKms, sides } from './guard.ts';

/** In the order in which they are said: the policy first, then the bucket's other settings. */
export function findingsOf(facts: BucketFacts, ground: Ground, guards: readonly Guard[]): readonly Finding[] {
  const harden = hardenCommand(ground, guards);
  const ways = guards.flatMap(sides);
  return [
    ...policyFindings(facts, ground, guards),
    ...defaultEncryption(facts.encryption, ground, guards, harden),
    sseC(facts.encryption, ways, harden),
    ...bucketKey(facts.encryption, ways, harden),
    publicAccess(facts.publicAccess, ground, harden),
    ownership(facts.ownership, harden),
    versioning(facts.versioning, harden),
    ...lifecycle(facts.lifecycle, facts.versioning, guards, harden),
    objectLock(facts.objectLock),
  ];
}

function defaultEncryption(
  setting: Setting<DefaultEncryption>,
  ground: Ground,
  guards: readonly Guard[],
  harden: string,
): readonly Finding[] {
  const base = { code: 'default-encryption', severity: 'medium' } as const;
  if (setting.state === 'unknown') return [unread(base, 'default encryption', setting)];
  if (setting.state === 'absent')
    return [
      problem(
        base,
        'objects without an encryption header are kept as they come',
        'what other programs write without asking for encryption is stored unencrypted',
        harden,
      ),
    ];
  const { algorithm, kmsKeyId } = setting.value;
  const text = kmsKeyId === undefined ? algorithm : `${algorithm} with key ${kmsKeyId}`;
  const whole = guards.find((guard) => guard.prefix === '' && isKms(guard));
  if (whole !== undefined && algorithm === 'AES256')
    return [
      problem(
        { ...base, severity: 'low' },
        'the default encryption is weaker than the mode',
        `the vault is in mode ${whole.mode}, but what other programs write without a header gets ${text}`,
        harden,
      ),
    ];
  const reason = `what is written without a header gets ${text}`;
  return foreignKey(setting.value, ground, guards) ?? [ok(base, 'default encryption is on', reason)];
}

/**
 * A key that the vaults do not name holds what is written without a header: what others write in a bucket that is wholly one
 * vault's, and all that mode client sends. Who holds that key can take it away. Undefined: there is none.
 */
function foreignKey(
  setting: DefaultEncryption,
  ground: Ground,
  guards: readonly Guard[],
): readonly Finding[] | undefined {
  const { algorithm } = setting;
  if (algorithm === 'AES256') return undefined;
  // Without a key S3 takes this one.
  const kmsKeyId = setting.kmsKeyId ?? 'alias/aws/s3';
  const base = { code: 'default-encryption', severity: 'medium' } as const;
  const named = guards.flatMap(sides).filter((guard) => guard.prefix === '' && isKms(guard));
  const known = named.map((guard) => sameKey(kmsKeyId, guard));
  if (named.length > 0 && known.includes('same')) return undefined;
  if (named.length > 0 && known.includes('unknown'))
    return [
      {
        ...base,
        state: 'unknown',
        title: "whether the default encryption uses the vault's key",
        reason: `what is written without a header gets key ${kmsKeyId}; which key that is could not be found out`,
        fix: 'allow kms:DescribeKey on the key of the vault, or name it by its ARN with --kms-key',
      },
    ];
  if (named.length > 0)
    return [
      problem(
        base,
        "the default encryption uses another key than the vault's",
        `what other programs write without a header is kept under ${kmsKeyId}; who holds that key can read it, or take it away`,
        putEncryption(setting, ground, named[0]),
      ),
    ];
  if (!guards.some(({ mode }) => mode === 'client')) return undefined;
  return [
    {
      ...note(
        { ...base, severity: 'low' },
        'a KMS key of the bucket lies around what mode client sends',
        `each object is kept under ${kmsKeyId} as well: who disables or deletes that key makes the vault unreadable, and its quota counts each request`,
      ),
      fix: `if it is not meant: ${putEncryption(setting, ground, undefined)}`,
    },
  ];
}

/** By the ARN where both are known, else by what was sent. */
function sameKey(key: string, { kmsKey, kmsKeyId }: Guard): 'same' | 'other' | 'unknown' {
  const names = [kmsKey, kmsKeyId].filter((one) => one !== undefined);
  const isId = (one: string): boolean => !one.startsWith('arn:') && !one.includes('alias/');
  const same = (a: string, b: string): boolean => a === b || (isId(b) && a.endsWith(`:key/${b}`));
  if (names.some((name) => same(name, key) || same(key, name))) return 'same';
  // An alias of AWS stands for no key of one's own.
  const comparable = (one: string): boolean => !/alias\/(?!aws\/)/.test(one);
  return comparable(key) && names.some(comparable) ? 'other' : 'unknown';
}

/** The whole rule, for it replaces what is there. Harden leaves a KMS key that somebody chose alone. */
function putEncryption(
  { bucketKey, blocked }: DefaultEncryption,
  ground: Ground,
  way: Guard | undefined,
): string {
  const key = way?.kmsKey ?? way?.kmsKeyId;
  const rule = {
    ApplyServerSideEncryptionByDefault:
      way === undefined
        ? { SSEAlgorithm: 'AES256' }
        : {
            SSEAlgorithm: way.mode === 'dsse-kms' ? 'aws:kms:dsse' : 'aws:kms',
            ...(key === undefined ? {} : { KMSMasterKeyID: key }),
          },
    BucketKeyEnabled: way?.mode === 'sse-kms' && bucketKey,
    ...(blocked === undefined ? {} : { BlockedEncryptionTypes: { EncryptionType: blocked } }),
  };
  const json = JSON.stringify({ Rules: [rule] });
  return `aws s3api put-bucket-encryption --bucket ${shellWord(ground.bucket)} --server-side-encryption-configuration ${shellWord(json)}`;
}

function sseC(setting: Setting<DefaultEncryption>, guards: readonly Guard[], harden: string): Finding {
  const needed = guards.some(({ mode }) => mode === 'sse-c');
  const base = { code: 'sse-c', severity: needed ? 'high' : 'low' } as const;
  const title = needed ? 'SSE-C, which this mode needs' : 'whether SSE-C is blocked';
  if (setting.state === 'unknown') return unread(base, title, setting);
  const blocked = setting.state === 'set' ? setting.value.blocked : undefined;
  if (blocked === undefined)
    return {
      ...base,
      state: 'unknown',
      title,
      reason: 'the store does not say which kinds of encryption the bucket refuses',
      ...(needed ? { fix: 's3vault doctor tries it' } : {}),
    };
  const isBlocked = blocked.includes('SSE-C');
  if (needed)
    return isBlocked
      ? problem(
          base,
          'the bucket refuses SSE-C',
          'AWS blocks it in new buckets since April 2026; every write in mode sse-c is refused',
          `${harden} --allow-sse-c`,
        )
      : ok(base, 'SSE-C is allowed', 'mode sse-c needs it');
  return isBlocked
    ? ok(base, 'SSE-C is blocked', 'no vault here needs it; nobody can lock your objects with a key of his')
    : problem(
        base,
        'SSE-C is allowed and not needed',
        'who gets hold of credentials could overwrite objects under a key that only he has',
        harden,
      );
}

function bucketKey(
  setting: Setting<DefaultEncryption>,
  guards: readonly Guard[],
  harden: string,
): readonly Finding[] {
  const base = { code: 'bucket-key', severity: 'low' } as const;
  const kms = guards.filter(({ mode }) => mode === 'sse-kms');
  if (kms.length === 0) return [];
  const refusing = kms.filter((guard) => guard.bucketKey === false);
  const silent = kms.filter((guard) => guard.bucketKey === undefined);
  const own = refusing.map((guard) =>
    problem(
      base,
      `the vault ${guard.vault ?? ''} asks for no Bucket Key`,
      COSTS,
      `s3vault sync ${shellWord(guard.vault ?? 'DIR')} --bucket-key`,
    ),
  );
  if (silent.length === 0) return own.length > 0 ? own : [ok(base, 'the vaults ask for a Bucket Key', CHEAP)];
  if (setting.state === 'unknown') return [...own, unread(base, 'Bucket Key', setting)];
  if (setting.state === 'set' && setting.value.bucketKey)
    return [...own, ok(base, 'the Bucket Key is on', CHEAP)];
  const whole = silent.some(({ prefix }) => prefix === '');
  const [vault] = silent.flatMap((guard) => guard.vault ?? []);
  const forVault =
    vault === undefined
      ? 'turn it on for a vault with: s3vault sync DIR --bucket-key'
      : `s3vault sync ${shellWord(vault)} --bucket-key`;
  return [...own, problem(base, 'the Bucket Key is off', COSTS, whole ? harden : forVault)];
}

const COSTS = 'every object costs a request to KMS, which counts against the quota of the whole account';
const CHEAP = 'S3 asks KMS up to 99 % less often';

function publicAccess(setting: Setting<PublicAccess>, { isAws }: Ground, harden: string): Finding {
  const base = { code: 'public-access', severity: 'high' } as const;
  if (setting.state === 'unknown') return unread(base, 'public access block', setting);
  const value = setting.state === 'set' ? setting.value : undefined;
  const open = ACCESS_SWITCHES.filter(([name]) => value?.[name] !== true).map(([, label]) => label);
  if (open.length === 0) return ok(base, 'public access is blocked', 'all four switches are on');
  // Harden leaves it so where the store refuses own writes with it, as Ceph RGW 16 does.
  if (!isAws && open.length === 1 && value?.blockAcls === false)
    return problem(
      { ...base, severity: 'low' },
      'public access is blocked, but public ACLs can be set',
      'they have no effect, for IgnorePublicAcls is on; BlockPublicAcls is off, and some stores refuse every write with it',
      `${harden} --only public-access`,
    );
  // On AWS the account's own block counts as well, and takes rights on the account to read.
  const [itself, account] = isAws
    ? [' by the bucket itself', '; an account-wide block is not looked at']
    : ['', ''];
  return problem(
    base,
    `public access is not blocked${itself}`,
    value === undefined
      ? `a mistaken policy or ACL would open the bucket to everybody${account}`
      : `these switches are off: ${open.join(', ')}${account}`,
    harden,
  );
}

function ownership(setting: BucketFacts['ownership'], harden: string): Finding {
  const base = { code: 'ownership', severity: 'medium' } as const;
  if (setting.state === 'unknown') return unread(base, 'object ownership', setting);
  if (setting.state === 'set' && setting.value === 'BucketOwnerEnforced')
    return ok(base, 'ACLs are off', 'the bucket owner owns every object (BucketOwnerEnforced)');
  return problem(
    base,
    'ACLs can give objects away',
    `object ownership is ${setting.state === 'set' ? setting.value : 'not set'}: an object's ACL can let others read it`,
    harden,
  );
}

function versioning(setting: BucketFacts['versioning'], harden: string): Finding {
  const base = { code: 'versioning', severity: 'medium' } as const;
  if (setting.state === 'unknown') return unread(base, 'versioning', setting);
  if (setting.state === 'set' && setting.value === 'Enabled')
    return ok(base, 'versioning is on', 'what is overwritten or removed can be brought back');
  return problem(
    base,
    `versioning is ${setting.state === 'absent' ? 'off' : 'suspended'}`,
    'what is overwritten or removed is gone for good',
    harden,
  );
}

function objectLock(setting: BucketFacts['objectLock']): Finding {
  const base = { code: 'object-lock', severity: 'low' } as const;
  if (setting.state === 'unknown') return unread(base, 'Object Lock', setting);
  if (setting.state === 'absent')
    return note(
      base,
      'Object Lock is off',
      'with it, nobody can remove versions before a time; it needs versioning, and is a choice of yours',
    );
  const { mode, period } = setting.value;
  return note(
    base,
    'Object Lock is on',
    mode === undefined
      ? 'new versions are locked only where a program asks for it'
      : `new versions can't be removed for ${period ?? 'a time'} (${mode}); nor can s3vault take back a write that was not proved`,
  );
}
