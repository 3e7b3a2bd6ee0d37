/** Reads source files into facts that rules can be checked against. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseSync } from 'vite';

export interface Source {
  /** Relative to the top of the checkout, with `/`. */
  readonly file: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** Every function with a body. */
  readonly functions: readonly { readonly name: string; readonly line: number; readonly lines: number }[];
  /** Every syntax node, parents before children. */
  readonly nodes: readonly Node[];
  lineOf(node: Node): number;
}

export interface Import {
  readonly from: string;
  readonly how: 'static' | 'type' | 'dynamic' | 'export';
  /** Names as the other module spells them; `*` for all of it, `default` for its default. */
  readonly names: readonly string[];
  readonly line: number;
}

/** A node of ESTree, read with care: it comes from a parser whose types say less than its output. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

const TOP = join(import.meta.dirname, '..');

/** All TypeScript and JavaScript files under the given folders of the checkout. */
export function sources(...folders: readonly string[]): readonly Source[] {
  const here = folders.map((folder) => join(TOP, folder)).filter((folder) => existsSync(folder));
  return here.flatMap(files).map((file) => readSource(file));
}

function files(folder: string): readonly string[] {
  const found = readdirSync(folder, { withFileTypes: true, recursive: true });
  return found
    .filter((entry) => entry.isFile() && /\.[jt]sx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function readSource(path: string): Source {
  return parse(relative(TOP, path).replaceAll('\\', '/'), readFileSync(path, 'utf8'));
}

/** Throws where the text does not parse. */
export function parse(file: string, text: string): Source {
  const parsed = parseSync(file, text);
  const [error] = parsed.errors;
  if (error !== undefined) throw new Error(`${file}: ${error.message}`);
  const starts = lineStarts(text);
  const lineOf = (node: Node): number => lineAt(starts, node.start);
  const nodes: Node[] = [];
  const functions: { name: string; line: number; lines: number }[] = [];
  walk(parsed.program as unknown as Node, undefined, (node, parent) => {
    nodes.push(node);
    if (!isFunction(node)) return;
    const lines = lineAt(starts, node.end - 1) - lineOf(node) + 1;
    functions.push({ name: nameOf(node, parent), line: lineOf(node), lines });
  });
  return {
    file,
    text,
    nodes,
    functions,
    lineOf,
    imports: nodes.flatMap((node) => importsOf(node, lineOf(node))),
  };
}

function walk(
  node: Node,
  parent: Node | undefined,
  see: (node: Node, parent: Node | undefined) => void,
): void {
  see(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, node, see);
  }
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Node>).type === 'string';
}

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
const isFunction = (node: Node): boolean => FUNCTIONS.has(node.type) && isNode(node['body']);

/** The function's own name, else that of the variable, property or method it is the value of. */
function nameOf(node: Node, parent: Node | undefined): string {
  for (const place of [node['id'], parent?.['id'], parent?.['key']]) {
    if (isNode(place) && typeof place['name'] === 'string') return place['name'];
  }
  return '(anonymous)';
}

function importsOf(node: Node, line: number): readonly Import[] {
  if (node.type === 'ImportExpression' || node.type === 'TSImportType') return [dynamicImport(node, line)];
  const from = textOf(node['source']);
  if (from === undefined) return [];
  const names = ((node['specifiers'] as readonly Node[] | undefined) ?? []).map(importedName);
  if (node.type === 'ImportDeclaration') {
    return [{ from, names, line, how: node['importKind'] === 'type' ? 'type' : 'static' }];
  }
  return [{ from, names: node.type === 'ExportAllDeclaration' ? ['*'] : names, line, how: 'export' }];
}

function dynamicImport(node: Node, line: number): Import {
  const how = node.type === 'TSImportType' ? 'type' : 'dynamic';
  const from = textOf(node['source']) ?? textOf(node['argument']);
  return { from: from ?? '(computed)', how, names: ['*'], line };
}

function importedName(specifier: Node): string {
  if (specifier.type === 'ImportNamespaceSpecifier') return '*';
  if (specifier.type === 'ImportDefaultSpecifier') return 'default';
  const name = specifier['imported'] ?? specifier['local'];
  return isNode(name) ? String(name['name'] ?? name['value']) : '*';
}

/** The value of a plain string literal. */
export function textOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === 'TSLiteralType') return textOf(value['literal']);
  return value.type === 'Literal' && typeof value['value'] === 'string' ? value['value'] : undefined;
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** Line number, from 1, of an offset. */
function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle;
  }
  return low + 1;
}
