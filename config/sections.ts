// The settings of the service itself: where it listens, where it keeps things, how they are sealed, who may be the sender.
import { z } from 'zod';
import { addressRange, converted, duration, host, integer, size, text, toDomain, toHttpUrl } from './fields.ts';
import { redisUrlFault } from './redis-url.ts';

/** `server`: the HTTP side. */
export const server = z.strictObject({
  host: host()
    .prefault('127.0.0.1')
    .meta({ description: 'The address to listen on; `0.0.0.0` for all. `HOST` in the environment wins.' }),
  port: integer(0, 65_535)
    .prefault(3000)
    .meta({ description: 'The port to listen on; 0 picks a free one. `PORT` in the environment wins.' }),
  body_limit: size()
    .prefault('10MB')
    .meta({ description: 'The largest mail, or batch of mails: texts, and attachments as they decode.' }),
  request_timeout: duration().prefault('30s').meta({ description: 'How long a client may take to send its request.' }),
  shutdown_timeout: duration()
    .prefault('25s')
    .meta({ description: 'How long attempts in flight may take to finish once the service is told to stop.' }),
  metrics_token: text()
    .optional()
    .meta({ description: 'The bearer token that `GET /metrics` asks for; open to all if absent.', secret: true }),
  trust_proxy: z
    .array(addressRange())
    .prefault([])
    .meta({ description: 'The proxies whose `X-Forwarded-For` is believed. Empty: none.' }),
  public_url: converted(
    toHttpUrl,
    'is no address of this service: write scheme, host and perhaps a path, such as https://mail.acme.example',
  )
    .meta({ kind: 'URL' })
    .optional()
    .meta({ description: 'Where the providers reach this service from outside, for webhooks and links.' }),
});

/** `redis`: the one store. */
export const redis = z.strictObject({
  url: z
    .string()
    .transform((value, context) => {
      if (value === '') return undefined;
      const fault = redisUrlFault(value);
      if (fault === null) return value;
      context.addIssue(fault);
      return z.NEVER;
    })
    .meta({ kind: 'URL' })
    .optional()
    .meta({
      description:
        'An external Redis or Valkey: `redis://`, `rediss://`, `unix:///path`, or `redis+sentinel://:password@host:26379,host:26379/name` with the name that the sentinels know it by, or `redis+cluster://:password@host:6379,host:6379` with some nodes of a cluster. Absent or empty: the service runs its own. `REDIS_URL` in the environment wins.',
      secret: true,
    }),
  sentinel_password: text().optional().meta({
    description: 'The password of the sentinels themselves, where they have one.',
    secret: true,
  }),
  wait_replicas: integer(0, 10).prefault(0).meta({
    description:
      'Replicas that must have a mail, too, before it is accepted: then the loss of the primary loses none. 503 when they do not answer in time.',
  }),
  wait_timeout: duration({ shortest: '10ms', longest: '2s' })
    .prefault('1s')
    .meta({ description: 'How long an acceptance waits for those replicas.' }),
  data_dir: text()
    .prefault('./data')
    .meta({ description: 'Where the embedded Redis keeps its data. `MAILOVER_DATA_DIR` in the environment wins.' }),
  durability: z.enum(['strict', 'relaxed']).prefault('strict').meta({
    description: '`strict` refuses to start on a Redis that could lose an accepted mail; `relaxed` starts and warns.',
  }),
});

/** `encryption`: the keys that seal bodies and addresses. */
export const encryption = z.strictObject({
  keys: z
    .array(
      z
        .string()
        .superRefine((key, context) => {
          const fault = keyFault(key);
          if (fault !== null) context.addIssue(fault);
        })
        .meta({ kind: 'key' }),
    )
    .transform((keys) => keys.filter((key) => key !== ''))
    .prefault([])
    .meta({
      description:
        '32 bytes each, in base64 (`openssl rand -base64 32`). The first one seals, all of them open. Empty ones do not count; with the embedded Redis there may be none: it makes its own.',
      secret: true,
    }),
});

/** `senders`: who may be in From. */
export const senders = z.strictObject({
  allow: z
    .array(
      converted(toSenderPattern, 'is no sender: write an address, *@ and a domain, or * for all').meta({
        kind: 'sender',
      }),
    )
    .prefault([])
    .meta({
      description:
        'The From addresses that are accepted: `*@acme.example`, `*@*.acme.example` (its subdomains), `billing@acme.example` or `*`. Empty: all.',
    }),
});

function keyFault(key: string): string | null {
  const mend = 'make one with: openssl rand -base64 32';
  if (key === '') return null;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) return `is not base64: ${mend}`;
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length !== 32) return `holds ${bytes.length} bytes and must hold 32: ${mend}`;
  return bytes.every((byte) => byte === 0) ? `is all zeros, which anybody can guess: ${mend}` : null;
}

// Compared without regard to case: `senderAllowed` in the intake does that, and knows the same forms.
function toSenderPattern(written: string): string | null {
  if (written === '*') return written;
  const at = written.lastIndexOf('@');
  const local = written.slice(0, Math.max(at, 0));
  const below = local === '*' && written.startsWith('*@*.') ? '*.' : '';
  const domain = toDomain(written.slice(at + 1 + below.length));
  if (domain === null || !(local === '*' || /^[^\s@*<>,;"\\]{1,64}$/.test(local))) return null;
  return `${local}@${below}${domain}`;
}
