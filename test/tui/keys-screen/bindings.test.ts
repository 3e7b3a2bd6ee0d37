/** The table of keys: complete and unambiguous. */
import { expect, test } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import { KEY_BINDINGS } from '../../../src/tui/keys-screen/bindings.ts';
import { press } from '../../../src/tui/keys-screen/press.ts';
import { START, type Place, type Ui, type View } from '../../../src/tui/keys-screen/ui.ts';
import { LAPTOP, SPARE, WORDS } from './desk.ts';

const words = (): Secret => new Secret(Buffer.from(WORDS.join(' ')));

/** A state of each kind in which every key of it has something to do. */
const VIEWS: { readonly [K in Place]: View } = {
  list: { kind: 'list' },
  detail: { kind: 'detail', line: 0 },
  help: { kind: 'help', line: 1, under: { kind: 'list' } },
  locked: { kind: 'locked' },
  choice: { kind: 'choice', for: { what: 'import' }, at: 1 },
  typing: { kind: 'typing', for: { what: 'new-name', kind: 'rsa' }, text: 'x' },
  hidden: {
    kind: 'hidden',
    for: { what: 'import-text', name: 'new', format: 'pem' },
    count: 1,
    pasted: false,
    seen: false,
  },
  question: { kind: 'question', for: { what: 'rotate', name: 'laptop' } },
  words: { kind: 'words', name: 'laptop', words: words(), positions: [1, 2, 3] },
  rotation: { kind: 'rotation', name: 'laptop', stopping: false },
  results: {
    kind: 'results',
    name: 'laptop',
    results: [{ root: 'a' }, { root: 'b' }, { root: 'c' }],
    line: 1,
  },
  report: { kind: 'report', title: 'x', sentences: [] },
};
const PLACES = Object.keys(VIEWS) as readonly Place[];

const ui = (place: Place): Ui => ({
  ...START,
  busy: undefined,
  rows: [SPARE, LAPTOP, { ...SPARE, name: 'third' }],
  selected: 'laptop',
  filter: '',
  view: VIEWS[place],
});

test('every binding leads somewhere in every view where it is said to work', () => {
  for (const { order, keys, views } of KEY_BINDINGS) {
    for (const place of views ?? PLACES) {
      for (const key of keys) {
        const before = order === 'back' && place === 'list' ? { ...ui(place), filter: 'a' } : ui(place);
        const after = press(key, before, { page: 1 });
        const moved = JSON.stringify(after.ui) !== JSON.stringify(before);
        // A detail with few lines has nothing to scroll.
        const still = place === 'detail' && /up/.test(order);
        expect(after.effects.length > 0 || moved || still, `${order} in ${place}`).toBe(true);
        expect(after.ui.said?.text ?? '').not.toContain('does nothing');
      }
    }
  }
});

test('no key means two things in one view', () => {
  for (const place of PLACES) {
    const keys = KEY_BINDINGS.filter(({ views }) => views?.includes(place) ?? true).flatMap(
      ({ keys }) => keys,
    );
    expect(new Set(keys).size, place).toBe(keys.length);
  }
});

test('every view can be left, and the program from every view', () => {
  for (const place of PLACES) {
    expect(
      KEY_BINDINGS.some(({ keys, views }) => keys.includes('ctrl+c') && views?.includes(place)),
      place,
    ).toBe(true);
    expect(
      KEY_BINDINGS.some(({ keys, views }) => keys.includes('escape') && views?.includes(place)),
      place,
    ).toBe(place !== 'locked');
  }
});

test('a state is never changed, only followed by another', () => {
  for (const place of PLACES) {
    const before = ui(place);
    const copy = JSON.stringify(before);
    for (const { keys } of KEY_BINDINGS) for (const key of keys) press(key, before, { page: 5 });
    expect(JSON.stringify(before)).toBe(copy);
  }
});
