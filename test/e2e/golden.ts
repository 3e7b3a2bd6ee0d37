/** Screens of the built program kept as text, as a person would see them; what differs from run to run is evened out. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Terminal } from '../terminal.ts';

const FOLDER = join(import.meta.dirname, 'golden');

/** Times, fingerprints, checksums, version ids, speeds and bucket names, each by as many characters of one kind. */
export function evenedOut(screen: string, names: Readonly<Record<string, string>> = {}): string {
  let text = screen;
  for (const [name, as] of Object.entries(names))
    text = text.replaceAll(name, as.padEnd(name.length).slice(0, name.length));
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/^( s3vault).*?(\d+ vaults?).*$/, '$1 $2')
        .replace(/\/[^ ]*\/vault-\w{6}(?=[/…])/g, '/tmp/vault-XXXXXX')
        // Stores have different settings.
        .replace(/^( POSTURE).*$/, '$1')
        .replace(/\d{4}-\d\d-\d\d \d\d:\d\d/g, 'YYYY-MM-DD HH:MM')
        .replace(/\d\d:\d\d:\d\d/g, 'HH:MM:SS')
        .replace(/(trying again) (now|in \d+ s) */g, '$1 in N s   ')
        .replace(/[0-9a-f]{4} [0-9a-f]{4}…/g, 'ffff ffff…')
        .replace(/(V3, )[0-9a-f]{4}/g, '$1ffff')
        .replace(/( {2}v )[^ ]{3}…/, '        ')
        .replace(/(sealed with key )[0-9a-f]{16}/g, '$1ffffffffffffffff')
        .replace(/(crc32|md5) [A-Za-z0-9+/=]+/g, 'a checksum')
        .replace(/^( ▶ folder +)\/\S+/, '$1/home/me/files')
        .trimEnd(),
    )
    .join('\n')
    .trimEnd();
}

/**
 * Compares with the kept screen, and waits a while for it: a screen can be met half drawn.
 * `S3VAULT_UPDATE_GOLDEN=1` writes it: read what it wrote.
 */
export async function expectGolden(
  name: string,
  terminal: Pick<Terminal, 'screen' | 'shows'>,
  names?: Readonly<Record<string, string>>,
): Promise<void> {
  const file = join(FOLDER, `${name}.txt`);
  const text = (screen: string): string => `${evenedOut(screen, names)}\n`;
  if (process.env['S3VAULT_UPDATE_GOLDEN'] === '1') {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, text(await terminal.shows(() => true)));
    return;
  }
  expect(existsSync(file), `${file} is not there; S3VAULT_UPDATE_GOLDEN=1 makes it`).toBe(true);
  const kept = readFileSync(file, 'utf8');
  const screen = await terminal.shows((one) => text(one) === kept).catch(() => terminal.screen());
  expect(text(screen)).toBe(kept);
}
