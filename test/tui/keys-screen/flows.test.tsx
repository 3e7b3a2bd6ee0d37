/** What the keys lead to: from the first press to what the desk is told. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { runKeysScreen } from '../../../src/tui/keys-screen/run-keys.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeStdin, FakeStdout } from '../terminal.ts';
import { ARCHIVE, FakeDesk, LAPTOP, NOW, SENDER, SPARE, WORDS, keyRow, refused } from './desk.ts';
import { Rig } from './rig.tsx';

let rig: Rig;
afterEach(() => rig.close());

async function open(desk = new FakeDesk()): Promise<void> {
  rig = new Rig(desk);
  await rig.frame();
}

const calls = (): readonly string[] => rig.desk.calls;

/** The word that is asked for. */
const wanted = (frame: string): string => WORDS[Number(/word (\d+):/.exec(frame)?.[1]) - 1] ?? '';

describe('creating', () => {
  beforeEach(() => open());

  test('an AES key: its words are shown, asked back, and noted', async () => {
    await rig.press('c', 'return');
    expect(await rig.type('new\r')).toContain('RECOVERY WORDS of new');
    let frame = await rig.press('return');
    for (let n = 0; n < 3; n++) frame = await rig.type(`${wanted(frame).toUpperCase()}\r`);
    expect(frame).toContain('▶ new');
    expect(frame).toContain('✓ all three are right');
    expect(frame).toMatch(/new +AES-256.*✓ checked/);
    expect(calls()).toEqual([
      'create new aes-256',
      'words new',
      'noteWords new shown',
      'noteWords new checked',
    ]);
    expect(rig.desk.given[0]?.length).toBe(0);
  });

  test('an RSA key: no words', async () => {
    await rig.press('c', 'down', 'return');
    expect(await rig.type('pair\r')).toContain('created key pair, fingerprint ffff000011112222');
    expect(calls()).toEqual(['create pair rsa']);
  });

  test('a wrong word is asked again; leaving says how to go on, and wipes', async () => {
    await rig.press('c', 'return');
    await rig.type('new\r');
    await rig.press('return');
    expect(await rig.type('wrong\r')).toMatch(/! that is not word \d+ → look at your paper again/);
    expect(await rig.press('escape')).toContain('the words were not checked; w shows them again');
    expect(calls()).not.toContain('noteWords new checked');
    expect(rig.desk.given[0]?.length).toBe(0);
  });

  test('a name that is taken, or refused, can be typed again', async () => {
    await rig.press('c', 'return');
    expect(await rig.type('laptop\r')).toContain('there is a key laptop already');
    await rig.press('ctrl+u');
    rig.desk.fails['create'] = refused('"a b" cannot be the name of a key');
    expect(await rig.type('a b\r')).toContain('! "a b" cannot be the name of a key → do something else');
    expect(await rig.press('backspace', 'backspace')).toContain('name: a▏');
    expect(calls()).toEqual(['create a b aes-256']);
  });

  test('nothing typed is no name', async () => {
    await rig.press('c', 'return');
    expect(await rig.press('return')).toContain('nothing was typed');
  });
});

describe('the words', () => {
  beforeEach(() => open());

  test('are shown only after a yes, and nowhere once they are left', async () => {
    const asked = await rig.press('w');
    expect(asked).not.toContain('worda');
    expect(await rig.press('n')).toContain('▶ laptop');
    expect(calls()).toEqual([]);
    expect(await rig.press('w', 'y')).toContain('worda');
    const left = await rig.press('escape');
    expect(left).not.toContain('worda');
    expect(rig.desk.given[0]?.length).toBe(0);
    expect(JSON.stringify(rig.store.get())).not.toContain('worda');
  });

  test('are not in the state as text while they are shown', async () => {
    await rig.press('w', 'y');
    expect(JSON.stringify(rig.store.get())).not.toContain('worda');
  });

  test('are gone before the screen is: q', async () => {
    await rig.press('w', 'y');
    expect(await rig.press('q')).not.toContain('worda');
    await rig.store.left;
    expect(rig.desk.given[0]?.length).toBe(0);
  });

  test('are behind help as well', async () => {
    await rig.press('w', 'y');
    expect(await rig.press('?')).not.toContain('worda');
    await rig.press('ctrl+c');
    expect(rig.desk.given[0]?.length).toBe(0);
  });
});

