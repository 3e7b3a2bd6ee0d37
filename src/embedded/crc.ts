/**
 * The cyclic checksums of S3: CRC32 comes from zlib, CRC32C (Castagnoli) and CRC64NVME from tables. All take and give
 * the finished value, so that a checksum can be carried on over chunks, and two can be combined without the bytes.
 */
import { crc32 as zlibCrc32 } from 'node:zlib';

export interface Crc {
  readonly bytes: 4 | 8;
  /** Carries `previous` (0 at the start) on over `data`. */
  update(data: Uint8Array, previous: bigint): bigint;
  /** Generator polynomial, bit-reversed. */
  readonly polynomial: bigint;
}

const CASTAGNOLI = 0x82f63b78;
const NVME = 0x9a6c9329ac4bc9b5n;

let table32c: Uint32Array | undefined;

function castagnoliTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CASTAGNOLI : value >>> 1;
    table[n] = value;
  }
  return table;
}

function updateCrc32c(data: Uint8Array, previous: bigint): bigint {
  table32c ??= castagnoliTable();
  let value = ~Number(previous);
  for (const byte of data) value = (table32c[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return BigInt(~value >>> 0);
}

interface Tables {
  /** Lower and upper 32 bits of the entries: eight tables of 256, the n-th for a byte that n more follow. */
  readonly low: Int32Array;
  readonly high: Int32Array;
}

let tables64: Tables | undefined;

function nvmeTables(): Tables {
  const low = new Int32Array(8 * 256);
  const high = new Int32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let value = BigInt(n);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ NVME : value >> 1n;
    low[n] = Number(BigInt.asIntN(32, value));
    high[n] = Number(BigInt.asIntN(32, value >> 32n));
  }
  for (let n = 256; n < 8 * 256; n++) {
    const [l, h] = [low[n - 256] ?? 0, high[n - 256] ?? 0];
    low[n] = ((l >>> 8) | (h << 24)) ^ (low[l & 0xff] ?? 0);
    high[n] = (h >>> 8) ^ (high[l & 0xff] ?? 0);
  }
  return { low, high };
}

/**
 * In two halves of 32 bits, because BigInt arithmetic for every byte would be some fifty times slower, and eight bytes at
 * a time, which is seven times as fast as one.
 */
function updateCrc64(data: Uint8Array, previous: bigint): bigint {
  tables64 ??= nvmeTables();
  const { low: tableLow, high: tableHigh } = tables64;
  let low = ~Number(BigInt.asIntN(32, previous));
  let high = ~Number(BigInt.asIntN(32, previous >> 32n));
  const words = data.length - (data.length % 8);
  for (let at = 0; at < words; at += 8) {
    const a = low ^ word(data, at);
    const b = high ^ word(data, at + 4);
    low = ofEight(tableLow, a, b);
    high = ofEight(tableHigh, a, b);
  }
  for (let at = words; at < data.length; at++) {
    const entry = (low ^ (data[at] ?? 0)) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (tableLow[entry] ?? 0);
    high = (high >>> 8) ^ (tableHigh[entry] ?? 0);
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}

/** Four bytes, the first one lowest. */
const word = (data: Uint8Array, at: number): number =>
  (data[at] ?? 0) | ((data[at + 1] ?? 0) << 8) | ((data[at + 2] ?? 0) << 16) | ((data[at + 3] ?? 0) << 24);

/** Of the bytes of two words. */
const ofEight = (table: Int32Array, a: number, b: number): number =>
  (table[0x700 | (a & 0xff)] ?? 0) ^
  (table[0x600 | ((a >>> 8) & 0xff)] ?? 0) ^
  (table[0x500 | ((a >>> 16) & 0xff)] ?? 0) ^
  (table[0x400 | (a >>> 24)] ?? 0) ^
  (table[0x300 | (b & 0xff)] ?? 0) ^
  (table[0x200 | ((b >>> 8) & 0xff)] ?? 0) ^
  (table[0x100 | ((b >>> 16) & 0xff)] ?? 0) ^
  (table[b >>> 24] ?? 0);

export const CRC32: Crc = {
  bytes: 4,
  polynomial: 0xedb88320n,
  update: (data, previous) => BigInt(zlibCrc32(data, Number(previous))),
};
export const CRC32C: Crc = { bytes: 4, polynomial: BigInt(CASTAGNOLI), update: updateCrc32c };
export const CRC64NVME: Crc = { bytes: 8, polynomial: NVME, update: updateCrc64 };

/** The checksum of A followed by B from those of A and B and the length of B, in bytes. */
export function combineCrc(crc: Crc, first: bigint, second: bigint, secondLength: number): bigint {
  const top = 1n << BigInt(crc.bytes * 8 - 1);
  let shift = top;
  // x^(8n) modulo the polynomial, by squaring: start at x^8.
  let power = top >> 8n;
  for (let rest = secondLength; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(crc, power, shift);
    power = multiply(crc, power, power);
  }
  return multiply(crc, shift, first) ^ second;
}

/** Product of two polynomials over GF(2) in reversed bit order, modulo the checksum's polynomial. */
function multiply(crc: Crc, a: bigint, b: bigint): bigint {
  let product = 0n;
  let shifted = b;
  for (let bit = 1n << BigInt(crc.bytes * 8 - 1); bit > 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= shifted;
    shifted = (shifted & 1n) === 1n ? (shifted >> 1n) ^ crc.polynomial : shifted >> 1n;
  }
  return product;
}
