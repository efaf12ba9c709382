// The connections of one relay: at most so many, kept for a short while between messages.
import { openSession, type Session, type Trouble } from './session.ts';
import type { SmtpSettings } from './settings.ts';

// Amazon SES hangs up after about ten idle seconds (github.com/juhasev/laravel-ses/pull/15), others later (RFC 5321 asks for five
// minutes). A mail should not be the one to find out.
const idleMs = 4_000;
// Relays behind a load balancer ask for a new connection now and then (docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html).
const maxMessages = 100;

/** One connection, held for one message. */
export interface Lease {
  readonly session: Session;
  /** It has carried messages before: the relay may have hung up meanwhile. */
  readonly reused: boolean;
  /** Gives up the connection and opens a new one in its place. */
  renew(signal: AbortSignal): Promise<Trouble | null>;
  /** Gives the place back; must be called once. */
  release(): void;
}

/** The connections of one relay. */
export interface Pool {
  /** A place and a connection in it, as soon as there is one; or why not, by the time `signal` aborts. Never throws. */
  lease(signal: AbortSignal): Promise<Lease | Trouble>;
  /** Says goodbye on idle connections and cuts the others. */
  close(): Promise<void>;
}

/** Makes a pool; connects nowhere yet. */
export function createPool(settings: SmtpSettings): Pool {
  const places = createPlaces(settings.max_connections);
  const sessions = new Set<Session>();
  const idle: { session: Session; messages: number; timer: NodeJS.Timeout }[] = [];

  async function open(signal: AbortSignal): Promise<Session | Trouble> {
    const session = await openSession(settings, signal);
    if ('cause' in session) return session;
    sessions.add(session);
    session.onEnd(() => {
      sessions.delete(session);
      takeIdle(session);
    });
    return session;
  }

  async function keep(session: Session, messages: number): Promise<void> {
    if (!(await session.ready())) return;
    if (messages >= maxMessages) return session.quit();
    const timer = setTimeout(() => {
      takeIdle(session);
      void session.quit();
    }, idleMs);
    idle.push({ session, messages, timer: timer.unref() });
  }

  // Out of the idle ones, so that no message gets it: this one, or else the one used last, which is the least likely to have been
  // dropped by the relay.
  function takeIdle(session = idle.at(-1)?.session) {
    const at = idle.findIndex((one) => one.session === session);
    const taken = at < 0 ? undefined : idle.splice(at, 1)[0];
    clearTimeout(taken?.timer);
    return taken;
  }

  return {
    async lease(signal) {
      if (!(await places.take(signal))) {
        return {
          phase: 'connect',
          reply: null,
          cause: 'timeout',
          text: `all ${settings.max_connections} connections were busy`,
        };
      }
      const kept = takeIdle();
      const first = kept?.session ?? (await open(signal));
      if ('cause' in first) {
        places.giveBack();
        return first;
      }
      let session = first;
      let messages = kept?.messages ?? 0;
      return {
        get session() {
          return session;
        },
        reused: kept !== undefined,
        async renew(signal) {
          session.destroy();
          const fresh = await open(signal);
          if ('cause' in fresh) return fresh;
          session = fresh;
          messages = 0;
          return null;
        },
        release() {
          void keep(session, messages + 1).finally(places.giveBack);
        },
      };
    },
    async close() {
      await Promise.all([...sessions].map((session) => (takeIdle(session) ? session.quit() : session.destroy())));
    },
  };
}

// So many places; who finds none waits in line until one is free or `signal` aborts.
function createPlaces(count: number) {
  let free = count;
  const line = new Set<() => void>();
  return {
    take(signal: AbortSignal): Promise<boolean> {
      if (signal.aborted) return Promise.resolve(false);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(true);
      }
      return new Promise((resolve) => {
        const settle = (taken: boolean) => {
          line.delete(called);
          signal.removeEventListener('abort', gaveUp);
          resolve(taken);
        };
        const called = () => settle(true);
        const gaveUp = () => settle(false);
        line.add(called);
        signal.addEventListener('abort', gaveUp, { once: true });
      });
    },
    giveBack(): void {
      const [next] = line;
      if (next) next();
      else free += 1;
    },
  };
}
