/**
 * The only place that loads `keytar`: a program of its own, one request per run. A call into a system keychain can wait
 * for a person for ever, cannot be called off, keeps the process that made it from ending (its thread is joined at
 * exit), and on some Linux desktops crashes on a locked collection. A child can be killed, and crashes alone.
 *
 * One JSON request on stdin, one JSON answer on stdout; both are pipes that only the parent holds.
 */
import { text } from 'node:stream/consumers';
import type * as Keytar from 'keytar';
import type { KeychainAnswer, KeychainRequest } from './keychain-call.ts';

async function answer(request: KeychainRequest): Promise<KeychainAnswer> {
  let keytar: typeof Keytar;
  try {
    // CommonJS: Node finds only some of its names for an import, and all of them in `default`.
    const loaded: object = await import('keytar');
    keytar = ('default' in loaded ? loaded.default : loaded) as typeof Keytar;
  } catch (thrown) {
    return { failed: 'load', message: messageOf(thrown) };
  }
  try {
    return { value: await perform(keytar, request) };
  } catch (thrown) {
    return { failed: 'call', message: messageOf(thrown) };
  }
}

async function perform(keytar: typeof Keytar, request: KeychainRequest): Promise<unknown> {
  switch (request.call) {
    case 'get':
      return keytar.getPassword(request.service, request.account);
    case 'set':
      await keytar.setPassword(request.service, request.account, request.value);
      return true;
    case 'delete':
      return keytar.deletePassword(request.service, request.account);
    case 'find':
      return keytar.findCredentials(request.service);
    default:
      return request satisfies never;
  }
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

process.stdout.write(JSON.stringify(await answer(JSON.parse(await text(process.stdin)) as KeychainRequest)));
