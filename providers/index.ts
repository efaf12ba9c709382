// The list of provider types: an eighth is one more folder, and one more line here.
import { loadProvider } from './module/index.ts';
import type { ModuleSettings } from './module/settings.ts';
import type { Provider, ProviderParts } from './provider.ts';
import { sandbox } from './sandbox/index.ts';
import type { SandboxSettings } from './sandbox/settings.ts';
import { smtp } from './smtp/index.ts';
import type { SmtpSettings } from './smtp/settings.ts';

/** The settings of any provider; `type` says which. */
export type AnyProviderSettings = SmtpSettings | SandboxSettings | ModuleSettings;

/** Makes the provider that `settings.type` names. Rejects only for a module of the user's own that cannot be loaded. */
export async function createProvider(
  name: string,
  settings: AnyProviderSettings,
  parts: ProviderParts,
): Promise<Provider> {
  switch (settings.type) {
    case 'smtp':
      return smtp.create(name, settings, parts);
    case 'sandbox':
      return sandbox.create(name, settings, parts);
    case 'module':
      return loadProvider(name, settings, parts);
    default:
      return settings satisfies never;
  }
}
