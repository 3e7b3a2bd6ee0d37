import type { Clock } from '../model/ports.ts';
import { positions } from '../model/recovery.ts';
import type { Secret } from '../model/secret.ts';
import type { Output } from './print.ts';
import type { Terminal } from './prompt.ts';

const TRIES = 3;

/** Asks for three of the words, by their numbers; true where all were right. An empty answer gives up. */
export async function askBack(
  terminal: Terminal,
  words: Secret,
  stderr: Output,
  clock: Pick<Clock, 'random'>,
): Promise<boolean> {
  stderr.write('\nto be sure, type three of them from your paper (enter alone: later)\n');
  for (const at of positions(
    words.use((bytes) => bytes.toString('utf8').split(' ').length),
    clock,
  )) {
    if (!(await asked(terminal, words, at, stderr))) return false;
  }
  stderr.write('all three are right\n');
  return true;
}

async function asked(terminal: Terminal, words: Secret, at: number, stderr: Output): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries++) {
    const answer = (await terminal.ask(`word ${at + 1}: `)).toLowerCase();
    if (answer === '') break;
    if (words.use((bytes) => bytes.toString('utf8').split(' ')[at] === answer)) return true;
    stderr.write(`that is not word ${at + 1}; look at your paper again\n`);
  }
  stderr.write('not checked; the words are shown again with: s3vault keys export NAME --format words\n');
  return false;
}
