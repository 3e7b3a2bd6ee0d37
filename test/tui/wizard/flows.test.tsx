/** The wizard from step to step: what is asked, what is kept, what is left. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VaultError } from '../../../src/model/errors.ts';
import { FakeDesk, LAPTOP, PAIR, WORDS } from './desk.ts';
import { Rig } from './rig.tsx';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const step = (): string => rig.store.get().step;
const said = (): string | undefined => rig.store.get().said?.text;

test('start to end: one vault is registered, with all that was chosen', async () => {
  expect(await rig.toSummary()).toMatch(/words +✓ asked back/);
  expect(rig.desk.choice).toBeUndefined();
  await rig.press('begin');
  expect(rig.desk.choice).toEqual({
    root: '/files',
    bucket: { bucket: 'acme', region: 'eu-west-1' },
    prefix: 'files/',
    mode: 'client',
    store: 'file',
    key: 'laptop',
  });
  expect(rig.left).toBe(true);
  expect(rig.store.get()).toMatchObject({ registered: 'the-id', created: ['laptop'], checked: ['laptop'] });
  expect(rig.desk.log).toEqual(expect.arrayContaining(['laptop shown', 'laptop checked']));
  expect(rig.desk.words_?.length).toBe(0);
});

test('each mode asks for what it needs and nothing more', async () => {
  await rig.toMode();
  await rig.press('down', 'down', 'choose');
  expect(step()).toBe('kms-key');
  await rig.type('alias/of mine');
  await rig.press('done');
  expect(said()).toMatch(/no blanks/);
  await rig.press('clear');
  await rig.type('alias/mine');
  await rig.press('done');
  expect(step()).toBe('posture');
  await rig.press('go-on', 'begin');
  expect(rig.desk.choice).toMatchObject({ mode: 'sse-kms', kmsKey: 'alias/mine' });
  expect(rig.desk.choice).not.toHaveProperty('key');
  expect(rig.desk.log).not.toContain('keys');

  rig.close();
  rig = new Rig();
  await rig.toMode();
  await rig.press('down', 'down', 'down', 'choose');
  expect(step()).toBe('kms-key');
  await rig.type('alias/mine');
  await rig.press('done', 'go-on', 'begin');
  expect(rig.desk.choice).toMatchObject({ mode: 'dsse-kms', kmsKey: 'alias/mine' });

  rig.close();
  rig = new Rig();
  await rig.toMode();
  await rig.press('down', 'down', 'down', 'down', 'choose');
  expect(step()).toBe('posture');
  await rig.press('go-on', 'begin');
  expect(rig.desk.choice).toMatchObject({ mode: 'sse-s3' });
});

test('a store that was named is not asked for', async () => {
  rig.close();
  const desk = new FakeDesk();
  desk.given = { dir: '/files', store: 'file' };
  rig = new Rig(desk);
  await rig.press('done', 'go-on', 'choose', 'done', 'choose');
  expect(step()).toBe('key');
  expect(desk.log).not.toContain('stores');
});

test('a store that does not answer is not taken, and says why', async () => {
  await rig.toMode();
  await rig.press('choose', 'up', 'choose');
  expect([step(), said()]).toEqual(['store', 'there is none here']);
});

test('esc goes one step back and keeps what was entered', async () => {
  await rig.toMode();
  await rig.press('down', 'choose');
  expect(step()).toBe('store');
  await rig.press('back');
  expect(rig.store.get().view).toEqual({ kind: 'choice', of: 'mode', at: 1 });
  await rig.press('back');
  await rig.press('clear');
  await rig.type('mine');
  await rig.press('done', 'back');
  expect(rig.store.get().view).toMatchObject({ kind: 'typing', text: 'mine' });
  await rig.press('back', 'back', 'back');
  expect(rig.store.get().view).toMatchObject({ for: { what: 'folder' }, text: '/files' });
  await rig.press('back');
  expect(said()).toMatch(/first step/);
  // Another folder proposes another prefix.
  await rig.press('clear');
  await rig.type('/photos');
  await rig.press('done', 'go-on', 'choose');
  expect(rig.store.get().view).toMatchObject({ for: { what: 'prefix' }, text: 'photos/' });
});

describe('what goes wrong', () => {
  test.each([
    ['/bad', 'folder', /not a folder/],
    ['', 'folder', /nothing was typed/],
  ] as const)('a folder %j', async (path, at, why) => {
    await rig.type(path);
    await rig.press('done');
    expect(step()).toBe(at);
    expect(said()).toMatch(why);
  });

  test('no credentials: nothing goes on, and r looks again', async () => {
    rig.desk.credential = new VaultError('refused', 'credentials-expired', 'no credentials', {
      hint: 'sign in',
    });
    await rig.type('/files');
    expect(await rig.press('done')).toMatch(/✗ no credentials\n +→ sign in[^]*aws sso login/);
    await rig.press('go-on');
    expect(step()).toBe('credentials');
    rig.desk.credential = { from: 'single sign-on, profile work', id: 'ASIA2' };
    expect(await rig.press('again')).toMatch(/✓ from single sign-on, profile work/);
  });

  test('buckets that may not be listed are typed; one that is not there is said', async () => {
    rig.desk.bucketNames = new VaultError('refused', 'access-denied', 'the store denies access');
    await rig.type('/files');
    expect(await rig.press('done', 'go-on')).toMatch(/buckets are not listed: the store denies access/);
    await rig.type('none');
    await rig.press('done');
    expect([step(), said()]).toEqual(['bucket', 'there is no bucket none']);
    await rig.press('clear');
    await rig.type('mine');
    await rig.press('done');
    expect([step(), said()]).toEqual(['prefix', 'bucket mine answers, region eu-west-1']);
  });

  test('a prefix of another vault', async () => {
    await rig.type('/files');
    await rig.press('done', 'go-on', 'choose', 'clear');
    await rig.type('taken/');
    await rig.press('done');
    expect([step(), said()]).toEqual(['prefix', 'it overlaps the vault of /b']);
  });

  test('the bucket cannot be looked at: one may go on without', async () => {
    rig.desk.found = new VaultError('offline', 'offline', 'the store does not answer', { hint: 'try again' });
    await rig.toMode();
    expect(await rig.press('down', 'down', 'down', 'down', 'choose')).toMatch(/✗ the store does not answer/);
    await rig.press('go-on');
    expect(step()).toBe('summary');
  });

  test('a wrong passphrase leads back to the store, where it is asked for again', async () => {
    rig.desk.passphrase = 'right';
    await rig.toMode();
    await rig.press('choose', 'choose');
    expect(await rig.type('wrong')).toMatch(/passphrase of the key file: 5 characters, not shown/);
    await rig.press('done');
    expect([step(), said()]).toEqual(['store', 'the passphrase does not open it']);
    await rig.press('choose');
    await rig.type('right');
    await rig.press('done');
    expect(rig.store.get().view).toMatchObject({ kind: 'choice', of: 'key' });
  });
});

describe('keys', () => {
  test('one that is there is taken; one that does not fit the mode is not', async () => {
    rig.desk.keyInfos = [PAIR, LAPTOP];
    await rig.toMode();
    await rig.press('down', 'choose', 'choose');
    expect(rig.store.get().view).toMatchObject({ of: 'key', at: 1 });
    await rig.press('up', 'choose');
    expect(said()).toMatch(/sse-c needs an AES-256 key/);
    await rig.press('down', 'choose', 'go-on', 'begin');
    expect(rig.desk.choice).toMatchObject({ mode: 'sse-c', key: 'laptop' });
    expect(rig.store.get().created).toEqual([]);
  });

  test('a name that is taken is not', async () => {
    rig.desk.keyInfos = [LAPTOP];
    await rig.toKey();
    await rig.press('down', 'choose', 'done');
    expect(said()).toBe('there is a key laptop already');
    expect(rig.desk.log).not.toContain('create');
  });

  test('a wrong word is asked for again; esc leaves the words for later, and wipes them', async () => {
    await rig.toKey();
    await rig.press('choose', 'done');
    expect(rig.store.get().view.kind).toBe('words');
    await rig.press('check');
    await rig.type('wrong');
    await rig.press('done');
    expect(said()).toMatch(/that is not word \d+/);
    await rig.press('back');
    expect(said()).toBe('key laptop is there, its words were not checked');
    expect(rig.desk.words_?.length).toBe(0);
    expect(await rig.press('choose', 'go-on')).toMatch(/words +! not asked back yet/);
  });
});

describe('leaving', () => {
  test('at any step nothing is registered', async () => {
    await rig.toSummary();
    await rig.press('quit');
    expect(rig.left).toBe(true);
    expect(rig.desk.choice).toBeUndefined();
    expect(rig.store.get()).toMatchObject({ registered: undefined, created: ['laptop'] });
  });

  test('from the words: they are wiped', async () => {
    await rig.toKey();
    await rig.press('choose', 'done', 'quit');
    expect(rig.left).toBe(true);
    expect(rig.desk.words_?.length).toBe(0);
  });

  test('while a key is made: its end is waited for, and its words are never shown', async () => {
    rig.desk.kept.add('create');
    await rig.toKey();
    await rig.press('choose', 'done', 'leave');
    expect(rig.left).toBe(false);
    rig.desk.letGo();
    await rig.frame();
    expect(rig.left).toBe(true);
    expect(rig.store.get().created).toEqual(['laptop']);
    expect(rig.desk.words_?.length).toBe(0);
    expect(rig.stdout.written.some((text) => text.includes(WORDS[0] ?? ''))).toBe(false);
  });

  test('while the passphrase is asked for', async () => {
    rig.desk.passphrase = 'right';
    await rig.toKey();
    await rig.type('righ');
    await rig.press('leave');
    await rig.frame();
    expect(rig.left).toBe(true);
    expect(rig.store.typed()).toBe('');
  });
});

test('an answer that nobody waits for any more changes nothing', async () => {
  rig.desk.kept.add('credentials');
  await rig.type('/files');
  await rig.press('done', 'back');
  expect(step()).toBe('folder');
  rig.desk.letGo();
  await rig.frame();
  expect(rig.store.get().known.credentials).toBeUndefined();
  expect(rig.store.get().view).toMatchObject({ for: { what: 'folder' } });
});

test('what is pasted is text where text is typed, and nothing elsewhere', async () => {
  await rig.paste('/files');
  expect(rig.store.get().view).toMatchObject({ text: '/files' });
  await rig.paste('a\nb');
  expect(said()).toMatch(/line breaks/);
  await rig.press('done');
  await rig.paste('\r');
  expect([step(), said()]).toEqual(['credentials', 'pasted text is ignored here']);
});
