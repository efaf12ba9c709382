// The list of provider types: an eighth is one more folder, and one more line here.
import { mailgun } from './mailgun/index.ts';
import type { MailgunSettings } from './mailgun/settings.ts';
import { mandrill } from './mandrill/index.ts';
import type { MandrillSettings } from './mandrill/settings.ts';
import { loadProvider } from './module/index.ts';
import type { ModuleSettings } from './module/settings.ts';
import { postmark } from './postmark/index.ts';
import type { PostmarkSettings } from './postmark/settings.ts';
import type { Provider, ProviderParts } from './provider.ts';
import { resend } from './resend/index.ts';
import type { ResendSettings } from './resend/settings.ts';
import { sandbox } from './sandbox/index.ts';
import type { SandboxSettings } from './sandbox/settings.ts';
import { sendgrid } from './sendgrid/index.ts';
import type { SendgridSettings } from './sendgrid/settings.ts';
import { ses } from './ses/index.ts';
import type { SesSettings } from './ses/settings.ts';
import { smtp } from './smtp/index.ts';
import type { SmtpSettings } from './smtp/settings.ts';

/** The settings of any provider; `type` says which. */
export type AnyProviderSettings =
  | SmtpSettings
  | MandrillSettings
  | SesSettings
  | PostmarkSettings
  | SendgridSettings
  | MailgunSettings
  | ResendSettings
  | SandboxSettings
  | ModuleSettings;

/** Makes the provider that `settings.type` names. Rejects only for a module of the user's own that cannot be loaded. */
export async function createProvider(
  name: string,
  settings: AnyProviderSettings,
  parts: ProviderParts,
): Promise<Provider> {
  switch (settings.type) {
    case 'smtp':
      return smtp.create(name, settings, parts);
    case 'mandrill':
      return mandrill.create(name, settings, parts);
    case 'ses':
      return ses.create(name, settings, parts);
    case 'postmark':
      return postmark.create(name, settings, parts);
    case 'sendgrid':
      return sendgrid.create(name, settings, parts);
    case 'resend':
      return resend.create(name, settings, parts);
    case 'mailgun':
      return mailgun.create(name, settings, parts);
    case 'sandbox':
      return sandbox.create(name, settings, parts);
    case 'module':
      return loadProvider(name, settings, parts);
    default:
      return settings satisfies never;
  }
}
