// --break-glass: the acts on the store itself, with the settings of the service.

import { loadConfig } from '../../config/load.ts';
import { openBreakGlass } from '../break-glass.ts';
import { messageOf } from '../core/error.ts';
import { parseDuration } from '../core/units.ts';
import { ClientFault } from './client.ts';
import type { Hands } from './hands.ts';

/** What of the process it needs. `user` and `host` stand in the audit. */
export interface GlassParts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly user: string;
  readonly host: string;
  readonly clock: () => number;
  readonly complain: (text: string) => void;
}

/** Opens the store that these settings name. @throws ClientFault with words for a person */
export async function breakGlass(file: string | undefined, parts: GlassParts): Promise<Hands> {
  const { env, cwd, user, host, clock, complain } = parts;
  const say = (fields: Record<string, unknown>, text: string) =>
    complain(`${text}${'detail' in fields ? `: ${fields.detail}` : ''}\n`);
  const log = { info: () => {}, warn: say, error: say };
  const inWords = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw new ClientFault(messageOf(error));
    }
  };
  const { config } = await inWords(loadConfig({ file, env, cwd }));
  const glass = await inWords(openBreakGlass(config, { user, host, clock, log }));
  return {
    failover: ({ for: duration, ...request }) =>
      inWords(glass.failover({ ...request, forMs: duration === null ? null : parseDuration(duration) })),
    failback: (stream, reason) => inWords(glass.failback(stream, reason)),
    quarantine: (provider, { since, ...request }) =>
      inWords(glass.quarantine(provider, { ...request, since: since === null ? null : Date.parse(since) })),
    release: (provider, reason) => inWords(glass.release(provider, reason)),
    close: () => glass.close(),
  };
}
