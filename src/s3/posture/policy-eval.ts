/**
 * What the Deny statements of a bucket policy refuse, decided soundly and no further: `all` only where it is certain for
 * every principal, action and resource asked about; `unknown` where it hangs on something that is not understood here (IAM
 * User Guide, "Policy evaluation logic", "Condition operators").
 */
import { readPolicy } from './policy-text.ts';

/** How much of what was asked about is denied. */
export type Coverage = 'all' | 'part' | 'none' | 'unknown';

export const EVERY_ACTION = 's3:*';

/** Undefined: the request has no such key. A key that is not listed at all may have any value. */
export type Facts = ReadonlyMap<string, string | undefined>;

export interface Question {
  /** One action, or `EVERY_ACTION`. */
  readonly action: string;
  /** One ARN, or all that begin so. */
  readonly resource: { readonly arn: string; readonly below: boolean };
  readonly facts: Facts;
  /**
   * Whom it is asked about: `everyone`, or `us`: a principal that is not known here, so that a statement about some
   * principals only may be about us.
   */
  readonly principal: 'everyone' | 'us';
}

export interface Verdict {
  readonly coverage: Coverage;
  /** Sids (or `statement N`) of those that decided. */
  readonly by: readonly string[];
}

export function deniedBy(policy: string | undefined, question: Question): Verdict {
  if (policy === undefined) return { coverage: 'none', by: [] };
  const { pieces } = readPolicy(policy);
  const found = pieces.map((piece, at) => ({
    coverage: coverageOf(piece.value, question),
    name: piece.sid ?? `statement ${at + 1}`,
  }));
  for (const coverage of ['all', 'part', 'unknown'] as const) {
    const by = found.filter((one) => one.coverage === coverage).map(({ name }) => name);
    if (by.length > 0) return { coverage, by };
  }
  return { coverage: 'none', by: [] };
}

type Json = { readonly [name: string]: unknown };
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function coverageOf(statement: unknown, question: Question): Coverage {
  if (!isObject(statement)) return 'unknown';
  if (statement['Effect'] === 'Allow') return 'none';
  if (statement['Effect'] !== 'Deny') return 'unknown';
  return weakest([
    principalCoverage(statement, question.principal),
    listCoverage(statement, 'Action', (pattern) => actionCoverage(pattern, question.action)),
    listCoverage(statement, 'Resource', (pattern) => resourceCoverage(pattern, question.resource)),
    conditionCoverage(statement['Condition'], question.facts),
  ]);
}

/** All must hold: one that surely does not decides; then one that is not understood; then one that holds in part. */
function weakest(parts: readonly Coverage[]): Coverage {
  return (['none', 'unknown', 'part'] as const).find((one) => parts.includes(one)) ?? 'all';
}

/** One is enough. */
function strongest(parts: readonly Coverage[]): Coverage {
  return (['all', 'unknown', 'part'] as const).find((one) => parts.includes(one)) ?? 'none';
}

function principalCoverage(statement: Json, about: Question['principal']): Coverage {
  const principal = statement['Principal'];
  const aws = isObject(principal) ? principal['AWS'] : principal;
  if ((Array.isArray(aws) ? aws : [aws]).includes('*')) return 'all';
  if (statement['NotPrincipal'] !== undefined) return 'unknown';
  return about === 'us' ? 'unknown' : 'part';
}

function listCoverage(
  statement: Json,
  name: 'Action' | 'Resource',
  covers: (pattern: string) => Coverage,
): Coverage {
  const positive = textsOf(statement[name]);
  if (positive !== undefined) return strongest(positive.map(covers));
  const negative = textsOf(statement[`Not${name}`]);
  if (negative === undefined) return 'unknown';
  const excluded = strongest(negative.map(covers));
  return excluded === 'none' ? 'all' : excluded === 'all' ? 'none' : excluded;
}

function textsOf(value: unknown): readonly string[] | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const texts = list.filter((one) => typeof one === 'string');
  return texts.length === list.length && texts.length > 0 ? texts : undefined;
}

