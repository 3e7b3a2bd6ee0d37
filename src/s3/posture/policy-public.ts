/**
 * Whether a bucket policy is public, as Amazon S3 judges it (User Guide, "Blocking public access", "The meaning of
 * 'public'"): what a statement allows must be allowed to fixed principals, or on a condition that names fixed values of a key
 * that tells who asks. A wildcard or a policy variable is no fixed value.
 */
import { isIP } from 'node:net';
import { readPolicy } from './policy-text.ts';

type Json = { readonly [name: string]: unknown };
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Sids (or `statement N`) of the statements that let everybody in. */
export function publicStatements(policy: string): readonly string[] {
  return readPolicy(policy).pieces.flatMap(({ value, sid }, at) =>
    isObject(value) && value['Effect'] === 'Allow' && isForAnybody(value) && !isNarrowed(value['Condition'])
      ? [sid ?? `statement ${at + 1}`]
      : [],
  );
}

/** NotPrincipal allows everybody but those that it names. */
function isForAnybody({ Principal, NotPrincipal }: Json): boolean {
  if (NotPrincipal !== undefined) return true;
  return (isObject(Principal) ? Object.values(Principal) : [Principal])
    .flat()
    .some((one) => typeof one === 'string' && /[*?]|\$\{/.test(one));
}

type IsFixed = (value: string) => boolean;

const plain: IsFixed = (value) => value !== '' && !/[*?]|\$\{/.test(value);
/** All access points of an account are as good as one. */
const accessPoint: IsFixed = (value) =>
  plain(value) || /^arn:[\w-]+:s3:[\w-]+:\d{12}:accesspoint\/[^$]*$/.test(value);
/** All of an organization's parts are as good as the organization. */
const organization: IsFixed = (value) => plain(value) || /^o-[a-z0-9]+\/[^$]*$/.test(value);

/** Keys that tell who asks, in lower case. */
const TELLING: ReadonlyMap<string, IsFixed> = new Map([
  ['aws:principalorgid', plain],
  ['aws:principalorgpaths', organization],
  ['aws:principalaccount', plain],
  ['aws:principalarn', plain],
  ['aws:userid', plain],
  ['aws:sourcearn', plain],
  ['aws:sourcevpc', plain],
  ['aws:sourcevpce', plain],
  ['aws:sourceowner', plain],
  ['aws:sourceaccount', plain],
  ['aws:sourceorgid', plain],
  ['aws:sourceorgpaths', organization],
  ['s3:dataaccesspointarn', accessPoint],
  ['s3:dataaccesspointaccount', plain],
]);

/** Operators that hold for the named values only, and not for requests without the key. */
const NARROWING = /^(ForAnyValue:)?(String|Arn)(Equals|EqualsIgnoreCase|Like)$/i;

/** All conditions must hold, so one that narrows is enough. */
function isNarrowed(condition: unknown): boolean {
  if (!isObject(condition)) return false;
  return Object.entries(condition).some(
    ([operator, pairs]) =>
      isObject(pairs) &&
      Object.entries(pairs).some(([key, value]) => narrows(operator, key.toLowerCase(), [value].flat())),
  );
}

/** One of the values is enough for a request, so each of them must be fixed. */
function narrows(operator: string, key: string, values: readonly unknown[]): boolean {
  const isFixed =
    key === 'aws:sourceip'
      ? /^(ForAnyValue:)?IpAddress$/i.test(operator) && isNarrowRange
      : NARROWING.test(operator) && TELLING.get(key);
  if (typeof isFixed !== 'function') return false;
  return values.length > 0 && values.every((value) => typeof value === 'string' && isFixed(value));
}

/** Broader than /8 (IPv6: /32) is everybody. The private ranges are all as narrow. */
function isNarrowRange(value: string): boolean {
  const [, address = '', given] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const family = isIP(address);
  if (family === 0) return false;
  return given === undefined || Number(given) >= (family === 6 ? 32 : 8);
}
