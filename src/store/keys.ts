// Every Redis key of the service, its type, who writes it and when it goes. No other file spells a key.
import type { Redis } from 'ioredis';

/** The hash tag of the first shard: what is global lives there, and everything where there are no others. */
export const firstTag = '{mailover}';

/** A hash tag for the shard with this number; there are as many as one likes, each in a slot of its own. */
export function shardTag(number: number, attempt: number): string {
  return attempt === 0 ? `{mailover:${number}}` : `{mailover:${number}:${attempt}}`;
}

/** The keys of one shard. */
export type Keys = ReturnType<typeof createKeys>;

/**
 * All keys of a shard have one hash tag: they live in one slot, so that scripts may touch several at once on a cluster.
 * What is said of a key: type · content · when it goes.
 */
export function createKeys(tag: string) {
  return {
    /** BullMQ's prefix; its keys are its own business. */
    queuePrefix: `${tag}:queue`,

    /** hash · a message: version, status, times, its flow as JSON, its sealed envelope, what applications were told of it · expires after `retention.messages`. */
    message: (id: string) => `${tag}:message:${id}`,
    /** string · the sealed texts and attachments · deleted on delivery, else expires after `retention.bodies`. */
    body: (id: string) => `${tag}:body:${id}`,
    /** string · JSON of fingerprint and message ids · expires 24 h after the first request. */
    idempotency: (owner: string, hash: string) => `${tag}:idempotency:${owner}:${hash}`,
    /** zset by due time · messages that need a job: intake adds, the end of a message removes; the sweeper reads it. */
    due: `${tag}:due`,
    /** zset by wake time · messages that wait for a provider; promoted when one comes back. */
    waiting: `${tag}:waiting`,

    /** zset by time of acceptance (Redis' clock), per lane · messages that a provider took and of which nothing has been heard since · a sign of life removes. */
    unconfirmed: (provider: string, lane: string) => `${tag}:unconfirmed:${provider}:${lane}`,
    /** zset by time · the same messages, when to ask the provider about them next. */
    polls: (provider: string) => `${tag}:polls:${provider}`,
    /** hash per 10 s · taken and heard of, by second of acceptance and mailbox group · expires after a few minutes. */
    recent: (provider: string, block: number) => `${tag}:recent:${provider}:${block}`,
    /** hash per 10 min · the same by minute, and the delays to the first sign of life by delay class and bin · expires after hours. */
    past: (provider: string, block: number) => `${tag}:past:${provider}:${block}`,
    /** hash · when the newest first sign of life, webhook, and delivery found by asking came · never goes. */
    signs: (provider: string) => `${tag}:signs:${provider}`,
    /** hash · taken and confirmed, by epoch of the provider's health · the monitor drops epochs that are over. */
    tally: (provider: string) => `${tag}:tally:${provider}`,
    /** string · JSON of the learned delay curve, written by the leading monitor · never goes. */
    curve: (provider: string) => `${tag}:curve:${provider}`,
    /** string · JSON of what the leading monitor finds of the provider's signs of life, for whoever shows it · expires soon. */
    finding: (provider: string) => `${tag}:finding:${provider}`,
    /** string · JSON of what the monitors must remember over a change of leader · never goes. */
    guard: `${tag}:guard`,
    /** string · our message id by the provider's own · expires after a while: their events come within days. */
    theirId: (provider: string, hash: string) => `${tag}:their-id:${provider}:${hash}`,

    /** zset, all scores 0, members are ids, which sort by time · trimmed by the sweeper after `retention.messages`. */
    all: `${tag}:index:all`,
    byStatus: (status: string) => `${tag}:index:status:${status}`,
    byStream: (stream: string) => `${tag}:index:stream:${stream}`,
    byProvider: (provider: string) => `${tag}:index:provider:${provider}`,
    /** the same by recipient (a keyed hash, never the address) · expires with its newest message. */
    byRecipient: (hash: string) => `${tag}:index:recipient:${hash}`,

    /** zset by the time at which the attempt began (Redis' clock) · what the provider was handed of a stream, whatever came of it, as `<message id>/<number of the attempt>` · trimmed by the sweeper after `retention.messages`. */
    handedOver: (provider: string, stream: string) => `${tag}:handed-over:${provider}:${stream}`,
    /** hash · the time of the first entry of each of these, by `<provider>:<stream>` · never goes: the names of providers and streams are few. */
    handedOverSince: `${tag}:handed-over-since`,

    /** hash · what every process must agree on: version, health and epoch per provider, pins, quarantines · never goes. */
    world: `${tag}:world`,
    /** hash · counts of closed attempts in one stretch of time · expires after a few windows. */
    evidence: (provider: string, bucket: number) => `${tag}:evidence:${provider}:${bucket}`,
    /** zset by lease end · open attempts at one provider: its concurrency now · leases lapse by themselves. */
    inflight: (provider: string) => `${tag}:inflight:${provider}`,
    /** string · the time at which the provider's rate allows the next hand-over (GCRA), ms · expires when idle. */
    rate: (provider: string) => `${tag}:rate:${provider}`,
    /** string · no hand-over before this, ms: the provider's own Retry-After · expires with it. */
    pause: (provider: string) => `${tag}:pause:${provider}`,
    /** string · set while the provider has accepted something lately · expires by itself. */
    proven: (provider: string) => `${tag}:proven:${provider}`,
    /** string · the lease of the one probe allowed at a time · expires by itself. */
    probe: (provider: string) => `${tag}:probe:${provider}`,
    /** string · JSON of what the provider last said of our account · overwritten by every check. */
    account: (provider: string) => `${tag}:account:${provider}`,
    /** string · a token or an id that a webhook has shown · expires when it can no longer be replayed. */
    seen: (provider: string, hash: string) => `${tag}:seen:${provider}:${hash}`,
    /** list, sealed · the newest events about mail we never sent, and webhooks nobody could read · trimmed at every push. */
    oddities: (provider: string) => `${tag}:oddities:${provider}`,
    /** hash · how many foreign events there have been, and when the last one came. */
    foreign: (provider: string) => `${tag}:foreign:${provider}`,

    /** string, sealed · why an address gets no mail, by its keyed hash · stays until it is taken off the list. */
    suppression: (hash: string) => `${tag}:suppression:${hash}`,
    /** zset by time · the hashes of all suppressed addresses. */
    suppressions: `${tag}:suppressions`,

    /** stream, sealed · who changed what, when, from where and why, each linked to the one before · trimmed by length. */
    audit: `${tag}:audit`,
    /** hash · number and link of the newest entry · never goes. */
    auditHead: `${tag}:audit-head`,

    /** hash · all shards by number, and the version of this list · never goes. In the first shard only. */
    shards: `${tag}:shards`,
    /** string · set when this version of the list of shards is no longer in force: no idempotency key is to be taken by it · never goes: shards are few. */
    mapOver: (version: number) => `${tag}:map-over:${version}`,

    /** string · the leading monitor's process · a lease. */
    leader: `${tag}:leader`,

    /** string · written by every process each second, to know that it can · expires by itself. */
    alive: (me: string) => `${tag}:alive:${me}`,

    /** hash · an API key by its public id: hash, scopes, narrowing · deleted on revocation. */
    apiKey: (id: string) => `${tag}:api-key:${id}`,
    /** set · the public ids of all API keys. */
    apiKeys: `${tag}:api-keys`,

    /** hash · behaviour per sandbox provider, as an operator set it. */
    sandboxBehaviour: `${tag}:sandbox:behaviour`,
    /** list · the newest mails that a sandbox provider delivered · trimmed at every push. */
    sandboxInbox: (provider: string) => `${tag}:sandbox:inbox:${provider}`,
    /** zset by time · events of sandbox providers still to come. */
    sandboxEvents: `${tag}:sandbox:events`,

    /** hash · an incident: version and JSON · expires `retention.incidents` after it was closed; open ones never go. */
    incident: (id: string) => `${tag}:incident:${id}`,
    /** hash · counts of the mail that it concerns · expires with it. */
    incidentCounts: (id: string) => `${tag}:incident-counts:${id}`,
    /** zset, all scores 0, members are ids, which sort by time · trimmed at every opening. */
    incidents: `${tag}:incidents`,
    /** hash · the id of the open incident by cause, provider and stream · a field goes when it is closed. */
    openIncidents: `${tag}:incidents:open`,
    /** zset by time · closed incidents, when they are gone · trimmed at every opening. */
    incidentEnds: `${tag}:incidents:ends`,

    /** hash · the rescue of an incident's mail: what it covers, how far it is, its counts · expires some time after its end. */
    rescue: (id: string) => `${tag}:rescue:${id}`,
    /** hash by message · what a rescue has taken in hand, and what of it nobody has taken yet · a field goes with the outcome. */
    rescueWork: (id: string) => `${tag}:rescue-work:${id}`,
    /** zset by time of acceptance · messages that wait for an operator's approval · expires with the rescue. */
    rescueHeld: (id: string, lane: string) => `${tag}:rescue-held:${id}:${lane}`,
    /** zset by time · messages that a rescue has to look at again · emptied before it ends. */
    rescueLater: (id: string, lane: string) => `${tag}:rescue-later:${id}:${lane}`,
    /** zset by time · incidents whose rescue is under way. */
    rescues: `${tag}:rescues`,

    /** hash · what people have been told of and has not ended: version and JSON · never goes. */
    told: `${tag}:alerts:told`,
    /** list · letters that a sink has still to take, oldest first · the one that was taken goes; expires when nothing is added for long. */
    letters: (sink: string) => `${tag}:alerts:letters:${sink}`,
    /** hash · who posts the first of them, how often it was tried, when it is tried next · goes with it. */
    letterHead: (sink: string) => `${tag}:alerts:head:${sink}`,
    /** list · letters that nobody took, newest first · trimmed at every push; expires when nothing is added for long. */
    deadLetters: (sink: string) => `${tag}:alerts:dead:${sink}`,

    /** zset by due time · messages of which an application has something to hear · told ones go; expires when nobody looks for long. */
    tellDue: (endpoint: string) => `${tag}:tell:due:${endpoint}`,
    /** zset by time · messages of which something was given up for an application · replay and success remove; expires as well. */
    tellDead: (endpoint: string) => `${tag}:tell:dead:${endpoint}`,
    /** hash · an application that takes nothing: since when, until when it is left alone, why · deleted with the first success. */
    tellState: (endpoint: string) => `${tag}:tell:state:${endpoint}`,

    /** hash · what the probes of our own webhook path have shown: their url, okAt, failedAt, failures in a row, detail · never goes. */
    ingress: `${tag}:ingress`,
    /** string · a nonce that the monitor posts to our public address; '1' once it has come in there · expires in seconds. */
    selfProbe: (nonce: string) => `${tag}:self-probe:${nonce}`,
  };
}

