import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from '../../src/model/secret.ts';

const BYTES = Buffer.from('correct horse battery staple');

test('nothing that prints, joins, serialises or inspects shows a secret [KEY-2]', () => {
  const secret = new Secret(BYTES);
  const shown = [
    String(secret),
    ['', secret].join(''),
    JSON.stringify({ secret }),
    inspect(secret, { depth: 9, showHidden: true }),
    inspect({ deep: [secret] }, { depth: 9 }),
    JSON.stringify(Object.entries(secret)),
    Object.getOwnPropertyNames(secret).join(),
  ].join('\n');
  for (const form of [
    BYTES.toString(),
    BYTES.toString('hex'),
    BYTES.toString('base64'),
    [...BYTES].join(', '),
  ]) {
    expect(shown).not.toContain(form);
  }
});

test('taking wipes the original, wiping the copy; the bytes come out through use alone', () => {
  const original = Buffer.from(BYTES);
  const secret = Secret.take(original);
  expect(original.every((byte) => byte === 0)).toBe(true);
  let seen: Buffer = Buffer.alloc(0);
  secret.use((bytes) => {
    seen = bytes;
    expect(bytes.equals(BYTES)).toBe(true);
  });
  secret.wipe();
  expect(seen.every((byte) => byte === 0)).toBe(true);
  expect(secret.length).toBe(0);
});
