/** What a person gets from a checkout after `npm ci`, and what a package of it would hold. Needs `npm run build`. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const top = join(import.meta.dirname, '..', '..');
const manifest = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
};
/** Outside of the checkout's own bin folder, as npx is found by a person. */
const outer = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.startsWith(top));
/** npx can take the checkout for a package to install, and build it anew: dist/ is away while other tests run the program. */
const env = {
  ...process.env,
  PATH: outer.join(':'),
  npm_config_update_notifier: 'false',
  npm_config_ignore_scripts: 'true',
};

test('the entry is executable and the command of the checkout', () => {
  const entry = join(top, 'dist', 'main.js');
  expect(readFileSync(entry, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  expect(statSync(entry).mode & 0o111).toBe(0o111);
  expect(realpathSync(join(top, 'node_modules', '.bin', 's3vault'))).toBe(entry);
});

test('npx s3vault runs it, under the pinned Node, without the network', async () => {
  const { stdout } = await promisify(execFile)('npx', ['--no-install', 's3vault', '--version'], {
    cwd: top,
    env: { ...env, npm_config_offline: 'true' },
  });
  expect(stdout.trim()).toBe(manifest.version);
});

test('the package holds the program, what it says of itself, and nothing else', async () => {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: top,
    env: { ...env, npm_config_offline: 'true' },
  });
  const answer = JSON.parse(stdout) as unknown;
  const [packed] = (Array.isArray(answer) ? answer : Object.values(answer as object)) as [
    { files: readonly { path: string }[] },
  ];
  const files = packed.files.map(({ path }) => path);
  expect(files).toContain('dist/main.js');
  const outside = files.filter((path) => dirname(path) === '.').sort();
  expect(outside).toStrictEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'].filter(inCheckout));
  const others = files.filter((path) => dirname(path) !== '.' && !/^dist\/.*\.js$/.test(path));
  expect(others).toStrictEqual(['dist/licenses.txt']);
});

test('the program is in one piece with its libraries, whose licences it hands on', () => {
  const chunks = readdirSync(join(top, 'dist'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.js'),
  );
  const asked = chunks.flatMap((path) => [
    ...readFileSync(join(top, 'dist', path), 'utf8').matchAll(/^import (?:.* from )?"([^."][^"]*)";$/gm),
  ]);
  expect(new Set(asked.map(([, name]) => name).filter((name) => !isBuiltin(name ?? '')))).toStrictEqual(
    new Set(['react-devtools-core']),
  );
  const licences = readFileSync(join(top, 'dist', 'licenses.txt'), 'utf8');
  for (const name of Object.keys(manifest.dependencies).filter((one) => one !== 'keytar'))
    expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(.+\\)\n\n.`, 'm'));
});

const inCheckout = (name: string): boolean => existsSync(join(top, name));
