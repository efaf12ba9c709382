// Settings of a sandbox provider: how it behaves until somebody tells it otherwise.
import { z } from 'zod';
import { duration, share } from '../../config/fields.ts';
import type { SandboxMode } from '../provider.ts';
import { commonSettings } from '../settings.ts';

/** Every mode, by the name that the settings and the API use. */
export const sandboxModes = [
  'deliver',
  'bounce',
  'reject',
  'suspend',
  'blackhole',
  'throttle',
  'error',
  'timeout',
  'hang',
] as const satisfies readonly SandboxMode[];

/** Schema of `type: sandbox`. */
export const sandboxSettings = z.strictObject({
  type: z
    .literal('sandbox')
    .meta({ description: 'A pretended provider for demos and drills: sends nothing, misbehaves on demand.' }),
  ...commonSettings,
  mode: z.enum(sandboxModes).prefault('deliver').meta({
    description:
      'What befalls the mail: `blackhole` accepts and loses it, `suspend` refuses the account, `hang` never answers.',
  }),
  latency: duration({ shortest: '0ms' })
    .prefault('200ms')
    .meta({ description: 'From accepting a mail to the event that says what became of it.' }),
  share: share().prefault(1).meta({ description: 'The part of the mail that `mode` befalls; the rest is delivered.' }),
});

/** The settings of one sandbox provider, parsed. */
export type SandboxSettings = z.output<typeof sandboxSettings>;
