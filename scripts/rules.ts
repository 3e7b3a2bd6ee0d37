/** The rules of the architecture as functions: a Source in, its breaches out. */
import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import {
  BUDGET,
  CIPHERS,
  CLOCK_EXCEPTIONS,
  CLOCK_HOMES,
  LONG_FUNCTIONS,
  PARTS,
  RETIRED,
  XML_NAMESPACES,
  type PartName,
} from './architecture.ts';
import { isNode, textOf, type Import, type Node, type Source } from './source.ts';

export type Rule = (source: Source) => readonly string[];

/** The part of `src/` that a file belongs to; undefined where the table has none. */
export function partOf(file: string): PartName | undefined {
  const [top, first = ''] = file.split('/');
  return top === 'src' && Object.hasOwn(PARTS, first) ? (first as PartName) : undefined;
}

/** Relative imports follow the table; tests and scripts are never imported. */
export const arrows: Rule = (source) => {
  const part = partOf(source.file);
  if (part === undefined) return [`${source.file}: not in the table of parts`];
  return source.imports.flatMap((seen) => {
    if (seen.from === '(computed)') return [`${source.file}:${seen.line}: imports what is computed`];
    if (!seen.from.startsWith('.')) return [];
    const file = posix.join(posix.dirname(source.file), seen.from);
    const other = partOf(file);
    if (other === part || (other !== undefined && mayImport(part, other, seen))) return [];
    return [`${source.file}:${seen.line}: ${part} may not import ${other ?? file} (${seen.how})`];
  });
};

function mayImport(part: PartName, other: PartName, seen: Import): boolean {
  if (PARTS[part].imports.includes(other)) return true;
  return seen.how === 'dynamic' && (PARTS[part].lazy ?? []).includes(other);
}

/** Each package is imported only where it is at home, and only if the product depends on it. */
export const libraries: Rule = (source) => {
  const part = partOf(source.file);
  return source.imports.flatMap((seen) => {
    if (seen.from.startsWith('.') || seen.from === '(computed)') return [];
    const at = `${source.file}:${seen.line}`;
    const library = packageOf(seen.from);
    if (!library.startsWith('node:') && builtinModules.includes(library))
      return [`${at}: ${seen.from} is written node:${seen.from}`];
    const homes = homesOf(library);
    if (library.startsWith('node:') && homes.length === 0) return [];
    if (part !== undefined && homes.includes(part)) return [];
    return [`${at}: ${library} is at home in ${homes.join(', ') || 'no part'}, not in ${part}`];
  });
};

export const homesOf = (library: string): readonly string[] =>
  Object.entries(PARTS).flatMap(([name, part]) => (part.libraries.includes(library) ? [name] : []));

