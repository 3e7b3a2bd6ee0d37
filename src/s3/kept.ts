/** What S3 keeps of an object beside its bytes and its user metadata, and drops when the object is written anew. */
import { XMLParser } from 'fast-xml-parser';
import type { ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';
import { sumHeaders, sumsOf } from './checksums.ts';
import type { Headers } from './sign.ts';
import { type Site, askedOf, headAnswer, versionQuery } from './site.ts';
import { drain } from './wire.ts';

/** The same names in answers and in requests (Amazon S3 API Reference, HeadObject and CopyObject). */
const KEPT = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
  'x-amz-storage-class',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold',
] as const;

/** Of the answer to a HEAD. */
export function keptHeaders(answer: Headers): Headers {
  const found = KEPT.flatMap((name) => {
    const value = answer[name];
    return value === undefined || value === '' ? [] : [[name, value] as const];
  });
  return Object.fromEntries(found);
}

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  isArray: (name) => name === 'Tag',
});

interface TaggingXml {
  readonly Tagging?: { readonly TagSet?: { readonly Tag?: readonly { Key?: string; Value?: string }[] } };
}

/** `x-amz-tagging` for an object that has tags: a copy in one request keeps them by itself, all else does not. */
export async function tagHeaders(
  site: Site,
  key: ObjectKey,
  versionId: string | undefined,
  answer: Headers,
  { signal }: Waits,
): Promise<Headers> {
  if (!(Number(answer['x-amz-tagging-count'] ?? 0) > 0)) return {};
  const { body } = await site.wire.send({
    method: 'GET',
    asked: askedOf(site, 'read', key),
    key,
    query: { tagging: '', ...versionQuery(versionId === undefined ? {} : { versionId }) },
    signal,
  });
  let tags: readonly { Key?: string; Value?: string }[];
  try {
    const { Tagging } = parser.parse(await body.text()) as TaggingXml;
    tags = Tagging?.TagSet?.Tag ?? [];
  } catch (cause) {
    throw new VaultError('transient', 'answer', 'the store answers with tags that cannot be read', { cause });
  }
  const encode = encodeURIComponent;
  return {
    'x-amz-tagging': tags.map(({ Key = '', Value = '' }) => `${encode(Key)}=${encode(Value)}`).join('&'),
  };
}

/**
 * Puts the tags of `tagHeaders` back where a copy, or an upload in parts, has lost them: S3 keeps them by itself, Ceph RGW 16
 * drops them.
 */
export async function keepTags(
  site: Site,
  key: ObjectKey,
  versionId: string | undefined,
  tags: Headers,
  { signal }: Waits,
): Promise<void> {
  const asked = tags['x-amz-tagging'];
  if (asked === undefined) return;
  const now = await headAnswer(site, key, versionId, false, { signal });
  if (now === undefined || Number(now['x-amz-tagging-count'] ?? 0) > 0) return;
  const set = [...new URLSearchParams(asked)].map(
    ([name, value]) => `<Tag><Key>${escaped(name)}</Key><Value>${escaped(value)}</Value></Tag>`,
  );
  const body = Buffer.from(`<Tagging><TagSet>${set.join('')}</TagSet></Tagging>`);
  const answer = await site.wire.send({
    method: 'PUT',
    asked: askedOf(site, 'write', key),
    key,
    query: { tagging: '', ...versionQuery(versionId === undefined ? {} : { versionId }) },
    headers: sumHeaders(sumsOf(body, site.remote.isAws)),
    body,
    signal,
  });
  await drain(answer);
}

const escaped = (text: string): string => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
