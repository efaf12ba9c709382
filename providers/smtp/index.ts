// Any relay that speaks SMTP.

import { startDeadline } from '../deadline.ts';
import { composeMime, unfitHeader } from '../mime.ts';
import type {
  AccountStatus,
  Mail,
  Provider,
  ProviderParts,
  ProviderType,
  Result,
  SendContext,
  Unsupported,
} from '../provider.ts';
import { foreignSender } from '../sender.ts';
import { createPool, type Lease } from './pool.ts';
import { describe, handOverResult, judgeTrouble, troubleResult } from './result.ts';
import { type HandOver, openSession, type Trouble } from './session.ts';
import type { SmtpSettings } from './settings.ts';
import { cleaner } from './words.ts';

/**
 * SMTP: hands a mail over as MIME, and knows for each whether the relay may have it.
 *
 * A relay tells nothing of what becomes of the mail, and knows no idempotency keys. Tags and metadata stay in our own store: SMTP has
 * no place for them, and no header is read by every relay. Addresses beyond ASCII (SMTPUTF8) are not carried.
 */
export const smtp: ProviderType<SmtpSettings> = { type: 'smtp', create };

function create(name: string, settings: SmtpSettings, parts: ProviderParts): Provider {
  const pool = createPool(settings);
  const clean = cleaner(settings);

  async function handOver(mail: Mail, context: SendContext): Promise<Result> {
    const deadline = startDeadline(context.signal, context.timeoutMs);
    // Nothing below is meant to throw. What does is a fault of our own: before the lease nothing can have been sent.
    let begun = false;
    try {
      const { raw, messageId } = await composeMime(mail);
      const lease = await pool.lease(deadline.signal);
      if ('cause' in lease) return troubleResult(lease, clean);
      begun = true;
      try {
        const done = await transmit(lease, mail, raw, deadline.signal);
        return 'cause' in done ? troubleResult(done, clean) : handOverResult(done, mail, messageId, clean);
      } finally {
        lease.release();
      }
    } catch (error) {
      const detail = clean(`not carried by the SMTP adapter: ${String(error)}`);
      return begun
        ? { outcome: 'unknown', reason: 'worker_crashed', detail }
        : { outcome: 'refused', reason: 'unsupported', detail };
    } finally {
      deadline.stop();
    }
  }

  return {
    name,
    type: 'smtp',
    traits: { confirmsDelivery: false, idempotent: false, maxBytes: null },
    unsupported: (mail) => unsupported(name, settings, mail),
    async send(mail, context) {
      const result = await handOver(mail, context);
      const unmapped = [result, ...(result.recipients ?? [])].find((one) => one.reason === 'unmapped');
      if (unmapped)
        parts.log.warn(
          { provider: name, detail: unmapped.detail },
          'SMTP reply in no row of providers/smtp/replies.ts',
        );
      return result;
    },
    // Without a login there is no account to ask about.
    ...(settings.user === undefined ? {} : { account: (signal: AbortSignal) => account(settings, signal, clean) }),
    close: () => pool.close(),
  };
}

// A relay may hang up on an idle connection while we write to it. As long as it has not said 354 the message has not left, so a kept
// connection may be replaced once by a new one; the answer on a new one stands.
async function transmit(lease: Lease, mail: Mail, raw: Buffer, signal: AbortSignal): Promise<HandOver | Trouble> {
  const envelope = { from: mail.from.address, recipients: mail.recipients };
  const first = await lease.session.send(envelope, raw, signal);
  if (!lease.reused || !first.trouble || !hungUp(first.trouble)) return first;
  return (await lease.renew(signal)) ?? lease.session.send(envelope, raw, signal);
}

// Before 354: the line is dead, or the relay says that it waited too long (Amazon SES: 451 4.4.2; others: 421).
function hungUp({ phase, reply, cause }: Trouble): boolean {
  if (phase !== 'mail') return false;
  return reply === null ? cause === 'connection_lost' : reply.code === 421 || reply.enhanced === '4.4.2';
}

function unsupported(name: string, settings: SmtpSettings, mail: Mail): Unsupported | null {
  const foreign = foreignSender(name, settings.from_domains, mail);
  if (foreign) return foreign;
  const addresses = [
    mail.from.address,
    ...mail.recipients,
    ...[mail.to, mail.cc, mail.replyTo].flat().map((one) => one.address),
  ];
  if (addresses.some((address) => !/^[\x20-\x7e]+$/.test(address) || /[<>]/.test(address))) {
    return { reason: 'unsupported', detail: 'SMTP carries only ASCII addresses, and none with < or > in it' };
  }
  const header = unfitHeader(mail);
  return header === null ? null : { reason: 'unsupported', detail: `MIME cannot carry the header ${header}` };
}

// Signing in proves the credentials, not the permission to send: success is no proof of health, refusal is proof of trouble.
async function account(
  settings: SmtpSettings,
  signal: AbortSignal,
  clean: (text: string) => string,
): Promise<AccountStatus> {
  const deadline = startDeadline(signal, settings.timeout);
  try {
    const session = await openSession(settings, deadline.signal);
    if ('cause' in session) {
      const status = judgeTrouble(session).outcome === 'refused' ? 'suspended' : 'unknown';
      return { status, quotaRemaining: null, detail: describe(session, clean) };
    }
    void session.quit();
    return {
      status: 'unknown',
      quotaRemaining: null,
      detail: 'signed in; SMTP does not say whether the account may send',
    };
  } finally {
    deadline.stop();
  }
}
