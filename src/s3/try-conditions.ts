/** What a store does with conditions of writes, found out by trying. */
import { randomUUID } from 'node:crypto';
import { OWN_FOLDER, objectKey } from '../model/brands.ts';
import { VaultError } from '../model/errors.ts';
import type { ConditionSupport, Waits } from '../model/ports.ts';
import { sumHeaders, sumsOf } from './checksums.ts';
import { writeHeaders } from './modes.ts';
import { removeObject } from './single.ts';
import { type Site, askedOf } from './site.ts';
import { drain } from './wire.ts';

/** Writes an object nobody else knows of twice, the second time where it must not be. */
export async function tryConditions(
  site: Site,
  prefix: string,
  { known, signal }: Waits & { readonly known?: ConditionSupport },
): Promise<ConditionSupport> {
  const found = site.remote.isAws ? 'kept' : (known ?? (await tried(site, prefix, { signal })));
  site.quirks.refusesConditions = found === 'refused';
  return found;
}

async function tried(site: Site, prefix: string, waits: Waits): Promise<ConditionSupport> {
  const key = objectKey(`${prefix}${OWN_FOLDER}/probe-${randomUUID()}`);
  if ((await putIfNone(site, key, waits)) !== 'written') return 'refused';
  try {
    return (await putIfNone(site, key, waits)) === 'written' ? 'ignored' : 'kept';
  } finally {
    await removeObject(site, key, waits);
  }
}

async function putIfNone(
  site: Site,
  key: ReturnType<typeof objectKey>,
  { signal }: Waits,
): Promise<'written' | 'refused'> {
  const body = Buffer.from('is If-None-Match kept here?\n');
  const headers = {
    ...writeHeaders(site.protection),
    ...sumHeaders(sumsOf(body, site.remote.isAws)),
    'if-none-match': '*',
  };
  try {
    const asked = askedOf(site, 'write', key);
    await drain(await site.wire.send({ method: 'PUT', asked, key, headers, body, signal }));
    return 'written';
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    const said = thrown.code === 'precondition' || thrown.code === 'conflict' || thrown.status === 501;
    if (said) return 'refused';
    throw thrown;
  }
}
