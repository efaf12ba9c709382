// Plays one failure against a running service whose providers are sandboxes, and sees what comes of it.

import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../core/error.ts';
import type { EmailAnswer, ListAnswer, ProviderAnswer } from './answers.ts';
import { type Client, ClientFault } from './client.ts';
import { openBooks } from './drill-ledger.ts';
import { startTraffic } from './drill-mail.ts';
import { type MailTally, tallyOf } from './drill-tally.ts';
import { type Happening, type SeenIncident, type SeenState, startWatch, type Watch } from './drill-watch.ts';
import type { Scenario, Step } from './scenarios.ts';

/** What to play, and on whom. */
export interface DrillPlan {
  readonly scenario: Scenario;
  readonly stream: string;
  /** Null: the first sandbox of the stream. */
  readonly provider: string | null;
  readonly perSecond: number;
  readonly forMs: number;
  readonly from: string;
}

/** What a drill needs. An aborted `signal` ends it, and the provider delivers again. */
export interface DrillParts {
  readonly client: Client;
  readonly tell: (happening: Happening) => void;
  readonly clock: () => number;
  readonly signal: AbortSignal;
}

/** What came of it. Times in epoch ms of this machine. */
export interface DrillOutcome {
  readonly provider: string;
  readonly failedAt: number;
  /** When the provider was told to deliver again. */
  readonly mendedAt: number;
  readonly states: readonly SeenState[];
  readonly incidents: readonly SeenIncident[];
  readonly mail: MailTally;
}

const lookEveryMs = 100;
const copiesEveryMs = 2_000;
// So long the mail flows as it should before anything is broken: without it there is nothing to compare with.
const steadyMs = 5_000;
const knownWithinMs = 15 * 60_000;
const settledWithinMs = 2 * 60_000;

/**
 * Plays it to its end: waits until the provider is up and its usual delays are known, breaks it, mends it, and waits until all mail has ended.
 * @throws ClientFault when it cannot be played, or was interrupted; the provider delivers again then, too
 */
