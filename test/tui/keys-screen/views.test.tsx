/** Every view as people read it. */
import widthOf from 'string-width';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KEY_BINDINGS } from '../../../src/tui/keys-screen/bindings.ts';
import { ARCHIVE, FakeDesk, LAPTOP, SENDER, SPARE, WORDS, keyRow, refused } from './desk.ts';
import { Rig } from './rig.tsx';

let rig: Rig;
beforeEach(() => {
  vi.stubEnv('TZ', 'UTC');
});
afterEach(() => {
  rig.close();
  vi.unstubAllEnvs();
});

describe('at 80×24', () => {
  beforeEach(() => {
    rig = new Rig();
  });

  test('the list', async () => {
    expect(await rig.frame()).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
         NAME        KIND     FINGERPRINT CREATED    USED BY    OBJECTS  RECOVERY
       ▶ laptop      AES-256  a3f9 41c0…  2026-10-02 2 vaults     5,310  ✓ checked
         archive     RSA      9b02 5e1d…  2026-10-02 1 vault        412  – by export
         sender      RSA pub. a3f9 41c0…  2026-10-02 –                   – not needed
         spare       AES-256  0011 2233…  2026-10-02 –                   ! never shown












       laptop: opens ~/Documents, ~/Photos · last used 4 min ago · test passed 4 h ago

      ────────────────────────────────────────────────────────────────────────────────
       enter open  c create  i import  e export  w words  t test       ? help  q quit
       r rotate  d delete (in use)  l lock  / filter"
    `);
  });

  test('all about one key', async () => {
    await rig.frame();
    expect(await rig.press('return')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       KEY laptop
         kind          AES-256, one secret key that seals and opens
         fingerprint   a3f9 41c0 77be 0011
         kept in       key file
         created       2026-10-02
         last used     4 min ago
         last test     passed 4 h ago
         24 words      ✓ checked

       NEEDED BY                                              2 vaults, 5,310 objects
         ~/Documents (5,000 objects)
         ~/Photos (310 objects)







      ────────────────────────────────────────────────────────────────────────────────
       c create  i import  e export  w words  t test  r rotate         ? help  q quit
       d delete (in use)  l lock  esc back"
    `);
  });

  test('the words, and one of them asked back', async () => {
    await rig.frame();
    expect(await rig.press('w')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       RECOVERY WORDS of laptop

         Show the 24 words on the screen?
         Whoever sees them has the key. They are taken off the screen when you
         leave them.

         y yes   n no












      ────────────────────────────────────────────────────────────────────────────────
       y yes  n no  esc back                                           ? help  q quit
      "
    `);
    expect(await rig.press('y')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       RECOVERY WORDS of laptop

          1 worda       7 wordg      13 wordm      19 words
          2 wordb       8 wordh      14 wordn      20 wordt
          3 wordc       9 wordi      15 wordo      21 wordu
          4 wordd      10 wordj      16 wordp      22 wordv
          5 worde      11 wordk      17 wordq      23 wordw
          6 wordf      12 wordl      18 wordr      24 wordx

         Write them down on paper, in this order: they bring the key back.
         Whoever has them has the key. Enter hides them and asks for three.








      ────────────────────────────────────────────────────────────────────────────────
       enter I have them: ask me  esc back                             ? help  q quit
      "
    `);
    const asked = await rig.press('return');
    expect(asked).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       RECOVERY WORDS of laptop: 1 of 3

         To be sure that you have them: type this word from your paper.

         word 12: ▏














      ────────────────────────────────────────────────────────────────────────────────
       enter go on  ctrl+u erase all  esc back                            ctrl+c quit
      "
    `);
    for (const word of WORDS) expect(asked).not.toContain(word);
  });

  test('deleting what is needed', async () => {
    await rig.frame();
    await rig.press('d');
    expect(await rig.type('lap\r')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       DELETE laptop

         Key laptop is needed to read:
           ~/Documents (5,000 objects)
           ~/Photos (310 objects)
         Without it these cannot be read by anyone. Rotate it first (r), and
         nothing needs it.
         Type its name to delete it for good.

         its name: lap▏







       ! key laptop was not deleted: it is needed → only its name, typed in full,
         deletes it
      ────────────────────────────────────────────────────────────────────────────────
       enter go on  ctrl+u erase all  esc back                            ctrl+c quit
      "
    `);
  });

  test('a rotation', async () => {
    await rig.frame();
    expect(await rig.press('r')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       ROTATE laptop

         Move 5,310 objects of 2 vaults from key laptop to a new key?
         At every moment each object is under the one key or the other. It can be
         interrupted and goes on later. Key laptop stays until you delete it.

         y yes   n no












      ────────────────────────────────────────────────────────────────────────────────
       y yes  n no  esc back                                           ? help  q quit
      "
    `);
    await rig.press('y');
    rig.desk.rotation?.progress({ root: '~/Documents', done: 1_204, failed: 0, all: 5_310, bytes: 0 });
    rig.clock.advance(100);
    expect(await rig.frame()).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       ROTATE laptop

         ~/Documents
         1,204 of 5,310 objects  █████░░░░░░░░░░░░░░░ 22 %
         nothing had to go through this machine

         At every moment each object is under the old key or the new one.
         s interrupts; it goes on where it was











      ────────────────────────────────────────────────────────────────────────────────
       s interrupt                                                     ? help  q quit
      "
    `);
    rig.desk.rows = [
      { ...LAPTOP, uses: [], versionsIn: ['s3://acme/docs/'] },
      keyRow('laptop-2', { uses: LAPTOP.uses }),
    ];
    rig.desk.rotation?.end({ next: 'laptop-2', done: 5_310, failed: 0 });
    expect(await rig.frame()).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       ROTATED laptop

         ✓ 5,310 objects moved from key laptop to key laptop-2.
         Key laptop is still needed to read older versions in s3://acme/docs/.
         ! The 24 words of key laptop-2 were never shown: w shows them now.














      ────────────────────────────────────────────────────────────────────────────────
       w words  enter go on  esc back                                  ? help  q quit
      "
    `);
  });

  test('what a test found', async () => {
    await rig.frame();
    expect(await rig.press('t', 'down')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       TEST of laptop                                                        1 failed
         ✓ ~/Documents  notes/todo.md was fetched and opens
       ▶ ✗ ~/Photos  it does not open

         it does not open → look at the key














      ────────────────────────────────────────────────────────────────────────────────
       esc back                                                        ? help  q quit
      "
    `);
  });

  test('a choice with what does not fit, and why', async () => {
    await rig.frame();
    expect(await rig.press('down', 'e', 'down')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       EXPORT archive: in which form?

         age            sealed with a passphrase; the age program opens it
       ▶ words          – not for this key: an RSA key has no such form
         base64         – not for this key: an RSA key has no such form
         PEM            the private key, in the clear













      ────────────────────────────────────────────────────────────────────────────────
       enter choose  esc back                                          ? help  q quit
      "
    `);
  });

  test('what is typed is not shown, unless asked for', async () => {
    await rig.frame();
    await rig.press('i', 'return');
    await rig.type('old\r');
    const hidden = await rig.type('abandon ability');
    expect(hidden).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       BRING IN old: words

         Type or paste the 24 words. Nothing is shown; tab shows it.

         the 24 words: 15 characters, not shown▏














      ────────────────────────────────────────────────────────────────────────────────
       enter go on  tab show  ctrl+u erase all  esc back                  ctrl+c quit
      "
    `);
    expect(hidden).not.toContain('abandon');
    expect(await rig.press('tab')).toContain('the 24 words: abandon ability');
    expect(await rig.press('tab')).not.toContain('abandon');
  });

  test('the filter', async () => {
    await rig.frame();
    await rig.press('/');
    expect(await rig.type('rsa')).toMatchInlineSnapshot(`
      " s3vault › keys                                                    the key file
      ────────────────────────────────────────────────────────────────────────────────
       filter: rsa▏                                                       2 of 4 keys
       ▶ archive     RSA      9b02 5e1d…  2026-10-02 1 vault        412  – by export
         sender      RSA pub. a3f9 41c0…  2026-10-02 –                   – not needed
















      ────────────────────────────────────────────────────────────────────────────────
       enter go on  ctrl+u erase all  esc back                            ctrl+c quit
      "
    `);
    expect(await rig.press('return')).toContain('filter: rsa');
    expect(await rig.press('escape')).toContain('spare');
  });

  test('help shows every binding of the table, in pages', async () => {
    await rig.frame();
    const pages = [await rig.press('?'), await rig.press('pagedown'), await rig.press('pagedown')].join('\n');
    for (const { says } of KEY_BINDINGS) expect(pages).toContain(says.slice(0, 40));
    expect(await rig.press('escape')).toContain('laptop');
  });
});

