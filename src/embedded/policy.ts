/**
 * Bucket policies: the Deny statements are carried out, for every action. Allow statements only matter to
 * `isPublic`, since whoever signs here is the owner.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error, accessDenied } from './errors.ts';
import { ACCOUNT } from './world.ts';

export interface ParsedPolicy {
  readonly statements: readonly Statement[];
}

interface Statement {
  readonly deny: boolean;
  readonly anyone: boolean;
  /** Principal names this account or its user, or everyone. */
  readonly applies: boolean;
  readonly actions: readonly RegExp[];
  readonly notActions: boolean;
  readonly resources: readonly RegExp[];
  readonly notResources: boolean;
  readonly conditions: readonly Condition[];
}

interface Condition {
  readonly operator: string;
  readonly ifExists: boolean;
  /** Lower case, as keys are compared without regard to case. */
  readonly key: string;
  readonly values: readonly string[];
}

const malformed = (message: string): S3Error => new S3Error(400, 'MalformedPolicy', message);

type Json = { readonly [name: string]: unknown };
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** MalformedPolicy where IAM would not take it, or where it uses a condition operator that is not known here. */
export function parsePolicy(text: string, bucket: string): ParsedPolicy {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw malformed("Policies must be valid JSON and the first byte must be '{'");
  }
  if (!isObject(parsed)) throw malformed("Policies must be valid JSON and the first byte must be '{'");
  for (const name of Object.keys(parsed)) {
    if (name !== 'Version' && name !== 'Id' && name !== 'Statement') throw malformed(`Unknown field ${name}`);
  }
  const version = parsed['Version'];
  if (version !== undefined && version !== '2012-10-17' && version !== '2008-10-17') {
    throw malformed('The policy must contain a valid version string');
  }
  const given = parsed['Statement'];
  const list = Array.isArray(given) ? given : [given];
  return { statements: list.map((one) => parseStatement(one, bucket)) };
}

const FIELDS = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]);

function parseStatement(given: unknown, bucket: string): Statement {
  if (!isObject(given)) throw malformed('Missing required field Statement');
  for (const name of Object.keys(given)) if (!FIELDS.has(name)) throw malformed(`Unknown field ${name}`);
  const effect = given['Effect'];
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed(`Invalid effect: ${String(effect)}`);
  const principal = principals(given);
  const actions = strings(given['Action'] ?? given['NotAction'], 'Action');
  const resources = strings(given['Resource'] ?? given['NotResource'], 'Resource');
  for (const arn of resources) checkResource(arn, bucket);
  return {
    deny: effect === 'Deny',
    anyone: principal.includes('*'),
    applies:
      principal.some((name) => name === '*' || name.includes(ACCOUNT)) !==
      (given['NotPrincipal'] !== undefined),
    actions: actions.map((pattern) => wildcard(pattern, 'i')),
    notActions: given['NotAction'] !== undefined,
    resources: resources.map((pattern) => wildcard(pattern, '')),
    notResources: given['NotResource'] !== undefined,
    conditions: parseConditions(given['Condition']),
  };
}

function principals(given: Json): readonly string[] {
  const principal = given['Principal'] ?? given['NotPrincipal'];
  if (principal === '*') return ['*'];
  if (!isObject(principal)) throw malformed('Invalid principal in policy');
  return Object.values(principal).flatMap((value) => strings(value, 'Principal'));
}

function strings(value: unknown, name: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const texts = list.filter(
    (one) => typeof one === 'string' || typeof one === 'boolean' || typeof one === 'number',
  );
  if (texts.length === 0 || texts.length !== list.length) throw malformed(`Missing required field ${name}`);
  return texts.map(String);
}

function checkResource(arn: string, bucket: string): void {
  const own = `arn:aws:s3:::${bucket}`;
  if (arn === '*' || arn === own || arn.startsWith(`${own}/`) || arn.startsWith(`${own}*`)) return;
  throw malformed('Policy has invalid resource');
}

