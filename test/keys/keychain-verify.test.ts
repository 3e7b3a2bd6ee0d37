/** A keychain that answers and does not keep: no system has one at hand, so the call itself is played. */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { generateAes } from '../../src/crypto/generate.ts';
import type { KeychainRequest } from '../../src/keys/keychain-call.ts';
import { keychainStore } from '../../src/keys/keychain.ts';
import { CREATED } from '../contract/key-store.ts';
import { ManualClock } from '../support/manual-clock.ts';

const kept = vi.hoisted(() => ({
  values: new Map<string, string>(),
  alter: (value: string): string | undefined => value,
}));

vi.mock('../../src/keys/keychain-call.ts', () => ({
  callKeychain: async (request: KeychainRequest): Promise<unknown> => {
    switch (request.call) {
      case 'get':
        return kept.values.get(request.account) ?? null;
      case 'set': {
        const value = kept.alter(request.value);
        if (value !== undefined) kept.values.set(request.account, value);
        return true;
      }
      case 'delete':
        return kept.values.delete(request.account);
      case 'find':
        return [...kept.values].map(([account, password]) => ({ account, password }));
      default:
        return request satisfies never;
    }
  },
}));

beforeEach(() => kept.values.clear());

describe('a key counts as stored only when it comes back the same', () => {
  const store = keychainStore({ clock: new ManualClock() });

  test('it does', async () => {
    kept.alter = (value) => value;
    expect(await store.save('a', generateAes(), CREATED)).toMatchObject({ name: 'a', store: 'keychain' });
  });

  test.each([
    ['nothing is kept', () => undefined],
    ['it is cut short', (value: string) => value.slice(0, -1)],
    ['one character differs', (value: string) => value.replace('"aes-256"', '"aes-255"')],
    ['something is added', (value: string) => `${value} `],
  ])('%s', async (_what, alter) => {
    kept.alter = alter;
    await expect(store.save('a', generateAes(), CREATED)).rejects.toMatchObject({
      kind: 'security',
      code: 'key-not-kept',
      exit: 6,
    });
  });
});
