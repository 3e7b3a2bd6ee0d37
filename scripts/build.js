// Builds dist/ from src/: type-stripped JavaScript, one file per source file, and marks the entry as executable.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = join(top, 'node_modules', '.bin', process.platform === 'win32' ? 'tsc.cmd' : 'tsc');
if (!existsSync(tsc)) {
  // A package installed from the registry carries dist/ and no compiler.
  if (existsSync(join(top, 'dist', 'main.js'))) process.exit(0);
  process.stderr.write('s3vault build: the compiler is missing; run npm ci first\n');
  process.exit(1);
}
rmSync(join(top, 'dist'), { recursive: true, force: true });
execFileSync(tsc, ['-p', join(top, 'tsconfig.build.json')], { stdio: 'inherit', cwd: top });
chmodSync(join(top, 'dist', 'main.js'), 0o755);
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