describe('bringing in', () => {
  beforeEach(() => open());

  test('by words: what is typed goes to the desk, and the words count as checked', async () => {
    await rig.press('i', 'return');
    await rig.type('old\r');
    await rig.type('abandon abiliti');
    await rig.press('backspace');
    await rig.type('y');
    expect(await rig.press('return')).toContain('brought in key old');
    expect(calls()).toEqual(['bringIn old words abandon ability', 'noteWords old checked']);
  });

  test('PEM is pasted as it is; enter ends it', async () => {
    await rig.press('i', 'down', 'down', 'return');
    await rig.type('pair\r');
    await rig.paste('-----BEGIN KEY-----\r\nabc\r\n-----END KEY-----\r\n');
    expect(await rig.press('return')).toContain('brought in key pair');
    expect(calls()).toEqual(['bringIn pair pem -----BEGIN KEY-----\nabc\n-----END KEY-----\n']);
  });

  test('typed line by line, ctrl+d ends it', async () => {
    await rig.press('i', 'down', 'down', 'return');
    await rig.type('pair\r');
    await rig.type('one\r');
    await rig.type('two');
    await rig.press('ctrl+d');
    expect(calls()).toEqual(['bringIn pair pem one\ntwo']);
  });

  test('what is refused can be typed again, and nothing of it is kept', async () => {
    rig.desk.fails['bringIn'] = refused('word 3 is not in the list of recovery words');
    await rig.press('i', 'return');
    await rig.type('old\r');
    expect(await rig.type('a b c\r')).toContain('! word 3 is not in the list');
    expect(rig.store.typed()).toBe('');
    await rig.type('x');
    expect(await rig.press('ctrl+u')).toContain('the 24 words: ▏');
    expect(await rig.press('return')).toContain('nothing was typed');
    await rig.type('x');
    await rig.press('escape');
    expect(rig.store.typed()).toBe('');
  });
});

describe('exporting', () => {
  beforeEach(() => open());

  test('asks, then writes a new file; age asks for its passphrase on the way', async () => {
    expect(await rig.press('e', 'return')).toContain('new file: ~/laptop.age▏');
    expect(await rig.press('return')).toContain('sealed with a passphrase?');
    expect(await rig.press('y')).toContain('new passphrase for the age file: ▏');
    await rig.type('horse');
    expect(await rig.press('return')).toContain('✓ wrote key laptop to /home/ann/laptop.age');
    expect(calls()).toEqual(['exportTo laptop age ~/laptop.age', 'answer horse']);
  });

  test('a file that is there: another path can be typed', async () => {
    rig.desk.fails['exportTo'] = refused('/home/ann/laptop.base64.txt could not be written (EEXIST)');
    await rig.press('e', 'down', 'down', 'return', 'return');
    expect(await rig.press('y')).toContain('! /home/ann/laptop.base64.txt could not be written (EEXIST)');
    await rig.press('n');
    expect(calls()).toEqual(['exportTo laptop base64 ~/laptop.base64.txt']);
  });

  test('no to the passphrase: nothing is written', async () => {
    await rig.press('e', 'return', 'return', 'y');
    expect(await rig.press('escape')).toContain('called off; nothing was changed');
    expect(calls()).toEqual(['exportTo laptop age ~/laptop.age']);
  });

  test('a form that the key does not have is refused with the reason', async () => {
    await rig.press('e', 'down', 'down', 'down');
    expect(await rig.press('return')).toContain('only RSA keys have this form');
    expect(calls()).toEqual([]);
  });
});

