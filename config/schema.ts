// Every setting, once: its type, its default, its meaning, whether it is secret. All else (faults, docs, types) is derived.
import { z } from 'zod';
import { mailgunSettings } from '../providers/mailgun/settings.ts';
import { mandrillSettings } from '../providers/mandrill/settings.ts';
import { moduleSettings } from '../providers/module/settings.ts';
import { postmarkSettings } from '../providers/postmark/settings.ts';
import { resendSettings } from '../providers/resend/settings.ts';
import { sandboxSettings } from '../providers/sandbox/settings.ts';
import { sendgridSettings } from '../providers/sendgrid/settings.ts';
import { sesSettings } from '../providers/ses/settings.ts';
import { smtpSettings } from '../providers/smtp/settings.ts';
import { alerts, outgoing, webhooks } from './alerts.ts';
import { crossCheck } from './cross.ts';
import { name, whenSection } from './fields.ts';
import { encryption, redis, senders, server } from './sections.ts';
import { stream } from './streams.ts';
import { telemetry } from './telemetry.ts';
import { delivery, health, limits, rescue, retention } from './tuning.ts';

/** One entry of `providers`, by its `type`. A new type of provider is one more line here. */
export const providerSettings = z.discriminatedUnion('type', [
  smtpSettings, //
  mandrillSettings,
  sesSettings,
  postmarkSettings,
  sendgridSettings,
  mailgunSettings,
  resendSettings,
  sandboxSettings,
  moduleSettings,
]);

/** The whole file. Takes plain data as YAML gives it, after substitution. */
export const configSchema = z
  .strictObject({
    server: server.prefault({}),
    redis: redis.prefault({}),
    encryption: encryption.prefault({}),
    senders: senders.prefault({}),
    providers: z.record(name(), providerSettings),
    streams: z.record(name(), stream),
    delivery: delivery.prefault({}),
    health: health.prefault({}),
    rescue: rescue.prefault({}),
    limits: limits.prefault({}),
    retention: retention.prefault({}),
    alerts: alerts.prefault({}),
    webhooks: webhooks.prefault({}),
    outgoing: outgoing.prefault({}),
    telemetry: telemetry.prefault({}),
  })
  .superRefine((config, context) => {
    for (const { path, message } of crossCheck(config)) context.addIssue({ code: 'custom', path: [...path], message });
  }, whenSection);

/** The settings in effect: names as in the file, durations in milliseconds, sizes in bytes, rates per second. */
export type Config = z.output<typeof configSchema>;