function actionCoverage(pattern: string, action: string): Coverage {
  const lower = pattern.toLowerCase();
  if (action !== EVERY_ACTION) return matches(lower, action.toLowerCase()) ? 'all' : 'none';
  return belowCoverage(lower, 's3:');
}

function resourceCoverage(pattern: string, { arn, below }: Question['resource']): Coverage {
  if (pattern.includes('${')) return 'unknown';
  if (!below) return matches(pattern, arn) ? 'all' : 'none';
  return belowCoverage(pattern, arn);
}

/** How much of all texts that begin with `start` a pattern matches. */
function belowCoverage(pattern: string, start: string): Coverage {
  const wild = pattern.search(/[*?]/);
  if (wild < 0) return pattern.startsWith(start) ? 'part' : 'none';
  const literal = pattern.slice(0, wild);
  if (/^\*+$/.test(pattern.slice(wild)) && start.startsWith(literal)) return 'all';
  if (literal.startsWith(start)) return 'part';
  // It may match some that begin so; whether it does is not worked out further.
  return start.startsWith(literal) ? 'part' : 'none';
}

function matches(pattern: string, text: string): boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`, 's').test(text);
}

function conditionCoverage(condition: unknown, facts: Facts): Coverage {
  if (condition === undefined) return 'all';
  if (!isObject(condition)) return 'unknown';
  const parts = Object.entries(condition).flatMap(([operator, pairs]): readonly Coverage[] => {
    if (!isObject(pairs)) return ['unknown'];
    return Object.entries(pairs).map(([key, value]) => holds(operator, key.toLowerCase(), value, facts));
  });
  return weakest(parts);
}

type Compare = (actual: string, wanted: string) => boolean;

const numeric =
  (compare: (a: number, b: number) => boolean): Compare =>
  (actual, wanted) =>
    compare(Number(actual), Number(wanted));
const folded: Compare = (actual, wanted) => actual.toLowerCase() === wanted.toLowerCase();
const like: Compare = (actual, wanted) => matches(wanted, actual);

/** Operators by their positive form; `Not` in front of the last word negates. */
const OPERATORS: ReadonlyMap<string, Compare> = new Map([
  ['Bool', folded],
  ['StringEquals', (actual, wanted) => actual === wanted],
  ['StringEqualsIgnoreCase', folded],
  ['StringLike', like],
  ['ArnEquals', like],
  ['ArnLike', like],
  ['NumericEquals', numeric((a, b) => a === b)],
  ['NumericLessThan', numeric((a, b) => a < b)],
  ['NumericLessThanEquals', numeric((a, b) => a <= b)],
  ['NumericGreaterThan', numeric((a, b) => a > b)],
  ['NumericGreaterThanEquals', numeric((a, b) => a >= b)],
]);

function holds(operator: string, key: string, value: unknown, facts: Facts): Coverage {
  const wanted = valuesOf(value);
  if (wanted === undefined || wanted.some((one) => one.includes('${')) || !facts.has(key)) return 'unknown';
  const actual = facts.get(key);
  if (operator === 'Null')
    return wanted.some((one) => (one.toLowerCase() === 'true') === (actual === undefined)) ? 'all' : 'none';
  const ifExists = operator.endsWith('IfExists');
  const bare = ifExists ? operator.slice(0, -'IfExists'.length) : operator;
  const negated = bare.includes('Not');
  const compare = OPERATORS.get(bare.replace('Not', ''));
  if (compare === undefined) return 'unknown';
  // A key that is not there: a negated operator holds, every other one does not, unless IfExists is behind it.
  if (actual === undefined) return negated || ifExists ? 'all' : 'none';
  return wanted.some((one) => compare(actual, one)) !== negated ? 'all' : 'none';
}

function valuesOf(value: unknown): readonly string[] | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const plain = list.filter((one) => ['string', 'number', 'boolean'].includes(typeof one));
  return plain.length === list.length && plain.length > 0 ? plain.map(String) : undefined;
}
