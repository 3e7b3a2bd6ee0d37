/** Where the parts of a JSON text lie, so that some can be changed and the others keep their bytes. */

export interface Span {
  /** First character, and the one behind the last. */
  readonly from: number;
  readonly to: number;
}

export interface Member extends Span {
  readonly name: string;
  readonly value: Span;
}

/** The members of the object that `text` is. The text must have passed JSON.parse. */
export function membersOf(text: string, from = 0): readonly Member[] {
  let at = skipSpace(text, from);
  if (text[at] !== '{') return [];
  const members: Member[] = [];
  at = skipSpace(text, at + 1);
  while (text[at] === '"') {
    const nameEnd = valueEnd(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const valueFrom = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const to = valueEnd(text, valueFrom);
    members.push({ name, from: at, to, value: { from: valueFrom, to } });
    at = nextElement(text, to);
  }
  return members;
}

/** The elements of the array that begins at `from`; empty where there is none. */
export function elementsOf(text: string, from: number): readonly Span[] {
  if (text[from] !== '[') return [];
  const elements: Span[] = [];
  let at = skipSpace(text, from + 1);
  while (at < text.length && text[at] !== ']') {
    const to = valueEnd(text, at);
    elements.push({ from: at, to });
    at = nextElement(text, to);
  }
  return elements;
}

/** Behind the comma, or at the closing bracket. */
function nextElement(text: string, from: number): number {
  const at = skipSpace(text, from);
  return text[at] === ',' ? skipSpace(text, at + 1) : at;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text[at] ?? '')) at++;
  return at;
}

/** The end of the value that begins at `from`. */
function valueEnd(text: string, from: number): number {
  const first = text[from];
  if (first === '"') return stringEnd(text, from);
  if (first !== '{' && first !== '[') {
    const rest = /[\s,\]}]/g;
    rest.lastIndex = from;
    return rest.exec(text)?.index ?? text.length;
  }
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at];
    if (char === '"') {
      at = stringEnd(text, at);
      continue;
    }
    at++;
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    if (depth === 0) return at;
  }
  return at;
}

function stringEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