test('no keys yet', async () => {
  rig = new Rig(new FakeDesk([]));
  expect(await rig.frame()).toContain('no keys yet: c creates one, i brings one in');
});

test('what could not be opened says how to go on, and can be tried again', async () => {
  const desk = new FakeDesk();
  desk.fails['list'] = refused('no keychain answers');
  rig = new Rig(desk);
  expect(await rig.frame()).toMatchInlineSnapshot(`
    " s3vault › keys                                           the key file (locked)
    ────────────────────────────────────────────────────────────────────────────────
     NOT OPENED

       no keychain answers
       → do something else













     ! no keychain answers → do something else

    ────────────────────────────────────────────────────────────────────────────────
     enter open                                                      ? help  q quit
    "
  `);
  expect(await rig.press('return')).toContain('laptop');
});

test('a passphrase is asked for on the screen, and not shown', async () => {
  const desk = new FakeDesk();
  desk.question = 'passphrase of the key file: ';
  rig = new Rig(desk);
  expect(await rig.frame()).toContain('passphrase of the key file: ▏');
  expect(await rig.type('correct horse')).toContain('passphrase of the key file: 13 characters, not shown▏');
  expect(await rig.press('return')).toContain('▶ laptop');
  expect(desk.calls).toEqual(['answer correct horse']);
});

