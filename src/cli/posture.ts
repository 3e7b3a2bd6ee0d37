/** The posture of a vault's bucket for the dashboard: what `bucket audit` finds, in three words. */
import type { PostureDesk } from '../model/posture.ts';
import { marksOf } from '../model/posture.ts';
import type { Vault } from '../model/vault.ts';
import { guardsOf, openPosture } from '../vaults/bucket.ts';

/** Nothing is sent before it is asked. */
export function postureDesk(vault: Vault, env: NodeJS.ProcessEnv): PostureDesk {
  return {
    look: async () => {
      const posture = await openPosture(vault.remote, env);
      try {
        return marksOf(posture.findings(await posture.facts(), guardsOf([vault])));
      } finally {
        await posture.close();
      }
    },
  };
}
