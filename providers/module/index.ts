// A provider of one's own, loaded by the name that the settings give.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Provider, ProviderParts, ProviderType } from '../provider.ts';
import type { ModuleSettings } from './settings.ts';

/**
 * Loads the module and makes the provider. Its `create` gets the common settings and `options`.
 * @throws an error that names the provider, the module and what is missing.
 */
export async function loadProvider(name: string, settings: ModuleSettings, parts: ProviderParts): Promise<Provider> {
  const { module } = settings;
  const place = /^\.{0,2}\//.test(module) ? pathToFileURL(resolve(module)).href : module;
  const fail = (what: string, cause?: unknown) =>
    new Error(`provider ${name}: the module ${module} ${what}`, { cause });
  const loaded = (await import(place).catch((error: unknown) => {
    throw fail(`cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, error);
  })) as { default?: Partial<ProviderType<ModuleSettings>> };
  if (typeof loaded.default?.create !== 'function')
    throw fail('has no default export with a function `create`; see ProviderType in providers/provider.ts');
  const provider = loaded.default.create(name, settings, parts) as Partial<Provider> | undefined;
  for (const method of ['send', 'unsupported', 'close'] as const) {
    if (typeof provider?.[method] !== 'function') throw fail(`made a provider without the method \`${method}\``);
  }
  if (typeof provider?.traits?.confirmsDelivery !== 'boolean') throw fail('made a provider without `traits`');
  return provider as Provider;
}
