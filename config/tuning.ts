// The numbers behind the behaviour: workers, verdicts on providers, limits of a message, how long things are kept.
import { z } from 'zod';
import { decades, duration, integer, rate, share } from './fields.ts';
import { healthModes } from './streams.ts';

const workers = (count: number, lane: string) =>
  integer(1, 10_000)
    .prefault(count)
    .meta({ description: `Messages of the ${lane} lane that one process hands over at the same time.` });

/** `delivery`: how messages are handed over. */
export const delivery = z.strictObject({
  concurrency: z
    .strictObject({ critical: workers(40, 'critical'), normal: workers(32, 'normal'), bulk: workers(20, 'bulk') })
    .prefault({}),
  max_unknown: integer(1, 100)
    .prefault(5)
    .meta({ description: 'Uncertain attempts (`unknown`) after which a message is held for an operator.' }),
  scouts: integer(1, 1_000).prefault(4).meta({
    description:
      'Hand-overs at the same time to a provider that has not accepted anything lately; the others wait for them.',
  }),
  scout_wait: duration()
    .prefault('1s')
    .meta({ description: 'How long a message waits for the scouts of its provider before it looks again.' }),
  poll_after: duration({ longest: '1d' }).prefault('5m').meta({
    description: 'How long after it was accepted a provider is asked about a message of which no event has come.',
  }),
  polls: rate().prefault('10/m').meta({
    description: 'The most such questions to one provider. While it looks silent, five more every five seconds.',
  }),
  proven_for: duration()
    .prefault('60s')
    .meta({ description: 'How long an accepted mail counts as a sign that its provider takes mail.' }),
});

/** `health`: when a provider is taken out of use, and how it comes back. */
export const health = z.strictObject({
  window: duration().prefault('60s').meta({ description: 'The time over which outcomes are counted.' }),
  min_volume: integer(1).prefault(5).meta({
    description:
      'Attempts in the window below which no share is judged. Twice as many that fail in a row take it down whatever the share, once it has accepted nothing for some seconds.',
  }),
  failure_share: share()
    .prefault(0.5)
    .meta({ description: 'The share of attempts in the window, failed through the provider, that takes it down.' }),
  account_refusals: integer(1)
    .prefault(1)
    .meta({ description: 'Refusals of our account (key, suspension) within the window that suspend a provider.' }),
  rest: duration({ longest: '1d' })
    .prefault('30s')
    .meta({ description: 'How long a provider rests when it goes down; doubles each time.' }),
  max_rest: duration({ longest: '1d' }).prefault('15m').meta({ description: 'The longest rest.' }),
  probe_interval: duration()
    .prefault('2s')
    .meta({ description: 'The time between two probes of a provider that has rested.' }),
  probes: integer(1).prefault(3).meta({ description: 'Accepted probes until a provider is up again.' }),
  account_check: duration({ shortest: '1s', longest: '1d' }).prefault('60s').meta({
    description: 'The time between two questions to a provider about our account there, give or take a fifth.',
  }),
  settled_after: duration({ longest: '1d' })
    .prefault('10m')
    .meta({ description: 'How long a provider must stay up until its next rest is a short one again.' }),
  mode: z.enum(healthModes).prefault('auto').meta({
    description:
      'What a verdict on a provider does for streams that do not say otherwise: `auto` moves their mail, `suggest` opens the incident and leaves the mail to an operator, `off` does neither.',
  }),
  suspect_score: decades()
    .prefault(7)
    .meta({ description: 'How improbable a silence must be (in powers of ten) for new mail to avoid the provider.' }),
  silence_score: decades().prefault(9).meta({
    description:
      'How improbable a silence must be to be an incident, and for its mail to be sent again; the way by which news reaches us must be known to work.',
  }),
  learn_from: integer(10, 1_000_000)
    .prefault(50)
    .meta({ description: 'Messages after which the usual delays of a provider count as known.' }),
  self_probe: duration({ shortest: '2s', longest: '1d' }).prefault('30s').meta({
    description:
      'The time between two probes of the way by which webhooks reach us: a request to ourselves through `server.public_url`; none without that.',
  }),
  ramp_dwell: duration({ longest: '1d' })
    .prefault('1m')
    .meta({ description: 'How long each step of a return lasts at least: 5, 25, 50 and then 100 % of the mail.' }),
  switches_per_hour: integer(3, 1_000).prefault(3).meta({
    description: 'How often mail may leave a provider and come back within an hour, as long as another one is well.',
  }),
});

/** `rescue`: how mail that a provider has swallowed goes out again. */
export const rescue = z.strictObject({
  rate: rate()
    .prefault('20/s')
    .meta({ description: 'The most messages taken back from dead providers, to be sent through another one.' }),
  at_once: integer(1, 10_000)
    .prefault(20)
    .meta({ description: 'The most such messages on their way to another provider at the same time.' }),
});

const depth = (count: number, lane: string) =>
  integer(1, 100_000_000)
    .prefault(count)
    .meta({ description: `Mails of the ${lane} lane that wait for a worker, past which no more are taken in (503).` });
const age = (text: string, lane: string) =>
  duration({ longest: '30d' })
    .prefault(text)
    .meta({ description: `How long mail of the ${lane} lane waits for a worker until no more is taken in (503).` });

/** `limits`: what one request or message may come to, and how much mail may wait. */
export const limits = z.strictObject({
  recipients: integer(1, 1_000)
    .prefault(50)
    .meta({ description: 'Recipients of one message: to, cc and bcc together.' }),
  batch: integer(1, 1_000).prefault(100).meta({ description: 'Messages in one batch.' }),
  attachments: integer(0, 1_000).prefault(50).meta({ description: 'Attachments of one message.' }),
  headers: integer(0, 1_000).prefault(50).meta({ description: 'Extra headers of one message.' }),
  subject: integer(1, 10_000).prefault(998).meta({ description: 'Characters of a subject.' }),
  schedule_ahead: duration({ longest: '366d' })
    .prefault('30d')
    .meta({ description: 'How far ahead a message may be scheduled.' }),
  expires_max: duration({ longest: '366d' })
    .prefault('7d')
    .meta({ description: 'The longest time that a message may stay worth sending.' }),
  queue_depth: z
    .strictObject({
      critical: depth(1_000_000, 'critical'),
      normal: depth(500_000, 'normal'),
      bulk: depth(250_000, 'bulk'),
    })
    .prefault({}),
  queue_age: z
    .strictObject({ critical: age('4h', 'critical'), normal: age('2h', 'normal'), bulk: age('1h', 'bulk') })
    .prefault({}),
});

/** `retention`: how long things are kept once they have come to their end. */
export const retention = z.strictObject({
  bodies: duration({ longest: '3650d' })
    .prefault('24h')
    .meta({ description: 'How long texts and attachments are kept.' }),
  messages: duration({ longest: '3650d' })
    .prefault('30d')
    .meta({ description: 'How long the record of a message is kept.' }),
  incidents: duration({ longest: '3650d' })
    .prefault('90d')
    .meta({ description: 'How long an incident is kept once it has been closed.' }),
});
