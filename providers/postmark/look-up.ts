// Asking Postmark what became of one message.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { LookedUp, LookUp } from '../provider.ts';
import type { Clean } from '../words.ts';
import type { PostmarkApi } from './api.ts';
import { type RawRecord, readRecord } from './events.ts';
import { idKey } from './labels.ts';

/** What a look-up needs beside the question. */
export interface LookUpParts {
  readonly api: PostmarkApi;
  readonly stream: string;
  readonly clean: Clean;
  /** Epoch ms. */
  readonly now: number;
  readonly signal: AbortSignal;
}

// A hand-over of the same message before the one that is asked about is none of it; clocks may differ.
const skewMs = 60_000;
const most = { count: 50, offset: 0 };

/**
 * Looks for the message by Postmark's id, else by ours. Never `absent`: how far the search lags behind is not known, and mail that
 * Postmark holds back is not found at all, though it may still go out (elijahrogers.github.io, "Postmark Gaslit Me", 2025-10).
 */
export async function lookUp(asked: LookUp, parts: LookUpParts): Promise<LookedUp> {
  if (asked.providerMessageId !== null) return fate(asked.providerMessageId, asked, parts);

  const { api, stream, clean, signal } = parts;
  const search = { [`metadata_${idKey}`]: asked.messageId, messageStream: stream, ...most };
  const came = await api.call((client) => client.getOutboundMessages(search), signal);
  const listed = listOf(came, 'Messages');
  if (!listed) return unknown(came, clean);
  const isSince = ({ ReceivedAt }: RawRecord) => Date.parse(String(ReceivedAt)) >= asked.sentAt - skewMs;
  const found = asText(listed.find(isSince)?.MessageID);
  if (found === null) return { kind: 'unknown', detail: 'Postmark does not list it, or not yet' };
  const known = await fate(found, asked, parts);
  // That it is there was the question; what became of it may come later.
  return known.kind === 'found' ? known : { kind: 'found', providerMessageId: found, events: [] };
}

async function fate(id: string, asked: LookUp, { api, stream, clean, now, signal }: LookUpParts): Promise<LookedUp> {
  const came = await api.call((client) => client.getOutboundMessageDetails(id), signal);
  const told = listOf(came, 'MessageEvents');
  if (!told) return unknown(came, clean);
  const records = told.map(recordOf).filter((record) => record !== null);
  if (records.length < told.length) {
    // The others come as bounces, and only the list of bounces says of what kind. Without it they are left to the webhooks.
    const search = { messageID: id, messageStream: stream, ...most };
    const bounces = await api.call((client) => client.getBounces(search), signal);
    records.push(...(listOf(bounces, 'Bounces') ?? []).map(bounceOf));
  }
  const common = { MessageID: id, Metadata: { [idKey]: asked.messageId } };
  const events = records.flatMap((record) => readRecord({ ...record, ...common }, now, clean) ?? []);
  return { kind: 'found', providerMessageId: id, events };
}

// One of a message's events (postmark 5.1.0, OutboundMessageEvents) as its webhook has it; null for those that are bounces there.
function recordOf({ Type, Recipient, ReceivedAt, Details }: RawRecord): RawRecord | null {
  switch (Type) {
    case 'Delivered':
      return { RecordType: 'Delivery', Recipient, ReceivedAt };
    case 'Opened':
      return { RecordType: 'Open', Recipient, ReceivedAt };
    case 'LinkClicked':
      return { RecordType: 'Click', Recipient, ReceivedAt, OriginalLink: asObject(Details)?.Link };
    default:
      return null;
  }
}

function bounceOf(bounce: RawRecord): RawRecord {
  return { ...bounce, RecordType: bounce.Type === 'SpamComplaint' ? 'SpamComplaint' : 'Bounce' };
}

function listOf(came: HttpResponse | HttpTrouble, field: string): RawRecord[] | null {
  const value = came.kind === 'answered' && came.status === 200 ? asObject(readJson(came.body))?.[field] : null;
  return Array.isArray(value) ? value.map((one) => asObject(one) ?? {}) : null;
}

function unknown(came: HttpResponse | HttpTrouble, clean: Clean): LookedUp {
  return {
    kind: 'unknown',
    detail: clean(came.kind === 'trouble' ? came.detail : `HTTP ${came.status}: ${came.body}`),
  };
}
