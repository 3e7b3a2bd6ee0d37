/** Plain lines of reports: a sign, a word, a text, folded to the width of a terminal. */

const WIDTH = 80;

/** Breaks a text at spaces; a word longer than the width stays whole, so that it can be copied. */
export function fold(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** `head` on the first line, the text behind it, the rest below the text. A command stays on one line, to be copied. */
export function hung(head: string, text: string, indent = head.length): string {
  if (text.startsWith('s3vault ') || text.startsWith('aws ')) return `${head}${text}\n`;
  const [first = '', ...rest] = fold(text, WIDTH - indent);
  const below = rest.map((line) => `\n${' '.repeat(indent)}${line}`);
  return `${head}${first}${below.join('')}\n`;
}
