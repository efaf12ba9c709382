// Alerts on the service itself: mail that waits for a person, letters nobody took, a store that is nearly full or no longer durable.
import { maskAddresses } from '../core/mask.ts';
import { ended, trouble, words } from './common.ts';
import type { Topic } from './scene.ts';
import { countOf, spanOf, timeOf } from './text.ts';

/** Mail is held until a person decides. */
export const heldTopic: Topic = {
  standing: ({ held, now }) =>
    held > 0 ? [trouble({ key: 'held', kind: 'held', severity: 'warning', since: now, amount: held })] : [],
  words: ({ amount }) =>
    words({
      title: `${countOf(amount, 'mail is', 'mails are')} held until you decide`,
      happened: 'Each may have been sent already, or waits for a rescue to be approved. None goes out again by itself.',
      mail: `${countOf(amount, 'mail')} held.`,
      did: ['They are kept as long as their texts are, and not sent.'],
      advice: [
        { text: 'See whether a rescue waits for approval', command: 'mailover incidents' },
        { text: 'List them: GET /v1/emails?status=held. Send one again: POST /v1/emails/{id}/resend', command: null },
      ],
    }),
  over: (told, scene) => ended('No mail is held any more', told, scene),
};

/** Letters that nobody took within a day. */
export const deadTopic: Topic = {
  standing: ({ dead, now }) =>
    [...dead].flatMap(([name, count]) =>
      count > 0
        ? trouble({
            key: `dead/${name}`,
            kind: 'dead_letters',
            severity: 'warning',
            since: now,
            amount: count,
            stage: name,
          })
        : [],
    ),
  words: ({ amount, stage: name }) =>
    words({
      title: `${countOf(amount, 'letter')} to ${name} nobody took`,
      happened: `${name} was tried for a day, or refused them for good. They are kept, and not tried again by themselves.`,
      advice: [
        { text: 'See why', command: 'mailover dead-letters' },
        { text: 'Once it works again, send them', command: `mailover dead-letters --replay --to ${name}` },
      ],
    }),
  over: (told, scene) => ended(`No dead letters to ${told.stage} any more`, told, scene),
};

/** A sink or an application that does not take what it is sent. */
export const unheardTopic: Topic = {
  standing: ({ unheard }) =>
    unheard.map(({ name, kind, since }) =>
      trouble({ key: `unheard/${kind}/${name}`, kind: 'undelivered', severity: 'warning', since, stage: name }),
    ),
  words({ key, stage: name, since }, scene) {
    const own = scene.unheard.find((one) => key === `unheard/${one.kind}/${one.name}`);
    const sink = own?.kind === 'sink';
    return words({
      title: sink ? `Alerts do not reach ${name}` : `${name} does not hear what becomes of its mail`,
      happened: `Nothing sent to ${name} has been taken since ${timeOf(since)}, ${spanOf(scene.now - since)} ago.`,
      evidence: own ? [`The last try: ${maskAddresses(own.detail)}`] : [],
      did: ['It is tried again and again, in order, for a day. Mail and other sinks are not affected.'],
      advice: [
        sink
          ? { text: 'Try it', command: `mailover alerts test --sink ${name}` }
          : { text: `Look at the application behind webhooks.${name}`, command: null },
      ],
    });
  },
  over: (told, scene) => ended(`${told.stage} is reached again`, told, scene),
};

const warnFrom = 0.7;
const refuseFrom = 0.8;
const percent = (share: number) => `${Math.round(100 * share)} %`;

/** Redis has little memory left. */
export const storeFullTopic: Topic = {
  standing({ store: { fullness }, now }) {
    if (fullness === null || fullness < warnFrom) return [];
    const refuses = fullness >= refuseFrom;
    const severity = refuses ? 'critical' : 'warning';
    return [
      trouble({ key: 'store/full', kind: 'store_full', severity, since: now, stage: refuses ? 'refuses' : 'near' }),
    ];
  },
  words({ stage }, { store: { fullness } }) {
    const refuses = stage === 'refuses';
    return words({
      title: refuses ? 'The store is full: no mail is taken in' : 'The store is nearly full',
      happened: `Redis uses ${percent(fullness ?? 0)} of its maxmemory. ${refuses ? 'New mail is refused with 503' : `From ${percent(refuseFrom)} on new mail is refused with 503`}, so that what is there can still be sent.`,
      did: [
        refuses
          ? 'Mail that was accepted goes on being sent. New mail is taken in again below that mark, by itself.'
          : 'Nothing yet.',
      ],
      advice: [
        { text: 'Is mail piling up because no provider takes it?', command: 'mailover status' },
        {
          text: 'Raise maxmemory, or shorten retention.bodies and retention.messages',
          command: 'redis-cli CONFIG SET maxmemory 4gb',
        },
      ],
    });
  },
  over: (told, scene) => ended('The store has room again', told, scene),
};

/** A part of the store is away; the others go on. */
export const shardAwayTopic: Topic = {
  standing: ({ store: { away }, now }) =>
    away.length > 0
      ? [trouble({ key: 'store/shards', kind: 'shard_away', severity: 'critical', since: now, amount: away.length })]
      : [],
  words: ({ amount }, { store: { away } }) =>
    words({
      title: `${countOf(amount, 'shard', 'shards')} of the store ${amount === 1 ? 'takes' : 'take'} no mail`,
      happened: 'A node of the Redis Cluster is down, cut off or full, and no replica has taken over.',
      evidence: away,
      mail: 'What lies there waits until it is back. It is on the disk of that node.',
      did: [
        'New mail goes to the other shards; a request whose Idempotency-Key belongs to one that is away gets 503 and Retry-After.',
      ],
      advice: [
        { text: 'Which node is it?', command: 'mailover shards list' },
        { text: 'Start it again, or let a replica take over', command: 'redis-cli CLUSTER FAILOVER FORCE' },
      ],
    }),
  over: (told, scene) => ended('All shards of the store take mail again', told, scene),
};

/** Redis no longer keeps what it acknowledges. */
export const storeWeakTopic: Topic = {
  standing: ({ store: { weaknesses }, now }) =>
    weaknesses.length > 0 ? [trouble({ key: 'store/weak', kind: 'store_weak', severity: 'critical', since: now })] : [],
  words: (_, { store: { weaknesses } }) =>
    words({
      title: 'The store could lose accepted mail',
      happened:
        'Somebody changed the settings of Redis while it ran: a crash of it may now lose mail that was accepted.',
      evidence: weaknesses,
      did: ['Mail is still taken in; /health/ready says 503, so that a load balancer stops sending.'],
      advice: [
        { text: 'Set them back in redis.conf, and at once', command: 'redis-cli CONFIG SET appendfsync always' },
      ],
    }),
  over: (told, scene) => ended('The store keeps what it acknowledges again', told, scene),
};
