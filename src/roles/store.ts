// The store as the settings name it, and the keys that seal what is in it.
import type { Config } from '../../config/schema.ts';
import type { Place, StoreLog } from '../store/connection.ts';
import { dataKey } from '../store/data-key.ts';
import { startEmbedded } from '../store/embedded.ts';
import { StartFault } from './start-fault.ts';

/** What opening it takes beside the settings. */
export interface StoreParts {
  readonly log: StoreLog;
  /** The Redis program for the embedded mode; looked for in the usual folders when absent. */
  readonly redisBinary?: string;
  /** Aborted when the start shall be given up. */
  readonly giveUp?: AbortSignal;
  /** Takes what has to be done at the end; done in reverse order. */
  readonly atEnd: (step: () => unknown) => void;
}

/** Where the store is; in the embedded mode it is started, or joined, first. */
export async function openStore(
  config: Config,
  { log, redisBinary, giveUp, atEnd }: StoreParts,
): Promise<{ place: Place; embedded: boolean }> {
  const { url, sentinel_password: sentinelPassword } = config.redis;
  if (url) return { place: { url, sentinelPassword }, embedded: false };
  const embedded = await startEmbedded({
    dataDir: config.redis.data_dir,
    log,
    ...(redisBinary !== undefined && { binary: redisBinary }),
    ...(giveUp && { giveUp }),
  });
  atEnd(() => embedded.close());
  return { place: { socketPath: embedded.socketPath }, embedded: true };
}

// The packages take memory and time to load: only those pay for them who have asked.

/** The keys of the settings, or that of the data folder. */
export async function sealingKeys(config: Config, embedded: boolean): Promise<Buffer[]> {
  if (config.encryption.keys.length > 0) return config.encryption.keys.map((key) => Buffer.from(key, 'base64'));
  if (embedded) return [await dataKey(config.redis.data_dir)];
  throw new StartFault(
    'encryption.keys is empty. With an external Redis at least one key is needed: openssl rand -base64 32',
  );
}
