/** The description under the prefix: whether several machines write there. */
import { beforeEach, describe, expect, test } from 'vitest';
import { objectKey } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { StoredObject } from '../../src/model/ports.ts';
import { MemoryBucket } from '../../src/s3/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { EngineMachine, OWN, PREFIX, named } from './machine.ts';

let a: EngineMachine;
let b: EngineMachine;

beforeEach(async () => {
  const shared = { clock: new ManualClock(), bucket: new MemoryBucket() };
  a = await EngineMachine.with({ ...shared, host: 'desk' });
  b = await EngineMachine.with({ ...shared, host: 'laptop' });
});

describe('the description says that there are several, and takes back nothing another machine wrote meanwhile', () => {
  const described = (): { [name: string]: unknown } =>
    JSON.parse(Buffer.from(a.bucket.find(OWN)?.body ?? []).toString('utf8')) as { [name: string]: unknown };
  /** What another machine writes between a look at it and the write that follows from it. */
  const writtenBetween = (more: { readonly [name: string]: unknown }): void => {
    let done = false;
    a.fault = async ({ operation, key, when }) => {
      if (done || operation !== 'put' || key !== OWN || when !== 'before') return;
      done = true;
      const body = Buffer.from(JSON.stringify({ ...described(), ...more }));
      await b.store(() => undefined).put(objectKey(OWN), body, {});
    };
  };

  test.each(['both', 'push'] as const)('a key more, %s', async (direction) => {
    a.direction = direction === 'both' ? 'push' : 'both';
    await a.sync();
    a.direction = direction;
    const keys = [...(described()['keys'] as string[]), 'another'];
    writtenBetween({ keys });
    expect((await a.sync({ acceptSource: true })).exit).toBe(0);
    expect(described()).toMatchObject({ keys });
    expect(described()['shared']).toBe(direction === 'both' ? true : undefined);
  });

  test('a rekey that began', async () => {
    a.direction = 'push';
    await a.sync();
    a.direction = 'both';
    writtenBetween({ movingTo: { mode: 'sse-s3', key: '' } });
    expect((await a.sync()).exit).toBe(2);
    expect(described()).toHaveProperty('movingTo');
  });

  test('where nothing is changed on condition it is written all the same', async () => {
    a.direction = 'push';
    await a.sync();
    a.direction = 'both';
    let refusals = 1;
    a.fault = ({ operation, key }) => {
      if (operation === 'put' && key === OWN && refusals-- > 0)
        throw new VaultError('file', 'conditions-refused', 'no');
    };
    expect((await a.sync()).exit).toBe(0);
    expect(described()['shared']).toBe(true);
  });

  describe('one that never is what was read is given up after a few looks', () => {
    const looks = (): number =>
      a.steps.filter(({ operation, key }) => operation === 'get' && key === OWN).length;

    /** `shown`: what a look at the description comes to. */
    const contradicting = (shown: (found: StoredObject) => StoredObject): void => {
      a.wrap = (store) => {
        const get = store.get.bind(store);
        store.get = async (key, options) => {
          const found = await get(key, options);
          return key === OWN ? shown(found) : found;
        };
        return store;
      };
    };
    const givenUp = async (): Promise<void> => {
      a.forget();
      a.tree.write('new', 'never sent');
      const { exit, events } = await a.sync({ acceptSource: true });
      expect(exit).toBe(3);
      expect(looks()).toBe(5);
      expect(named(events, 'warning')).toMatchObject([
        { code: 'description-unsettled', message: expect.stringContaining('5 times in a row') },
      ]);
      expect(a.bucket.keys()).not.toContain(`${PREFIX}new`);
    };

    test.each([
      'both',
      'push',
    ] as const)('the ETag of a look is never that of the write, %s', async (direction) => {
      a.direction = direction === 'both' ? 'push' : 'both';
      await a.sync();
      a.direction = direction;
      const before = described();
      contradicting(({ stat, body }) => ({ stat: { ...stat, etag: 'another' }, body }));
      await givenUp();
      expect(described()).toEqual(before);
      a.wrap = (store) => store;
      expect((await a.sync({ acceptSource: true })).exit).toBe(0);
      expect(a.bucket.keys()).toContain(`${PREFIX}new`);
    });

    test('somebody changes it all the time', async () => {
      a.direction = 'push';
      await a.sync();
      a.direction = 'both';
      let writes = 0;
      a.fault = async ({ operation, key, when }) => {
        if (operation !== 'put' || key !== OWN || when !== 'before') return;
        const body = Buffer.from(JSON.stringify({ ...described(), created: `${++writes}` }));
        await b.store(() => undefined).put(objectKey(OWN), body, {});
      };
      await givenUp();
      expect(writes).toBe(5);
    });

    test('none is shown, and one stands there', async () => {
      a.direction = 'both';
      await a.sync();
      contradicting(() => {
        throw new VaultError('file', 'object-missing', 'not there');
      });
      await givenUp();
    });
  });
});
