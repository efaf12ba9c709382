// The mail of a drill: a steady stream to recipients that cannot exist, spread as real ones are.
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from './client.ts';

/** A mail that the service has accepted. `sentAt`: when it was posted, epoch ms of this machine. */
export interface SentMail {
  readonly id: string;
  readonly sentAt: number;
}

/** A stream of mail under way. */
export interface Traffic {
  /** What the service has accepted, in the order of its answers. */
  readonly mails: readonly SentMail[];
  /** What it has not: why, one entry each. */
  readonly refused: readonly Error[];
  /** Sends no more, and waits for the answers that are due. */
  stop(): Promise<void>;
}

/** What to send. `perSecond` is greater than 0; `run` keeps the recipients of two drills apart. */
export interface TrafficPlan {
  readonly perSecond: number;
  readonly stream: string;
  readonly from: string;
  readonly run: string;
}

// Domains under .example belong to nobody, whatever may be configured by mistake. A few big ones stand for the big mailbox hosts, with
// their shares of real mail; the rest is a long tail.
const hosts: readonly (readonly [domain: string, share: number])[] = [
  ['biggest-mail.example', 0.3],
  ['big-mail.example', 0.16],
  ['free-mail.example', 0.08],
  ['old-mail.example', 0.04],
];
const tail = 40;
const goldenRatio = 0.618033988749895;
// More than this on the way means that the service is slower than the rate: then mail is posted as fast as it answers.
const mostOnTheWay = 200;

/** The recipient of the `number`th mail of a run: another one each time, for one that has bounced gets no more mail. */
export function recipientOf(run: string, number: number): string {
  let rest = (number * goldenRatio) % 1;
  for (const [domain, share] of hosts) {
    if (rest < share) return `drill-${run}-${number}@${domain}`;
    rest -= share;
  }
  return `drill-${run}-${number}@company-${number % tail}.example`;
}

/** Starts to send. Never rejects: what goes wrong is in `refused`. */
export function startTraffic(client: Client, plan: TrafficPlan, clock: () => number): Traffic {
  const mails: SentMail[] = [];
  const refused: Error[] = [];
  const onTheWay = new Set<Promise<void>>();
  const over = new AbortController();

  async function send(number: number): Promise<void> {
    const sentAt = clock();
    try {
      const { id } = await client.post<{ id: string }>('/v1/emails', {
        from: plan.from,
        to: recipientOf(plan.run, number),
        subject: `Drill ${plan.run}, mail ${number}`,
        text: 'A mail of a drill. Nobody was meant to read it.',
        stream: plan.stream,
      });
      mails.push({ id, sentAt });
    } catch (error) {
      refused.push(error instanceof Error ? error : new Error(String(error)));
    }
  }

  const running = (async () => {
    const began = clock();
    for (let number = 0; !over.signal.aborted; number++) {
      const one = send(number).finally(() => onTheWay.delete(one));
      onTheWay.add(one);
      if (onTheWay.size >= mostOnTheWay) await Promise.race(onTheWay);
      const early = began + ((number + 1) * 1_000) / plan.perSecond - clock();
      if (early > 0) await pause(early, null, { signal: over.signal }).catch(() => {});
    }
    await Promise.all(onTheWay);
  })();

  return {
    mails,
    refused,
    stop() {
      over.abort();
      return running;
    },
  };
}
