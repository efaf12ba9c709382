// The rules that the intake tests hold sends against: the service's defaults, and a fixed time.
import type { SendRules } from '../../src/intake/rules.ts';

/** Thursday, 5 November 2026, noon UTC. */
export const noon = Date.UTC(2026, 10, 5, 12);

const day = 86_400_000;

/** The default rules, with another `maxBytes` if given. */
export function rules(maxBytes = 10 * 1024 * 1024): SendRules {
  return {
    now: noon,
    maxBytes,
    limits: {
      recipients: 50,
      attachments: 50,
      headers: 50,
      subject: 998,
      schedule_ahead: 30 * day,
      expires_max: 30 * day,
    },
    streams: {
      default: { expires_in: day, on_unknown: 'resend' },
      receipts: { expires_in: 3 * day, on_unknown: 'hold' },
    },
  };
}
