// Settings of a provider of one's own: a module that keeps the contract in `providers/provider.ts`.
import { z } from 'zod';
import { text } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Settings of a provider of the type `module`. */
export const moduleSettings = z.strictObject({
  type: z.literal('module').meta({ description: 'A provider of your own, loaded as a module.' }),
  ...commonSettings,
  module: text().meta({
    description:
      'A file (`./my-provider.mjs`, from the working folder) or an installed package; its default export is a `ProviderType`.',
  }),
  options: z.record(z.string(), z.unknown()).prefault({}).meta({
    description: 'Handed to the module as they are, beside the common settings.',
    kind: 'object',
    secret: true,
  }),
});

/** What a module of one's own is created with. */
export type ModuleSettings = z.output<typeof moduleSettings>;
