// The process: signals, environment, terminal. The only file, with the command line, that reads process.*

import type { Logger } from 'pino';
import { ConfigFault } from '../config/faults.ts';
import { environmentVariable, type LoadedConfig, loadConfig } from '../config/load.ts';
import { type AppRole, type Running, roles, start } from './app.ts';
import { messageOf } from './core/error.ts';
import { firstScreen } from './first-screen.ts';
import { createLog } from './log.ts';
import { StartFault } from './roles/start-fault.ts';
import { requireRedis, thisMachine } from './store/redis-binary.ts';

/** What `mailover serve` was told. */
export interface ServeOptions {
  readonly file: string | undefined;
  /** Comma-separated roles. */
  readonly roles: string;
  readonly version: string;
}

const shortestAdminKey = 24;

/** Runs the service until it is told to stop. Resolves to the exit status: 0 stopped, 1 could not start or gave up, 2 wrong usage, 78 faulty settings. */
export async function serve(options: ServeOptions): Promise<number> {
  const { env, stdout, stderr } = process;
  const fail = (text: string, status: number) => {
    stderr.write(`${text}\n`);
    return status;
  };
  const wanted = options.roles.split(',').map((role) => role.trim());
  const unknown = wanted.filter((role) => !roles.includes(role as AppRole));
  if (unknown.length > 0) return fail(`--roles: ${unknown.join(', ')} is not a role; there are ${roles.join(', ')}`, 2);

  const asked = environmentVariable('MAILOVER_ADMIN_KEY', { env, cwd: process.cwd() });
  if ('fault' in asked) return fail(`mailover ${asked.fault}`, 78);
  const adminKey = asked.value || null;
  if (adminKey !== null && adminKey.length < shortestAdminKey) {
    return fail(
      `MAILOVER_ADMIN_KEY has ${adminKey.length} characters; it must have at least ${shortestAdminKey}. Make one: openssl rand -base64 32`,
      78,
    );
  }

  let loaded: LoadedConfig;
  let running: Running;
  const toldToStop = new AbortController();
  let end: (status: number) => void = () => {};
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      toldToStop.abort();
      end(0);
    });
  }
  try {
    loaded = await loadConfig({ file: options.file, env, cwd: process.cwd() });
    // The demo is for people: its screen must not scroll away under log lines.
    const demo = loaded.source === 'demo';
    const log = openLog(env.LOG_LEVEL || (demo && stdout.isTTY ? 'warn' : 'info'));
    for (const warning of loaded.warnings) log.warn({}, warning);
    log.info({ version: options.version, settings: loaded.source, roles: wanted }, 'starting');
    // A mail sender that has lost its head must not go on: the leases and the queue pick up what it leaves.
    process.on('uncaughtException', (error) => {
      log.fatal({ error: error.message, stack: error.stack }, 'uncaught error; exiting');
      process.exit(1);
    });
    const redis = loaded.config.redis.url ? null : await requireRedis(thisMachine(env));
    running = await start(loaded.config, {
      log,
      ...(redis && { redisBinary: redis.path }),
      version: options.version,
      roles: wanted as AppRole[],
      adminKey,
      giveUp: toldToStop.signal,
      fatal: () => end(1),
    });
    stdout.write(firstScreen({ loaded, running, adminKey, roles: wanted }));
  } catch (error) {
    if (error instanceof ConfigFault) return fail(error.message, 78);
    if (error instanceof StartFault) return fail(error.message, 78);
    if (toldToStop.signal.aborted) return 0;
    return fail(`mailover could not start: ${messageOf(error)}`, 1);
  }
  const status = await ended;
  await running.close();
  return status;
}

function openLog(level: string): Logger {
  try {
    return createLog(level);
  } catch (error) {
    throw new StartFault(messageOf(error));
  }
}
