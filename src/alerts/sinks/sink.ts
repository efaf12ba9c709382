// The contract between the outbox and one sink; and how an answer of the far side is read.
import { maskAddresses } from '../../core/mask.ts';
import type { Outgoing, OutgoingAnswer, OutgoingRequest } from '../../outgoing/post.ts';
import type { Letter } from '../alert.ts';

/** What came of posting a letter. `forGood`: the letter itself is refused, and would be again. */
export type Posted =
  | { readonly kind: 'taken' }
  | {
      readonly kind: 'failed';
      readonly detail: string;
      readonly forGood: boolean;
      /** When the far side wants to be asked again; null where it does not say. */
      readonly retryAfterMs: number | null;
    };

/** One sink. */
export interface Sink {
  readonly name: string;
  readonly type: string;
  /** Does it want alerts that come together in one letter? Where each alert has a life of its own it does not. */
  readonly grouped: boolean;
  /** How long posting may take at most, ms. */
  readonly longestMs: number;
  /** Posts a letter once. Never rejects. */
  post(letter: Letter, signal: AbortSignal): Promise<Posted>;
}

/** It took the letter. */
export const taken: Posted = { kind: 'taken' };

/** It did not. */
export function failed(detail: string, forGood = false, retryAfterMs: number | null = null): Posted {
  return { kind: 'failed', detail: maskAddresses(detail), forGood, retryAfterMs };
}

// What is wrong with this letter is wrong with it tomorrow. A wrong key or address is not: somebody mends that, and the letter still counts.
const letterFaults = [400, 410, 413, 414, 415, 422];

/** @param clean the far side's own words, without what must not be shown; they are left out where it is null. */
export function postedOf(answer: OutgoingAnswer, clean: ((text: string) => string) | null): Posted {
  if (answer.kind === 'trouble') return failed(answer.detail);
  const { status, body, retryAfterMs } = answer;
  if (status >= 200 && status < 300) return taken;
  const words =
    clean === null
      ? ''
      : clean(body)
          .replace(/[\p{Cc}\s]+/gu, ' ')
          .trim()
          .slice(0, 200);
  const redirected = status >= 300 && status < 400 ? ' (a redirect: none is followed, name the final address)' : '';
  return failed(
    `HTTP ${status}${redirected}${words === '' ? '' : `: ${words}`}`,
    letterFaults.includes(status),
    retryAfterMs,
  );
}

/** Takes secrets out of the far side's words. */
export function without(...secrets: readonly string[]): (text: string) => string {
  return (text) => secrets.reduce((words, secret) => words.replaceAll(secret, '••••'), text);
}

/** Makes the requests one after the other, until one is not taken. */
export async function askAll(
  outgoing: Outgoing,
  requests: readonly OutgoingRequest[],
  clean: ((text: string) => string) | null,
  signal: AbortSignal,
): Promise<Posted> {
  for (const request of requests) {
    const posted = postedOf(await outgoing.ask(request, signal), clean);
    if (posted.kind === 'failed') return posted;
  }
  return taken;
}
