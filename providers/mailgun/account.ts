// What Mailgun says of our account and domain when asked.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { AccountStatus } from '../provider.ts';
import type { Clean } from '../words.ts';
import { judgeText } from './answers.ts';
import { readMessage } from './result.ts';

/** Does one GET of a path of the API. Never rejects. */
export type Get = (path: string) => Promise<HttpResponse | HttpTrouble>;

type Found = Omit<AccountStatus, 'quotaRemaining'>;

/**
 * Asks for the state of the domain, and whether its queue takes new mail (documentation.mailgun.com, API reference, domains and messages,
 * 2026-11). Sending keys may see neither, which proves nothing. Mailgun tells no quota but those that one has set oneself.
 */
export async function askAccount(get: Get, domain: string, clean: Clean): Promise<AccountStatus> {
  const path = `domains/${encodeURIComponent(domain)}`;
  const [state, queues] = await Promise.all([get(`/v4/${path}`), get(`/v3/${path}/sending_queues`)]);
  const found = [readQueues(queues, clean), readDomain(state, clean)];
  const worst = (['suspended', 'limited', 'active', 'unknown'] as const)
    .map((status) => found.find((one) => one.status === status))
    .find((one) => one !== undefined);
  return { ...(worst ?? { status: 'unknown', detail: 'Mailgun said nothing' }), quotaRemaining: null };
}

function readDomain(came: HttpResponse | HttpTrouble, clean: Clean): Found {
  const raw = asObject(answered(came)?.domain);
  if (!raw) return unreadable(came, clean);
  const state = asText(raw.state);
  const why = asText(asObject(raw.disabled)?.reason) ?? '';
  if (raw.is_disabled === true || state === 'disabled')
    return { status: 'suspended', detail: clean(`the domain is disabled ${why}`) };
  if (state === 'active') return { status: 'active', detail: 'the domain is active' };
  return { status: state === 'unverified' ? 'limited' : 'unknown', detail: clean(`the domain is ${state}`) };
}

function readQueues(came: HttpResponse | HttpTrouble, clean: Clean): Found {
  const raw = asObject(answered(came)?.regular);
  if (raw?.is_disabled === true) {
    const { reason, until } = asObject(raw.disabled) ?? {};
    const words = [asText(reason), asText(until) && `until ${until}`].filter((part) => part);
    return { status: 'suspended', detail: clean(`the queue of the domain takes no mail: ${words.join(' ')}`) };
  }
  if (raw?.is_disabled === false) return { status: 'active', detail: 'the queue of the domain takes mail' };
  return unreadable(came, clean);
}

function answered(came: HttpResponse | HttpTrouble): Readonly<Record<string, unknown>> | null {
  return came.kind === 'answered' && came.status === 200 ? asObject(readJson(came.body)) : null;
}

// Words about the account count, not those about what the key may look at.
function unreadable(came: HttpResponse | HttpTrouble, clean: Clean): Found {
  if (came.kind === 'trouble') return { status: 'unknown', detail: clean(came.detail) };
  const message = readMessage(came);
  const suspended = message !== null && judgeText(came.status, message)?.reason === 'account_suspended';
  const detail = clean(`HTTP ${came.status}: ${message ?? came.body}`);
  return { status: suspended ? 'suspended' : 'unknown', detail };
}
