import type { NameKey, RelPath } from './brands.ts';
import type { Stamp } from './entry.ts';

/** What the Index remembers of a file that was last in step. */
export interface Record extends Stamp {
  readonly key: NameKey;
  readonly path: RelPath;
  readonly kind: 'file' | 'link';
  readonly mode: number;
  /** SHA-256 of the plaintext, 32 bytes; stays on this machine. Undefined after a rebuild from the bucket. */
  readonly digest?: Uint8Array;
  readonly etag: string;
  readonly versionId?: string;
  /** Bytes stored in the bucket (sealed size). */
  readonly storedSize: number;
  /** See `modeFingerprint`. */
  readonly modeFingerprint: string;
  /** Its bytes came from the bucket; else this machine wrote them there, or may have. */
  readonly received?: true;
  /** When the file's stamp was taken, in ms; a stamp not safely older than this is racy. */
  readonly seenAt: number;
}