function wildcard(pattern: string, flags: string): RegExp {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`, `s${flags}`);
}

function parseConditions(given: unknown): readonly Condition[] {
  if (given === undefined) return [];
  if (!isObject(given)) throw malformed('Conditions must be an object');
  return Object.entries(given).flatMap(([name, pairs]) => {
    const ifExists = name.endsWith('IfExists');
    const operator = ifExists ? name.slice(0, -'IfExists'.length) : name;
    if (OPERATORS[operator] === undefined) throw malformed(`Invalid Condition type : ${name}`);
    if (!isObject(pairs)) throw malformed('Conditions must be an object');
    return Object.entries(pairs).map(([key, value]) => ({
      operator,
      ifExists,
      key: key.toLowerCase(),
      values: strings(value, key),
    }));
  });
}

type Test = (actual: string, values: readonly string[]) => boolean;

const number =
  (compare: (a: number, b: number) => boolean): Test =>
  (actual, values) =>
    values.some((value) => compare(Number(actual), Number(value)));
const equals: Test = (actual, values) => values.includes(actual);
const equalsFolded: Test = (actual, values) =>
  values.some((value) => value.toLowerCase() === actual.toLowerCase());
const like: Test = (actual, values) => values.some((value) => wildcard(value, '').test(actual));
const not =
  (test: Test): Test =>
  (actual, values) =>
    !test(actual, values);

const OPERATORS: Readonly<Record<string, Test>> = {
  // Decided by presence alone, in `holds`.
  Null: () => true,
  Bool: equalsFolded,
  StringEquals: equals,
  StringNotEquals: not(equals),
  StringEqualsIgnoreCase: equalsFolded,
  StringNotEqualsIgnoreCase: not(equalsFolded),
  StringLike: like,
  StringNotLike: not(like),
  ArnEquals: like,
  ArnLike: like,
  ArnNotEquals: not(like),
  ArnNotLike: not(like),
  NumericEquals: number((a, b) => a === b),
  NumericNotEquals: number((a, b) => a !== b),
  NumericLessThan: number((a, b) => a < b),
  NumericLessThanEquals: number((a, b) => a <= b),
  NumericGreaterThan: number((a, b) => a > b),
  NumericGreaterThanEquals: number((a, b) => a >= b),
};

export interface Asked {
  readonly action: string;
  readonly bucket: string;
  readonly key: string;
  /** Values of condition keys, in lower case; absent: the request does not have it. */
  readonly facts: ReadonlyMap<string, string>;
}

/** The AccessDenied of a Deny statement that fits, if one does. */
export function denialBy(policy: ParsedPolicy, asked: Asked): S3Error | undefined {
  if (!policy.statements.some((statement) => statement.deny && fits(statement, asked))) return undefined;
  return accessDenied(
    `User: arn:aws:iam::${ACCOUNT}:user/embedded is not authorized to perform: ${asked.action} on resource: "${arnOf(asked)}" with an explicit deny in a resource-based policy`,
  );
}

const arnOf = ({ bucket, key }: Asked): string => `arn:aws:s3:::${bucket}${key === '' ? '' : `/${key}`}`;

function fits(statement: Statement, asked: Asked): boolean {
  const arn = arnOf(asked);
  return (
    statement.applies &&
    statement.actions.some((pattern) => pattern.test(asked.action)) !== statement.notActions &&
    statement.resources.some((pattern) => pattern.test(arn)) !== statement.notResources &&
    statement.conditions.every((condition) => holds(condition, asked.facts))
  );
}

/** A negated operator holds for a key that is not there; every other one does not, unless `IfExists` is behind it. */
function holds({ operator, ifExists, key, values }: Condition, facts: ReadonlyMap<string, string>): boolean {
  const actual = facts.get(key);
  if (operator === 'Null')
    return values.some((value) => (value.toLowerCase() === 'true') === (actual === undefined));
  if (actual === undefined) return ifExists || operator.includes('Not');
  return OPERATORS[operator]?.(actual, values) ?? false;
}

/** True where an Allow for everyone has no condition: what AWS calls a public policy. */
export const isPublic = (policy: ParsedPolicy): boolean =>
  policy.statements.some((one) => !one.deny && one.anyone && one.conditions.length === 0);

/** Condition keys of the request itself; `sse` are the encryption headers it is judged by. */
export function factsOf(
  headers: IncomingHttpHeaders,
  sse: IncomingHttpHeaders,
  tlsVersion: string,
  creates: boolean,
): ReadonlyMap<string, string> {
  const facts = new Map<string, string>([
    ['aws:securetransport', 'true'],
    ['aws:principalisawsservice', 'false'],
    ['aws:principalaccount', ACCOUNT],
    ['s3:tlsversion', tlsVersion.replace('TLSv', '')],
    ['s3:objectcreationoperation', String(creates)],
  ]);
  for (const source of [headers, sse]) {
    for (const name in source) {
      if (name.startsWith('x-amz-') || name === 'if-match' || name === 'if-none-match') {
        facts.set(`s3:${name}`, String(source[name]));
      }
    }
  }
  return facts;
}
