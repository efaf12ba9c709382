// A mail for the tests of providers, frozen to its depths as the core hands it over.
import { randomUUID } from 'node:crypto';
import type { Mail, SendContext } from '../../providers/provider.ts';

/** A small mail with an id of its own. `recipients` are all of to, cc and bcc unless they are given. */
export function testMail(parts: Partial<Mail> = {}): Mail {
  const mail = {
    id: `em_${randomUUID().replaceAll('-', '')}`,
    from: { name: 'Acme', address: 'noreply@acme.example' },
    to: [{ name: 'Ada', address: 'ada@example.com' }],
    cc: [],
    bcc: [],
    replyTo: [],
    subject: 'Your code',
    text: 'It is 123456.\n',
    html: null,
    headers: {},
    attachments: [],
    tags: [],
    metadata: {},
    ...parts,
  };
  const everybody = [...mail.to, ...mail.cc, ...mail.bcc].map(({ address }) => address);
  return deepFreeze({ recipients: everybody, ...mail });
}

/** A mail that no socket takes in one piece. */
export function bigMail(bytes = 24 * 1024 * 1024): Mail {
  const content = new Uint8Array(bytes);
  return testMail({
    attachments: [{ filename: 'big.bin', contentType: 'application/octet-stream', content, contentId: null }],
  });
}

/** Time for one hand-over, which nothing cuts short. */
export function testContext(timeoutMs = 5_000, signal = new AbortController().signal): SendContext {
  return { signal, timeoutMs, idempotencyKey: randomUUID() };
}

function deepFreeze<T>(value: T): T {
  // Bytes cannot be frozen.
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
