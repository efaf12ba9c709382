// Settings of a provider of one's own: a module that keeps the contract in `providers/provider.ts`.
import { z } from 'zod';
import { text } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

export const moduleSettings = z.strictObject({
  type: z.literal('module'),
  ...commonSettings,
  module: text().meta({
    description:
      'A file (`./my-provider.mjs`, from the working folder) or an installed package; its default export is a `ProviderType`.',
  }),
  options: z
    .record(z.string(), z.unknown())
    .prefault({})
    .meta({ description: 'Handed to the module as they are, beside the common settings.', secret: true }),
});

/** What a module of one's own is created with. */
export type ModuleSettings = z.output<typeof moduleSettings>;
