// The self-probe: does what is posted to our public address reach us? Without that, no webhook does, and silence says nothing.
//
//   a nonce is announced in our Redis ─► posted to {public_url}/webhooks/_self ─► whichever process gets it marks it there ─► seen
//
// Only the mark counts: what answers at that address, and how, may be somebody else.
import type { IngressRecord, IngressStore } from '../store/ingress.ts';
import type { Chore, MonitorLog } from './chore.ts';

/** What probing needs. */
export interface SelfProbeParts {
  /** `server.public_url`; undefined where nobody has said it, and then nothing is probed. */
  readonly publicUrl: string | undefined;
  readonly everyMs: number;
  readonly ingress: IngressStore;
  readonly clock: () => number;
  readonly log: MonitorLog;
}

/** Probes, on a schedule and on demand. */
export interface SelfProbe {
  /** Rejects when the store is away. */
  readonly chore: Chore;
  /**
   * Probes now, unless the last probe began less than two seconds ago, and resolves when that is over; with one under way, resolves with
   * it. Never rejects: trouble goes to the log.
   */
  now(): Promise<void>;
  /**
   * What the probes have shown. Null without a public address, and as long as none has ever come through: a machine that cannot
   * reach its own public address learns nothing this way.
   */
  read(): Promise<IngressRecord | null>;
}

const answerMs = 3_000;
const leastMs = 2_000;

/** Makes it. */
export function createSelfProbe({ publicUrl, everyMs, ingress, clock, log }: SelfProbeParts): SelfProbe {
  const name = 'self-probe';
  if (publicUrl === undefined)
    return { chore: { name, everyMs, run: async () => {} }, now: async () => {}, read: async () => null };
  const url = `${publicUrl}/webhooks/_self`;
  let beganAt = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | null = null;

  async function probe(): Promise<void> {
    const nonce = await ingress.announce();
    const obstacle = await post(url, nonce);
    const turn = await ingress.conclude(url, nonce, obstacle);
    switch (turn) {
      case 'same':
        return;
      case 'back':
        log.info({ url }, 'webhooks reach us again: our own probe has come through');
        return;
      case 'lost':
        log.warn(
          { url, detail: obstacle },
          'webhooks do not reach us: what we post to our public address does not come in; look at the proxy, DNS and certificate',
        );
        return;
      case 'never':
        log.warn(
          { url, detail: obstacle },
          'our own probe has never come through, and says nothing about webhooks: is server.public_url right, and can this machine reach it?',
        );
        return;
      default:
        turn satisfies never;
    }
  }

  function run(): Promise<void> {
    if (underWay) return underWay;
    if (Math.abs(clock() - beganAt) < leastMs) return Promise.resolve();
    beganAt = clock();
    underWay = probe().finally(() => {
      underWay = null;
    });
    return underWay;
  }

  return {
    chore: { name, everyMs, run },
    now: () =>
      run().catch((error: unknown) =>
        log.warn({ error: String(error) }, 'the way by which webhooks reach us could not be probed; it is tried again'),
      ),
    read: () => ingress.read(url),
  };
}

/** Posts, and says what stands in the way if the nonce has not come in now. */
async function post(url: string, nonce: string): Promise<string> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      // A redirect is an obstacle: providers do not follow them either. And a connection that is still open would prove little.
      redirect: 'manual',
      headers: { 'content-type': 'application/json', 'user-agent': 'Mailover (self-probe)', connection: 'close' },
      body: JSON.stringify({ nonce }),
      signal: AbortSignal.timeout(answerMs),
    });
    await answer.body?.cancel();
    return `what answers there (status ${answer.status}) does not hand it on to us`;
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${answerMs / 1_000} s`;
    return `it cannot be reached (${reasonOf(error)})`;
  }
}

// The words of fetch are "fetch failed"; the reason is its cause.
function reasonOf(error: unknown): string {
  const { cause = error } = error instanceof Error ? error : {};
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause ? String(cause.code) : cause.message;
}
