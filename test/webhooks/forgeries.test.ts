// Forged, broken and repeated webhooks against the whole service: whatever is tried, nothing changes, nobody is asked, and it is quick.
//
// Every lie is about a mail that its provider has really taken, and says that it bounced for good: were it believed, the message would
// say so, and its reader would get no mail any more. At the end the same is said by the provider itself, and believed.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startMailgun } from '../providers/mailgun.fake.ts';
import { startMandrill } from '../providers/mandrill.fake.ts';
import { startPostmark } from '../providers/postmark.fake.ts';
import { startResend } from '../providers/resend.fake.ts';
import { startSendgrid } from '../providers/sendgrid.fake.ts';
import { startSesServer } from '../providers/ses.fake.ts';
import { sesKeys } from '../providers/ses.parts.ts';
import { type HttpServer, startHttpServer } from '../support/http-server.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { type Dialling, watchDialling } from './dialling.ts';
import type { About, Listener } from './golden.ts';
import { mailgun } from './lies.mailgun.ts';
import { mandrill } from './lies.mandrill.ts';
import { postmark } from './lies.postmark.ts';
import { resend } from './lies.resend.ts';
import { sendgrid } from './lies.sendgrid.ts';
import { earlyLies, installedSes, ses } from './lies.ses.ts';
import { commonLies, type Liar, type Lie, type Loot } from './lies.ts';
import { bytesOf, exchange, type Posted } from './wire.ts';

const liars: readonly Liar[] = [mandrill, ses, postmark, sendgrid, mailgun, resend];
// For the slowest machine; most take a few milliseconds.
const longestMs = 5_000;

let service: Service;
let decoy: HttpServer;
let dialling: Dialling;
const far: { readonly http: HttpServer; close(): Promise<void> }[] = [];
let installed: string;
const loot = new Map<Listener, Loot>();

beforeAll(async () => {
  decoy = await startHttpServer();
  const sesServer = await startSesServer(sesKeys);
  const others = [startMandrill(), startPostmark(), startSendgrid(), startMailgun(), startResend()] as const;
  const [mandrillServer, postmarkServer, sendgridServer, mailgunServer, resendServer] = await Promise.all(others);
  const servers: Record<Listener, { readonly http: HttpServer; close(): Promise<void> }> = {
    mandrill: mandrillServer,
    ses: { http: sesServer, close: () => sesServer.close() },
    postmark: postmarkServer,
    sendgrid: sendgridServer,
    mailgun: mailgunServer,
    resend: resendServer,
  };
  far.push(...Object.values(servers));
  service = await startService({
    settings: {
      providers: {
        ...Object.fromEntries(liars.map(({ name, settings }) => [name, settings(servers[name].http.url)])),
        installed: installedSes(sesServer.url),
      },
      streams: {
        default: { providers: ['mandrill'] },
        ...Object.fromEntries([...liars, { name: 'installed' }].map(({ name }) => [name, { providers: [name] }])),
      },
      // From now on the service has no reason of its own to ask anybody.
      health: { account_check: '1d' },
      delivery: { poll_after: '1h' },
    },
  });
  const taken = await Promise.all(
    liars.map(async (liar): Promise<[Liar, About]> => {
      const reader = `${liar.name}@example.com`;
      const id = await service.send({ to: reader, stream: liar.name });
      const message = await service.settled(id, ['sent']);
      return [liar, { id, theirs: message.attempts[0].provider_message_id, readers: [reader] }];
    }),
  );
  const bounces = new Map(taken.map(([liar, about]) => [liar.name, liar.bounce(about)]));
  for (const [liar, about] of taken) {
    const past = liar.deferral(about);
    expect([liar.name, await post(past)]).toEqual([liar.name, 200]);
    expect((await show(about.id)).events, liar.name).toMatchObject([{ type: 'deferred', provider: liar.name }]);
    loot.set(liar.name, {
      ...{ name: liar.name, about, past, wrong: liar.wrong(about), decoy: { host: '127.0.0.1', port: decoy.port } },
      bounce: bounces.get(liar.name)!,
      others: [...bounces].flatMap(([name, bounce]) => (name === liar.name ? [] : [bounce])),
    });
  }
  installed = await service.send({ stream: 'installed' });
  await service.settled(installed, ['sent']);
  // The first account checks are over.
  await until(async () => (await world()).providers.every((one) => one.account !== null));
  dialling = watchDialling();
});
afterAll(async () => {
  dialling?.stop();
  await service?.close();
  await Promise.all([decoy, ...far].map((one) => one?.close()));
});