describe('deleting', () => {
  beforeEach(() => open());

  test('only its whole name deletes a key, needed or not', async () => {
    for (const typed of ['\r', 'y\r', 'lapto\r']) {
      await rig.press('d');
      await rig.type(typed);
      await rig.press('escape');
    }
    expect(calls()).toEqual([]);
    await rig.press('d');
    expect(await rig.type('laptop\r')).toContain('✓ deleted key laptop');
    expect(calls()).toEqual(['remove laptop']);
    expect(await rig.frame()).toContain('▶ archive');
  });

  test('what began to need it meanwhile is said, and nothing is deleted', async () => {
    await rig.press('down', 'down', 'down', 'd');
    rig.desk.rows = rig.desk.rows.map((row) => (row.name === 'spare' ? { ...row, uses: LAPTOP.uses } : row));
    expect(await rig.type('spare\r')).toContain('by now it is needed to read ~/Documents');
    expect(calls()).toEqual([]);
    expect(await rig.press('return')).toContain('deleted key spare');
  });
});

describe('rotating', () => {
  beforeEach(() => open());

  test('can be interrupted, and says how it goes on', async () => {
    await rig.press('r', 'y');
    const ended = await rig.press('s');
    expect(ended).toContain('ROTATION OF laptop NOT ENDED');
    expect(ended).toContain('→ begin it again');
    rig.desk.rows = [{ ...LAPTOP, rotatingTo: 'laptop-2' }, keyRow('laptop-2')];
    await rig.press('return', 'R');
    expect(await rig.press('r')).toMatch(/to key laptop-2, where it\s+was interrupted\?/);
  });

  test('q interrupts and leaves once it has ended; nothing else can be begun meanwhile', async () => {
    await rig.press('r', 'y');
    const { rotation } = rig.desk;
    expect(rotation).toBeDefined();
    await rig.press('q');
    await rig.store.left;
    expect(rig.desk.rotation).toBeUndefined();
  });

  test('a flood of progress is told ten times a second', async () => {
    await rig.press('r', 'y');
    let told = 0;
    rig.store.subscribe(() => told++);
    for (let done = 0; done < 1_000; done++) {
      rig.desk.rotation?.progress({ root: '~', done, failed: 0, all: 1_000, bytes: 0 });
      rig.clock.advance(1);
    }
    expect(told).toBeLessThanOrEqual(11);
  });

  test('the new key is the selected one afterwards: w shows its words', async () => {
    await rig.press('r', 'y');
    rig.desk.rows = [{ ...LAPTOP, uses: [] }, keyRow('laptop-2', { uses: LAPTOP.uses })];
    rig.desk.rotation?.end({ next: 'laptop-2', done: 1, failed: 0 });
    expect(await rig.frame()).toContain('needs key laptop any more');
    expect(await rig.press('w')).toContain('RECOVERY WORDS of laptop-2');
  });

  test('what fails at the start is said', async () => {
    rig.desk.fails['rotate'] = refused('the store cannot be reached');
    expect(await rig.press('r', 'y')).toContain('! the store cannot be reached → do something else');
    expect(rig.store.get().view.kind).toBe('list');
  });
});

test.each([
  [ARCHIVE, 'w', 'an RSA key has no recovery words; e exports it as PEM or age'],
  [SENDER, 'w', 'only the public half'],
  [SENDER, 't', 'only the public half'],
  [SENDER, 'r', 'only the public half'],
  [SPARE, 't', 'no vault uses key spare: there is nothing to open'],
  [SPARE, 'r', 'no vault uses key spare: there is nothing to move'],
  [{ ...LAPTOP, store: 'command' as const }, 'r', 'keys come from a command here'],
  [{ ...LAPTOP, store: 'command' as const }, 'd', 'keys come from a command here'],
])('what a key cannot do says why: %#', async (row, key, why) => {
  await open(new FakeDesk([row]));
  expect(await rig.press(key)).toContain(why);
  expect(calls()).toEqual([]);
});

test.each(['return', 'e', 'w', 't', 'r', 'd', '/'])('without keys %s says so', async (key) => {
  await open(new FakeDesk([]));
  expect(await rig.press(key)).toMatch(/there is (no key here|nothing to filter)/);
});

