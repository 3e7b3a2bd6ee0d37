/** A store whose refused writes are explained: by who knows more of the bucket than the answer says. */
import { VaultError } from '../model/errors.ts';
import type { ObjectStore } from '../model/ports.ts';

/** Gives a clearer error, or the same. */
export type Explain = (error: VaultError) => Promise<VaultError>;

/** What a policy or a setting of the bucket may be behind. */
const REFUSALS: ReadonlySet<string> = new Set(['access-denied', 'sse-c-blocked']);

export function explaining(store: ObjectStore, explain: Explain): ObjectStore {
  const told = async <T>(write: Promise<T>): Promise<T> => {
    try {
      return await write;
    } catch (thrown) {
      const denied = thrown instanceof VaultError && thrown.status === 403 && REFUSALS.has(thrown.code);
      throw denied ? await explain(thrown) : thrown;
    }
  };
  return {
    ...store,
    put: (...write) => told(store.put(...write)),
    upload: (...write) => told(store.upload(...write)),
  };
}