test('a wide window shows everything in the list', async () => {
  rig = new Rig(undefined, { columns: 160, rows: 45 });
  const shown = await rig.frame();
  expect(shown.split('\n').slice(2, 7).join('\n')).toMatchInlineSnapshot(`
    "   NAME                                                     KIND     FINGERPRINT          STORE        CREATED    LAST USED    USED BY    OBJECTS  RECOVERY
     ▶ laptop                                                   AES-256  a3f9 41c0 77be 0011  key file     2026-10-02 4 min ago    2 vaults     5,310  ✓ checked
       archive                                                  RSA      9b02 5e1d 04aa 0022  key file     2026-10-02 never here   1 vault        412  – by export
       sender                                                   RSA pub. a3f9 41c0 77be 0011  key file     2026-10-02 never here   –                   – not needed
       spare                                                    AES-256  0011 2233 4455 6677  key file     2026-10-02 never here   –                   ! never shown"
  `);
});

test('a window that is too small says so, takes no answers, and goes on when it is larger', async () => {
  rig = new Rig();
  await rig.frame();
  await rig.press('d');
  rig.stdout.resize(50, 12);
  await vi.waitUntil(async () => /too\s+small/.test(await rig.frame()), { timeout: 2_000 });
  expect(await rig.frame()).toMatchInlineSnapshot(`
    "the window is too small: it has 50 columns and 12
    rows, and the keys need 60 and 18. Make it larger,
     or press q to quit








    "
  `);
  await rig.type('laptop\r');
  rig.stdout.resize(80, 24);
  await vi.waitUntil(async () => (await rig.frame()).includes('DELETE'), { timeout: 2_000 });
  expect(await rig.frame()).toContain('its name: ▏');
  expect(rig.desk.calls).toEqual([]);
});

