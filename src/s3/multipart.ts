/**
 * Uploads in parts through lib-storage, which has no way of going on after a restart. It is given a client whose `send`
 * is taken over here: what the journal already holds is answered from there, parts go out over the wire, and every
 * answer is looked at for the Proof.
 */
import type {
  CompleteMultipartUploadCommand,
  CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommandOutput,
  S3Client,
  UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { ObjectKey } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import type { MultipartSource, PartAnswer, UploadJournal, Waits, WriteOptions } from '../model/ports.ts';
import type { Receipt } from '../model/receipt.ts';
import { crc32Text, multipartMd5, sharedChecksum, sumHeaders, sumsOf, unquoted } from './checksums.ts';
import { underConditions } from './conditions.ts';
import { keepTags } from './kept.ts';
import type { Listing } from './list.ts';
import {
  customerKeyOf,
  confirmedKey,
  prove,
  proveEncryption,
  provePart,
  proves,
  readHeaders,
  sdkAnswer,
  sdkFields,
  writeHeaders,
} from './modes.ts';
import { failureOfThrown } from './network-failure.ts';
import { refuseOvertaken } from './overtaken.ts';
import { withRetries } from './retrying.ts';
import { carrying } from './sdk.ts';
import { sdkSend } from './sdk-failure.ts';
import type { Headers } from './sign.ts';
import { explain, notRemoved, orRemove, putObject, receiptOf } from './single.ts';
import { type Site, askedOf, headAnswer, isDenied, versionOf } from './site.ts';
import { paying } from './throttling.ts';
import { drain } from './wire.ts';

/** Parts of one upload under way at a time. */
const QUEUE = 4;

export async function uploadObject(
  context: Listing,
  key: ObjectKey,
  source: MultipartSource,
  journal: UploadJournal,
  options: WriteOptions,
): Promise<Receipt> {
  const { Upload } = await import('@aws-sdk/lib-storage');
  const client = await context.site.remote.client();
  const running = new RunningUpload(context, key, source, journal, options);
  const body = Readable.from(running.bytes(), { highWaterMark: 1 });
  const upload = new Upload({
    client: takenOver(client, (command) => running.send(command)),
    params: { Bucket: context.site.remote.bucket, Key: key, Body: body, ContentLength: source.size },
    queueSize: QUEUE,
    partSize: source.partSize,
    // What was sent is kept for going on later.
    leavePartsOnError: true,
  });
  try {
    await upload.done();
    const receipt = await running.finish();
    await keepTags(context.site, key, receipt.versionId, options.kept ?? {}, options);
    return receipt;
  } catch (thrown) {
    throw await running.fail(thrown);
  } finally {
    body.destroy();
  }
}

export async function abortUpload(
  site: Site,
  key: ObjectKey,
  uploadId: string,
  { signal }: Waits,
): Promise<void> {
  const { AbortMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  const command = new AbortMultipartUploadCommand({
    Bucket: site.remote.bucket,
    Key: key,
    UploadId: uploadId,
  });
  try {
    await sdkSend(site, askedOf(site, 'remove', key), signal, (client, waits) => client.send(command, waits));
  } catch (thrown) {
    if (!(thrown instanceof VaultError && isGone(thrown))) throw thrown;
  }
}

const isGone = (error: VaultError): boolean =>
  error.code === 'upload-gone' || error.code === 'object-missing' || error.code === 'precondition';

interface Sent {
  readonly input: object;
}

/** A client in all but `send`. */
function takenOver(client: S3Client, send: (command: Sent) => Promise<unknown>): S3Client {
  return new Proxy(client, {
    get: (target, name) => (name === 'send' ? send : (Reflect.get(target, name, target) as unknown)),
  });
}

const isConflict = (thrown: unknown): boolean => thrown instanceof VaultError && thrown.code === 'conflict';

/** At Complete a conflict is no passing thing: the object was written since, and S3 wants the upload begun anew. */
function overtaken(key: ObjectKey, cause: unknown): VaultError {
  return new VaultError(
    'changed',
    'precondition',
    `${safeName(key)} was written by somebody else during the upload`,
    {
      cause,
      hint: RUN_AGAIN,
    },
  );
}

function uploadDiffers(key: ObjectKey, number: number): VaultError {
  return new VaultError(
    'changed',
    'upload-differs',
    `part ${number} of ${safeName(key)} is not what was sent before`,
    {
      hint: 'the upload was called off and begins anew with a fresh key',
    },
  );
}

/** Parts of Uint8Arrays are Uint8Arrays. */
function bytesOf(body: unknown): Uint8Array<ArrayBuffer> {
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  throw new VaultError('internal', 'internal', 'lib-storage gave a part that is not bytes');
}

/** What Complete says, in the form of headers. */
function completeHeaders(output: CompleteMultipartUploadCommandOutput): Headers {
  const { ETag, ChecksumCRC32 } = output;
  return {
    ...sdkAnswer(output),
    ...(ETag === undefined ? {} : { etag: ETag }),
    ...(ChecksumCRC32 === undefined ? {} : { 'x-amz-checksum-crc32': ChecksumCRC32 }),
  };
}

/** One `upload` call. Everything lib-storage sends comes through `send`. */
class RunningUpload {
  readonly #context: Listing;
  readonly #site: Site;
  readonly #key: ObjectKey;
  readonly #source: MultipartSource;
  readonly #journal: UploadJournal;
  readonly #options: WriteOptions;
  /** Fires with the caller's signal, or once the upload has failed. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #md5: Buffer[] = [];
  #crc = 0;
  #acknowledged = 0;
  /** What the store confirmed of the customer key, part by part. */
  readonly #partKeys: (string | undefined)[] = [];
  #failure: VaultError | undefined;
  #receipt: Receipt | undefined;

  constructor(
    context: Listing,
    key: ObjectKey,
    source: MultipartSource,
    journal: UploadJournal,
    options: WriteOptions,
  ) {
    this.#context = context;
    this.#site = context.site;
    this.#key = key;
    this.#source = source;
    this.#journal = journal;
    this.#options = options;
    const { signal } = options;
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
  }

  /**
   * The source's parts, each with its first byte apart: lib-storage holds a part back until it has seen a byte of the
   * next one, and joins what it holds. This way it joins one part, not two.
   */
  async *bytes(): AsyncIterable<Uint8Array> {
    try {
      for await (const part of this.#source.open(this.#signal)) {
        if (this.#site.remote.isAws) this.#crc = crc32(part, this.#crc);
        yield part.subarray(0, 1);
        yield part.subarray(1);
      }
    } catch (thrown) {
      // Parts that are under way must not be waited for.
      throw this.#failed(thrown);
    }
  }

  /** What lib-storage calls instead of the client's `send`. The first failure stops all. */
  async send(command: Sent): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    const work = this.#dispatch(command);
    this.#underWay.add(work);
    try {
      return await work;
    } catch (thrown) {
      throw this.#failed(thrown);
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** Notes the first failure and stops the rest. */
  #failed(thrown: unknown): VaultError {
    this.#failure ??= failureOfThrown(thrown, this.#options.signal);
    this.#stop.abort();
    return this.#failure;
  }

  async finish(): Promise<Receipt> {
    if (this.#receipt === undefined)
      throw new VaultError('internal', 'internal', 'an upload ended without an answer');
    this.#journal.ended();
    return this.#receipt;
  }

  /** The error to throw, once nothing is under way any more. */
  async fail(thrown: unknown): Promise<unknown> {
    this.#stop.abort();
    await Promise.allSettled(this.#underWay);
    const error = failureOfThrown(this.#failure ?? thrown, this.#options.signal);
    if (error.code === 'upload-gone') this.#journal.ended();
    if (error.kind === 'security' || error.code === 'upload-differs') return this.#dropped(error);
    return error;
  }

  /** After a failure that must not leave anything behind. */
  async #dropped(error: VaultError): Promise<VaultError> {
    const { uploadId } = this.#journal;
    try {
      if (uploadId !== undefined) await abortUpload(this.#site, this.#key, uploadId, {});
    } catch (failed) {
      return error.kind === 'security' ? notRemoved(error, failed) : error;
    }
    this.#journal.ended();
    return error;
  }

  async #dispatch(command: Sent): Promise<unknown> {
    const sdk = await import('@aws-sdk/client-s3');
    if (command instanceof sdk.CreateMultipartUploadCommand) return this.#create();
    if (command instanceof sdk.UploadPartCommand) {
      const { PartNumber, Body } = command.input;
      return this.#part(PartNumber ?? 0, Body);
    }
    if (command instanceof sdk.CompleteMultipartUploadCommand)
      return this.#complete(command.input.MultipartUpload?.Parts ?? []);
    if (command instanceof sdk.PutObjectCommand) return this.#single(command.input.Body);
    throw new VaultError('internal', 'internal', 'lib-storage sent a request that is not known here');
  }

  async #create(): Promise<Partial<CreateMultipartUploadCommandOutput>> {
    const { uploadId } = this.#journal;
    if (uploadId !== undefined) return { UploadId: uploadId };
    const { CreateMultipartUploadCommand } = await import('@aws-sdk/client-s3');
    const { protection, remote } = this.#site;
    const headers = writeHeaders(protection);
    const bare = new CreateMultipartUploadCommand({
      Bucket: remote.bucket,
      Key: this.#key,
      Metadata: { ...this.#source.metadata },
      ...sdkFields(headers),
      ...(remote.isAws ? { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } : {}),
    });
    const command = carrying(bare, { ...this.#options.kept, ...customerKeyOf(headers) });
    const output = await this.#again(() =>
      this.#sdk('create', (client, waits) => client.send(command, waits)),
    );
    if (output.UploadId === undefined)
      throw new VaultError('transient', 'answer', 'the store gave no upload id');
    this.#journal.begun(output.UploadId);
    proveEncryption(protection, sdkAnswer(output));
    return { UploadId: output.UploadId };
  }

  async #part(number: number, body: unknown): Promise<Partial<UploadPartCommandOutput>> {
    const bytes = bytesOf(body);
    const sums = sumsOf(bytes, this.#site.remote.isAws);
    if ('md5' in sums) this.#md5[number - 1] = sums.md5;
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('base64');
    const known = this.#journal.part(number);
    if (known !== undefined && known.digest !== digest) throw uploadDiffers(this.#key, number);
    let answer = known?.answer;
    if (answer === undefined) {
      if (known === undefined) this.#journal.sending(number, digest);
      answer = await this.#again(() => this.#sendPart(number, bytes, sumHeaders(sums)));
      this.#journal.sent(number, answer);
    }
    this.#partKeys[number - 1] = answer.keyMd5;
    this.#acknowledged += bytes.length;
    this.#options.onSent?.(this.#acknowledged);
    return { ETag: answer.etag, ...(answer.crc32 === undefined ? {} : { ChecksumCRC32: answer.crc32 }) };
  }

  async #sendPart(number: number, body: Uint8Array, sums: Headers): Promise<PartAnswer> {
    const { wire, protection } = this.#site;
    const answer = await wire.send({
      method: 'PUT',
      asked: askedOf(this.#site, 'write', this.#key),
      key: this.#key,
      query: { partNumber: String(number), uploadId: this.#journal.uploadId ?? '' },
      headers: { ...readHeaders(protection), ...sums },
      body,
      signal: this.#signal,
    });
    await drain(answer);
    const keyMd5 = provePart(protection, answer.headers);
    const etag = answer.headers['etag'];
    if (etag === undefined)
      throw new VaultError('transient', 'answer', `the store gave no ETag for part ${number}`);
    const crc = sums['x-amz-checksum-crc32'];
    return {
      etag,
      ...(crc === undefined ? {} : { crc32: crc }),
      ...(keyMd5 === undefined ? {} : { keyMd5 }),
    };
  }

  async #complete(
    parts: readonly {
      ETag?: string | undefined;
      PartNumber?: number | undefined;
      ChecksumCRC32?: string | undefined;
    }[],
  ): Promise<Partial<CompleteMultipartUploadCommandOutput>> {
    const { CompleteMultipartUploadCommand: Complete } = await import('@aws-sdk/client-s3');
    const { remote, protection } = this.#site;
    const { ifMatch, ifNoneMatch } = this.#options;
    const bare = (conditions: Headers): CompleteMultipartUploadCommand =>
      new Complete({
        Bucket: remote.bucket,
        Key: this.#key,
        UploadId: this.#journal.uploadId,
        MultipartUpload: { Parts: [...parts] },
        IfMatch: conditions['if-match'],
        IfNoneMatch: conditions['if-none-match'],
        ...(remote.isAws
          ? {
              MpuObjectSize: this.#source.size,
              ChecksumType: 'FULL_OBJECT',
              ChecksumCRC32: crc32Text(this.#crc),
            }
          : {}),
      });
    const complete = (conditions: Headers): CompleteMultipartUploadCommand =>
      carrying(bare(conditions), customerKeyOf(readHeaders(protection)));
    const conditional = ifMatch !== undefined || ifNoneMatch !== undefined;
    const send = (conditions: Headers): Promise<CompleteMultipartUploadCommandOutput> =>
      this.#sdk('complete', (client, waits) => client.send(complete(conditions), waits));
    let found: Headers | undefined;
    const output = await this.#again(async (attempt) => {
      try {
        return await underConditions(this.#site, this.#key, { ...this.#options, signal: this.#signal }, send);
      } catch (thrown) {
        // An earlier try may have worked and its answer got lost: then the object says so.
        const unclear = attempt > 1 && thrown instanceof VaultError && isGone(thrown);
        if (unclear && (found = await this.#found(thrown)) !== undefined) return undefined;
        throw conditional && isConflict(thrown) ? overtaken(this.#key, thrown) : thrown;
      }
    });
    await this.#prove(output, found);
    return output ?? { ETag: this.#receipt?.etag };
  }

  get #sums(): { readonly crc32: string } | { readonly md5: string } {
    return this.#site.remote.isAws ? { crc32: crc32Text(this.#crc) } : { md5: multipartMd5(this.#md5) };
  }

  /**
   * The object under the key where it is the one of this upload: by what only its bytes give. Rejects with `otherwise` where
   * nobody may look: the file is then sent again.
   */
  async #found(otherwise: VaultError): Promise<Headers | undefined> {
    const stored = await headAnswer(this.#site, this.#key, undefined, true, this.#options).catch(
      (thrown: unknown) => {
        throw isDenied(thrown) ? otherwise : thrown;
      },
    );
    return stored !== undefined && sharedChecksum(stored, this.#sums) !== undefined ? stored : undefined;
  }

  /**
   * Complete itself proves the modes of S3 and KMS keys, as far as the store says so there, and nothing of sse-c. `found`: the
   * object, where the answer got lost.
   */
  async #prove(output: CompleteMultipartUploadCommandOutput | undefined, found: Headers = {}): Promise<void> {
    const { protection } = this.#site;
    let answer = output === undefined ? found : completeHeaders(output);
    const said = output === undefined ? versionOf(found) : output.VersionId;
    const versionId = said === 'null' ? undefined : said;
    const proof = await orRemove(this.#site, this.#key, versionId, this.#options, async () => {
      let checksum = sharedChecksum(answer, this.#sums);
      if (!proves(protection, answer, checksum)) {
        answer = await this.#stored(versionId, answer);
        checksum ??= sharedChecksum(answer, this.#sums);
      }
      return prove(protection, answer, checksum);
    });
    const etag = unquoted(output?.ETag || (answer['etag'] ?? ''));
    const written = { etag, versionId: versionId ?? versionOf(answer) };
    await this.#again(() => refuseOvertaken(this.#site, this.#key, written, this.#options));
    this.#receipt = receiptOf(this.#key, etag, written.versionId, this.#source.size, proof);
  }

  /**
   * The object's own word; for who may write and not read, what was said of each of its parts. HEAD refuses a wrong key
   * without a word: GET says whether it is that.
   */
  async #stored(versionId: string | undefined, said: Headers): Promise<Headers> {
    try {
      return await this.#head(versionId);
    } catch (thrown) {
      if (!isDenied(thrown)) throw thrown;
      const why = await this.#refusal(versionId);
      // It lies there in another mode, which proves nothing.
      if (why?.code === 'other-mode') return {};
      const parts = confirmedKey(this.#partKeys);
      if (!isDenied(why) || parts === undefined) throw why ?? thrown;
      return { ...said, ...parts };
    }
  }

  /** Undefined: the object may be read all the same. */
  async #refusal(versionId: string | undefined): Promise<VaultError | undefined> {
    const { signal } = this.#options;
    try {
      const version = versionId === undefined ? {} : { versionId };
      await this.#again(() => explain(this.#site, this.#key, { signal, ...version }));
      return undefined;
    } catch (thrown) {
      return failureOfThrown(thrown, signal);
    }
  }

  async #head(versionId: string | undefined): Promise<Headers> {
    const answer = await this.#again(() => headAnswer(this.#site, this.#key, versionId, true, this.#options));
    if (answer !== undefined) return answer;
    throw new VaultError(
      'changed',
      'precondition',
      `${safeName(this.#key)} was removed right after it was written`,
    );
  }

  /** lib-storage sends what is one part as a whole object. */
  async #single(body: unknown): Promise<{ ETag: string }> {
    const { metadata } = this.#source;
    this.#receipt = await this.#again(() =>
      putObject(this.#site, this.#key, bytesOf(body), metadata, { ...this.#options, signal: this.#signal }),
    );
    return { ETag: this.#receipt.etag };
  }

  /** Sends by the SDK what writes this key, once KMS may be asked. */
  #sdk<T extends Parameters<typeof sdkAnswer>[0]>(
    call: 'create' | 'complete',
    send: Parameters<typeof sdkSend<T>>[3],
  ): Promise<T> {
    const signal = this.#signal;
    const asked = askedOf(this.#site, 'write', this.#key);
    return paying(
      this.#site.charge,
      call,
      { signal },
      () => sdkSend(this.#site, asked, signal, send),
      sdkAnswer,
    );
  }

  #again<T>(fn: (attempt: number) => Promise<T>): Promise<T> {
    return withRetries(fn, this.#context.clock, this.#context.retries, this.#signal);
  }
}
