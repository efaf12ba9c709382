// The settings that every provider has, whatever its type. Each type's own settings.ts spreads them into its schema.
import { z } from 'zod';
import { domain, duration, integer, rate } from '../config/fields.ts';

/** The common settings, by key: `z.strictObject({ type: z.literal('…'), ...commonSettings, … })`. */
export const commonSettings = {
  timeout: duration().prefault('10s').meta({
    description: 'How long one hand-over may take in all; what is still open then counts as `unknown` or `failed`.',
  }),
  max_rate: rate().optional().meta({
    description: 'The most hand-overs in a given time that this provider gets, over all processes; no limit if absent.',
  }),
  max_concurrency: integer(1, 10_000).prefault(32).meta({
    description:
      'The most hand-overs at the same time that this provider gets, over all processes; normal mail may use three quarters of them, bulk mail half.',
  }),
  from_domains: z.array(domain()).prefault([]).meta({
    description: 'The sender domains that are verified there; mail from others goes to another provider. Empty: all.',
  }),
};
