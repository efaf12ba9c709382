// /v1/emails: send, batch, list, show, reschedule, cancel, resend.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { statuses } from '../core/message.ts';
import { parseMailbox } from '../intake/address.ts';
import type { Ahead, Changed, Changes } from '../intake/change.ts';
import { sendSchema } from '../intake/send-schema.ts';
import type { Principal } from '../store/api-keys.ts';
import type { Audit } from '../store/audit.ts';
import type { Message, Messages } from '../store/messages.ts';
import { actorOf, callerOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented, type Routes } from './routes.ts';
import { createTake, type TakeParts } from './take.ts';
import { acceptedView, messageView, viewMessage } from './views.ts';

/** What the routes of mail are made of. */
export interface EmailParts extends TakeParts {
  readonly changes: Changes;
  readonly audit: Audit;
  readonly messages: Messages;
  readonly batchLimit: number;
  /** Is what this provider told at that time (epoch ms) not to be believed? */
  readonly distrusted: (provider: string, at: number) => boolean;
}

const idempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .optional()
    .meta({ description: '1 to 256 visible characters; the same key and body give the same answer for 24 hours.' }),
});
const idParams = z.object({ id: z.string().meta({ description: 'em_…' }) });
const instant = z.iso.datetime({ offset: true }).meta({ description: 'ISO 8601 with an offset.' });
const address = z.string().refine((text) => parseMailbox(text).ok, 'is not one address');

const listQuery = z.strictObject({
  status: z.enum(statuses).optional(),
  stream: z.string().optional(),
  to: address.optional().meta({ description: 'Mail to this recipient, whether by To, Cc or Bcc.' }),
  provider: z.string().optional().meta({ description: 'Mail that this provider took last.' }),
  since: instant.optional(),
  until: instant.optional().meta({ description: 'Excluded.' }),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z
    .string()
    .regex(/^em_[0-9A-HJKMNP-TV-Z]{26}(?:[0-9A-HJKMNP-TV-Z]{2})?$/, 'is not a cursor: pass next_cursor as it was given')
    .optional(),
});