test('locked: nothing is shown, and the passphrase is asked for again', async () => {
  const desk = new FakeDesk();
  desk.question = 'passphrase of the key file: ';
  await open(desk);
  await rig.type('horse\r');
  const locked = await rig.press('l');
  expect(locked).toContain('Nothing is open. Enter opens the keys again.');
  expect(locked).not.toContain('laptop');
  expect(await rig.press('return')).toContain('passphrase of the key file: ▏');
  expect(await rig.press('escape')).toContain('LOCKED');
  await rig.press('return');
  expect(await rig.type('horse\r')).toContain('▶ laptop');
});

describe('what comes from the terminal', () => {
  beforeEach(() => open());

  test('pasted text answers nothing and begins nothing', async () => {
    expect(await rig.paste('d')).toContain('pasted text is ignored here');
    await rig.press('w');
    await rig.paste('y');
    // From a terminal that does not mark what is pasted.
    await rig.type('yes');
    expect(calls()).toEqual([]);
  });

  test('lines pasted into a name are not taken', async () => {
    await rig.press('c', 'return');
    expect(await rig.type('one\rtwo\r')).toContain('the pasted text has line breaks; nothing was taken');
    expect(await rig.paste('three')).toContain('name: three▏');
    expect(calls()).toEqual([]);
  });

  test('esc and a letter in one piece is neither', async () => {
    await rig.type('\u001bd');
    expect(rig.store.get().view.kind).toBe('list');
    await rig.press('d');
    await rig.type('\u001bx');
    expect(await rig.frame()).toContain('its name: ▏');
    expect(await rig.press('escape')).toContain('▶ laptop');
  });

  test('escape codes that are typed into a name are no codes', async () => {
    await rig.press('c', 'return');
    expect(await rig.paste('a\u001b[31mb')).toContain('name: a[31mb▏');
  });

  test('letters are text while something is typed', async () => {
    await rig.press('/');
    expect(await rig.type('q?j')).toContain('filter: q?j▏');
    expect(await rig.press('escape')).toContain('archive');
  });
});

describe('quitting', () => {
  test('waits for what is under way, and refuses what is asked meanwhile', async () => {
    const desk = new FakeDesk();
    desk.question = 'passphrase of the key file: ';
    await open(desk);
    await rig.press('ctrl+c');
    await rig.store.left;
    expect(desk.calls).toEqual([]);
  });

  test('again: at once', async () => {
    await open();
    rig.desk.test = () => new Promise(() => undefined);
    await rig.press('t');
    expect(await rig.press('q')).toContain('ending: testing key laptop; ctrl+c ends at once');
    await rig.press('ctrl+c');
    await rig.store.left;
  });

  test.each(['key', 'signal', 'crash'])('puts the terminal back: %s', async (how) => {
    await open();
    const stdout = new FakeStdout(80, 24);
    const stdin = new FakeStdin();
    const ending = new AbortController();
    const desk = new FakeDesk();
    const ended = runKeysScreen({
      desk,
      clock: new ManualClock(NOW),
      signal: ending.signal,
      stdout: stdout as unknown as NodeJS.WriteStream,
      stdin: stdin as unknown as NodeJS.ReadStream,
    }).then(
      ({ opened }) => opened,
      (thrown: unknown) => thrown,
    );
    const written = (): string => stdout.written.join('');
    await vi.waitUntil(() => written().includes('laptop'), { timeout: 5_000 });
    expect(written()).toContain('\u001b[?1049h');
    if (how === 'key') stdin.press('q');
    if (how === 'signal') ending.abort();
    if (how === 'crash') {
      // Not a string: drawing it throws.
      desk.rows = [keyRow(7 as unknown as string)];
      stdin.press('R');
    }
    const result = await ended;
    if (how === 'crash') expect(result).toBeInstanceOf(TypeError);
    else expect(result).toBe(true);
    expect(written()).toContain('\u001b[?1049l');
    expect(written()).toContain('\u001b[?25h');
    expect(desk.calls).toContain('lock');
    expect(desk.ask).toBeUndefined();
  });
});
