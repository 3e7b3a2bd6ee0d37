/** What becomes of an object that this machine has not sent: whether a restore, or a sync that fetches, would take it. */
import { VaultError } from '../model/errors.ts';
import type { ObjectStat } from '../model/ports.ts';
import { type Reader, hasEnvelope, openingOf } from './fetching.ts';
import { fitsHere } from './remote-names.ts';

const NOBODYS = "remove it if it is nobody's";
const NO_FILE = 'it belongs to another object, and is no file; remove it together with that one';

interface Words {
  readonly unfit: string;
  readonly opens: string;
  readonly perhaps: string;
  readonly refused: string;
}

const SENDER: Words = {
  unfit: `no file here can have that name, so s3vault restore leaves it out; s3vault cat shows what is stored; ${NOBODYS}`,
  opens: `s3vault restore fetches it; ${NOBODYS}`,
  perhaps: `s3vault restore fetches it if it opens; ${NOBODYS}`,
  refused: `so s3vault restore refuses it; ${NOBODYS}`,
};

/** Who removes what another machine wrote removes it for all of them. */
const RECEIVER: Words = {
  unfit: `no file here can have that name, so it is not fetched; s3vault cat shows what is stored; ${NOBODYS}`,
  opens: 'another machine wrote it; the next s3vault sync DIR fetches it, unless it is left out here',
  perhaps: 'if another machine wrote it, the next s3vault sync DIR fetches it, unless it is left out here',
  refused: `so s3vault refuses to fetch it; ${NOBODYS}`,
};

export interface Extra {
  readonly path: string;
  /** As the store says it is now; undefined where it was not asked. */
  readonly stat: ObjectStat | undefined;
  /** Changes come from the bucket, too. */
  readonly receives: boolean;
}

export interface Judged {
  /** The hint that fits it. */
  readonly hint: string;
  /** It is what another machine wrote, and no fault. */
  readonly news: boolean;
}

export async function judgeExtra(
  reader: Reader,
  { path, stat, receives }: Extra,
  signal: AbortSignal,
): Promise<Judged> {
  const words = receives ? RECEIVER : SENDER;
  const fault = (hint: string): Judged => ({ hint, news: false });
  if (!fitsHere(path.normalize('NFC'))) return fault(words.unfit);
  if (stat === undefined) return fault(words.perhaps);
  // KMS would be asked, and paid, for each of them.
  if (reader.keyring?.wrap === 'kms+context' && hasEnvelope(stat.metadata)) return fault(words.perhaps);
  try {
    (await openingOf(reader, stat, { key: stat.key }, signal))?.wipe();
    return { hint: words.opens, news: receives };
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    if (thrown.code === 'instruction-file') return fault(NO_FILE);
    const why = WHY[thrown.code] ?? (thrown.kind === 'security' ? 'it does not open' : undefined);
    return fault(why === undefined ? words.perhaps : `${why}, ${words.refused}`);
  }
}

const WHY: { readonly [code: string]: string } = {
  'not-sealed': 'it is not sealed',
  'not-protected': 'it is not protected as the vault is',
  sealed: 'it was sealed by another program',
};
