// What a drill counts, and when it is content: from messages and copies made up here.
import { describe, expect, test } from 'vitest';
import { sandboxModes } from '../../providers/sandbox/settings.ts';
import type { EmailAnswer, IncidentAnswer } from '../../src/cli/answers.ts';
import type { DrillOutcome, DrillPlan } from '../../src/cli/drill.ts';
import { recipientOf } from '../../src/cli/drill-mail.ts';
import { faultsOf, resultOf, resultText } from '../../src/cli/drill-report.ts';
import { type Ledger, tallyOf } from '../../src/cli/drill-tally.ts';
import { scenarios } from '../../src/cli/scenarios.ts';
import { incidentCauses } from '../../src/core/incident.ts';
import { mailboxGroup } from '../../src/core/mailbox.ts';

const skewMs = 3_600_000;
const iso = (at: number) => new Date(at + skewMs).toISOString();

/** A mail posted at `sentAt`, taken by these one after the other, each after a second, and delivered half a second later. */
function mail(sentAt: number, took: readonly string[], more: Partial<EmailAnswer> = {}): EmailAnswer {
  const last = sentAt + took.length * 1_000;
  const event = { type: 'delivered', at: iso(last + 500), provider: took.at(-1) ?? '', recipient: null, detail: '' };
  return {
    id: `em_${sentAt}`,
    status: 'delivered',
    provider: took.at(-1) ?? null,
    stream: 'default',
    from: 'drill@acme.example',
    to: ['ada@example.com'],
    subject: 'Drill',
    created_at: iso(sentAt),
    expires_at: iso(sentAt + 1e7),
    possible_duplicate: took.length > 1,
    reason: null,
    attempts: took.map((provider, index) => ({
      number: index + 1,
      provider,
      started_at: iso(sentAt + index * 1_000),
      ended_at: iso(sentAt + (index + 1) * 1_000),
      outcome: 'accepted',
      reason: null,
      detail: '',
    })),
    events: more.status === undefined ? [event] : [],
    ...more,
  };
}

/** One copy each, unless `copies` says otherwise by the time of posting. The failure begins at 10,000. */
function ledger(mails: readonly EmailAnswer[], copies: Readonly<Record<number, number>> = {}): Ledger {
  const at = (id: string) => Number(id.slice(3));
  return {
    provider: 'primary',
    mails: mails.map(({ id }) => ({ id, sentAt: at(id) })),
    refused: 0,
    messages: new Map(mails.map((one) => [one.id, one])),
    copies: new Map(mails.map(({ id }) => [id, copies[at(id)] ?? 1])),
    steadyAt: 5_000,
    failedAt: 10_000,
    incidentAt: 12_500,
  };
}

describe('the tally', () => {
  test('moved, rescued, and how long it took: by the clock of this machine', () => {
    const tally = tallyOf(
      ledger([
        mail(1_000, []),
        mail(2_000, []),
        mail(6_000, ['primary']),
        mail(9_999, ['primary', 'standby']),
        mail(10_000, ['primary', 'standby']),
        mail(11_000, ['standby']),
        mail(12_000, ['standby'], { status: 'bounced' }),
        mail(13_000, ['primary', 'standby']),
      ]),
    );
    expect(tally).toMatchObject({
      sent: 8,
      posted: 4,
      moved: 2,
      rescued: 3,
      byStatus: { delivered: 7, bounced: 1 },
      lost: [],
      lastRescueAt: 12_000,
      lastRescueOfAllAt: 15_000,
      before: { p50: 1_500, p99: 2_500 },
      during: { p50: 2_500, p99: 2_500 },
    });
  });

  test('what came back to the same provider is not rescued', () => {
    const tally = tallyOf(ledger([mail(10_000, ['standby', 'primary']), mail(11_000, ['primary', 'primary'])]));
    expect(tally).toMatchObject({ moved: 0, rescued: 0, lastRescueAt: null });
  });

  test('the inbox is the truth: what is not in it is lost, unless it has ended in a way that says so', () => {
    const silent = mail(10_000, ['primary'], { status: 'sent' });
    const lied = mail(11_000, ['primary']);
    const bounced = mail(12_000, ['primary'], { status: 'bounced' });
    const expired = mail(13_000, [], { status: 'expired' });
    const arrived = mail(14_000, ['primary'], { status: 'sent' });
    const books = ledger([silent, lied, bounced, expired, arrived], { 10000: 0, 11000: 0, 12000: 0, 13000: 0 });
    expect(tallyOf(books).lost).toEqual(['em_10000', 'em_11000']);
    const forgotten = { ...books, messages: new Map(), copies: new Map() };
    expect(tallyOf(forgotten)).toMatchObject({ byStatus: { unknown: 5 }, before: { p50: null } });
    expect(tallyOf(forgotten).lost).toHaveLength(5);
  });

  test('copies', () => {
    const marked = mail(10_000, ['primary', 'standby']);
    const unmarked = mail(11_000, ['primary']);
    expect(tallyOf(ledger([marked, unmarked], { 10000: 2, 11000: 3 }))).toMatchObject({ duplicated: 2, unmarked: 1 });
  });
});

const incident = (cause: string, id = 'inc_1') => ({
  at: 12_500,
  incident: { id, cause, counts: {} } as IncidentAnswer,
});

