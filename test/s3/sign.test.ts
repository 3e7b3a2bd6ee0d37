/** Signing against an independent implementation of the same specification. */
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import {
  assert,
  asyncProperty,
  array,
  constantFrom,
  date,
  dictionary,
  option,
  record,
  string,
} from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSigner, encodeKey, encodeQuery } from '../../src/s3/sign.ts';

class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = typeof secret === 'string' || secret === undefined ? secret : bytesOf(secret);
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', key);
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === 'string' ? data : bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    return new Uint8Array(this.#hash.digest());
  }
  reset(): void {}
}

const bytesOf = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);

const letters = (text: string): string[] => Array.from(text);

const odd = constantFrom(
  'a',
  'Z',
  '9',
  '-',
  '_',
  '.',
  '~',
  ' ',
  '+',
  '%',
  '/',
  '//',
  '\n',
  "'",
  '(',
  ')',
  '*',
  '!',
);
const odder = constantFrom(
  '?',
  '#',
  '&',
  '=',
  ';',
  '@',
  ':',
  '$',
  ',',
  '"',
  '<',
  '>',
  '\\',
  'é',
  'e\u0301',
  '日',
  '😀',
);
const key = array(
  constantFrom(odd, odder).chain((pick) => pick),
  { minLength: 1, maxLength: 30 },
).map((c) => c.join(''));
const value = string({ unit: constantFrom(...letters('abcXYZ019 -_/+=;,"')), maxLength: 20 }).map((text) =>
  text.trim(),
);
const name = string({ unit: constantFrom(...letters('abcdefgh-')), minLength: 1, maxLength: 10 });

describe('signature version 4', () => {
  test('equals that of an independent signer, whatever the key, the query and the headers', async () => {
    const requests = record({
      key,
      query: dictionary(name, key, { maxKeys: 4 }),
      meta: dictionary(name, value, { maxKeys: 4 }),
      method: constantFrom('GET', 'PUT', 'HEAD', 'DELETE'),
      token: option(string({ unit: constantFrom(...letters('abc+/=')), minLength: 1 }), { nil: undefined }),
      when: date({ min: new Date('2000-01-01'), max: new Date('2090-01-01'), noInvalidDate: true }),
    });
    await assert(
      asyncProperty(requests, async ({ key, query, meta, method, token, when }) => {
        const credentials = {
          accessKeyId: 'AKID',
          secretAccessKey: 'secret/+',
          ...(token === undefined ? {} : { sessionToken: token }),
        };
        const named = Object.entries(meta).map(([at, text]) => [`x-amz-meta-${at}`, text]);
        const headers = {
          host: 'bucket.example:8443',
          ...(Object.fromEntries(named) as Record<string, string>),
        };
        const path = `/bucket/${encodeKey(key)}`;
        const mine = createSigner('eu-west-1')({ method, path, query, headers }, credentials, when.getTime());
        const twin = new SignatureV4({
          service: 's3',
          region: 'eu-west-1',
          credentials,
          sha256: Sha256,
          uriEscapePath: false,
          applyChecksum: false,
        });
        const theirs = await twin.sign(
          {
            method,
            protocol: 'https:',
            hostname: 'bucket.example',
            path,
            query,
            headers: { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
          },
          { signingDate: when },
        );
        expect(mine['authorization']).toBe(theirs.headers['authorization']);
      }),
      { numRuns: 300 },
    );
  });

  test('the signing key of a day is kept, and changes with day and secret', () => {
    const sign = createSigner('us-east-1');
    const request = { method: 'GET', path: '/', query: {}, headers: { host: 'h' } };
    const of = (secretAccessKey: string, now: number) =>
      sign(request, { accessKeyId: 'a', secretAccessKey }, now)['authorization'];
    const [one, two] = [Date.UTC(2026, 1, 1), Date.UTC(2026, 1, 2)];
    expect(of('x', one)).toBe(of('x', one));
    expect(new Set([of('x', one), of('y', one), of('x', two), of('y', two)]).size).toBe(4);
    expect(of('x', one)).toBe(
      createSigner('us-east-1')(request, { accessKeyId: 'a', secretAccessKey: 'x' }, one)['authorization'],
    );
  });

  test('keys and queries are encoded as S3 does', () => {
    expect(encodeKey("a b+%~\n//é'()*!")).toBe('a%20b%2B%25~%0A//%C3%A9%27%28%29%2A%21');
    expect(encodeQuery({ b: '2 3', a: '', 'a-b': '/' })).toBe('a=&a-b=%2F&b=2%203');
    expect(() => encodeKey('\ud800')).toThrow(URIError);
  });
});
