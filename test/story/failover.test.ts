// The promise: when the first provider does not take the mail, the second one gets it. Real SMTP, broken in every way we know.
import { afterEach, describe, expect, test } from 'vitest';
import { relay, type Service, sendMany, startService } from '../support/service.ts';
import { type SmtpFault, type SmtpServer, type SmtpServerOptions, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

interface Breakage {
  readonly name: string;
  readonly fault?: SmtpFault;
  readonly server?: Omit<SmtpServerOptions, 'fault'>;
  readonly relay?: Record<string, unknown>;
  /** Nobody can tell whether the primary has taken the mail. */
  readonly uncertain?: boolean;
}

const user = { user: 'acme', password: 'made-up-password' };
const breakages: readonly Breakage[] = [
  { name: 'refused connection', relay: { port: 1 } },
  { name: 'no greeting', fault: { at: 'greeting', act: 'silence' } },
  { name: 'greeting 421', fault: { at: 'greeting', reply: '421 4.3.2 too busy' } },
  { name: 'AUTH 535', fault: { at: 'auth', reply: '535 5.7.8 wrong password' }, server: { auth: user }, relay: user },
  { name: 'MAIL 451', fault: { at: 'mail', reply: '451 4.3.0 try later' } },
  { name: 'MAIL 554', fault: { at: 'mail', reply: '554 5.7.1 not today' } },
  { name: 'RCPT 450 for all', fault: { at: 'rcpt', reply: '450 4.2.1 greylisted' } },
  { name: '421 at DATA', fault: { at: 'data', reply: '421 4.3.0 going down' } },
  { name: '454 after the dot', fault: { at: 'dot', reply: '454 4.7.0 temporary trouble' } },
  { name: '554 sending suspended after the dot', fault: { at: 'dot', reply: '554 5.7.0 sending suspended' } },
  { name: 'TLS failure', server: { tls: 'starttls' }, relay: { tls: 'starttls' } },
  { name: 'reset amid the message', fault: { at: 'body', act: 'reset' }, uncertain: true },
  { name: 'close after the dot', fault: { at: 'dot', act: 'close' }, uncertain: true },
  { name: 'silence after the dot', fault: { at: 'dot', act: 'silence' }, uncertain: true },
];

const count = 200;
const patient = { timeout: '20s', connect_timeout: '10s' };
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function stage(
  breakage: Breakage,
  onUnknown: 'resend' | 'hold',
): Promise<{ service: Service; primary: SmtpServer; secondary: SmtpServer }> {
  const primary = await startSmtpServer({ ...breakage.server, ...(breakage.fault && { fault: breakage.fault }) });
  const secondary = await startSmtpServer();
  open.push(primary, secondary);
  const service = await startService({
    settings: {
      // The second is well, and given time: a busy machine must not make its answers uncertain.
      providers: { primary: relay(primary, breakage.relay), secondary: relay(secondary, patient) },
      streams: { default: { providers: ['primary', 'secondary'], on_unknown: onUnknown } },
    },
  });
  open.push(service);
  return { service, primary, secondary };
}

/** How many copies of each message the servers vouch for. */
function copies(...servers: SmtpServer[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { id } of servers.flatMap(({ received }) => received))
    counts.set(id ?? '', (counts.get(id ?? '') ?? 0) + 1);
  return counts;
}

describe.each(breakages)('primary: $name', (breakage) => {
  test(`${count} messages all arrive through the second provider`, { timeout: 90_000 }, async () => {
    const { service, primary, secondary } = await stage(breakage, 'resend');
    const ids = await sendMany(service, count);
    const messages = await service.allSettled(ids, ['sent']);

    const second = copies(secondary);
    const all = copies(primary, secondary);
    let tried = 0;
    for (const message of messages) {
      expect(second.get(message.id), `copies through the second of ${message.id}`).toBe(1);
      expect(message.provider).toBe('secondary');
      const onPrimary = message.attempts.filter(({ provider }: { provider: string }) => provider === 'primary');
      tried += onPrimary.length > 0 ? 1 : 0;
      const unknown = onPrimary.filter(({ outcome }: { outcome: string }) => outcome === 'unknown').length;
      expect(all.get(message.id)!, `copies of ${message.id}`).toBeLessThanOrEqual(1 + unknown);
      expect(message.possible_duplicate).toBe(unknown > 0);
      if (!breakage.uncertain) expect(unknown).toBe(0);
    }
    // What was found out by some is known to the others: the primary is not tried with every message.
    if (breakage.name !== 'RCPT 450 for all') expect(tried).toBeLessThan(count / 2);
  });
});

describe.each(breakages.filter(({ uncertain }) => uncertain))('primary: $name, on_unknown: hold', (breakage) => {
  test('uncertain mail is held', { timeout: 60_000 }, async () => {
    const { service, secondary } = await stage(breakage, 'hold');
    const ids = await sendMany(service, 20);
    const messages = await service.allSettled(ids, ['held', 'sent']);
    const held = messages.filter(({ status }) => status === 'held');
    expect(held.length).toBeGreaterThan(0);
    for (const message of held) {
      expect(copies(secondary).get(message.id)).toBeUndefined();
      expect(message.attempts).toHaveLength(1);
      expect(message.attempts[0].outcome).toBe('unknown');
      expect(message.possible_duplicate).toBe(false);
    }
    // The others never met the broken primary.
    for (const message of messages.filter(({ status }) => status === 'sent'))
      expect(message.attempts[0].provider).toBe('secondary');
  });
});

test('after the first account refusal, fewer than 5 % of the mail in flight still tries the primary', {
  timeout: 60_000,
}, async () => {
  // The account check at the start finds all well; then the password is changed behind our back.
  const { service, primary } = await stage({ name: 'AUTH', server: { auth: user }, relay: user }, 'resend');
  await until(async () => (await service.call('GET', '/v1/providers/primary')).body.account !== null, {
    what: 'the first account check',
  });
  const checks = primary.authAttempts;
  primary.setFault({ at: 'auth', reply: '535 5.7.8 wrong password' });
  const ids = await sendMany(service, count);
  const messages = await service.allSettled(ids, ['sent']);
  const tried = messages.filter(({ attempts }) => attempts[0].provider === 'primary').length;
  expect(tried).toBeGreaterThan(0);
  expect(tried).toBeLessThan(count * 0.05);
  expect(primary.authAttempts - checks).toBeLessThan(count * 0.05);
  const { body } = await service.call('GET', '/v1/providers/primary');
  expect(body).toMatchObject({ state: 'suspended', window: { refused: tried } });
  expect(body.reason).toContain('invalid_credentials');
});

test('an account that is refused from the start is found out before any mail has paid for it', async () => {
  const { service, secondary } = await stage(breakages.find(({ name }) => name === 'AUTH 535')!, 'resend');
  await until(async () => (await service.call('GET', '/v1/providers/primary')).body.state === 'suspended', {
    what: 'the suspension',
  });
  const message = await service.settled(await service.send(), ['sent']);
  expect(message.attempts.map(({ provider }: { provider: string }) => provider)).toEqual(['secondary']);
  expect(copies(secondary).get(message.id)).toBe(1);
});

test('an unknown recipient is the message’s fault: it fails, the second is not tried, the first is not blamed', async () => {
  const { service, secondary } = await stage(
    { name: 'RCPT 550', fault: { at: 'rcpt', reply: '550 5.1.1 no such user' } },
    'resend',
  );
  const ids = await sendMany(service, 20);
  const messages = await service.allSettled(ids);
  for (const message of messages) {
    expect(message.status).toBe('failed');
    expect(message.attempts).toHaveLength(1);
    expect(message.attempts[0]).toMatchObject({
      provider: 'primary',
      outcome: 'rejected',
      reason: 'recipient_invalid',
    });
  }
  expect(secondary.mailAttempts).toBe(0);
  const { body } = await service.call('GET', '/v1/providers/primary');
  expect(body).toMatchObject({ state: 'up', window: { rejected: 20 } });
});

test('recipients are followed one by one: who was taken is not sent to again', async () => {
  const { service, primary, secondary } = await stage(
    { name: 'one of three is deferred', fault: { at: 'rcpt', to: 'later@example.com', reply: '450 4.2.1 greylisted' } },
    'resend',
  );
  const id = await service.send({ to: ['ada@example.com', 'later@example.com'], bcc: 'grace@example.com' });
  const message = await service.settled(id, ['sent']);
  expect(primary.received.map(({ to }) => to)).toEqual([['ada@example.com', 'grace@example.com']]);
  expect(secondary.received.map(({ to }) => to)).toEqual([['later@example.com']]);
  expect(message.possible_duplicate).toBe(false);
});

test('a provider that is well again gets its mail back', { timeout: 60_000 }, async () => {
  const primary = await startSmtpServer({ fault: { at: 'mail', reply: '451 4.3.0 try later' } });
  const secondary = await startSmtpServer();
  open.push(primary, secondary);
  const service = await startService({
    settings: {
      providers: { primary: relay(primary), secondary: relay(secondary) },
      streams: { default: { providers: ['primary', 'secondary'] } },
      health: { rest: '1s', probe_interval: '50ms', ramp_dwell: '500ms' },
    },
  });
  open.push(service);
  const state = async () => (await service.call('GET', '/v1/providers/primary')).body.state as string;
  await sendMany(service, 20);
  await until(async () => (await state()) === 'down', { what: 'the primary to be down' });
  primary.setFault(null);
  await until(
    async () => {
      await service.send();
      return (await state()) === 'up';
    },
    { what: 'the primary to be up again', within: 20_000 },
  );
  const message = await service.settled(await service.send(), ['sent']);
  expect(message.provider).toBe('primary');
});

test('mail that waits for its only provider goes out when that is back, and not after it has expired', {
  timeout: 60_000,
}, async () => {
  const only = await startSmtpServer({ fault: { at: 'greeting', act: 'close' } });
  open.push(only);
  const service = await startService({
    settings: {
      providers: { only: relay(only) },
      streams: { default: { providers: ['only'] } },
      health: { rest: '2s', probe_interval: '100ms' },
    },
  });
  open.push(service);
  const short = await service.send({ expires_in: '3s' });
  const ids = await sendMany(service, 30);
  const expired = await service.settled(short, ['expired']);
  expect(Date.parse(expired.expires_at)).toBeLessThanOrEqual(Date.now());
  only.setFault(null);
  const messages = await service.allSettled(ids, ['sent']);
  expect(messages).toHaveLength(30);
  expect(copies(only).get(short)).toBeUndefined();
  for (const id of ids) expect(copies(only).get(id)).toBe(1);
});
