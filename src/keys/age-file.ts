import { VaultError } from '../model/errors.ts';
import type { Secret } from '../model/secret.ts';

/** The library, loaded only where an age file is read or written. */
const age = () => import('age-encryption');

const textOf = (secret: Secret): string => secret.use((bytes) => bytes.toString('utf8'));

/** Seals for one passphrase (age's scrypt recipient), binary form. */
export async function sealAge(plain: Uint8Array, passphrase: Secret, workFactor?: number): Promise<Buffer> {
  const { Encrypter } = await age();
  const encrypter = new Encrypter();
  encrypter.setPassphrase(textOf(passphrase));
  if (workFactor !== undefined) encrypter.setScryptWorkFactor(workFactor);
  return Buffer.from(await encrypter.encrypt(plain));
}

/** The same as text between BEGIN and END lines. */
export async function sealAgeText(
  plain: Uint8Array,
  passphrase: Secret,
  workFactor?: number,
): Promise<string> {
  const sealed = await sealAge(plain, passphrase, workFactor);
  return (await age()).armor.encode(sealed);
}

/**
 * Opens a file sealed with a passphrase, binary or text. Rejects with `passphrase-wrong` (`usage`) where the passphrase
 * opens nothing and `key-file-damaged` (`security`) for anything else. `source` names the file in messages.
 */
export async function openAge(sealed: Uint8Array, passphrase: Secret, source: string): Promise<Buffer> {
  const { Decrypter, armor } = await age();
  try {
    const text = Buffer.from(sealed).toString('latin1').trimStart();
    const binary = text.startsWith('-----BEGIN AGE') ? armor.decode(text) : sealed;
    const decrypter = new Decrypter();
    decrypter.addPassphrase(textOf(passphrase));
    return await readWiping(await decrypter.decrypt(streamOf(binary)));
  } catch (thrown) {
    throw notOpened(thrown, source);
  }
}

/** As a stream: what the library gives at once it has read by `Response`, which keeps the pieces for ever. */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => {
      controller.enqueue(Uint8Array.from(bytes));
      controller.close();
    },
  });
}

/** The whole, with the pieces it came in wiped. */
async function readWiping(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of stream) pieces.push(piece);
    return Buffer.concat(pieces);
  } finally {
    for (const piece of pieces) piece.fill(0);
  }
}

function notOpened(thrown: unknown, source: string): VaultError {
  const message = thrown instanceof Error ? thrown.message : '';
  if (message.startsWith('no identity matched')) {
    return new VaultError('usage', 'passphrase-wrong', `the passphrase does not open ${source}`, {
      hint: 'try again; if you are sure of it, the file may be damaged: bring it back from a backup',
    });
  }
  return new VaultError(
    'security',
    'key-file-damaged',
    `${source} is damaged or no age file with a passphrase`,
    {
      hint: 'nothing was changed; bring it back from a backup, or the keys from their recovery words',
    },
  );
}
