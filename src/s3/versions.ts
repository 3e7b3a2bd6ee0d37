/**
 * ListObjectVersions. Not through the SDK: it gives versions and delete markers as two lists, and which of two within
 * one second came first is then lost.
 */
import { XMLParser } from 'fast-xml-parser';
import type { ObjectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { ListedVersion, Waits } from '../model/ports.ts';
import { unquoted } from './checksums.ts';
import { type Listing, decoder, demandAsked, nextToken } from './list.ts';
import { failureOfThrown } from './network-failure.ts';
import { withRetries } from './retrying.ts';
import type { Headers } from './sign.ts';
import { type Site, askedOf } from './site.ts';

/** More than a thousand of the longest keys need. */
const PAGE_BYTES = 16 * 2 ** 20;

export async function* listVersions(
  listing: Listing,
  prefix: string,
  { signal }: Waits,
): AsyncIterable<readonly ListedVersion[]> {
  const { site, clock, retries } = listing;
  const asked = askedOf(site, 'list');
  let after: Headers | undefined = {};
  while (after !== undefined) {
    const query: Headers = { versions: '', prefix, 'encoding-type': 'url', 'max-keys': '1000', ...after };
    const page = await withRetries(
      async () => pageIn(await site.wire.send({ method: 'GET', asked, query, signal }), { signal }),
      clock,
      retries,
      signal,
    );
    demandAsked(page.versions, prefix);
    if (page.versions.length > 0) yield page.versions;
    after = page.next(after);
  }
}

/** The newest versions of one key, the newest first. One request; transient failures are the caller's. */
export async function newestVersions(
  site: Site,
  key: ObjectKey,
  { signal }: Waits,
): Promise<readonly ListedVersion[]> {
  const query: Headers = { versions: '', prefix: key, 'encoding-type': 'url', 'max-keys': '100' };
  const page = await pageIn(
    await site.wire.send({ method: 'GET', asked: askedOf(site, 'list'), query, signal }),
    { signal },
  );
  return page.versions.filter((version) => version.key === key);
}

interface Page {
  readonly versions: readonly ListedVersion[];
  /** Where the listing goes on behind `before`; undefined at its end. */
  next(before: Headers): Headers | undefined;
}

/** Elements in their order, each as its name and what is in it. */
type Ordered = readonly { readonly [name: string]: Ordered | string }[];

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
});

async function pageIn({ body }: { readonly body: AsyncIterable<Uint8Array> }, waits: Waits): Promise<Page> {
  const root = inside(parsed(await textIn(body, waits)), 'ListVersionsResult');
  if (root === undefined) throw unreadable();
  const decode = decoder(text(root, 'EncodingType'));
  const versions = root.flatMap((element): ListedVersion[] => {
    const marker = element['DeleteMarker'] !== undefined;
    const fields = element['Version'] ?? element['DeleteMarker'];
    if (fields === undefined || typeof fields === 'string') return [];
    return [
      {
        key: decode(text(fields, 'Key') ?? ''),
        versionId: text(fields, 'VersionId') ?? 'null',
        size: Number(text(fields, 'Size') ?? 0),
        etag: unquoted(text(fields, 'ETag') ?? ''),
        modified: Date.parse(text(fields, 'LastModified') ?? '') || 0,
        latest: text(fields, 'IsLatest') === 'true',
        marker,
      },
    ];
  });
  const truncated = text(root, 'IsTruncated') === 'true';
  const nextKey = text(root, 'NextKeyMarker');
  const key = nextKey === undefined ? undefined : decode(nextKey);
  const id = text(root, 'NextVersionIdMarker') ?? '';
  const next = (before: Headers): Headers | undefined => {
    const place = [before['key-marker'], before['version-id-marker']].join('\n');
    const same = `${key}\n${id}` === place;
    const marker = nextToken(truncated, key, same ? key : undefined);
    if (marker === undefined) return undefined;
    return { 'key-marker': marker, ...(id === '' ? {} : { 'version-id-marker': id }) };
  };
  return { versions, next };
}

function parsed(xml: string): Ordered {
  try {
    return parser.parse(xml) as Ordered;
  } catch {
    throw unreadable();
  }
}

async function textIn(body: AsyncIterable<Uint8Array>, { signal }: Waits): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      length += chunk.length;
      if (length > PAGE_BYTES) throw unreadable();
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw failureOfThrown(thrown, signal);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function inside(nodes: Ordered, name: string): Ordered | undefined {
  const found = nodes.find((node) => node[name] !== undefined)?.[name];
  return typeof found === 'string' ? undefined : found;
}

/** The text in an element; an empty one has an empty text. */
function text(nodes: Ordered, name: string): string | undefined {
  const found = inside(nodes, name);
  if (found === undefined) return undefined;
  const content = found[0]?.['#text'];
  return typeof content === 'string' ? content : '';
}

const unreadable = (): VaultError =>
  new VaultError('refused', 'listing', 'the store answers with a list of versions that cannot be read', {
    hint: 'nothing was decided on it; s3vault doctor tells what this store supports',
  });
