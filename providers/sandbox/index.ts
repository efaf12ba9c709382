// A provider that sends nothing and misbehaves on demand: for the demo, the drills and the tests.
import { createHash, randomUUID } from 'node:crypto';
import { startDeadline } from '../deadline.ts';
import type {
  EventType,
  Mail,
  Provider,
  ProviderParts,
  ProviderType,
  Result,
  SandboxBehaviour,
  SandboxMode,
} from '../provider.ts';
import { foreignSender } from '../sender.ts';
import type { SandboxSettings } from './settings.ts';

/**
 * The sandbox. What `deliver` takes is in the inbox at once and gets its `delivered` event, one for each recipient, `latency` later;
 * `bounce` is taken and bounces for good. `blackhole` is taken and never heard of again: the silence that Mailover must notice.
 * `timeout` swallows the mail, too, but leaves the caller without an answer; `hang` never gets as far. The last two take all the
 * time there is. Its behaviour is read for every mail from the shared state; the settings say what it is until somebody sets it.
 */
export const sandbox: ProviderType<SandboxSettings> = { type: 'sandbox', create };

const retryAfterMs = 1_000;

function create(name: string, settings: SandboxSettings, { clock, sandbox: state }: ProviderParts): Provider {
  const preset: SandboxBehaviour = { mode: settings.mode, latencyMs: settings.latency, share: settings.share };

  async function take(mail: Mail, type: EventType | null, latencyMs: number): Promise<Result> {
    const id = randomUUID();
    const { subject } = mail;
    const at = clock();
    if (type === 'delivered') {
      await state.deliver({
        id,
        provider: name,
        messageId: mail.id,
        at,
        from: mail.from.address,
        to: mail.recipients,
        subject,
      });
    }
    if (type !== null) {
      const event = {
        type,
        at: at + latencyMs,
        messageId: mail.id,
        providerMessageId: id,
        permanent: type === 'bounced',
      };
      const detail = type === 'bounced' ? 'sandbox: no such mailbox' : 'sandbox: in the inbox';
      const told = mail.recipients.map((recipient, index) =>
        state.announce(name, { ...event, id: `${id}:${index}`, recipient, detail }),
      );
      await Promise.all(told);
    }
    return { outcome: 'accepted', reason: null, providerMessageId: id, detail: 'sandbox: taken' };
  }

  async function carry(mail: Mail, timeUp: Promise<void>): Promise<Result> {
    let behaviour: SandboxBehaviour;
    try {
      behaviour = (await state.behaviour(name)) ?? preset;
    } catch {
      return { outcome: 'failed', reason: 'provider_error', detail: 'sandbox: its shared state cannot be read' };
    }
    try {
      return await answer(befalls(mail, behaviour) ? behaviour.mode : 'deliver');
    } catch {
      return { outcome: 'unknown', reason: 'provider_error', detail: 'sandbox: its shared state cannot be written' };
    }

    async function answer(mode: SandboxMode): Promise<Result> {
      switch (mode) {
        case 'deliver':
          return take(mail, 'delivered', behaviour.latencyMs);
        case 'bounce':
          return take(mail, 'bounced', behaviour.latencyMs);
        case 'blackhole':
          return take(mail, null, behaviour.latencyMs);
        case 'reject':
          return { outcome: 'rejected', reason: 'recipient_invalid', detail: 'sandbox: no such mailbox' };
        case 'suspend':
          return { outcome: 'refused', reason: 'account_suspended', detail: 'sandbox: this account is suspended' };
        case 'throttle':
          return { outcome: 'failed', reason: 'rate_limited', retryAfterMs, detail: 'sandbox: too many requests' };
        case 'error':
          return { outcome: 'failed', reason: 'provider_error', detail: 'sandbox: internal error' };
        case 'timeout':
          await timeUp;
          return { outcome: 'unknown', reason: 'timeout', detail: 'sandbox: took the mail and did not answer' };
        case 'hang':
          await timeUp;
          return { outcome: 'failed', reason: 'timeout', detail: 'sandbox: no connection' };
      }
    }
  }

  return {
    name,
    type: 'sandbox',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes: null },
    unsupported: (mail) => foreignSender(name, settings.from_domains, mail),
    async send(mail, { signal, timeoutMs }) {
      if (signal.aborted) return { outcome: 'failed', reason: 'timeout', detail: 'sandbox: no time left to begin' };
      const deadline = startDeadline(signal, timeoutMs);
      const timeUp = new Promise<void>((resolve) => {
        deadline.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      try {
        return await Promise.race([carry(mail, timeUp), tooLate(timeUp)]);
      } finally {
        deadline.stop();
      }
    },
    async close() {},
  };
}

// Decided by the message's id, so that the same mail meets the same fate each time.
function befalls(mail: Mail, { share }: SandboxBehaviour): boolean {
  return createHash('sha256').update(mail.id).digest().readUInt32BE() / 2 ** 32 < share;
}

// A store that does not answer. A mode that waits for the same moment answers for itself, a few ticks later.
async function tooLate(timeUp: Promise<void>): Promise<Result> {
  await timeUp;
  await new Promise((resolve) => setImmediate(resolve));
  return { outcome: 'unknown', reason: 'timeout', detail: 'sandbox: its shared state is slow' };
}