const post = (what: Posted | Uint8Array) =>
  exchange(service.url, what instanceof Uint8Array ? what : bytesOf(what), longestMs);
const show = async (id: string) => (await service.call('GET', `/v1/emails/${id}`)).body;

/** All that a webhook could change, and all that went out of the house. */
async function world() {
  const [emails, providers, suppressions] = await Promise.all(
    ['emails?limit=100', 'providers', 'suppressions?limit=100'].map(async (list) => {
      const { status, body } = await service.call('GET', `/v1/${list}`);
      expect(status).toBe(200);
      return body.data as Record<string, unknown>[];
    }),
  );
  return {
    emails: emails!,
    suppressions: suppressions!,
    // Without the window, in which things age, and without what is learned of true events: the monitor says it when it comes to it.
    providers: providers!.map(({ window, confirmation, ...rest }) => rest),
    requests: far.map(({ http }) => http.requests.length),
    decoy: decoy.connections,
    dialled: dialling?.dialled(Number(new URL(service.url).port)),
  };
}

/** Tells a lie, and nothing may come of it. */
async function tell({ tell, answer = 401, asks, times = 1 }: Lie, to: Liar, told = loot.get(to.name)!): Promise<void> {
  const before = await world();
  const asked = to.asked.length;
  const what = tell(told);
  const startedAt = performance.now();
  const statuses = await Promise.all(Array.from({ length: times }, () => post(what)));
  expect(performance.now() - startedAt).toBeLessThan(longestMs);
  expect(statuses).toEqual(Array(times).fill(answer));
  expect(to.asked.slice(asked).filter((url) => !asks?.test(url))).toEqual([]);
  expect(await world()).toEqual(before);
}

test.each(liars)('$name has no say in the mail of others', async (liar) => {
  const others = [...loot.values()].filter(({ name }) => name !== liar.name);
  const { providers, ...before } = await world();
  for (const { about } of others) expect(await post(liar.bounce(about))).toBe(200);
  const { providers: told, ...after } = await world();
  expect(after).toEqual(before);
  const foreign = { count: others.length, last_at: expect.any(String) };
  expect(told).toEqual(providers.map((one) => (one.name === liar.name ? { ...one, foreign_events: foreign } : one)));
});

describe.each(liars)('$name', (liar) => {
  test.each([...commonLies, ...liar.lies])('$name', (lie) => tell(lie, liar));

  test('what it was all made of is genuine', async () => {
    const { about, bounce } = loot.get(liar.name)!;
    expect(await show(about.id)).toMatchObject({ status: 'sent' });
    expect(await post(bounce)).toBe(200);
    const message = await show(about.id);
    expect(message).toMatchObject({ status: 'bounced', recipients: [{ status: 'bounced' }] });
    const suppressed = await service.call('GET', `/v1/suppressions/${about.readers[0]}`);
    expect(suppressed.body).toMatchObject({ reason: 'hard_bounce', provider: liar.name });
    expect(await post(bounce)).toBe(200);
    expect(await show(about.id)).toEqual(message);
  });
});

// Nobody plays SNS for this one: whatever it asked of it would be seen among the connections.
test.each(earlyLies)('ses, as it is set up in a file: $name', async (lie) => {
  const { theirs, readers } = loot.get('ses')!.about;
  const told = { ...loot.get('ses')!, about: { id: installed, theirs, readers } };
  const atItsDoor = (what: Posted | Uint8Array) =>
    what instanceof Uint8Array ? what : { ...what, path: '/webhooks/installed' };
  await tell({ ...lie, tell: (loot) => atItsDoor(lie.tell(loot)) }, ses, told);
});

test('a connection to anybody else would have been seen', async () => {
  const before = await world();
  await fetch(decoy.url);
  const after = await world();
  expect(after.decoy).toBe(before.decoy + 1);
  expect(after.dialled).toEqual([...before.dialled, `127.0.0.1:${decoy.port}`]);
});
