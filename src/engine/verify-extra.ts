/** What becomes of an object that this machine has not sent: whether a restore would take it. */
import { VaultError } from '../model/errors.ts';
import type { ObjectStat } from '../model/ports.ts';
import { type Reader, hasEnvelope, openingOf } from './fetching.ts';
import { fitsHere } from './remote-names.ts';

const NOBODYS = "remove it if it is nobody's";
const UNFIT = `no file here can have that name, so s3vault restore leaves it out; s3vault cat shows what is stored; ${NOBODYS}`;
const OPENS = `s3vault restore fetches it; ${NOBODYS}`;
const PERHAPS = `s3vault restore fetches it if it opens; ${NOBODYS}`;
const NO_FILE = 'it belongs to another object, and is no file; remove it together with that one';

/** The hint that fits it. `stat`: as the store says it is now; undefined where it was not asked. */
export async function hintOfExtra(
  reader: Reader,
  path: string,
  stat: ObjectStat | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (!fitsHere(path.normalize('NFC'))) return UNFIT;
  if (stat === undefined) return PERHAPS;
  // KMS would be asked, and paid, for each of them.
  if (reader.keyring?.wrap === 'kms+context' && hasEnvelope(stat.metadata)) return PERHAPS;
  try {
    (await openingOf(reader, stat, { key: stat.key }, signal))?.wipe();
    return OPENS;
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    if (thrown.code === 'instruction-file') return NO_FILE;
    const why = WHY[thrown.code] ?? (thrown.kind === 'security' ? 'it does not open' : undefined);
    return why === undefined ? PERHAPS : `${why}, so s3vault restore refuses it; ${NOBODYS}`;
  }
}

const WHY: { readonly [code: string]: string } = {
  'not-sealed': 'it is not sealed',
  'not-protected': 'it is not protected as the vault is',
  sealed: 'it was sealed by another program',
};
