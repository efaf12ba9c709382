// One hand-over to one provider: bounded in time, and a value whatever the adapter does.

import type { Mail, Provider, Result } from '../../providers/provider.ts';
import { messageOf } from '../core/error.ts';
import { maskAddresses } from '../core/mask.ts';

// An adapter settles by itself when its signal aborts; one that does not is cut off after this much more.
const graceMs = 1_000;

/**
 * Sends `mail` through `provider` within `timeoutMs`. `round` is part of the idempotency key: an operator's resend is a new mail to the provider. Never rejects: an adapter that throws, or does not settle, may have sent the
 * mail, so that is `unknown`. Addresses in the provider's words are masked.
 */
export async function handOver(provider: Provider, mail: Mail, round: number, timeoutMs: number): Promise<Result> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  let guard: NodeJS.Timeout | undefined;
  const cutOff = new Promise<Result>((resolve) => {
    guard = setTimeout(
      () =>
        resolve({
          outcome: 'unknown',
          reason: 'timeout',
          detail: `the adapter did not settle within ${timeoutMs + graceMs} ms`,
        }),
      timeoutMs + graceMs,
    );
  });
  try {
    const result = await Promise.race([
      provider.send(mail, { signal: abort.signal, timeoutMs, idempotencyKey: `${mail.id}-${round}` }),
      cutOff,
    ]);
    return masked(result);
  } catch (error) {
    const words = messageOf(error);
    return { outcome: 'unknown', reason: 'provider_error', detail: maskAddresses(`the adapter broke: ${words}`) };
  } finally {
    clearTimeout(timer);
    clearTimeout(guard);
  }
}

function masked(result: Result): Result {
  const recipients = result.recipients?.map((one) => ({ ...one, detail: maskAddresses(one.detail) }));
  return { ...result, detail: maskAddresses(result.detail), ...(recipients && { recipients }) };
}