function outcome(more: Partial<DrillOutcome> = {}, mails = [mail(10_000, ['standby'])]): DrillOutcome {
  return {
    provider: 'primary',
    failedAt: 10_000,
    mendedAt: 20_000,
    states: [
      { state: 'up', at: 9_900 },
      { state: 'suspect', at: 11_250 },
      { state: 'down', at: 12_400 },
    ],
    incidents: [incident('silence')],
    mail: tallyOf(ledger(mails)),
    ...more,
  };
}

function plan(name: string): DrillPlan {
  const scenario = scenarios.find((one) => one.name === name)!;
  return { scenario, stream: 'default', provider: null, perSecond: 20, forMs: 10_000, from: 'drill@acme.example' };
}

const upAllTheTime = [{ state: 'up', at: 9_900 }];

describe('the verdict', () => {
  test('a black hole, as it should be', () => {
    const result = resultOf(plan('blackhole'), outcome());
    expect(result).toMatchObject({
      met: true,
      faults: [],
      seconds: 10,
      to_suspect: 1.25,
      to_leave: 1.25,
      to_incident: 2.5,
      to_last_rescue: null,
      states: [
        { state: 'up', after: 0 },
        { state: 'suspect', after: 1.25 },
        { state: 'down', after: 2.4 },
      ],
    });
    const text = resultText({ colour: false }, result);
    expect(text).toMatch(/new mail avoids it after +1\.3 s$/m);
    expect(text).toMatch(/lost +0$/m);
    expect(text).toContain('As expected, and nothing lost.');
  });

  const sent = mail(10_000, ['primary'], { status: 'sent' });
  const doubled = { ...tallyOf(ledger([mail(10_000, ['standby'])], { 10000: 2 })) };
  test.each<[string, string, DrillOutcome, RegExp]>([
    ['nobody noticed', 'blackhole', outcome({ states: upAllTheTime }), /primary never became down/],
    ['no incident', 'blackhole', outcome({ incidents: [] }), /no incident of the cause silence was opened$/],
    ['another cause', 'blackhole', outcome({ incidents: [incident('failing')] }), /silence was opened, but failing/],
    [
      'too late',
      'suspend',
      outcome({
        states: [...upAllTheTime, { state: 'suspended', at: 11_100 }],
        incidents: [incident('suspended')],
      }),
      /took 1\.1 s until new mail avoided primary/,
    ],
    ['left for nothing', 'throttle', outcome({ incidents: [] }), /became suspect, and should have stayed up/],
    ['an incident for nothing', 'throttle', outcome({ states: upAllTheTime }), /an incident was opened \(silence\)/],
    [
      'to and fro',
      'flapping',
      outcome({
        states: ['up', 'down', 'ramping', 'down', 'up'].map((state, at) => ({ state, at: 10_000 + at })),
      }),
      /switched 4 times/,
    ],
    ['never heard of again', 'blackhole', outcome({}, [sent]), /mail ended otherwise than delivered: 1 sent/],
    ['not accepted', 'blackhole', outcome({ mail: { ...outcome().mail, refused: 2 } }), /2 mails were not accepted/],
    ['lost', 'blackhole', outcome({ mail: { ...outcome().mail, lost: ['em_1'] } }), /1 mails are lost: em_1/],
    ['two copies, unmarked', 'blackhole', outcome({ mail: doubled }), /1 mails arrived twice/],
  ])('%s', (_case, name, what, words) => {
    const faults = faultsOf(plan(name), what);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(words);
    const result = resultOf(plan(name), what);
    expect(result.met).toBe(false);
    expect(resultText({ colour: false }, result)).toContain(`Not as expected:\n- ${faults[0]}`);
  });

  test('mail that bounces is as expected where all of it bounces, and nowhere else', () => {
    const bounced = outcome({ states: upAllTheTime, incidents: [] }, [
      mail(10_000, ['primary'], { status: 'bounced' }),
    ]);
    expect(faultsOf(plan('bounce'), bounced)).toEqual([]);
    expect(faultsOf(plan('throttle'), bounced)).toEqual(['mail ended otherwise than delivered: 1 bounced']);
  });
});

describe('scenarios and recipients', () => {
  test('every scenario plays modes that there are, and expects causes that there are', () => {
    expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
    for (const { steps, expected } of scenarios) {
      for (const { mode } of steps) expect(sandboxModes).toContain(mode);
      if (expected.cause !== null) expect(incidentCauses).toContain(expected.cause);
    }
  });

  test('recipients are all different, belong to nobody, and are spread over big hosts and a long tail', () => {
    const recipients = Array.from({ length: 1_000 }, (_, number) => recipientOf('run', number));
    expect(new Set(recipients).size).toBe(1_000);
    const domains = recipients.map((one) => one.split('@')[1]!);
    expect(domains.filter((domain) => !domain.endsWith('.example'))).toEqual([]);
    const groups = new Map<string, number>();
    for (const domain of domains) groups.set(mailboxGroup(domain), (groups.get(mailboxGroup(domain)) ?? 0) + 1);
    const shares = [...groups.values()].sort((a, b) => b - a);
    expect(shares.slice(0, 3).map((count) => Math.round(count / 100))).toEqual([3, 2, 1]);
    expect(groups.size).toBeGreaterThan(15);
    // A few seconds of mail go to many of them.
    expect(new Set(domains.slice(0, 40).map(mailboxGroup)).size).toBeGreaterThan(10);
  });
});
