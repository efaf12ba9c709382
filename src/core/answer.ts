// The answer to a question put to a provider: a value and in time, whatever the adapter does.
import { messageOf } from './error.ts';

/**
 * What `asked` resolves to, or `otherwise` with the words why not, when it rejects or `signal` aborts first. An adapter is to heed the
 * signal by itself; one that does not must not keep the message, or the monitor, that waits for it.
 */
export function answerOf<T>(asked: Promise<T>, signal: AbortSignal, otherwise: (why: string) => T): Promise<T> {
  return new Promise((resolve) => {
    const late = () => resolve(otherwise('no answer in time'));
    signal.addEventListener('abort', late, { once: true });
    asked
      .then(resolve, (error: unknown) => resolve(otherwise(messageOf(error))))
      .finally(() => signal.removeEventListener('abort', late));
  });
}
