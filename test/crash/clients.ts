// The clients: post mail without a rest, and write down what each request was promised.
import { setTimeout as pause } from 'node:timers/promises';
import { adminKey } from '../support/service.ts';
import type { Try } from './accountant.ts';

/** Clients at work. */
export interface Clients {
  readonly tries: readonly Try[];
  readonly accepted: number;
  /** What contradicts itself, such as another id for the same idempotency key. */
  readonly faults: readonly string[];
  /** Resolves when every mail has been posted. */
  readonly done: Promise<void>;
}

const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
const neverConnected = ['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT'];

/**
 * Posts `mails`, some at a time. Every other one has an idempotency key, and is repeated until it is accepted; the others are
 * given up after a request without an answer: each request of theirs has an address of its own.
 * @param allowed how many may have been posted by now.
 */
export function startClients(apiUrl: () => string | null, mails: number, allowed: () => number): Clients {
  const tries: Try[] = [];
  const faults: string[] = [];
  const rest = Array.from({ length: mails }, (_, number) => number).values();
  let accepted = 0;

  async function ask(mail: Record<string, unknown>, key: string | null): Promise<Pick<Try, 'answer' | 'id'>> {
    const url = apiUrl();
    if (url === null) return { answer: 'refused', id: null };
    try {
      const answer = await fetch(`${url}/v1/emails`, {
        method: 'POST',
        headers: { ...headers, ...(key && { 'idempotency-key': key }) },
        body: JSON.stringify(mail),
        signal: AbortSignal.timeout(15_000),
      });
      const body = (await answer.json()) as { id?: string; detail?: string };
      if (answer.status === 202) return { answer: 'accepted', id: body.id ?? null };
      if (answer.status !== 503) faults.push(`a mail was answered ${answer.status}: ${body.detail}`);
      return { answer: body.detail?.includes('Nothing was accepted') ? 'refused' : 'unsure', id: null };
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause?.code ?? '';
      return { answer: neverConnected.includes(cause) ? 'refused' : 'unsure', id: null };
    }
  }

  async function post(number: number): Promise<void> {
    const stream = number % 10 === 3 ? 'held' : number % 10 === 7 ? 'critical' : 'default';
    const key = number % 2 === 0 ? `key-${number}` : null;
    for (let attempt = 1; ; attempt++) {
      const address = key ? `r${number}@example.com` : `r${number}-${attempt}@example.com`;
      const mail = { from: 'hello@acme.example', to: address, subject: `Crash ${number}`, text: 'x', stream };
      const { answer, id } = await ask(mail, key);
      if (answer === 'accepted' && key && number % 40 === 0) {
        const again = await ask(mail, key);
        if (again.answer === 'accepted' && again.id !== id) faults.push(`${key} was ${id}, and then ${again.id}`);
      }
      if (!key || answer === 'accepted') tries.push({ address, answer, id });
      if (answer === 'accepted') accepted += 1;
      if (answer === 'accepted' || (answer === 'unsure' && !key)) return;
      await pause(100);
    }
  }

  const done = Promise.all(
    Array.from({ length: 24 }, async () => {
      for (const number of rest) {
        while (number >= allowed()) await pause(20);
        await post(number);
      }
    }),
  ).then(() => {});
  return {
    tries,
    faults,
    done,
    get accepted() {
      return accepted;
    },
  };
}