/** The keys of the first shard. */
export const keys = createKeys(firstTag);

/** The channel on which any change of `world` is announced. Payload: the new version. */
export const worldChannel = `${firstTag}:world-changed`;

/** The channel on which any change of the list of shards is announced. Payload: the new version. */
export const shardsChannel = `${firstTag}:shards-changed`;

/** The channel on which a worker tells the monitor that fresh evidence is worth a look now. Payload: the provider. */
export const nudgeChannel = `${firstTag}:nudge`;

// A connection leads to one shard, for as long as it lives.
const elsewhere = new WeakMap<Redis, Keys>();

/** Says that this connection leads to another shard than the first. */
export function leadsTo(redis: Redis, itsKeys: Keys): void {
  elsewhere.set(redis, itsKeys);
}

/** The keys of the shard to which this connection leads. */
export function keysOf(redis: Redis): Keys {
  return elsewhere.get(redis) ?? keys;
}

/** The width of a stretch of evidence, in ms. */
export const bucketMs = 5_000;

/** Signs of life are counted in hashes of so many ms of acceptance times, in cells so wide, and kept for so long after the block's end. */
export const recentBlocks = { widthMs: 10_000, cellMs: 1_000, keptMs: 200_000 };
/** The same for what is older. */
export const pastBlocks = { widthMs: 600_000, cellMs: 60_000, keptMs: 3.5 * 3_600_000 };
