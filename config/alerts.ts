// The settings of what leaves the service beside mail: alerts for people, events for applications, the heartbeat; and where such requests may go.
import { z } from 'zod';
import { alertKinds, severities } from '../src/core/alert.ts';
import { addressRange, converted, duration, integer, name, text, toHttpUrl } from './fields.ts';
import { templateFault } from './template.ts';

// The path of such an address is what proves that we may write there.
const secretUrl = (example: string) =>
  z
    .string()
    .refine(isPlainUrl, `is no address to post to: write all of it, such as ${example}`)
    .meta({ kind: 'address' });

const publicUrl = (example: string) =>
  converted(toHttpUrl, `is no address: write scheme and host, such as ${example}`).meta({ kind: 'URL' });

function isPlainUrl(written: string): boolean {
  if (!/^https?:\/\//.test(written) || !URL.canParse(written)) return false;
  const { username, password, hash } = new URL(written);
  return username === '' && password === '' && hash === '';
}

const signingSecret = z
  .string()
  .refine(isSigningSecret, 'is no signing secret: whsec_ and 24 to 64 bytes in base64 (openssl rand -base64 32)')
  .meta({ kind: 'signing secret' });

function isSigningSecret(written: string): boolean {
  const coded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(written)?.[1];
  const bytes = coded === undefined ? 0 : Buffer.from(coded, 'base64').length;
  return bytes >= 24 && bytes <= 64;
}

const secrets = () =>
  z.array(signingSecret).min(1, 'is empty: make one with echo whsec_$(openssl rand -base64 32)').meta({
    description:
      'Signing secrets: `whsec_` and 24 to 64 bytes in base64. Each request is signed with all of them, so that one can be exchanged for another without a gap.',
    secret: true,
  });

const headers = () =>
  z.record(z.string(), z.string()).prefault({}).meta({
    description: 'Headers to send along, such as `Authorization`.',
    kind: 'headers',
    secret: true,
  });

const common = {
  severities: z
    .array(z.enum(severities))
    .min(1, 'is empty: name at least one severity, or leave the line out')
    .prefault([...severities])
    .meta({ description: 'Which alerts go there.' }),
  timeout: duration({ longest: '30s' }).prefault('10s').meta({ description: 'How long one request may take.' }),
};

const kind = <T extends string>(type: T, description: string) => z.literal(type).meta({ description });

const mailbox = () =>
  z
    .string()
    .regex(/^[^\s@<>]+@[^\s@<>]+$/, 'is no address: write it alone, such as oncall@acme.example')
    .meta({ kind: 'address' });

/** One entry of `alerts.sinks`, by its `type`. */
export const sinkSettings = z.discriminatedUnion('type', [
  z.strictObject({
    type: kind('slack', 'Slack, or whatever takes its incoming webhooks (Mattermost, Rocket.Chat).'),
    ...common,
    url: secretUrl('https://hooks.slack.com/services/T0/B0/x').meta({
      description: 'The address of the incoming webhook.',
      secret: true,
    }),
  }),
  z.strictObject({
    type: kind('pagerduty', 'PagerDuty, by its Events API v2.'),
    ...common,
    routing_key: text().meta({ description: 'The integration key of the service there.', secret: true }),
    base_url: publicUrl('https://events.pagerduty.com')
      .prefault('https://events.pagerduty.com')
      .meta({ description: 'Where the API is; `/v2/enqueue` is added.' }),
  }),
  z.strictObject({
    type: kind('opsgenie', 'Opsgenie, or Jira Service Management, by the Alert API.'),
    ...common,
    api_key: text().meta({ description: 'The key of an API integration.', secret: true }),
    base_url: publicUrl('https://api.eu.opsgenie.com')
      .prefault('https://api.opsgenie.com')
      .meta({ description: 'Where the API is; `https://api.eu.opsgenie.com` for accounts in the EU.' }),
  }),
  z.strictObject({
    type: kind('webhook', 'A signed webhook, as Standard Webhooks has it.'),
    ...common,
    url: secretUrl('https://acme.example/hooks/mailover').meta({ description: 'Where the requests go.', secret: true }),
    secrets: secrets(),
  }),
  z.strictObject({
    type: kind('json', 'Any API that takes a JSON body.'),
    ...common,
    url: secretUrl('https://alerts.acme.example/api').meta({ description: 'Where the requests go.', secret: true }),
    headers: headers(),
    template: z
      .string()
      .superRefine((value, context) => {
        const fault = templateFault(value);
        if (fault !== null) context.addIssue(fault);
      })
      .meta({
        description:
          'The body, JSON in which `{{title}}` and the like stand for values; each becomes a JSON value, quotes and all.',
        kind: 'template',
      }),
  }),
  z.strictObject({
    type: kind('email', 'Mail through this service itself, by another provider than the one in question.'),
    ...common,
    from: mailbox().meta({ description: 'The sender; its domain has to be verified at the providers of the stream.' }),
    to: z
      .array(mailbox())
      .min(1, 'is empty: name at least one address')
      .max(50, 'is too long: 50 addresses are the most')
      .meta({ description: 'The recipients, an address each.' }),
    stream: z.string().prefault('default').meta({ description: 'The stream that carries it.', kind: 'stream' }),
  }),
  z.strictObject({ type: kind('log', 'A line of the log of this service.'), ...common }),
]);

/** One sink, parsed: times in milliseconds. */
export type SinkSettings = z.output<typeof sinkSettings>;

/** `alerts`: who is told when something is wrong. */
export const alerts = z.strictObject({
  sinks: z.record(name(), sinkSettings).prefault({}),
  mute: z.array(z.enum(alertKinds)).prefault([]).meta({ description: 'What nobody wants to be told of.' }),
  repeat_every: duration({ shortest: '1m', longest: '7d' }).prefault('30m').meta({
    description: 'How often a critical alert is told again while nobody has acknowledged it; the others once a day.',
  }),
  group_for: duration({ longest: '15m' }).prefault('10s').meta({
    description: 'After an alert, what is not critical and new waits for so long, to be told together.',
  }),
  max_per_hour: integer(1, 10_000).prefault(60).meta({
    description:
      'After so many within an hour only critical alerts and ends are told at once; the rest waits, and is told together.',
  }),
  quota_low: integer(0, 1_000_000_000)
    .prefault(1_000)
    .meta({ description: 'A provider that says it takes less mail than this is worth a word.' }),
  link: text().optional().meta({
    description:
      'The link of an alert; `{incident}`, `{provider}` and `{stream}` stand for what it is about. When absent, the incident in the API at `server.public_url`.',
  }),
  heartbeat: z
    .strictObject({
      url: secretUrl('https://hc-ping.com/x').meta({
        description:
          'Is asked for (GET) while the leading monitor works; when that stops, somebody else has to raise the alarm.',
        secret: true,
      }),
      every: duration({ shortest: '5s', longest: '1h' })
        .prefault('1m')
        .meta({ description: 'The time between two of them.' }),
    })
    .optional(),
});

const eventPattern = z
  .string()
  .regex(/^(\*|(email|message)\.(\*|[a-z]+))$/, 'is no event: write email.*, email.bounced, message.exposed or *')
  .meta({ kind: 'event' });

/** `webhooks`: applications that are told what becomes of their mail. */
export const webhooks = z.record(
  name(),
  z.strictObject({
    url: secretUrl('https://acme.example/hooks/mail').meta({ description: 'Where the requests go.', secret: true }),
    secrets: secrets(),
    events: z
      .array(eventPattern)
      .min(1, 'is empty: name at least one event, or leave the line out')
      .prefault(['*'])
      .meta({ description: 'Which events: `email.*`, `email.bounced`, `message.exposed` or `*`.' }),
    streams: z
      .array(z.string().meta({ kind: 'stream' }))
      .prefault([])
      .meta({ description: 'Only about mail of these streams. Empty: all.' }),
    timeout: duration({ longest: '30s' }).prefault('15s').meta({ description: 'How long one request may take.' }),
    concurrency: integer(1, 100).prefault(8).meta({
      description: 'Requests at the same time that one process makes; those about one mail come one after the other.',
    }),
  }),
);

/** `outgoing`: where requests to sinks, applications and the heartbeat may go. */
export const outgoing = z.strictObject({
  allow_private: z.array(addressRange()).prefault([]).meta({
    description:
      'Addresses of your own network that may be asked, and without TLS: all others have to be public, and `https`. No redirect is followed.',
  }),
});