function packageOf(from: string): string {
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Ciphers and key derivation of node:crypto stay in the folders that a reviewer of secrets reads. */
export const ciphers: Rule = (source) => {
  const part = partOf(source.file);
  if (part === undefined || (CIPHERS.homes as readonly string[]).includes(part)) return [];
  const imported = source.imports
    .filter((seen) => seen.from === 'node:crypto' && seen.how !== 'type')
    .flatMap((seen) => seen.names.map((name) => ({ name, line: seen.line })))
    .filter(
      ({ name }) => name === '*' || name === 'default' || (CIPHERS.names as readonly string[]).includes(name),
    )
    .map(({ name, line }) => `${source.file}:${line}: ${part} may not import ${name} of node:crypto`);
  // Plain digests are no cipher, and WebCrypto takes them off the main thread.
  const digests = source.nodes
    .filter((node) => named(node['property'], 'digest'))
    .map((node) => node['object']);
  const global = source.nodes
    .filter((node) => node.type === 'MemberExpression' && named(node['property'], 'subtle'))
    .filter((node) => !digests.includes(node))
    .map((node) => `${source.file}:${source.lineOf(node)}: ${part} may not use WebCrypto`);
  return [...imported, ...global];
};

const named = (node: unknown, ...names: readonly string[]): boolean =>
  isNode(node) && names.includes(String(node['name'])) && node.type.endsWith('Identifier');

/** Real time and chance: what each file uses of it, by name. */
export function clockUses(source: Source): readonly { readonly name: string; readonly line: number }[] {
  const uses = source.nodes.flatMap((node) => {
    const name = clockName(node);
    return name === undefined ? [] : [{ name, line: source.lineOf(node) }];
  });
  const timers = source.imports.filter(({ from, how }) => from.startsWith('node:timers') && how !== 'type');
  return [...uses, ...timers.map(({ from, line }) => ({ name: from, line }))];
}

function clockName(node: Node): string | undefined {
  if (node.type === 'CallExpression' && named(node['callee'], 'setTimeout', 'setInterval')) {
    return String((node['callee'] as Node)['name']);
  }
  if (node.type === 'NewExpression' && named(node['callee'], 'Date')) {
    return (node['arguments'] as readonly Node[]).length === 0 ? 'new Date()' : undefined;
  }
  if (node.type !== 'MemberExpression') return undefined;
  const { object, property } = node;
  if (named(object, 'Date', 'performance') && named(property, 'now'))
    return `${(object as Node)['name']}.now`;
  if (named(object, 'Math') && named(property, 'random')) return 'Math.random';
  if (named(object, 'globalThis') && named(property, 'setTimeout', 'setInterval')) return 'globalThis timer';
  return undefined;
}

export const clock: Rule = (source) => {
  const part = partOf(source.file);
  if (part === undefined || CLOCK_HOMES.includes(part)) return [];
  return clockUses(source)
    .filter(
      ({ name }) => !CLOCK_EXCEPTIONS.some((known) => known.file === source.file && known.name === name),
    )
    .map(({ name, line }) => `${source.file}:${line}: ${name} outside the Clock`);
};

export const sizes: Rule = (source) => {
  const lines = source.text.split('\n').length - 1;
  const file =
    lines > BUDGET.fileLines ? [`${source.file}: ${lines} lines, at most ${BUDGET.fileLines}`] : [];
  const long = source.functions
    .filter((seen) => seen.lines > allowedLines(source.file, seen.name))
    .map(({ name, line, lines: count }) => `${source.file}:${line}: ${name} has ${count} lines`);
  return [...file, ...long];
};

function allowedLines(file: string, name: string): number {
  const known = LONG_FUNCTIONS.find((long) => long.file === file && long.name === name);
  return known?.lines ?? BUDGET.functionLines;
}

/** Words of a name: camelCase, PascalCase, kebab-case and CONSTANT_CASE taken apart; plurals count. */
export function retiredIn(name: string): string | undefined {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
  return words.find((word) =>
    RETIRED.some((old) => [old, `${old}s`, old.replace(/y$/, 'ies')].includes(word)),
  );
}

export const words: Rule = (source) => {
  const names = [source.file.split('/').slice(1).join('/'), ...exportedNames(source)];
  return names
    .filter((name) => retiredIn(name) !== undefined)
    .map((name) => `${source.file}: retired word in ${name}`);
};

export function exportedNames(source: Source): readonly string[] {
  return source.nodes.filter((node) => node.type === 'ExportNamedDeclaration').flatMap(namesOfExport);
}

function namesOfExport(node: Node): readonly string[] {
  const specifiers = (node['specifiers'] as readonly Node[]).map((one) => one['exported']);
  const { declaration } = node;
  if (!isNode(declaration)) return specifiers.flatMap(identifiersIn);
  const variables = declaration['declarations'] as readonly Node[] | undefined;
  return (variables?.map((one) => one['id']) ?? [declaration['id']]).flatMap(identifiersIn);
}

function identifiersIn(node: unknown): readonly string[] {
  if (!isNode(node)) return [];
  if (node.type === 'Identifier') return [String(node['name'])];
  const inner = (node['properties'] ?? node['elements'] ?? []) as readonly (Node | null)[];
  return inner.flatMap((one) => identifiersIn(one?.['value'] ?? one));
}

/** No word of plain HTTP in the product: no address, no server or client of it. */
export const httpsOnly: Rule = (source) => {
  const plain = source.nodes
    .filter((node) => stringsOf(node).some((text) => /\bhttp:\/\//i.test(withoutNamespaces(text))))
    .map((node) => `${source.file}:${source.lineOf(node)}: a plain http:// address`);
  const modules = source.imports
    .filter(({ from, how }) => /^node:http2?$/.test(from) && how !== 'type')
    .map(({ from, line }) => `${source.file}:${line}: imports ${from}`);
  return [...plain, ...modules];
};

const withoutNamespaces = (text: string): string =>
  XML_NAMESPACES.reduce((rest, name) => rest.replaceAll(name, ''), text);

function stringsOf(node: Node): readonly string[] {
  const literal = textOf(node);
  if (literal !== undefined) return [literal];
  if (node.type === 'JSXText') return [String(node['value'])];
  return node.type === 'TemplateElement' ? [(node['value'] as { raw: string }).raw] : [];
}

/** Nothing turns the check of certificates off. */
export const certificates: Rule = (source) =>
  source.nodes
    .filter(turnsChecksOff)
    .map((node) => `${source.file}:${source.lineOf(node)}: certificates unchecked`);

function turnsChecksOff(node: Node): boolean {
  if (stringsOf(node).some((text) => text === 'rejectUnauthorized' || text.includes('NODE_TLS_REJECT')))
    return true;
  if (node.type === 'MemberExpression') return named(node['property'], 'NODE_TLS_REJECT_UNAUTHORIZED');
  if (node.type !== 'Property' || !named(node['key'], 'rejectUnauthorized')) return false;
  return !(isNode(node['value']) && node['value']['value'] === true);
}

/** Tests that don't run. Suites that need a server or a keychain come through `describeRgw` and `describeKeychain`. */
export const allTestsRun: Rule = (source) =>
  source.nodes
    .filter((node) => node.type === 'MemberExpression' && named(node['property'], 'only', 'skip', 'todo'))
    .filter((node) => named(rootOf(node), 'test', 'it', 'describe', 'suite', 'context', 'ctx', 'bench'))
    .map((node) => `${source.file}:${source.lineOf(node)}: a test that is left out, or leaves others out`);

function rootOf(node: Node): unknown {
  let root: unknown = node;
  while (isNode(root) && root.type !== 'Identifier') root = root['object'] ?? root['callee'] ?? root['tag'];
  return root;
}
