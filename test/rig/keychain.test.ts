import keytar from 'keytar';
import { expect, test } from 'vitest';
import { describeKeychain } from '../keychain.ts';

describeKeychain('the keychain of the tests', () => {
  test('keeps a secret and holds none from outside', async () => {
    expect(await keytar.findCredentials('s3vault')).toStrictEqual([]);
    await keytar.setPassword('s3vault-rig', 'name', 'secret');
    expect(await keytar.getPassword('s3vault-rig', 'name')).toBe('secret');
    expect(await keytar.deletePassword('s3vault-rig', 'name')).toBe(true);
  });
});