test('in a small window what is typed stays in sight', async () => {
  const uses = Array.from(
    { length: 9 },
    (_, at) => ({ root: `~/Folder-${at}`, mode: 'client', objects: 1 }) as const,
  );
  rig = new Rig(new FakeDesk([{ ...SPARE, uses }]), { columns: 60, rows: 18 });
  await rig.frame();
  await rig.press('d');
  expect(await rig.type('spa')).toContain('its name: spa▏');
});

describe('to a screen reader', () => {
  beforeEach(() => {
    rig = new Rig(undefined, { spoken: true });
  });

  test('keys are sentences, and the selected one says so', async () => {
    expect(await rig.frame()).toMatchInlineSnapshot(`
      " s3vault › keys the key file 
      4 keys  
      (selected) laptop, AES-256, fingerprint a3f9 41c0 77be 0011, in the key file, created 2026-10-02, last used 4 min ago, used by 2 vaults, 5,310 objects, recovery words: checked
      archive, RSA, fingerprint 9b02 5e1d 04aa 0022, in the key file, created 2026-10-02, never used here, used by 1 vault, 412 objects, recovery words: by export
      sender, RSA public half, fingerprint a3f9 41c0 77be 0011, in the key file, created 2026-10-02, never used here, used by no vault, recovery words: not needed
      spare, AES-256, fingerprint 0011 2233 4455 6677, in the key file, created 2026-10-02, never used here, used by no vault, recovery words: never shown
      laptop: opens ~/Documents, ~/Photos · last used 4 min ago · test passed 4 h ago
       enter open   c create   i import   e export   w words   t test   r rotate   d delete (in use)   l lock   / filter   ? help   q quit "
    `);
  });

  test('words come in their order', async () => {
    await rig.press('w', 'y');
    expect(await rig.frame()).toContain('1 worda, 2 wordb, 3 wordc, 4 wordd\n');
  });

  test('there is no drawing in any view', async () => {
    const frames = [await rig.frame()];
    for (const key of ['return', 'e', 'escape', 'd', 'escape', '?', 'escape', 'r', 'y', 's'])
      frames.push(await rig.press(key));
    for (const frame of frames) expect(frame).not.toMatch(/[─│▏█░▶]/);
  });
});

describe('what names can do', () => {
  const NAMES = ['a\nb', '\u001b[2J\u001b[31mred', '漢字'.repeat(40), '\u202egnp.exe', '🏔️'.repeat(50)];
  const rows = NAMES.map((name) =>
    keyRow(name, { uses: [{ root: name, mode: 'client', objects: 1 }], versionsIn: [name] }),
  );

  test.each([
    [80, 24],
    [60, 18],
    [200, 50],
  ])('nothing: every line stays within %i columns, %i rows', async (columns, lines) => {
    rig = new Rig(new FakeDesk(rows), { columns, rows: lines });
    const frames = [await rig.raw()];
    for (const key of ['down', 'return', 'escape', 't', 'escape', 'e', 'escape', 'w', 'y', 'escape', 'd']) {
      await rig.press(key);
      frames.push(await rig.raw());
    }
    for (const frame of frames) {
      const drawn = frame.split('\n');
      expect(drawn.length).toBeLessThanOrEqual(lines);
      for (const line of drawn) expect(widthOf(line)).toBeLessThanOrEqual(columns);
      expect(frame).not.toContain('\u001b[31mred');
      expect(frame).not.toContain('\u001b[2J');
      expect(frame).not.toContain('\u202e');
    }
  });
});

test('every state is told by signs and words, without colour', async () => {
  vi.stubEnv('NO_COLOR', '1');
  rig = new Rig(new FakeDesk([LAPTOP, { ...SPARE, words: 'shown' }, SPARE, ARCHIVE, SENDER]));
  const raw = await rig.raw();
  // Bold and dim are no colours.
  expect(raw).not.toMatch(/\u001b\[3[0-9]m/);
  for (const words of ['✓ checked', '· shown', '! never shown', '– by export', '– not needed'])
    expect(raw).toContain(words);
});
