// An alert as text for people: chat, mail and the log share it.
import type { Alert } from './alert.ts';
import { timeOf } from './text.ts';

/** The first line: `CRITICAL: mailchimp swallows mail`. */
export function headline({
  action,
  severity,
  title,
  kind,
}: Pick<Alert, 'action' | 'severity' | 'title' | 'kind'>): string {
  if (kind === 'test') return `TEST: ${title}`;
  switch (action) {
    case 'trigger':
      return `${severity.toUpperCase()}: ${title}`;
    case 'update':
      return `${severity.toUpperCase()}, news: ${title}`;
    case 'repeat':
      return `${severity.toUpperCase()}, still: ${title}`;
    case 'acknowledge':
      return `TAKEN ON: ${title}`;
    case 'resolve':
      return `RESOLVED: ${title}`;
    default:
      return action satisfies never;
  }
}

/** How the parts of an alert look in one medium. */
export interface Dress {
  readonly safe: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly command: (text: string) => string;
}

const bare: Dress = { safe: (text) => text, strong: (text) => text, command: (text) => `    ${text}` };

/** The whole alert, by lines. */
export function asText(alert: Alert, { safe, strong, command }: Dress = bare): string {
  const { happened, since, incident, evidence, mail, did, advice, link } = alert;
  const lines = [strong(safe(headline(alert))), safe(happened)];
  // The end says itself when it began.
  const began = alert.action === 'resolve' ? [] : [`Since ${timeOf(since)}`];
  lines.push(safe([...began, ...(incident === null ? [] : [incident])].join(' · ')));
  if (evidence.length > 0) lines.push('', strong('Evidence'), ...evidence.map((one) => safe(`- ${one}`)));
  if (mail !== null) lines.push('', strong('Mail'), safe(mail));
  if (did.length > 0) lines.push('', strong('What Mailover does'), ...did.map((one) => safe(`- ${one}`)));
  if (advice.length > 0) {
    lines.push('', strong('What you may do'));
    for (const one of advice) {
      lines.push(safe(`- ${one.text}${one.command === null ? '' : ':'}`));
      if (one.command !== null) lines.push(command(safe(one.command)));
    }
  }
  if (link !== null) lines.push('', safe(link));
  return lines.join('\n');
}