/** Adds the routes below `/v1/emails` to `app`. */
export function emailRoutes(app: FastifyInstance, parts: EmailParts): void {
  const routes: Routes = documented(app);
  const { changes, messages } = parts;
  const shown = (message: Message) => viewMessage(message, parts.distrusted);

  const take = createTake(parts);

  routes.route({
    method: 'POST',
    url: '/v1/emails',
    scope: 'send',
    summary: 'Send a mail',
    description: 'Answers 202 once the mail is on disk; from then on it is not lost.',
    headers: idempotencyHeader,
    body: sendSchema,
    answers: { 202: acceptedView },
    errors: [
      'sender_not_allowed',
      'stream_not_allowed',
      'invalid_idempotent_request',
      'validation_error',
      'store_unavailable',
    ],
    async handler(request, reply) {
      const { data, replayed } = await take(request, [request.body], () => '');
      if (replayed) reply.header('Idempotent-Replayed', 'true');
      return reply.code(202).send(data[0]);
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/emails/batch',
    scope: 'send',
    summary: 'Send up to 100 mails',
    description: 'All of them or none: one fault refuses the batch and names the item.',
    headers: idempotencyHeader,
    body: z.array(sendSchema),
    answers: { 202: z.object({ data: z.array(acceptedView) }) },
    errors: [
      'sender_not_allowed',
      'stream_not_allowed',
      'invalid_idempotent_request',
      'validation_error',
      'store_unavailable',
    ],
    async handler(request, reply) {
      const inputs: unknown = request.body;
      if (!Array.isArray(inputs) || inputs.length === 0 || inputs.length > parts.batchLimit) {
        throw new ApiError('validation_error', `The body must be an array of 1 to ${parts.batchLimit} mails.`, {
          faults: [{ path: '', message: `must be an array of 1 to ${parts.batchLimit} mails` }],
        });
      }
      const { data, replayed } = await take(request, inputs, (index) => `[${index}]`);
      if (replayed) reply.header('Idempotent-Replayed', 'true');
      return reply.code(202).send({ data });
    },
  });

  routes.route({
    method: 'GET',
    url: '/v1/emails',
    scope: 'read',
    summary: 'List mails, newest first',
    description:
      'All conditions hold together. A page may be short and still have a next_cursor; the list ends where that is null.',
    query: listQuery,
    answers: {
      200: z.object({ object: z.literal('list'), data: z.array(messageView), next_cursor: z.string().nullable() }),
    },
    errors: ['validation_error'],
    async handler(request, reply) {
      const caller = callerOf(request);
      const { since, until, to, ...rest } = request.query as z.output<typeof listQuery>;
      const parsed = to === undefined ? null : parseMailbox(to);
      const found = await messages.list({
        ...definedOf(rest),
        limit: rest.limit,
        ...(parsed?.ok && { to: parsed.mailbox.address }),
        ...(since !== undefined && { since: Date.parse(since) }),
        ...(until !== undefined && { until: Date.parse(until) }),
      });
      const data = found.messages.filter((message) => mayRead(caller, message)).map(shown);
      return reply.send({ object: 'list', data, next_cursor: found.cursor });
    },
  });

  routes.route({
    method: 'GET',
    url: '/v1/emails/:id',
    scope: 'read',
    summary: 'Show a mail',
    params: idParams,
    answers: { 200: messageView },
    errors: ['not_found'],
    async handler(request, reply) {
      return reply.send(shown(await find(request)));
    },
  });

  routes.route({
    method: 'PATCH',
    url: '/v1/emails/:id',
    scope: 'send',
    summary: 'Send a scheduled mail at another time',
    params: idParams,
    body: z.strictObject({ scheduled_at: instant }),
    answers: { 200: messageView },
    errors: ['not_found', 'not_changeable', 'validation_error', 'store_unavailable'],
    async handler(request, reply) {
      const { id } = await find(request);
      const { scheduled_at } = request.body as { scheduled_at: string };
      const { now, limits } = parts.rules();
      const at = Date.parse(scheduled_at);
      if (at > now + limits.schedule_ahead) {
        throw new ApiError('validation_error', 'The request has faults.', {
          faults: [{ path: 'scheduled_at', message: `is more than ${limits.schedule_ahead / 86_400_000} days ahead` }],
        });
      }
      return reply.send(
        shown(changedOrThrow(await changes.reschedule(id, Math.max(at, now), audited(request, 'email.reschedule')))),
      );
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/emails/:id/cancel',
    scope: 'send',
    summary: 'Cancel a mail that has not left',
    description: 'After a 200 no provider gets it.',
    params: idParams,
    answers: { 200: messageView },
    errors: ['not_found', 'not_changeable', 'store_unavailable'],
    async handler(request, reply) {
      const { id } = await find(request);
      return reply.send(shown(changedOrThrow(await changes.cancel(id, audited(request, 'email.cancel')))));
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/emails/:id/resend',
    scope: 'operate',
    summary: 'Send a held, failed or expired mail again',
    params: idParams,
    answers: { 202: acceptedView },
    errors: ['not_found', 'not_changeable', 'store_unavailable'],
    async handler(request, reply) {
      const { id } = await find(request);
      const message = changedOrThrow(await changes.resend(id, audited(request, 'email.resend')));
      return reply.code(202).send({ id, object: 'email', status: message.status });
    },
  });

  // What an application does with its own mail is its business; what an operator does stands in the audit.
  function audited(request: FastifyRequest, what: string): Ahead {
    return async (before, after) => {
      const { scopes } = callerOf(request);
      if (!scopes.includes('operate') && !scopes.includes('admin')) return;
      const told = ({ status, scheduledAt }: Message) => ({
        status,
        scheduled_at: scheduledAt === null ? null : new Date(scheduledAt).toISOString(),
      });
      await parts.audit.write(actorOf(request), {
        ...{ what, target: before.id, why: '' },
        ...{ before: told(before), after: told(after) },
      });
    };
  }

  async function find(request: FastifyRequest): Promise<Message> {
    const { id } = request.params as { id: string };
    const message = await messages.load(id);
    // A key that is narrowed to some streams does not learn that there are others.
    if (!message || !mayRead(callerOf(request), message))
      throw new ApiError('not_found', 'There is no message with this id, or it is older than retention.messages.');
    return message;
  }
}

function mayRead({ streams }: Principal, message: Message): boolean {
  return streams === null || streams.includes(message.stream);
}

function changedOrThrow(changed: Changed): Message {
  switch (changed.kind) {
    case 'changed':
      return changed.message;
    case 'refused':
      throw new ApiError('not_changeable', `The message stays as it is: ${changed.why}.`);
    case 'unknown':
      throw new ApiError('not_found', 'There is no message with this id, or it is older than retention.messages.');
    default:
      return changed satisfies never;
  }
}

function definedOf<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
