// What the routes of operators' acts share: a reason, who may do it, and the answer when it is not done.
import { z } from 'zod';
import type { Act } from '../operate/parts.ts';
import type { Principal } from '../store/api-keys.ts';
import { ApiError } from './errors.ts';

/** What an operator gives as a reason. */
export const reasonField = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .meta({ description: 'Why, in your own words: it stands in the audit, and wherever the act is shown.' });

/** Said in the body to have it done all the same. */
export const forceField = z
  .boolean()
  .default(false)
  .meta({ description: 'Do it although something speaks against it.' });

/** Where an act could not be told everywhere. */
export const untoldField = z.array(z.number().int()).optional().meta({
  description:
    'Shards that are away, and could not be told. It holds there as well before anything is handed over again; absent where all have been told.',
});

/** The same as it goes into an answer. */
export function untoldOf({ untold = [] }: Extract<Act, { readonly kind: 'done' }>): { untold_shards?: number[] } {
  return untold.length === 0 ? {} : { untold_shards: [...untold] };
}

/** @throws ApiError for a key that is narrowed to other streams; `stream` is null for all of them. */
export function mayMove({ name, streams }: Principal, stream: string | null): void {
  if (streams === null || (stream !== null && streams.includes(stream))) return;
  throw new ApiError('stream_not_allowed', `The key “${name}” is for ${streams.join(', ')} only.`);
}

/** An answer for an act that has not been done. */
export function notDone(act: Exclude<Act, { readonly kind: 'done' }>): ApiError {
  switch (act.kind) {
    case 'refused':
      return new ApiError('needs_force', `Nothing was changed: ${act.reasons.join('; ')}.`, {
        faults: act.reasons.map((message) => ({ path: '', message })),
      });
    case 'never':
      return new ApiError('provider_quarantined', act.reason);
    case 'fault':
      return new ApiError('validation_error', `${act.path} ${act.message}.`, {
        faults: [{ path: act.path, message: act.message }],
      });
    default:
      return act satisfies never;
  }
}
