// /v1/providers: the state of each provider and why; and the sandbox's controls and inbox.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { SandboxBehaviour } from '../../providers/provider.ts';
import { parseDuration } from '../core/units.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { Audit } from '../store/audit.ts';
import type { EvidenceStore } from '../store/evidence.ts';
import type { Messages } from '../store/messages.ts';
import type { Oddities } from '../store/oddities.ts';
import type { SandboxStore } from '../store/sandbox.ts';
import type { TrafficStore } from '../store/traffic.ts';
import type { World } from '../store/world.ts';
import { actorOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';
import { providerView, viewProvider } from './views.ts';

/** What the routes of providers are made of. */
export interface ProviderRouteParts {
  /** Name and type of every configured provider, and for a sandbox how it behaves by its settings. */
  readonly providers: readonly {
    readonly name: string;
    readonly type: string;
    readonly confirms: boolean;
    readonly sandbox: SandboxBehaviour | null;
  }[];
  readonly streams: Readonly<Record<string, { readonly providers: readonly string[] }>>;
  readonly world: () => World;
  readonly evidence: Pick<EvidenceStore, 'read'>;
  readonly windowMs: number;
  readonly sandbox: SandboxStore;
  readonly audit: Audit;
  readonly accounts: AccountStore;
  readonly oddities: Oddities;
  readonly unconfirmed: Messages['unconfirmed'];
  readonly finding: TrafficStore['readFinding'];
  readonly clock: () => number;
}

const modes = ['deliver', 'bounce', 'reject', 'suspend', 'blackhole', 'throttle', 'error', 'timeout', 'hang'] as const;
const nameParams = z.object({ name: z.string() });
const behaviourView = z.object({ provider: z.string(), mode: z.enum(modes), latency: z.string(), share: z.number() });
const behaviourBody = z.strictObject({
  mode: z.enum(modes),
  latency: z
    .string()
    .refine((text) => parseDuration(text) !== null, 'is not a duration: write 250ms, 3s or 2m')
    .optional()
    .meta({ description: 'From accepting a mail to its event; as it was when absent.' }),
  share: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({ description: 'The part of mail that the mode befalls; all of it when absent.' }),
});
const inboxQuery = z.strictObject({
  provider: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(20),
});
const sandboxMail = z.object({
  id: z.string(),
  provider: z.string(),
  message_id: z.string(),
  at: z.string(),
  from: z.string(),
  to: z.array(z.string()),
  subject: z.string(),
});

/** Adds `/v1/providers` and `/v1/sandbox` to `app`. */
export function providerRoutes(app: FastifyInstance, parts: ProviderRouteParts): void {
  const routes = documented(app);
  const { providers, streams, clock } = parts;
  const find = (name: string) => {
    const provider = providers.find((one) => one.name === name);
    if (!provider)
      throw new ApiError(
        'not_found',
        `There is no provider of this name. There are: ${providers.map((one) => one.name).join(', ')}.`,
      );
    return provider;
  };
  async function view({ name, type, confirms }: { name: string; type: string; confirms: boolean }) {
    const [evidence, account, foreign, unconfirmed, finding] = await Promise.all([
      parts.evidence.read(name, clock()),
      parts.accounts.read(name),
      parts.oddities.foreign(name),
      confirms ? parts.unconfirmed(name) : null,
      confirms ? parts.finding(name) : null,
    ]);
    const uses = Object.entries(streams).flatMap(([stream, { providers: names }]) =>
      names.includes(name) ? [stream] : [],
    );
    return viewProvider(name, type, parts.world().health.get(name)!, evidence, parts.windowMs, uses, {
      account,
      foreign,
      unconfirmed,
      finding,
    });
  }

  routes.route({
    method: 'GET',
    url: '/v1/providers',
    scope: 'read',
    summary: 'List the providers with their states and the evidence',
    answers: { 200: z.object({ object: z.literal('list'), data: z.array(providerView) }) },
    errors: [],
    handler: async (_request, reply) => reply.send({ object: 'list', data: await Promise.all(providers.map(view)) }),
  });

  routes.route({
    method: 'GET',
    url: '/v1/providers/:name',
    scope: 'read',
    summary: 'Show one provider',
    params: nameParams,
    answers: { 200: providerView },
    errors: ['not_found'],
    handler: async (request, reply) => reply.send(await view(find((request.params as { name: string }).name))),
  });

  routes.route({
    method: 'PUT',
    url: '/v1/providers/:name/sandbox',
    scope: 'operate',
    summary: 'Make a sandbox provider behave or misbehave',
    description: 'On every process, from the next hand-over on. Only for providers of the type sandbox.',
    params: nameParams,
    body: behaviourBody,
    answers: { 200: behaviourView },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { name, sandbox } = find((request.params as { name: string }).name);
      if (!sandbox)
        throw new ApiError(
          'not_found',
          `The provider ${name} is not of the type sandbox; only those can be told how to behave.`,
        );
      const { mode, latency, share } = request.body as z.output<typeof behaviourBody>;
      const before = (await parts.sandbox.behaviour(name)) ?? sandbox;
      const latencyMs = latency === undefined ? before.latencyMs : (parseDuration(latency) ?? before.latencyMs);
      const behaviour = { mode, latencyMs, share: share ?? 1 };
      await parts.audit.write(actorOf(request), {
        ...{ what: 'sandbox.behave', target: name, why: '' },
        ...{ before: { ...before }, after: behaviour },
      });
      await parts.sandbox.setBehaviour(name, behaviour);
      return reply.send({ provider: name, mode, latency: `${latencyMs}ms`, share: behaviour.share });
    },
  });

  routes.route({
    method: 'GET',
    url: '/v1/sandbox/inbox',
    scope: 'read',
    summary: 'What the sandbox providers delivered, newest first',
    query: inboxQuery,
    answers: { 200: z.object({ object: z.literal('list'), data: z.array(sandboxMail) }) },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { provider, limit } = request.query as z.output<typeof inboxQuery>;
      const names =
        provider === undefined
          ? providers.filter(({ sandbox }) => sandbox).map(({ name }) => name)
          : [find(provider).name];
      const mails = (await Promise.all(names.map((name) => parts.sandbox.inbox(name, limit)))).flat();
      mails.sort((a, b) => b.at - a.at);
      const data = mails.slice(0, limit).map(({ messageId, at, to, ...mail }) => ({
        ...mail,
        to: [...to],
        message_id: messageId,
        at: new Date(at).toISOString(),
      }));
      return reply.send({ object: 'list', data });
    },
  });
}
