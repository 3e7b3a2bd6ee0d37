import type { Event } from '../model/event.ts';
import type { Vault } from '../model/vault.ts';
import type { Reloaded } from './protocol.ts';
import type { Parting } from './session.ts';

/** What the daemon itself has to say, beside what happens to vaults. Facts only: there is no room for a secret. */
export type DaemonEvent = { readonly time: string } & DaemonEventBody;

export type DaemonEventBody =
  | { readonly event: 'daemon'; readonly state: 'starting'; readonly version: string; readonly pid: number }
  | { readonly event: 'daemon'; readonly state: 'ready'; readonly vaults: number; readonly socket: string }
  | ({ readonly event: 'daemon'; readonly state: 'reloaded' } & Reloaded)
  | { readonly event: 'daemon'; readonly state: 'locked' | 'unlocked' | 'stopping' | 'stopped' }
  | {
      readonly event: 'daemon';
      readonly state: 'metrics';
      readonly port: number;
      readonly certificate: string;
      readonly token: string;
    }
  /** A client that was dropped or refused; those that only leave are no news. */
  | { readonly event: 'client'; readonly state: Parting };

/** Writes one down. */
export type DaemonLog = (event: Event | DaemonEvent, vault?: Vault) => void;
