// The providers of a run: Postmark and Resend behind our real adapters, and a relay. What they take is in the ledger before they answer.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import { refusal, serverToken, startPostmark } from '../providers/postmark.fake.ts';
import { errorReply, resendKey, signed, startResend, webhookSecret } from '../providers/resend.fake.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import type { Ledger } from './ledger.ts';
import type { ProviderName } from './schedule.ts';

/** One provider, behind a proxy. */
export interface FarSide {
  /** As in the settings file. */
  readonly settings: Record<string, unknown>;
  readonly proxy: TestProxy;
  /** From now on nobody hears of the mail it takes. */
  swallow(on: boolean): void;
  suspend(on: boolean): void;
  close(): Promise<void>;
}

interface Taken {
  readonly id: string | null;
  readonly messageId: string;
  readonly recipients: readonly string[];
}

const webhookLogin = { webhook_user: 'hook', webhook_password: 'made-up-password-9' };
const common = { timeout: '2s', max_concurrency: 70 };

/** Starts all three. @param apiUrl where webhooks go; they are posted again until they are taken. */
export async function startProviders(
  ledger: Ledger,
  apiUrl: () => string | null,
  random: () => number,
): Promise<Record<ProviderName, FarSide>> {
  let closed = false;
  const think = () => pause(10 + 120 * random());

  // Puts what is new into the ledger, and tells of it soon after.
  function keeper(name: ProviderName, report: (mail: Taken) => RequestInit) {
    const state = { done: 0, swallowing: false };
    let written: Promise<void> = Promise.resolve();
    const keep = async (taken: readonly Taken[]): Promise<void> => {
      for (const mail of taken.slice(state.done)) {
        for (const recipient of mail.recipients)
          written = ledger.add({ provider: name, id: mail.id ?? 'none', recipient });
        if (!state.swallowing) void announce(mail);
      }
      state.done = taken.length;
      await Promise.all([written, think()]);
    };
    const announce = async (mail: Taken): Promise<void> => {
      await pause(300 * random());
      while (!closed) {
        const url = apiUrl();
        const init = { ...report(mail), method: 'POST', signal: AbortSignal.timeout(5_000) };
        const answer = url && (await fetch(`${url}/webhooks/${name}`, init).catch(() => null));
        if (answer && answer.status < 300) return;
        await pause(500);
      }
    };
    return { state, keep };
  }

  const json = { 'content-type': 'application/json' };
  const first = keeper('first', ({ id, messageId, recipients }) => ({
    headers: {
      ...json,
      authorization: `Basic ${Buffer.from(`${webhookLogin.webhook_user}:${webhookLogin.webhook_password}`).toString('base64')}`,
    },
    body: JSON.stringify({
      RecordType: 'Delivery',
      MessageStream: 'outbound',
      MessageID: messageId,
      Recipient: recipients[0],
      DeliveredAt: new Date().toISOString(),
      Details: 'smtp;250 2.0.0 OK',
      Metadata: { mailover_id: id },
    }),
  }));
  const second = keeper('second', ({ id, messageId, recipients }) => {
    const body = JSON.stringify({
      type: 'email.delivered',
      created_at: new Date().toISOString(),
      data: { email_id: messageId, to: recipients, tags: { mailover_id: id, mailover_recipients: '1' } },
    });
    return { headers: { ...json, ...signed(body, Date.now(), { id: `msg_${messageId}` }) }, body };
  });

  const postmark = await startPostmark({ commit: () => first.keep(postmark.taken) });
  const resend = await startResend({
    commit: () => second.keep(resend.taken.map(({ emailId: messageId, ...rest }) => ({ ...rest, messageId }))),
  });
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    onData(stream, session, answer) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        const id = /^X-Mailover-Id: *(\S+)/im.exec(Buffer.concat(chunks).toString('latin1'))?.[1] ?? 'none';
        const copies = session.envelope.rcptTo.map(({ address }) => ({ provider: 'third', id, recipient: address }));
        await Promise.all([think(), ...copies.map(ledger.add)]);
        answer();
      });
    },
  });
  smtp.on('error', () => {});
  smtp.listen(0, '127.0.0.1');
  if (!smtp.server.listening) await once(smtp.server, 'listening');
  const smtpPort = (smtp.server.address() as { port: number }).port;

  const portOf = (url: string) => Number(new URL(url).port);
  const proxies = {
    first: await startProxy({ port: portOf(postmark.url) }),
    second: await startProxy({ port: portOf(resend.url) }),
    third: await startProxy({ port: smtpPort }),
  };
  const at = ({ port }: TestProxy) => `http://127.0.0.1:${port}`;
  return {
    first: {
      settings: {
        ...common,
        type: 'postmark',
        server_token: serverToken,
        base_url: at(proxies.first),
        ...webhookLogin,
      },
      proxy: proxies.first,
      swallow(on) {
        first.state.swallowing = on;
      },
      suspend: (on) =>
        postmark.setFault(
          on ? { when: { path: '/email' }, reply: refusal(422, 413, 'Your account may not send.') } : null,
        ),
      async close() {
        closed = true;
        await proxies.first.close();
        await postmark.close();
      },
    },
    second: {
      settings: {
        ...common,
        type: 'resend',
        api_key: resendKey,
        base_url: at(proxies.second),
        webhook_secret: webhookSecret,
      },
      proxy: proxies.second,
      swallow(on) {
        second.state.swallowing = on;
      },
      suspend: (on) =>
        resend.setFault(
          on
            ? { when: { path: '/emails' }, reply: errorReply(403, 'suspended_api_key', 'This API key is suspended') }
            : null,
        ),
      async close() {
        await proxies.second.close();
        await resend.close();
      },
    },
    third: {
      settings: {
        ...common,
        type: 'smtp',
        host: '127.0.0.1',
        port: proxies.third.port,
        tls: 'none',
        max_connections: 40,
      },
      proxy: proxies.third,
      swallow: () => {},
      suspend: () => {},
      async close() {
        await proxies.third.close();
        await new Promise<void>((done) => smtp.close(() => done()));
      },
    },
  };
}
