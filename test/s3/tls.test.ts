/** Who is spoken to, and over what. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type EmbeddedOptions, startEmbedded } from '../../src/embedded/server.ts';
import { systemClock } from '../../src/clock.ts';
import { objectKey } from '../../src/model/brands.ts';
import type { ObjectStore } from '../../src/model/ports.ts';
import type { Remote } from '../../src/model/vault.ts';
import { resolveRemote } from '../../src/s3/connect.ts';
import { openStore } from '../../src/s3/open-store.ts';
import { listAll } from '../contract/object-store.ts';
import { errorXml, type Scripted, type ScriptedOptions, startScripted } from './scripted.ts';

const endings: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function storeAt(
  endpoint: string,
  over: Partial<Remote> = {},
  env: NodeJS.ProcessEnv = {},
): Promise<ObjectStore> {
  const keys = {
    AWS_ACCESS_KEY_ID: 'AKIAEMBEDDED00000000',
    AWS_SECRET_ACCESS_KEY: 'embedded-endpoint-of-s3vault-secret-key',
  };
  const resolved = await resolveRemote(
    { bucket: 'bucket', prefix: '', endpoint, region: 'us-east-1', ...over },
    { ...keys, ...env },
  );
  const store = openStore(
    resolved,
    { mode: 'client', key: 'k' },
    { clock: systemClock, transfers: 2, attempts: 1 },
  );
  endings.push(() => store.close());
  return store;
}

async function embedded(options: EmbeddedOptions = {}): Promise<{ url: string; caFile: string }> {
  const folder = mkdtempSync(join(tmpdir(), 's3vault-tls-'));
  const server = await startEmbedded(options);
  endings.push(
    () => rmSync(folder, { recursive: true }),
    () => server.close(),
  );
  server.createBucket('bucket');
  return { url: server.url, caFile: await server.caFile(folder) };
}

async function scripted(options: ScriptedOptions = {}): Promise<Scripted> {
  const server = await startScripted(options);
  endings.push(() => server.close());
  return server;
}

async function gathered<T>(pages: AsyncIterable<readonly T[]>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const page of pages) all.push(...page);
  return all;
}

describe('the certificate', () => {
  test('of an unknown authority is refused on both roads, and the way out is named', async () => {
    const { url } = await embedded();
    const store = await storeAt(url);
    const refused = { kind: 'refused', code: 'tls-untrusted', hint: expect.stringContaining('--ca-bundle') };
    await expect(store.reach()).rejects.toMatchObject(refused);
    await expect(listAll(store, '')).rejects.toMatchObject(refused);
  });

  test('of a named authority is trusted, whichever way it is named', async () => {
    const { url, caFile } = await embedded();
    for (const store of [
      await storeAt(url, { caBundle: caFile }),
      await storeAt(url, {}, { AWS_CA_BUNDLE: caFile }),
      await storeAt(url, {}, { NODE_EXTRA_CA_CERTS: caFile }),
    ]) {
      await store.reach();
      expect(await listAll(store, '')).toEqual([]);
    }
  });

  test('for another host is refused', async () => {
    const { url, caFile, requests } = await scripted({ host: 'elsewhere.example' });
    const store = await storeAt(url, { caBundle: caFile });
    await expect(store.reach()).rejects.toMatchObject({ kind: 'refused', code: 'tls-hostname' });
    await expect(listAll(store, '')).rejects.toMatchObject({ kind: 'refused', code: 'tls-hostname' });
    expect(requests).toEqual([]);
  });

  test('that has expired is refused', async () => {
    const { url, caFile } = await scripted({ notAfter: new Date(Date.now() - 86_400_000) });
    const store = await storeAt(url, { caBundle: caFile });
    await expect(store.reach()).rejects.toMatchObject({ kind: 'refused', code: 'tls-expired' });
  });
});

describe('the version of TLS', () => {
  test('1.1 is refused', async () => {
    const { url, caFile } = await embedded({ tls: { min: 'TLSv1.1', max: 'TLSv1.1' } });
    const store = await storeAt(url, { caBundle: caFile });
    await expect(store.reach()).rejects.toMatchObject({ kind: 'refused', code: 'tls-protocol' });
    await expect(listAll(store, '')).rejects.toMatchObject({ kind: 'refused', code: 'tls-protocol' });
  });

  test('1.2 is enough, unless 1.3 is asked for', async () => {
    const { url, caFile } = await embedded({ tls: { max: 'TLSv1.2' } });
    await (await storeAt(url, { caBundle: caFile })).reach();
    const strict = await storeAt(url, { caBundle: caFile, tlsMin: '1.3' });
    await expect(strict.reach()).rejects.toMatchObject({ kind: 'refused', code: 'tls-protocol' });
  });
});

describe('answers of strange servers', () => {
  const KEY = objectKey('k');
  const strange = async (answer: Scripted['answer']): Promise<ObjectStore> => {
    const server = await scripted();
    server.answer = answer;
    return storeAt(server.url, { caBundle: server.caFile });
  };

  test('an error of many megabytes is not read to its end', async () => {
    const store = await strange((_, response) => {
      response.writeHead(403);
      response.write(errorXml('AccessDenied', 'no'));
      const more = Buffer.alloc(1 << 20, 'x');
      const pour = (): void => {
        while (!response.destroyed && response.write(more));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    await expect(store.put(KEY, Buffer.from('x'), {})).rejects.toMatchObject({ code: 'access-denied' });
  });

  test('an object without a length, or an ignored range, is not taken', async () => {
    const store = await strange((_, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.end('abc');
    });
    await expect(store.get(KEY)).rejects.toMatchObject({ kind: 'transient' });
    const whole = await strange((_, response) => response.writeHead(200, { 'content-length': 3 }).end('abc'));
    await expect(whole.get(KEY, { range: { first: 0, last: 0 } })).rejects.toMatchObject({
      kind: 'transient',
    });
  });

  test('a listing that breaks off in the middle is not taken for the whole', async () => {
    const page = '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>';
    const store = await strange((_, response) => response.end(page));
    await expect(listAll(store, '')).rejects.toMatchObject({ kind: 'refused', code: 'listing' });
  });

  test('a listing of what was not asked for is not taken, and not asked for again', async () => {
    const page = '<ListBucketResult><Contents><Key>b/1</Key></Contents></ListBucketResult>';
    const store = await strange((_, response) => response.end(page));
    const refused = { kind: 'refused', code: 'listing' };
    await expect(listAll(store, 'a/')).rejects.toMatchObject(refused);
    await expect(listAll(store, 'b/')).resolves.toHaveLength(1);
    const after = (startAfter: string) => gathered(store.list('b/', { startAfter }));
    await expect(after('b/1')).rejects.toMatchObject(refused);
    await expect(after('b/0')).resolves.toHaveLength(1);
    const versions =
      '<ListVersionsResult><Version><Key>b/1</Key><VersionId>v</VersionId></Version></ListVersionsResult>';
    const versioned = await strange((_, response) => response.end(versions));
    await expect(gathered(versioned.versions('a/'))).rejects.toMatchObject(refused);
  });

  test('keys go out as S3 wants them, doubled slashes and dots included', async () => {
    const server = await scripted();
    server.answer = (_, response) => response.writeHead(404).end();
    const store = await storeAt(server.url, { caBundle: server.caFile });
    await store.head(objectKey("a//b/../c d+%~\n😀'"));
    expect(server.requests[0]?.url).toBe('/bucket/a//b/../c%20d%2B%25~%0A%F0%9F%98%80%27');
  });
});
