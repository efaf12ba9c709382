// Signatures of webhooks that we send, as Standard Webhooks has them (standardwebhooks.com, spec of 2026-08).
import { createHmac } from 'node:crypto';

/**
 * The three headers of one request. Signed with every secret (`whsec_…`), so that whoever verifies may know the old one or the new.
 * @param id the same for every try of one event. @param at epoch ms, of this try.
 */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  at: number,
  body: string,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1_000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
