/** A bucket policy as a text: statements of others keep their bytes, own ones are told by their Sid. */
import { VaultError } from '../../model/errors.ts';
import { type Span, elementsOf, membersOf } from './json-spans.ts';

/** Own statements have a Sid that begins like this (letters and digits only, as IAM wants it). */
export const OWN_SID = 'S3vault';

/** Largest bucket policy (Amazon S3 User Guide, "Bucket policy examples": 20 KB). */
const MAX_BYTES = 20 * 1024;

export const VERSION = '2012-10-17';

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Deny';
  readonly Principal: '*';
  readonly Action: string;
  readonly Resource: string | readonly string[];
  readonly Condition: {
    readonly [operator: string]: { readonly [key: string]: string | readonly string[] };
  };
}

/** One statement of a policy as it stands there. */
export interface Piece extends Span {
  readonly text: string;
  readonly value: unknown;
  readonly sid: string | undefined;
}

export interface PolicyText {
  readonly text: string;
  readonly version: string | undefined;
  readonly pieces: readonly Piece[];
}

/** Rejects with `policy-odd` what no policy looks like: it is not rewritten then. */
export function readPolicy(text: string): PolicyText {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw odd('is not JSON', cause);
  }
  if (!isObject(parsed)) throw odd('is not a JSON object');
  const members = membersOf(text);
  if (new Set(members.map(({ name }) => name)).size < members.length) throw odd('names a member twice');
  const version = parsed['Version'];
  const place = members.find(({ name }) => name === 'Statement')?.value;
  if (place === undefined) throw odd('has no Statement');
  const spans = Array.isArray(parsed['Statement']) ? elementsOf(text, place.from) : [place];
  const pieces = spans.map((span): Piece => {
    const raw = text.slice(span.from, span.to);
    const value: unknown = JSON.parse(raw);
    const sid = isObject(value) && typeof value['Sid'] === 'string' ? value['Sid'] : undefined;
    return { ...span, text: raw, value, sid };
  });
  return { text, version: typeof version === 'string' ? version : undefined, pieces };
}

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function odd(what: string, cause?: unknown): VaultError {
  return new VaultError('usage', 'policy-odd', `the policy of the bucket ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'look at it with: aws s3api get-bucket-policy, mend it, then try again',
  });
}

export const isOwn = (piece: Piece): boolean => piece.sid?.startsWith(OWN_SID) === true;

/**
 * The policy with `wanted` in the place of the own statements that `replaces` names. Everything else keeps its bytes and its
 * order. Gives the text it was given where nothing is to be changed.
 */
export function mergePolicy(
  before: string | undefined,
  wanted: readonly Statement[],
  replaces: (sid: string) => boolean,
): string | undefined {
  if (before === undefined) return wanted.length === 0 ? undefined : freshPolicy(wanted);
  const policy = readPolicy(before);
  const goes = policy.pieces.filter((piece) => isOwn(piece) && replaces(piece.sid ?? ''));
  const stays = policy.pieces.filter((piece) => !goes.includes(piece));
  const missing = wanted.filter((one) => !goes.some(({ value }) => sameStatement(value, one)));
  const stale = goes.filter(({ value }) => !wanted.some((one) => sameStatement(value, one)));
  const versionFits = policy.version === VERSION || !mayRaise(policy);
  if (missing.length === 0 && stale.length === 0 && versionFits) return before;
  if (wanted.length === 0 && stays.length === 0) return undefined;
  const withStatements = replaceStatements(
    policy,
    policy.pieces.filter((piece) => !stale.includes(piece)),
    missing,
  );
  return checkedSize(versionFits ? withStatements : raiseVersion(withStatements));
}

function freshPolicy(statements: readonly Statement[]): string {
  return checkedSize(JSON.stringify({ Version: VERSION, Statement: statements }, undefined, 2));
}

/** Under an older version `${...}` is plain text: raising it would change what such a statement means. */
const mayRaise = ({ pieces }: PolicyText): boolean => !pieces.some(({ text }) => text.includes('${'));

function raiseVersion(text: string): string {
  const old = membersOf(text).find(({ name }) => name === 'Version');
  if (old !== undefined) return `${text.slice(0, old.value.from)}"${VERSION}"${text.slice(old.value.to)}`;
  const brace = text.indexOf('{') + 1;
  return `${text.slice(0, brace)}\n  "Version": "${VERSION}",${text.slice(brace)}`;
}

function replaceStatements(policy: PolicyText, kept: readonly Piece[], added: readonly Statement[]): string {
  const place = membersOf(policy.text).find(({ name }) => name === 'Statement')?.value;
  if (place === undefined) throw odd('has no Statement');
  const pieces = [...kept.map(({ text }) => text), ...added.map(pretty)];
  return `${policy.text.slice(0, place.from)}[\n    ${pieces.join(',\n    ')}\n  ]${policy.text.slice(place.to)}`;
}

/** Indented as a member of the statements' list. */
const pretty = (statement: Statement): string =>
  JSON.stringify(statement, undefined, 2).replaceAll('\n', '\n    ');

function checkedSize(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_BYTES) return text;
  throw new VaultError(
    'usage',
    'policy-large',
    `the policy would have ${bytes} bytes; a bucket takes ${MAX_BYTES}`,
    {
      hint: 'remove statements that are not needed any more',
    },
  );
}

/** The same rule, however a store spells it: one value or a list of one, in any order. */
export function sameStatement(a: unknown, b: unknown): boolean {
  return JSON.stringify(normal(a)) === JSON.stringify(normal(b));
}

function normal(value: unknown): unknown {
  if (Array.isArray(value))
    return value
      .map(normal)
      .map((one) => JSON.stringify(one))
      .sort();
  if (isObject(value)) {
    const names = Object.keys(value).sort();
    return names.map((name) => [name, normal(listed(name, value[name]))]);
  }
  return typeof value === 'string' ? value : String(value);
}

/** `Principal: "*"` and `{"AWS": "*"}` are one; everything else that may be a list becomes one. */
function listed(name: string, value: unknown): unknown {
  if (name === 'Principal' && value === '*') return { AWS: ['*'] };
  if (name === 'Sid' || name === 'Effect' || isObject(value)) return value;
  return Array.isArray(value) ? value : [value];
}
