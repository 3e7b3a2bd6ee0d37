// Builds dist/ from src/: the program in one bundle with its libraries, and marks the entry as executable.
import { chmodSync, existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(top, 'dist');
if (!existsSync(join(top, 'node_modules', 'rolldown'))) {
  // A package installed from the registry carries dist/ and no bundler.
  if (existsSync(join(dist, 'main.js'))) process.exit(0);
  process.stderr.write('s3vault build: the bundler is missing; run npm ci first\n');
  process.exit(1);
}
const { bundle, licenses } = await import('./bundle.ts');
rmSync(dist, { recursive: true, force: true });
const entries = { main: 'src/main.ts', 'keychain-child': 'src/keys/keychain-child.ts' };
writeFileSync(join(dist, 'licenses.txt'), licenses(await bundle(entries, dist)));
chmodSync(join(dist, 'main.js'), 0o755);
linkCommand();

/**
 * Makes `npx s3vault` work in a checkout: npm links the commands of dependencies, not the project's own, and npx of
 * npm 11 then looks for a package of that name elsewhere.
 */
function linkCommand() {
  const link = join(top, 'node_modules', '.bin', 's3vault');
  rmSync(link, { force: true });
  if (process.platform === 'win32')
    writeFileSync(`${link}.cmd`, '@node "%~dp0\\..\\..\\dist\\main.js" %*\r\n');
  else symlinkSync(join('..', '..', 'dist', 'main.js'), link);
}
