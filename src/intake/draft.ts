// From the JSON of a send to a draft: every value checked, every fault named, nothing sent and nothing stored. Pure.
import type { Mail } from '../../providers/provider.ts';
import { decodedLength, readAttachments } from './attachments.ts';
import { collectFaults, type Fault, type Faults } from './faults.ts';
import { readHeaders } from './headers.ts';
import { addIssues, without } from './issues.ts';
import { readMetadata, readTags } from './labels.ts';
import { readPeople } from './people.ts';
import type { SendRules } from './rules.ts';
import { type Send, sendSchema } from './send-schema.ts';
import { bodyTextFault, characters, headerTextFault, utf8Bytes } from './text.ts';
import { readTimes } from './times.ts';

/**
 * One mail, safe to store and to hand to any adapter. No recipient stands in it twice. `headers` and `metadata` have no prototype.
 * Times are epoch ms; `scheduledAt` null means now. `bytes` is the size of all its content, decoded.
 */
export interface Draft extends Omit<Mail, 'id' | 'recipients'> {
  readonly stream: string;
  readonly scheduledAt: number | null;
  readonly expiresAt: number;
  readonly onUnknown: 'resend' | 'hold';
  readonly bytes: number;
  /** Providers that get it only when its stream has no other. Not for callers of the API. */
  readonly avoid?: readonly string[];
}

/** `tooLarge`: the mail is over `maxBytes`, whatever else is wrong with it; the API answers 413 then and 422 otherwise. */
export type DraftResult =
  | { readonly ok: true; readonly draft: Draft }
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly tooLarge: boolean };

/** Checks the JSON of one send against its schema and `rules`. `input` may be anything that JSON can hold. */
export function toDraft(input: unknown, rules: SendRules): DraftResult {
  const faults = collectFaults();
  const parsed = sendSchema.safeParse(input);
  const places = parsed.success ? [] : addIssues(faults, parsed.error.issues, input);
  // `custom`: the input's shape was so far off that zod has not looked at its parts.
  const shapeless = parsed.error?.issues.some((issue) => issue.code === 'custom') ?? false;
  if (shapeless || places.some((path) => path.length === 0)) return { ok: false, faults: faults.list, tooLarge: false };
  const send = (parsed.success ? parsed.data : without(input, places)) as Send;
  const gone = new Set(places.map(([key]) => key));

  const people = readPeople(send, rules.limits.recipients, faults);
  const subject = readSubject(send, rules, faults);
  const bodies = readBodies(send, gone, faults);
  const headers = readHeaders(send.headers, rules.limits.headers, faults);
  const tags = readTags(send.tags, faults);
  const metadata = readMetadata(send.metadata, faults);
  const stream = readStream(send, rules, faults);
  const times = readTimes(send, rules, stream?.rules.expires_in ?? 0, faults);

  const bytes = sizeOf(send);
  const tooLarge = bytes > rules.maxBytes;
  if (tooLarge) {
    faults.add([], `holds ${bytes} bytes; ${rules.maxBytes} is the most: send smaller or fewer attachments.`);
  }
  // Not decoded at all when too large.
  const attachments = tooLarge ? [] : readAttachments(send.attachments, rules.limits.attachments, faults);

  if (faults.list.length > 0 || people.from === null || stream === null) {
    return { ok: false, faults: faults.list, tooLarge };
  }
  const { from, to, cc, bcc, replyTo } = people;
  const { text, html } = bodies;
  const { scheduledAt, expiresAt } = times;
  const onUnknown = send.on_unknown ?? stream.rules.on_unknown;
  const mail = { from, to, cc, bcc, replyTo, subject, text, html, headers, attachments, tags, metadata };
  return {
    ok: true,
    draft: { ...mail, stream: stream.name, scheduledAt, expiresAt, onUnknown, bytes },
  };
}

function readSubject(send: Send, rules: SendRules, faults: Faults): string {
  const subject = send.subject ?? '';
  if (send.subject === undefined) return subject;
  const most = rules.limits.subject;
  if (subject.trim() === '') faults.add(['subject'], 'is empty: some providers refuse such mail.');
  else if (characters(subject) > most) faults.add(['subject'], `is longer than ${most} characters: shorten it.`);
  else faults.addIf(['subject'], headerTextFault(subject));
  return subject;
}

function readBodies(send: Send, gone: ReadonlySet<PropertyKey | undefined>, faults: Faults) {
  const text = send.text || null;
  const html = send.html || null;
  if (text === null && html === null && !gone.has('text') && !gone.has('html')) {
    faults.add(['text'], 'is required where there is no html: give at least one of them.');
  }
  if (text !== null) faults.addIf(['text'], bodyTextFault(text));
  if (html !== null) faults.addIf(['html'], bodyTextFault(html));
  return { text, html };
}

function readStream(send: Send, rules: SendRules, faults: Faults) {
  const name = send.stream ?? 'default';
  const found = Object.hasOwn(rules.streams, name) ? rules.streams[name] : undefined;
  if (found !== undefined) return { name, rules: found };
  faults.add(['stream'], `is not configured. There are: ${Object.keys(rules.streams).join(', ')}.`);
  return null;
}

/** Bytes of everything that travels, attachments as they decode. */
function sizeOf(send: Send): number {
  const one = (text: string | undefined): number => (text === undefined ? 0 : utf8Bytes(text));
  const each = (list: string | readonly (string | undefined)[] | undefined): number =>
    typeof list === 'string' ? one(list) : (list ?? []).reduce<number>((sum, text) => sum + one(text), 0);
  const pairs = (record: Send['headers']): number => each(Object.entries(record ?? {}).flat());
  const files = (send.attachments ?? []).reduce(
    (sum, file) => sum + one(file?.filename) + decodedLength(file?.content ?? ''),
    0,
  );
  const labels = (send.tags ?? []).flatMap((tag) => [tag?.name, tag?.value]);
  const people = [send.from].concat(send.to, send.cc, send.bcc, send.reply_to);
  return (
    each([send.subject, send.text, send.html, ...people, ...labels]) +
    pairs(send.headers) +
    pairs(send.metadata) +
    files
  );
}
