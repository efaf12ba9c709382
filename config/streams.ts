// A stream: which providers carry its mail, in which order, and what is done when things go wrong.
import { z } from 'zod';
import { duration, flag } from './fields.ts';

/** What a verdict on a provider does to a stream's mail. */
export const healthModes = ['auto', 'suggest', 'off'] as const;

/** One entry of `streams`. */
export const stream = z.strictObject({
  providers: z
    .array(z.string().meta({ kind: 'provider' }))
    .min(1, 'is empty: name at least one provider')
    .meta({ description: 'Names of providers, the preferred one first.' }),
  priority: z
    .enum(['critical', 'normal', 'bulk'])
    .prefault('normal')
    .meta({ description: 'The lane, with workers of its own, so that no other one can hold it up.' }),
  expires_in: duration({ longest: '366d' })
    .prefault('24h')
    .meta({ description: 'How long a message is worth sending, unless it says so itself.' }),
  on_unknown: z.enum(['resend', 'hold']).prefault('resend').meta({
    description: 'After an attempt that perhaps sent: `resend` through the next provider, or `hold` for an operator.',
  }),
  rescue: z.enum(['auto', 'ask', 'off']).prefault('auto').meta({
    description: 'Mail that a dead provider swallowed is sent again: by itself, once an operator agrees, or never.',
  }),
  sensitive: flag().prefault(false).meta({
    description:
      'Its mail carries secrets, such as links that reset a password, or codes: a report on what a provider has seen begins with it.',
  }),
  health: z
    .strictObject({
      mode: z.enum(healthModes).optional().meta({
        description: 'As `health.mode`, for this stream: `auto`, `suggest` or `off`. As that when absent.',
      }),
    })
    .prefault({}),
});
