/**
 * The store of the benchmarks that only push: HTTPS, reads each body, answers with its MD5 and drops it, so that the
 * client is what is measured. Speaks just enough S3 for that: PUT, multipart uploads, an empty listing, 404 for reads.
 * Checks no signature.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeCertificate } from '../src/embedded/tls.ts';

export interface Sink {
  readonly url: string;
  readonly caPem: string;
  readonly close: () => void;
}

export async function startSink(): Promise<Sink> {
  const { cert, key } = await makeCertificate();
  /** Upload id to the parts' MD5s, and object to size and ETag: rclone asks for what it has written. */
  const uploads = new Map<string, { md5: Buffer; size: number }[]>();
  const objects = new Map<string, { etag: string; size: number }>();
  const server = createServer({ cert, key, keepAliveTimeout: 60_000 }, (request, response) => {
    void serve(request, response, uploads, objects);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `https://localhost:${port}`, caPem: cert, close };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  uploads: Map<string, { md5: Buffer; size: number }[]>,
  objects: Map<string, { etag: string; size: number }>,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://localhost');
  const { pathname, searchParams } = url;
  const hash = createHash('md5');
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  const uploadId = searchParams.get('uploadId') ?? '';
  if (request.method === 'PUT') {
    const md5 = hash.digest();
    const number = searchParams.get('partNumber');
    if (number === null) objects.set(pathname, { etag: md5.toString('hex'), size });
    else (uploads.get(uploadId) ?? [])[Number(number) - 1] = { md5, size };
    response.writeHead(200, { etag: `"${md5.toString('hex')}"`, 'content-length': 0 }).end();
  } else if (request.method === 'POST' && searchParams.has('uploads')) {
    const id = `upload-${uploads.size}`;
    uploads.set(id, []);
    xml(
      response,
      `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    );
  } else if (request.method === 'POST') {
    const parts = uploads.get(uploadId) ?? [];
    const joined = Buffer.concat(parts.map((part) => part.md5));
    const etag = `${createHash('md5').update(joined).digest('hex')}-${parts.length}`;
    objects.set(pathname, { etag, size: parts.reduce((sum, part) => sum + part.size, 0) });
    xml(response, `<CompleteMultipartUploadResult><ETag>"${etag}"</ETag></CompleteMultipartUploadResult>`);
  } else if (request.method === 'HEAD' && objects.has(pathname)) {
    const stored = objects.get(pathname);
    const modified = new Date().toUTCString();
    response
      .writeHead(200, {
        etag: `"${stored?.etag}"`,
        'content-length': stored?.size ?? 0,
        'last-modified': modified,
      })
      .end();
  } else if (request.method === 'GET' && searchParams.size > 0) {
    xml(response, '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
  } else {
    xml(response, '<Error><Code>NoSuchKey</Code></Error>', 404);
  }
}

function xml(response: ServerResponse, text: string, status = 200): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>${text}`;
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length }).end(body);
}
