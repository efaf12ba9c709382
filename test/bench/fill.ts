// Fills a service's store with queued mail, fast: by the batch, through its API.
import { expect } from 'vitest';
import type { Wire } from './wire.ts';

/** Sends `count` mails with a text of `bytes`, each to a recipient of its own. Gives every `keep`th id. */
export async function fillQueue(wire: Wire, count: number, bytes: number, keep = 1): Promise<string[]> {
  const ids: string[] = [];
  const text = 'Somebody has asked for a new password. '.repeat(Math.ceil(bytes / 39)).slice(0, bytes);
  const starts = Array.from({ length: Math.ceil(count / 100) }, (_, at) => at * 100).values();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const start of starts) {
        const mails = Array.from({ length: Math.min(100, count - start) }, (_, at) => ({
          from: 'Acme <hello@acme.example>',
          to: `person${start + at}@example.com`,
          subject: 'Your password',
          text,
          tags: [{ name: 'kind', value: 'reset' }],
        }));
        const { status, body } = await wire.call('POST', '/v1/emails/batch', JSON.stringify(mails));
        expect(status, body).toBe(202);
        const { data } = JSON.parse(body) as { data: { id: string }[] };
        for (const [at, { id }] of data.entries()) if ((start + at) % keep === 0) ids.push(id);
      }
    }),
  );
  return ids;
}
