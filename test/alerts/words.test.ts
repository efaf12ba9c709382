// The words: every kind of alert says what it has to, its commands are commands, and nothing in it is anybody's address.
import { expect, test } from 'vitest';
import { composed, standingIn } from '../../src/alerts/compose.ts';
import { asText } from '../../src/alerts/plain.ts';
import type { Scene } from '../../src/alerts/scene.ts';
import { opsgenieRequests } from '../../src/alerts/sinks/opsgenie.ts';
import { ownMail } from '../../src/alerts/sinks/own.ts';
import { pagerdutyEvent } from '../../src/alerts/sinks/pagerduty.ts';
import { slackBody } from '../../src/alerts/sinks/slack.ts';
import { webhookBody } from '../../src/alerts/sinks/webhook.ts';
import { type AlertAction, alertActions, alertKinds, decide, nothingTold } from '../../src/core/alert.ts';
import { type Health, newHealth } from '../../src/core/health.ts';
import { type Incident, type IncidentCause, incidentCauses } from '../../src/core/incident.ts';
import { run } from '../cli/run.ts';

const now = Date.UTC(2026, 10, 22, 3, 16);
const minute = 60_000;
const counts = { moved: 412, rescued: 38, expired: 2, held: 1, cancelled: 0, stranded: 3, confirmed_late: 4 };

const health = (its: Partial<Health>): Health => ({ ...newHealth(now - minute), ...its });

function incident(cause: IncidentCause, more: Partial<Incident>): Incident {
  const none = {
    version: 1,
    provider: null,
    stream: null,
    closedAt: null,
    acknowledged: null,
    suggestion: null,
    announce: false,
  };
  return {
    ...none,
    id: `inc_${cause}`,
    cause,
    state: 'open',
    openedAt: now - 4 * minute,
    silentSince: now - 5 * minute,
    timeline: [],
    evidence: ['no news of 25 messages <to> 17 groups & more, a healthy provider is this quiet once in 10^12.4 times'],
    epoch: 2,
    ...more,
  };
}

/** Everything at once. */
function everything(): Scene {
  const following: IncidentCause[] = ['suspended', 'failing', 'silence', 'partial', 'slow'];
  const names = [...following, 'suspect', 'ramping', 'quarantined', 'standby'];
  const scene = (one: Incident, rescue: string | null = null) => ({
    incident: one,
    counts,
    rescue: rescue === null ? null : { state: rescue, candidates: 45 },
  });
  return {
    now,
    health: new Map([
      ...following.map((name): [string, Health] => [
        name,
        health({ state: name === 'suspended' ? name : 'down', until: now + minute }),
      ]),
      ['suspect', health({ state: 'suspect', reason: 'quiet' })],
      ['ramping', health({ state: 'ramping', step: 1 })],
      ['quarantined', health({ state: 'quarantined', reason: 'eve@evil.example was in it' })],
      ['standby', health({})],
    ]),
    pins: new Map([
      [
        'default',
        { to: 'standby', reason: 'ada@example.com says so', by: 'ops (key_1)', at: now - 9e6, until: now + 5 * minute },
      ],
      ['*', { to: 'standby', reason: 'x', by: 'ops (key_1)', at: now, until: null }],
    ]),
    streams: {
      default: { providers: names, mode: 'auto' },
      left: { providers: ['silence', 'standby'], mode: 'suggest' },
      stuck: { providers: ['silence'], mode: 'auto' },
    },
    incidents: [
      ...following.map((cause, at) =>
        scene(incident(cause, { provider: cause }), ['running', 'awaiting_approval', 'done', null][at] ?? null),
      ),
      scene(incident('slow', { provider: 'ramping', id: 'inc_ramping' })),
      scene(incident('feedback_lost', { provider: 'standby', epoch: null })),
      scene(incident('all_down', { stream: 'stuck', epoch: null })),
      scene(incident('quarantined', { provider: 'quarantined', epoch: null })),
    ],
    accounts: new Map([
      ['slow', { status: 'limited', quotaRemaining: 0, detail: 'on probation, ask jane@acme.example', at: now }],
      ['partial', { status: 'active', quotaRemaining: 12, detail: 'ok', at: now }],
    ]),
    quotaLow: 1_000,
    parked: new Map([['failing', { count: 7, since: now }]]),
    foreign: new Map([['silence', { count: 2, lastAt: now - minute }]]),
    held: 3,
    waiting: 99,
    dead: new Map([['chat', 2]]),
    unheard: [
      { name: 'pager', kind: 'sink', since: now - 9 * minute, detail: 'HTTP 500' },
      { name: 'app', kind: 'webhook', since: now - 9 * minute, detail: 'connection refused' },
    ],
    store: {
      fullness: 0.83,
      weaknesses: ['appendfsync is no, it should be always'],
      away: ['Shard 2: The store cannot be reached.'],
    },
  };
}

