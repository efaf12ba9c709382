// Our door to the outside as the self-probe sees it: nonces announced, arrived, concluded. Mirrors `concludeScript`.
import type { IngressStore } from '../../../src/store/ingress.ts';
import type { Process } from '../clock.ts';
import type { Shelf } from './shelf.ts';

/** What is stored of it. */
export interface Door {
  readonly nonces: Map<string, boolean>;
  okAt: number | null;
  failedAt: number | null;
  failures: number;
  detail: string | null;
  made: number;
}

/** Nothing probed yet. */
export const createDoor = (): Door => ({
  nonces: new Map(),
  okAt: null,
  failedAt: null,
  failures: 0,
  detail: null,
  made: 0,
});

/** For one process. */
export function ingressFor(process: Process, shelf: Shelf, door: Door): IngressStore {
  const ask = <T>(command: () => T) => shelf.ask(process, command);
  return {
    announce: () =>
      ask(() => {
        door.made += 1;
        const nonce = `nonce-${door.made}`;
        door.nonces.set(nonce, false);
        return nonce;
      }),
    arrived: (nonce) =>
      ask(() => {
        if (door.nonces.has(nonce)) door.nonces.set(nonce, true);
      }),
    conclude: (_url, nonce, obstacle) =>
      ask(() => {
        const now = shelf.time();
        const came = door.nonces.get(nonce) === true;
        door.nonces.delete(nonce);
        if (came) {
          const wasLost = door.failedAt !== null;
          Object.assign(door, { okAt: now, failedAt: null, failures: 0, detail: null });
          return wasLost ? 'back' : 'same';
        }
        door.failures += 1;
        if (door.failures < 2) return 'same';
        door.failedAt = now;
        door.detail = obstacle;
        if (door.okAt !== null && door.okAt >= now) door.okAt = now - 1;
        if (door.failures > 2) return 'same';
        return door.okAt === null ? 'never' : 'lost';
      }),
    read: () =>
      ask(() => (door.okAt === null ? null : { okAt: door.okAt, failedAt: door.failedAt, detail: door.detail })),
  };
}