export async function drill(plan: DrillPlan, { client, tell, clock, signal }: DrillParts): Promise<DrillOutcome> {
  const { provider, inboxes } = await castOf(client, plan);
  const say = (text: string, tone: Happening['tone'] = null) => tell({ at: clock(), what: 'drill', text, tone });
  const behave = (mode: string, share = 1) =>
    client.put(`/v1/providers/${encodeURIComponent(provider)}/sandbox`, { mode, share });
  const rest = async (ms: number) => {
    await pause(ms, null, { signal }).catch(() => {});
    if (signal.aborted) throw new ClientFault(`Interrupted. ${provider} delivers again.`);
  };

  await behave('deliver');
  const watch = await startWatch(client, { provider, stream: plan.stream }, tell, clock);
  const books = openBooks(client, inboxes);
  let copiedAt = clock();
  const observe = async () => {
    const found = await watch.look();
    if (clock() - copiedAt >= copiesEveryMs) {
      copiedAt = clock();
      await books.readCopies();
    }
    return found;
  };

  const run = clock().toString(36);
  say(`sending ${plan.perSecond} mails a second, until the usual delays of ${provider} are known`);
  const traffic = startTraffic(client, { perSecond: plan.perSecond, stream: plan.stream, from: plan.from, run }, clock);
  let broken = false;
  let steadyAt: number;
  let failedAt: number;
  let mendedAt: number;
  try {
    steadyAt = await untilKnown();
    failedAt = clock();
    broken = true;
    await play();
  } finally {
    if (broken) await mend();
    mendedAt = clock();
    await traffic.stop();
  }
  await untilSettled();

  const { messages, copies } = books;
  const ledger = { provider, mails: traffic.mails, refused: traffic.refused.length, messages, copies };
  const mail = tallyOf({ ...ledger, steadyAt, failedAt, incidentAt: watch.incidents[0]?.at ?? null });
  return { provider, failedAt, mendedAt, states: since(watch, failedAt), incidents: watch.incidents, mail };

  async function untilKnown(): Promise<number> {
    const began = clock();
    let upAt: number | null = null;
    let used = false;
    for (;;) {
      const { state, confirmation } = await observe();
      upAt = state === 'up' ? (upAt ?? clock()) : null;
      if (traffic.mails.length === 0 && traffic.refused.length > 0) throw traffic.refused[0]!;
      if (upAt !== null && clock() - upAt >= steadyMs) {
        used ||= await requireUse(upAt);
        if (used && confirmation?.finding === 'fine') {
          const { p50, p99 } = confirmation;
          say(`${provider} is known: half of its mail is heard of within ${p50} s, 99 % within ${p99} s`);
          return upAt;
        }
      }
      if (clock() - began > knownWithinMs)
        throw new ClientFault(
          `${provider} is ${state}, and its mail is not heard of as usual (${confirmation?.detail}). A drill begins with a provider that is well: look at \`mailover status\`.`,
        );
      await rest(lookEveryMs);
    }
  }

  /** Does it get this mail at all? Another provider may come first in the stream. False while nobody can tell. */
  async function requireUse(upAt: number): Promise<boolean> {
    const settledBy = clock() - 1_000;
    const some = traffic.mails.filter(({ sentAt }) => sentAt > upAt && sentAt < settledBy).slice(-10);
    const shown = await Promise.all(some.map(({ id }) => client.get<EmailAnswer>(`/v1/emails/${id}`)));
    const took = [...new Set(shown.flatMap((one) => one.provider ?? []))];
    if (took.length > 0 && !took.includes(provider))
      throw new ClientFault(
        `${provider} gets no mail of the stream ${plan.stream}: it goes to ${took.join(', ')}. Name that one with --provider.`,
      );
    return took.length > 0;
  }

  async function play(): Promise<void> {
    const { steps } = plan.scenario;
    let endsAt = failedAt;
    for (let number = 0; endsAt - failedAt < plan.forMs; number++) {
      const step: Step = steps[number % steps.length]!;
      endsAt = Math.min(failedAt + plan.forMs, step.forMs === null ? Number.POSITIVE_INFINITY : clock() + step.forMs);
      await behave(step.mode, step.share);
      const share = step.share === 1 ? '' : ` for ${Math.round(step.share * 100)} % of its mail`;
      say(`${provider}: ${step.mode}${share}`, step.mode === 'deliver' ? 'good' : 'bad');
      while (clock() < endsAt) {
        await observe();
        await rest(Math.min(lookEveryMs, Math.max(0, endsAt - clock())));
      }
    }
  }

  async function mend(): Promise<void> {
    try {
      await behave('deliver');
      say(`${provider}: deliver`, 'good');
    } catch (error) {
      const words = messageOf(error);
      throw new ClientFault(
        `${provider} could not be told to deliver again, and still fails: ${words} Do it by hand: PUT /v1/providers/${provider}/sandbox {"mode":"deliver"}`,
      );
    }
  }

  async function untilSettled(): Promise<void> {
    let open = Number.POSITIVE_INFINITY;
    let changedAt = clock();
    for (;;) {
      await observe();
      const now = await books.readMessages(traffic.mails);
      if (now !== open) changedAt = clock();
      open = now;
      if (open === 0) break;
      if (clock() - changedAt > settledWithinMs) {
        say(`${open} mails have not ended, and nothing has changed for two minutes`, 'bad');
        break;
      }
      await rest(lookEveryMs);
    }
    await books.readCopies();
    await watch.look();
    if (open === 0) say('all mail has ended');
  }
}

/** The states from the failure on, with the one that it met. */
function since({ states }: Watch, failedAt: number): SeenState[] {
  const first = states.findLastIndex(({ at }) => at <= failedAt);
  return states.slice(Math.max(0, first));
}

/** Who plays. Refuses unless every provider of the stream is a sandbox: the mail of a drill may go to each of them. */
async function castOf(client: Client, plan: DrillPlan): Promise<{ provider: string; inboxes: readonly string[] }> {
  const all = (await client.get<ListAnswer<ProviderAnswer>>('/v1/providers')).data;
  const own = all.filter(({ streams }) => streams.includes(plan.stream));
  const names = (some: readonly ProviderAnswer[]) => some.map(({ name, type }) => `${name} (${type})`).join(', ');
  if (own.length === 0) {
    const streams = [...new Set(all.flatMap((one) => one.streams))].join(', ');
    throw new ClientFault(`There is no stream ${plan.stream}. There are: ${streams}. Name one with --stream.`);
  }
  const named = plan.provider === null ? null : own.find(({ name }) => name === plan.provider);
  if (named === undefined)
    throw new ClientFault(`The stream ${plan.stream} has no provider ${plan.provider}. It has: ${names(own)}.`);
  const real = own.filter(({ type }) => type !== 'sandbox');
  if (real.length > 0)
    throw new ClientFault(
      `Not every provider of the stream ${plan.stream} is of the type sandbox: ${names(real)}. A drill sends mail to recipients that do not exist, and would send it there. Drill a stream of sandboxes.`,
    );
  if (own.length === 1)
    throw new ClientFault(
      `The stream ${plan.stream} has no provider but ${own[0]!.name}: its mail has nowhere to go. Add a second one of the type sandbox.`,
    );
  return { provider: (named ?? own[0]!).name, inboxes: own.map(({ name }) => name) };
}
