// /v1/incidents/{id}/rescue: what a rescue would do, and an operator's yes to it.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Rescue } from '../rescue/rescue.ts';
import type { Audit } from '../store/audit.ts';
import { actorOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';

/** What the route needs. */
export interface RescueRouteParts {
  readonly rescue: Pick<Rescue, 'begin' | 'approve' | 'preview' | 'stateOf'>;
  readonly audit: Audit;
  /**
   * Which mail an incident is about, for one whose rescue has not begun; epoch ms. Null when there is no such incident, or nothing of
   * it can be rescued.
   */
  readonly windowOf: (incident: string) => Promise<{ provider: string; from: number; to: number } | null>;
}

const idParams = z.object({ id: z.string().meta({ description: 'inc_…' }) });
const rescueBody = z.strictObject({
  dry_run: z.boolean().default(false).meta({ description: 'Only tell what would be done.' }),
});
const count = z.number().int();
const rescueView = z
  .object({
    object: z.literal('rescue'),
    incident: z.string(),
    provider: z.string(),
    dry_run: z.boolean(),
    state: z.enum(['none', 'running', 'awaiting_approval', 'done']),
    candidates: count.meta({
      description: 'Messages that the provider took and never confirmed, with those of them that are held.',
    }),
    by_lane: z.object({ critical: count, normal: count, bulk: count }),
    looked_at: count.meta({ description: 'The newest so many of them; `by_stream` and `would` count these.' }),
    by_stream: z.record(z.string(), count),
    would: z.object({ send: count, hold: count, expire: count, leave: count }).meta({
      description:
        'What is done with each: sent again; held (`rescue: ask`) until it is approved; ended as expired; left where it is.',
    }),
    counts: z
      .object({ rescued: count, expired: count, held: count, stranded: count, confirmed_late: count })
      .meta({ description: 'What has been done so far.' }),
  })
  .meta({ id: 'Rescue', description: 'Mail that a provider has swallowed, on its way through another one.' });

const nothing = { rescued: 0, expired: 0, held: 0, stranded: 0, confirmed_late: 0 };

/** Adds the route of rescues. */
export function rescueRoutes(app: FastifyInstance, { rescue, audit, windowOf }: RescueRouteParts): void {
  documented(app).route({
    method: 'POST',
    url: '/v1/incidents/:id/rescue',
    scope: 'operate',
    summary: 'Send again what a dead provider has swallowed',
    description:
      'Approves the rescue of an incident, so that mail of streams with `rescue: ask` goes out; begins it where nothing has been begun. With `dry_run` it only tells what that would do. A second time changes nothing.',
    params: idParams,
    body: rescueBody,
    answers: { 200: rescueView },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { id } = request.params as z.output<typeof idParams>;
      const { dry_run: dryRun } = request.body as z.output<typeof rescueBody>;
      const before = await rescue.stateOf(id);
      const window = before ?? (await windowOf(id)) ?? unknown();
      const { provider, from, to } = window;
      const preview = await rescue.preview(provider, from, to, id);
      if (!dryRun) {
        if (!before?.approved && before?.state !== 'done')
          await audit.write(actorOf(request), {
            ...{ what: 'incident.rescue', target: id, why: `${preview.candidates} messages of ${provider}` },
            ...{ before: { state: before?.state ?? 'none' }, after: { approved: true } },
          });
        await rescue.begin(id, provider, from, to);
        await rescue.approve(id);
      }
      const now = await rescue.stateOf(id);
      return reply.send({
        object: 'rescue',
        incident: id,
        provider,
        dry_run: dryRun,
        state: now?.state ?? 'none',
        candidates: preview.candidates,
        by_lane: preview.byLane,
        looked_at: preview.looked,
        by_stream: preview.byStream,
        would: preview.would,
        counts: now?.counts ?? nothing,
      });
    },
  });
}

function unknown(): never {
  throw new ApiError('not_found', 'There is no incident with this id, or it has no mail that could be rescued.');
}
