/** SSE-C: the header triple and what S3 says to each way of getting it wrong (User Guide, "Specifying SSE-C"). */
import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error, accessDenied, invalidArgument, invalidRequest } from './errors.ts';
import type { ObjectEncryption } from './world.ts';

export const CUSTOMER = 'x-amz-server-side-encryption-customer-';
export const COPY_SOURCE_CUSTOMER = 'x-amz-copy-source-server-side-encryption-customer-';

export interface CustomerKey {
  readonly key: Buffer;
  /** Base64. */
  readonly md5: string;
}

type CustomerEncryption = Extract<ObjectEncryption, { kind: 'customer' }>;

export const namesCustomerKey = (headers: IncomingHttpHeaders, prefix = CUSTOMER): boolean =>
  headers[`${prefix}algorithm`] !== undefined ||
  headers[`${prefix}key`] !== undefined ||
  headers[`${prefix}key-md5`] !== undefined;

/** The key of a request that names one; undefined where none of the three headers is there. */
export function customerKey(headers: IncomingHttpHeaders, prefix = CUSTOMER): CustomerKey | undefined {
  if (!namesCustomerKey(headers, prefix)) return undefined;
  const algorithm = headers[`${prefix}algorithm`];
  const encoded = headers[`${prefix}key`];
  const md5 = headers[`${prefix}key-md5`];
  if (algorithm === undefined) {
    throw invalidArgument(
      'Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.',
      { ArgumentName: `${prefix}algorithm`, ArgumentValue: 'null' },
    );
  }
  if (algorithm !== 'AES256') {
    throw new S3Error(
      400,
      'InvalidEncryptionAlgorithmError',
      'The Encryption request you specified is not valid. Supported value: AES256.',
      { ArgumentName: `${prefix}algorithm`, ArgumentValue: String(algorithm) },
    );
  }
  if (typeof encoded !== 'string') {
    throw invalidArgument(
      'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.',
      { ArgumentName: `${prefix}key`, ArgumentValue: 'null' },
    );
  }
  return checked(encoded, md5);
}

function checked(encoded: string, md5: string | string[] | undefined): CustomerKey {
  const key = Buffer.from(encoded, 'base64');
  if (key.length !== 32 || key.toString('base64') !== encoded) {
    throw invalidArgument('The secret key was invalid for the specified algorithm.');
  }
  const calculated = hash('md5', key, 'base64');
  if (md5 !== calculated) {
    throw invalidArgument('The calculated MD5 hash of the key did not match the hash that was provided.');
  }
  return { key, md5: calculated };
}

/** What is remembered of a key: its MD5 and a salted HMAC, as S3 does. */
export function rememberKey({ key, md5 }: CustomerKey): CustomerEncryption {
  const salt = randomBytes(16);
  return { kind: 'customer', keyMd5: md5, salt, proof: createHmac('sha256', salt).update(key).digest() };
}

export function isSameKey(known: CustomerEncryption, { key }: CustomerKey): boolean {
  return timingSafeEqual(known.proof, createHmac('sha256', known.salt).update(key).digest());
}

/** The key to read an object with, out of the request's headers. */
export function readingKey(
  encryption: ObjectEncryption,
  headers: IncomingHttpHeaders,
  prefix = CUSTOMER,
): CustomerKey | undefined {
  const given = customerKey(headers, prefix);
  if (encryption.kind !== 'customer') {
    if (given === undefined) return undefined;
    throw invalidRequest('The encryption parameters are not applicable to this object.');
  }
  if (given === undefined) {
    throw invalidRequest(
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    );
  }
  if (!isSameKey(encryption, given)) {
    throw accessDenied(
      'Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.',
    );
  }
  return given;
}

/** The key of a part, which must be the one its upload was begun with. */
export function partKey(encryption: ObjectEncryption, headers: IncomingHttpHeaders): CustomerKey | undefined {
  const given = customerKey(headers);
  if (encryption.kind !== 'customer' && given === undefined) return undefined;
  if (encryption.kind !== 'customer' || given === undefined) {
    throw invalidRequest(
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    );
  }
  if (!isSameKey(encryption, given)) {
    throw invalidRequest('The provided encryption parameters did not match the ones used originally.');
  }
  return given;
}
