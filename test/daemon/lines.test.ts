import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineReader } from '../../src/daemon/lines.ts';

function read(chunks: readonly Buffer[], limit = 1_000): { lines: string[]; tooLong: number } {
  const lines: string[] = [];
  let tooLong = 0;
  const reader = new LineReader(
    limit,
    (line) => lines.push(line),
    () => tooLong++,
  );
  for (const chunk of chunks) reader.push(chunk);
  return { lines, tooLong };
}

test('gives the same lines however the bytes are cut', () => {
  const line = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 40 })
    .map((text) => text.replaceAll('\n', ' '));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(50)), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((one) => `${one}\n`).join(''));
      const chunks: Buffer[] = [];
      let from = 0;
      for (const cut of [...cuts, bytes.length]) {
        chunks.push(bytes.subarray(from, from + cut));
        from += cut;
      }
      const whole = lines.map((one) => Buffer.from(one).toString('utf8'));
      expect(read(chunks)).toStrictEqual({ lines: whole, tooLong: 0 });
    }),
    { numRuns: 50 },
  );
});

test('keeps no line beyond the limit, and reads nothing after it', () => {
  const long = Buffer.alloc(600, 'x');
  expect(read([Buffer.from('first\n'), long, long, Buffer.from('\nlast\n')])).toStrictEqual({
    lines: ['first'],
    tooLong: 1,
  });
  expect(read([Buffer.alloc(1_000, 'x'), Buffer.from('\n')]).lines).toHaveLength(1);
});

test('passes over empty lines', () => {
  expect(read([Buffer.from('\n\na\n\n')]).lines).toStrictEqual(['a']);
});
