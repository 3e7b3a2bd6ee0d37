/** What a dashboard says of a bucket's settings, in a few words. */
import type { Finding } from './bucket.ts';
import type { Waits } from './ports.ts';

export interface PostureMark {
  readonly state: 'ok' | 'problem' | 'unknown';
  readonly words: string;
}

export interface PostureDesk {
  /** Looks once. What could not be read is `unknown`; rejects only where nothing at all could be asked. */
  look(options?: Waits): Promise<readonly PostureMark[]>;
}

/** What is looked for, and its words: where it is fine, where it is not, and where nobody knows. */
const MARKS: readonly {
  readonly codes: readonly string[];
  readonly words: readonly [string, string, string];
}[] = [
  { codes: ['plain-http'], words: ['TLS only', 'plain HTTP let in', 'TLS only: unknown'] },
  { codes: ['versioning'], words: ['versioned', 'not versioned', 'versioned: unknown'] },
  { codes: ['lifecycle-uploads'], words: ['lifecycle', 'no lifecycle', 'lifecycle: unknown'] },
];

export function marksOf(findings: readonly Finding[]): readonly PostureMark[] {
  return MARKS.map(({ codes, words: [fine, bad, unknown] }) => {
    const states = findings.filter(({ code }) => codes.includes(code)).map(({ state }) => state);
    if (states.includes('problem')) return { state: 'problem', words: bad };
    if (states.includes('unknown') || states.length === 0) return { state: 'unknown', words: unknown };
    return { state: 'ok', words: fine };
  });
}
