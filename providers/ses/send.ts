// One mail through SES: what it cannot carry, the one request, and what its answer means for the mail.
import { startDeadline } from '../deadline.ts';
import type { HttpTrouble } from '../http.ts';
import { composeMime, unfitHeader } from '../mime.ts';
import type { Clock, Mail, Result, SendContext, Unsupported } from '../provider.ts';
import { foreignSender } from '../sender.ts';
import type { Clean } from '../words.ts';
import { judgeAnswer } from './answers.ts';
import type { Called, SesApi } from './client.ts';
import type { SesSettings } from './settings.ts';
import { longTag, sesTags } from './tags.ts';

/** The largest mail, as MIME: https://docs.aws.amazon.com/ses/latest/dg/quotas.html (2026-11), 10 MB by version 1 of the API. */
export const maxBytes = 10 * 1024 * 1024;
// All of To, Cc and Bcc: same page.
const maxRecipients = 50;

/** Why SES cannot carry `mail`; null when it can. */
export function unsupported(name: string, settings: SesSettings, mail: Mail): Unsupported | null {
  const foreign = foreignSender(name, settings.from_domains, mail);
  if (foreign) return foreign;
  const no = (detail: string): Unsupported => ({ reason: 'unsupported', detail });
  if (new Set(mail.recipients).size > maxRecipients) return no(`SES takes ${maxRecipients} recipients at most`);
  const shown = [mail.to, mail.cc, mail.replyTo].flat().map(({ address }) => address);
  if ([mail.from.address, ...mail.recipients, ...shown].some((one) => !/^[\x20-\x7e]+$/.test(one) || /[<>]/.test(one)))
    return no('SES carries only ASCII addresses, and none with < or > in it');
  const header = unfitHeader(mail);
  if (header !== null) return no(`MIME cannot carry the header ${header}`);
  const tag = longTag(mail);
  if (tag !== null)
    return no(`the tag ${tag.slice(0, 64)} is longer than the 256 characters that SES takes, once escaped`);
  // In Base64, four bytes for three and two for every line of 76.
  const encoded = mail.attachments.reduce((sum, { content }) => sum + Math.ceil(content.length / 57) * 78, 0);
  if (encoded > maxBytes) return tooLarge(encoded);
  return null;
}

/** Hands the mail over, once. Never rejects. */
export async function handOver(
  api: SesApi,
  settings: SesSettings,
  clean: Clean,
  mail: Mail,
  context: SendContext,
  clock: Clock,
): Promise<Result> {
  const deadline = startDeadline(context.signal, context.timeoutMs);
  try {
    const { raw } = await composeMime(mail);
    if (raw.length > maxBytes) return { outcome: 'refused', ...tooLarge(raw.length) };
    const input = {
      Source: mail.from.address,
      Destinations: [...new Set(mail.recipients)],
      RawMessage: { Data: raw },
      Tags: sesTags(mail),
      ...(settings.configuration_set !== undefined && { ConfigurationSetName: settings.configuration_set }),
    };
    return resultOf(await api.sendRawEmail(input, deadline.signal), mail, clean, clock);
  } catch (error) {
    // Only MIME can throw here, before the wire.
    return { outcome: 'refused', reason: 'unsupported', detail: clean(`not carried by the SES adapter: ${error}`) };
  } finally {
    deadline.stop();
  }
}

function tooLarge(bytes: number): Unsupported {
  return { reason: 'too_large', detail: `the mail has ${bytes} bytes as MIME, and SES takes ${maxBytes}` };
}

function resultOf(called: Called<{ MessageId?: string | undefined }>, mail: Mail, clean: Clean, clock: Clock): Result {
  switch (called.kind) {
    case 'answered': {
      const id = called.output.MessageId;
      if (id) return { outcome: 'accepted', reason: null, providerMessageId: id, detail: clean(`taken as ${id}`) };
      return { outcome: 'unknown', reason: 'unreadable_response', detail: 'a success without a MessageId' };
    }
    case 'refused': {
      const { status, code, text } = called.answer;
      const verdict = judgeAnswer(called.answer, new Set(mail.recipients).size, clock());
      return { ...verdict, detail: clean(`${code ?? `HTTP ${status}`}: ${text || 'no body'}`) };
    }
    case 'trouble':
      return troubleResult(called, clean);
    case 'unsent': {
      const detail = clean(called.detail);
      if (called.cause === 'timeout') return { outcome: 'failed', reason: 'timeout', detail };
      // No credentials anywhere: as good as wrong ones.
      const reason = called.cause === 'credentials' ? 'invalid_credentials' : 'unsupported';
      return { outcome: 'refused', reason, detail };
    }
    default:
      return called satisfies never;
  }
}

function troubleResult({ cause, sent, detail, answer }: HttpTrouble, clean: Clean): Result {
  const status = answer ? ` (HTTP ${answer.status})` : '';
  return { outcome: sent ? 'unknown' : 'failed', reason: cause, detail: clean(detail + status) };
}
