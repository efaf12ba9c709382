// /v1/providers/{name}/exposure: every message that a provider was handed in a stretch of time, streamed at any size.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { type ExposureHead, exposureCsvHead, exposureCsvLine, newExposureTally } from '../core/exposure.ts';
import type { Audit } from '../store/audit.ts';
import type { Exposures, Stretch } from '../store/exposures.ts';
import type { TellingStore } from '../store/tellings.ts';
import { reasonField } from './acts.ts';
import { actorOf, callerOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { iso, reportView, viewOf } from './exposure-views.ts';
import { documented } from './routes.ts';

/** What the routes of exposure are made of. */
export interface ExposureRouteParts {
  readonly exposures: Exposures;
  readonly audit: Pick<Audit, 'write'>;
  readonly providers: readonly string[];
  readonly streams: Readonly<Record<string, { readonly sensitive: boolean }>>;
  /** Does any application want to hear of exposed messages of this stream, sent by this key? Null: by any. */
  readonly listens: (stream: string, sentBy: string | null) => boolean;
  readonly note: TellingStore['note'];
  readonly log: { warn(fields: Record<string, unknown>, text: string): void };
}

const instant = z.iso.datetime({ offset: true });
const flag = z.enum(['true', 'false']).default('false');
const formats = { json: 'application/json', csv: 'text/csv', ndjson: 'application/x-ndjson' } as const;
const query = z.strictObject({
  since: instant.meta({ description: 'ISO 8601 with an offset; by the clock of the store.' }),
  until: instant.optional().meta({ description: 'Excluded. Now, if absent or later than that.' }),
  subjects: flag.meta({ description: 'Subjects, too.' }),
  sensitive: flag.meta({ description: 'Only streams that are marked as `sensitive`.' }),
  format: z.enum(['json', 'csv', 'ndjson']).default('json').meta({
    description: '`ndjson`: the head, then a message a line, then the sums; without the last line it has broken off.',
  }),
});

const notifyBody = z.strictObject({
  since: query.shape.since,
  until: query.shape.until,
  sensitive: z.boolean().default(false).meta({ description: 'Only streams that are marked as `sensitive`.' }),
  reason: reasonField,
});

/** Adds the routes of exposure. */
export function exposureRoutes(app: FastifyInstance, parts: ExposureRouteParts): void {
  const routes = documented(app);
  const { exposures, audit, streams } = parts;
  const isSensitive = (stream: string) => Object.hasOwn(streams, stream) && streams[stream]!.sensitive;

  routes.route({
    method: 'GET',
    url: '/v1/providers/:name/exposure',
    scope: 'operate',
    summary: 'Every message that a provider was handed in a stretch of time',
    description:
      'Whatever came of it: also what it refused, or may have read before the connection was lost. Streams of any size. Stands in the audit.',
    params: z.object({ name: z.string() }),
    query,
    answers: { 200: reportView },
    formats: { 200: { 'text/csv': z.string(), 'application/x-ndjson': z.string() } },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { name } = request.params as { name: string };
      const asked = request.query as z.output<typeof query>;
      const stretch = await stretchOf(name, asked);
      const head = await headOf(stretch, {
        streams: callerOf(request).streams,
        sensitive: asked.sensitive === 'true',
      });
      await audit.write(actorOf(request), {
        what: 'exposure.read',
        target: name,
        before: null,
        after: null,
        why: `${head.since} to ${head.until}, ${head.hand_overs} hand-overs${asked.subjects === 'true' ? ', with subjects' : ''}`,
      });
      return send(reply, asked.format, report(stretch, head, asked));
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/providers/:name/exposure/notify',
    scope: 'operate',
    summary: 'Tell the applications which of their messages a provider was handed',
    description:
      'One `message.exposed` for each message to each application of `webhooks` that wants it, so that it can make links and codes worthless. Answers as NDJSON: the head, how far it is, and at last the sums. To do it again, wholly or in part, tells nothing twice.',
    params: z.object({ name: z.string() }),
    body: notifyBody,
    answers: {},
    formats: { 200: { 'application/x-ndjson': z.string() } },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { name } = request.params as { name: string };
      const asked = request.body as z.output<typeof notifyBody>;
      const stretch = await stretchOf(name, asked);
      const head = await headOf(stretch, { streams: callerOf(request).streams, sensitive: asked.sensitive });
      if (head.streams.length > 0 && !head.streams.some(({ stream }) => parts.listens(stream, null)))
        throw new ApiError(
          'validation_error',
          'No application wants to hear of this: name one in the settings, in webhooks, with message.exposed among its events.',
        );
      await audit.write(actorOf(request), {
        what: 'exposure.notify',
        target: name,
        before: null,
        after: { since: head.since, until: head.until, hand_overs: head.hand_overs, sensitive: asked.sensitive },
        why: asked.reason,
      });
      return send(reply, 'ndjson', notify(stretch, head, asked.reason));
    },
  });

  async function stretchOf(provider: string, asked: { since: string; until?: string | undefined }): Promise<Stretch> {
    const [known, now] = await Promise.all([exposures.providers(), exposures.now()]);
    if (!parts.providers.includes(provider) && !known.includes(provider))
      throw new ApiError('not_found', 'There is no provider of this name, and never was one that was handed mail.');
    const since = Date.parse(asked.since);
    const until = Math.min(asked.until === undefined ? now : Date.parse(asked.until), now);
    if (since < until) return { provider, since, until };
    const message = 'must be earlier than until, and than now';
    throw new ApiError('validation_error', `since ${message}`, { faults: [{ path: 'since', message }] });
  }

  async function headOf(
    stretch: Stretch,
    only: { streams: readonly string[] | null; sensitive: boolean },
  ): Promise<ExposureHead> {
    const [found, from] = await Promise.all([exposures.count(stretch), exposures.completeFrom()]);
    const listed = [...found]
      .map(([stream, hand_overs]) => ({ stream, sensitive: isSensitive(stream), hand_overs }))
      .filter(({ stream, sensitive }) => (only.streams?.includes(stream) ?? true) && (sensitive || !only.sensitive))
      .sort((a, b) => Number(b.sensitive) - Number(a.sensitive) || (a.stream < b.stream ? -1 : 1));
    const sum = (of: typeof listed) => of.reduce((all, { hand_overs }) => all + hand_overs, 0);
    return {
      object: 'exposure',
      provider: stretch.provider,
      since: iso(stretch.since),
      until: iso(stretch.until),
      complete_from: from === null ? null : iso(from),
      hand_overs: sum(listed),
      sensitive_hand_overs: sum(listed.filter(({ sensitive }) => sensitive)),
      streams: listed,
    };
  }

  // A page at a time, and the next one only when the reader has taken this one.
  async function* report(stretch: Stretch, head: ExposureHead, { subjects, format }: z.output<typeof query>) {
    const withSubjects = subjects === 'true';
    const tally = newExposureTally();
    let first = true;
    if (format === 'ndjson') yield `${JSON.stringify(head)}\n`;
    if (format === 'csv') yield exposureCsvHead(withSubjects);
    if (format === 'json') yield `${JSON.stringify(head).slice(0, -1)},"data":[`;
    for (const { stream, sensitive } of head.streams) {
      for await (const page of exposures.read(stretch, stream)) {
        let chunk = '';
        for (const exposed of page) {
          const message = viewOf(exposed, stretch.provider, stream, sensitive, withSubjects);
          tally.add(message);
          if (format === 'csv') chunk += exposureCsvLine(message, withSubjects);
          else if (format === 'ndjson') chunk += `${JSON.stringify(message)}\n`;
          else chunk += `${first ? '' : ','}\n${JSON.stringify(message)}`;
          first = false;
        }
        if (chunk !== '') yield chunk;
      }
    }
    if (format === 'ndjson') yield `${JSON.stringify(tally.summary())}\n`;
    if (format === 'json') yield `],"summary":${JSON.stringify(tally.summary())}}`;
  }

  async function* notify(stretch: Stretch, head: ExposureHead, reason: string) {
    yield `${JSON.stringify(head)}\n`;
    const at = await exposures.now();
    let [messages, told] = [0, 0];
    for (const { stream, sensitive } of head.streams) {
      for await (const page of exposures.read(stretch, stream)) {
        const noted = await Promise.all(
          page.map(({ id, handOvers: [first], message }) =>
            message === null || !parts.listens(stream, message.sentBy)
              ? 0
              : parts.note([{ id, stream }], {
                  // By the hand-over, so that whoever asks twice, or again with another end, tells it once.
                  key: `exposed:${stretch.provider}:${first!.number}`,
                  type: 'message.exposed',
                  at,
                  recipient: -1,
                  provider: stretch.provider,
                  reason: null,
                  detail: reason,
                  more: { handed_over_at: iso(first!.at), sensitive },
                }),
          ),
        );
        messages += page.length;
        told += noted.reduce<number>((sum, one) => sum + one, 0);
        yield `${JSON.stringify({ object: 'exposure_progress', messages })}\n`;
      }
    }
    yield `${JSON.stringify({ object: 'exposure_notified', messages, told })}\n`;
  }

  // Once it has begun there is no other way to say that it has broken off than to break the connection.
  function send(reply: FastifyReply, format: keyof typeof formats, chunks: AsyncGenerator<string>) {
    const stream = Readable.from(chunks, { objectMode: false });
    stream.on('error', (error) => parts.log.warn({ error: error.message }, 'a report on exposure broke off'));
    if (format === 'csv') reply.header('content-disposition', 'attachment; filename="exposure.csv"');
    return reply.type(`${formats[format]}; charset=utf-8`).send(stream);
  }
}
