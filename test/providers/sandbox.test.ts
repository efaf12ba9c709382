// The sandbox: the shared contract in each of its modes, and the events and the inbox that come of them.
import { describe, expect, test } from 'vitest';
import type {
  ProviderEvent,
  SandboxBehaviour,
  SandboxMail,
  SandboxMode,
  SandboxState,
} from '../../providers/provider.ts';
import { sandbox } from '../../providers/sandbox/index.ts';
import { sandboxSettings } from '../../providers/sandbox/settings.ts';
import { testProvider } from './contract.ts';
import { testContext, testMail } from './mail.ts';
import { quietParts } from './parts.ts';

function sandboxUnderTest(settings: object = {}) {
  let behaviour: SandboxBehaviour | null = null;
  const inbox: SandboxMail[] = [];
  const events: ProviderEvent[] = [];
  const state: SandboxState = {
    behaviour: async () => behaviour,
    deliver: async (mail) => void inbox.push(mail),
    announce: async (_, event) => void events.push(event),
  };
  const parsed = sandboxSettings.parse({ type: 'sandbox', ...settings });
  return {
    provider: sandbox.create('demo', parsed, { ...quietParts(state), clock: () => 1_000 }),
    state,
    inbox,
    events,
    behave(now: SandboxBehaviour | null) {
      behaviour = now;
    },
  };
}

testProvider<SandboxMode>({
  name: 'sandbox',
  remote: false,
  async start() {
    const { provider, inbox, behave } = sandboxUnderTest();
    return {
      provider,
      setFault: (mode) => behave(mode && { mode, latencyMs: 0, share: 1 }),
      taken: () => inbox.map(({ messageId, to }) => ({ id: messageId, recipients: to })),
      secrets: [],
      close: async () => {},
    };
  },
  faults: [
    { name: 'deliver', fault: 'deliver', outcome: 'accepted', reason: null, taken: true },
    { name: 'bounce', fault: 'bounce', outcome: 'accepted', reason: null, taken: false },
    { name: 'blackhole', fault: 'blackhole', outcome: 'accepted', reason: null, taken: false },
    { name: 'reject', fault: 'reject', outcome: 'rejected', reason: 'recipient_invalid', taken: false },
    { name: 'suspend', fault: 'suspend', outcome: 'refused', reason: 'account_suspended', taken: false },
    { name: 'throttle', fault: 'throttle', outcome: 'failed', reason: 'rate_limited', taken: false },
    { name: 'error', fault: 'error', outcome: 'failed', reason: 'provider_error', taken: false },
    { name: 'timeout', fault: 'timeout', outcome: 'unknown', reason: 'timeout', taken: false, timeoutMs: 200 },
    { name: 'hang', fault: 'hang', outcome: 'failed', reason: 'timeout', taken: false, timeoutMs: 200 },
  ],
  silence: 'timeout',
});

describe('sandbox', () => {
  const two = {
    to: [
      { name: '', address: 'ada@example.com' },
      { name: '', address: 'bob@example.com' },
    ],
  };

  test('a delivered mail is in the inbox, and tells so once a recipient after its latency', async () => {
    const { provider, inbox, events } = sandboxUnderTest({ latency: '300ms' });
    const mail = testMail(two);
    const result = await provider.send(mail, testContext());
    const id = result.outcome === 'accepted' ? result.providerMessageId : null;
    const at = 1_000;
    const from = 'noreply@acme.example';
    expect(inbox).toEqual([
      { id, provider: 'demo', messageId: mail.id, at, from, to: mail.recipients, subject: 'Your code' },
    ]);
    expect(events).toMatchObject(
      mail.recipients.map((recipient) => ({
        type: 'delivered',
        at: 1_300,
        messageId: mail.id,
        providerMessageId: id,
        recipient,
        permanent: false,
      })),
    );
    expect(new Set(events.map((event) => event.id)).size).toBe(2);
  });

  test('the same mail twice is twice in the inbox', async () => {
    const { provider, inbox, events } = sandboxUnderTest();
    const mail = testMail();
    await provider.send(mail, testContext());
    await provider.send(mail, testContext());
    expect(inbox.map(({ messageId }) => messageId)).toEqual([mail.id, mail.id]);
    expect(new Set(events.map((event) => event.id)).size).toBe(2);
  });

  test('a bounce is for good, a black hole says nothing', async () => {
    const { provider, inbox, events, behave } = sandboxUnderTest({ mode: 'bounce' });
    await provider.send(testMail(), testContext());
    expect(events).toMatchObject([{ type: 'bounced', permanent: true, at: 1_200 }]);
    behave({ mode: 'blackhole', latencyMs: 0, share: 1 });
    await provider.send(testMail(), testContext());
    expect(events.length).toBe(1);
    expect(inbox).toEqual([]);
  });

  test('a throttled caller learns when to come again', async () => {
    const { provider } = sandboxUnderTest({ mode: 'throttle' });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'failed', retryAfterMs: 1_000 });
  });

  test('a share of the mail meets the mode, the same mail each time', async () => {
    const { provider, inbox } = sandboxUnderTest({ mode: 'error', share: 0.25 });
    const mails = Array.from({ length: 400 }, (_, i) => testMail({ id: `em_${i}` }));
    const round = async () => {
      const results = await Promise.all(mails.map((mail) => provider.send(mail, testContext())));
      return results.map(({ outcome }) => outcome);
    };
    const first = await round();
    expect(await round()).toEqual(first);
    const failed = first.filter((outcome) => outcome === 'failed').length;
    expect(failed).toBeGreaterThan(60);
    expect(failed).toBeLessThan(140);
    expect(inbox.length).toBe(2 * (400 - failed));
  });

  test('the settings hold until somebody says otherwise', async () => {
    const { provider, behave } = sandboxUnderTest({ mode: 'suspend' });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'refused' });
    behave({ mode: 'deliver', latencyMs: 0, share: 1 });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    behave(null);
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'refused' });
  });

  test('a store that is down or slow becomes a result', async () => {
    const down = sandboxUnderTest();
    down.state.behaviour = () => Promise.reject(new Error('no store'));
    expect(await down.provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'failed',
      reason: 'provider_error',
    });

    const forgetful = sandboxUnderTest();
    forgetful.state.announce = () => Promise.reject(new Error('no store'));
    expect(await forgetful.provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'unknown',
      reason: 'provider_error',
    });

    const slow = sandboxUnderTest();
    slow.state.deliver = () => new Promise(() => {});
    expect(await slow.provider.send(testMail(), testContext(50))).toMatchObject({
      outcome: 'unknown',
      reason: 'timeout',
    });
  });

  test('senders of other domains are not carried', () => {
    const { provider } = sandboxUnderTest({ from_domains: ['other.example'] });
    expect(provider.unsupported(testMail())).toMatchObject({ reason: 'sender_not_verified' });
  });
});