const sinks = [{ name: 'all', severities: ['critical', 'warning', 'info'] as const }];
const pace = { repeat_every: 1, group_for: 0, max_per_hour: 1_000 };

function alerts(action: AlertAction) {
  const scene = everything();
  let ids = 0;
  const { changes } = decide(nothingTold, standingIn(scene, []), sinks, pace, now, () => `alr_${ids++}`);
  return changes.map((change) =>
    composed(change, action, scene, ({ incident: id }) => id && `https://acme.example/${id}`),
  );
}

test('every kind stands in a scene that has everything', () => {
  expect(new Set(alerts('trigger').map(({ kind }) => kind))).toEqual(new Set(alertKinds));
  expect(standingIn(everything(), [...alertKinds])).toEqual([]);
  // Every cause of an incident is told by somebody.
  const told = new Set(alerts('trigger').map(({ incident: id }) => id));
  for (const cause of incidentCauses) expect(told).toContain(`inc_${cause}`);
});

test('what begins says what happened, what was done, and what may be done', () => {
  for (const alert of alerts('trigger')) {
    expect(alert.title.length, alert.key).toBeLessThan(100);
    expect(alert.happened, alert.key).toMatch(/^[A-Z\w].*[.:]$/s);
    expect(alert.advice.length, alert.key).toBeGreaterThan(0);
    if (alert.kind !== 'dead_letters') expect(alert.did.length, alert.key).toBeGreaterThan(0);
  }
});

test('every command is one: the words are understood, and it fails only for want of a service', async () => {
  const commands = new Set(alerts('trigger').flatMap(({ advice }) => advice.flatMap(({ command }) => command ?? [])));
  expect(commands.size).toBeGreaterThan(20);
  const away = async () => {
    throw new TypeError('fetch failed');
  };
  for (const command of commands) {
    if (command.startsWith('redis-cli ')) continue;
    const [name, ...words] = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
    expect(name).toBe('mailover');
    const { status, err } = await run(words, { env: { MAILOVER_KEY: 'mo_made_up' }, fetch: away });
    expect([status, err], command).toEqual([1, expect.stringContaining('No Mailover answers')]);
  }
});

test('no address is in any of them, at any sink; and each keeps to the limits', () => {
  for (const action of alertActions) {
    const all = alerts(action);
    for (const alert of all) {
      const event = pagerdutyEvent(alert, 'key') as { payload?: { summary: string } };
      const requests = opsgenieRequests(alert, { api_key: 'key', base_url: 'https://x', timeout: 1 });
      const texts = [asText(alert), JSON.stringify([event, requests, webhookBody(alert)])];
      for (const text of texts) expect(text).not.toMatch(/\w@\w/);
      expect(event.payload?.summary.length ?? 1).toBeLessThanOrEqual(1_024);
      expect(JSON.stringify(webhookBody(alert)).length).toBeLessThan(20_000);
    }
    const letter = { id: 'alr_0', at: now, alerts: all };
    const { text } = slackBody(letter);
    expect(text.length).toBeLessThanOrEqual(4_000);
    expect(text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
    const mail = ownMail(letter, { from: 'a@b.example', to: ['c@d.example'], stream: 'default' });
    expect(mail.subject.length).toBeLessThanOrEqual(200);
    expect(mail.text.length).toBeGreaterThan(text.length);
  }
});

test('a chat cannot be made to wake everybody', () => {
  const [alert] = alerts('trigger');
  const evil = { ...alert!, happened: 'Reason: <!channel> @channel @here `x` *y*' };
  const { text } = slackBody({ id: 'x', at: now, alerts: [evil] });
  expect(text).not.toMatch(/<!|@(?:channel|here)/);
});

test('a mail goes around all providers that its letter is about, but not around one that is back', () => {
  const avoid = (action: AlertAction) =>
    ownMail({ id: 'x', at: now, alerts: alerts(action) }, { from: 'a@b.example', to: [], stream: 'default' }).avoid;
  expect(avoid('trigger')).toEqual(expect.arrayContaining(['silence', 'suspended', 'quarantined']));
  expect(avoid('resolve')).toEqual([]);
});
