import { XMLParser } from 'fast-xml-parser';
import { malformedXml } from './errors.ts';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
// Control characters go as references, as S3 sends them, though XML 1.0 has no place for most: hence encoding-type=url.
const SPECIAL = /[&<>"\u0000-\u001f\u007f]/g;

export const escapeXml = (text: string): string =>
  text.replace(SPECIAL, (char) => ESCAPES[char] ?? `&#x${char.charCodeAt(0).toString(16)};`);

export type Content = string | number | boolean | undefined;

/** `<name>text</name>`, or nothing where there is no value. */
export const element = (name: string, value: Content): string =>
  value === undefined ? '' : `<${name}>${escapeXml(String(value))}</${name}>`;

/** An element around XML that is ready. */
export const wrap = (name: string, xml: string): string => `<${name}>${xml}</${name}>`;

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** A whole answer with S3's namespace on the root. */
export const document = (root: string, xml: string): string =>
  `${DECLARATION}<${root} xmlns="${NAMESPACE}">${xml}</${root}>`;

/** A whole answer without a namespace, as errors are. */
export const bareDocument = (root: string, xml: string): string => `${DECLARATION}${wrap(root, xml)}`;

export type XmlNode = string | readonly XmlNode[] | { readonly [name: string]: XmlNode };

const LISTS = new Set(['Object', 'Part', 'Rule', 'EncryptionType']);

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  htmlEntities: true,
  isArray: (name) => LISTS.has(name),
});

/** The content of the root element called `root`; MalformedXML otherwise. */
export function parseXml(body: Uint8Array, root: string): XmlNode {
  let parsed: XmlNode;
  try {
    parsed = parser.parse(Buffer.from(body).toString('utf8'), true) as XmlNode;
  } catch {
    throw malformedXml();
  }
  const content = child(parsed, root);
  if (content === undefined) throw malformedXml();
  return content;
}

export function child(node: XmlNode | undefined, name: string): XmlNode | undefined {
  if (node === undefined || typeof node === 'string' || Array.isArray(node)) return undefined;
  return (node as { readonly [name: string]: XmlNode })[name];
}

export function textOf(node: XmlNode | undefined, name: string): string | undefined {
  const found = child(node, name);
  return typeof found === 'string' ? found : undefined;
}

export function listOf(node: XmlNode | undefined, name: string): readonly XmlNode[] {
  const found = child(node, name);
  return Array.isArray(found) ? (found as readonly XmlNode[]) : [];
}

/** Percent-encoding of `encoding-type=url`: a form's, so a space is `+`, and `/` stays. */
export const urlEncode = (text: string): string =>
  encodeURIComponent(text.toWellFormed())
    .replace(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/')
    .replaceAll('%20', '+');
