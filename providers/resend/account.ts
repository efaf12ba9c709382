// What Resend says of our account when asked.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { AccountStatus } from '../provider.ts';
import type { Clean } from '../words.ts';
import { judgeError } from './answers.ts';
import type { Raw } from './events.ts';
import { readError, wordsOf } from './result.ts';

/** Does one GET of a path of the API. Never rejects. */
export type Get = (path: string) => Promise<HttpResponse | HttpTrouble>;

/**
 * Asks for the domains and for what is used of the quotas. `active`: the key is good for all (a suspended one is refused here, too), the
 * domains are verified, and nothing is used up. A key that may only send is not allowed to look: that it lives is all it tells.
 */
export async function askAccount(get: Get, fromDomains: readonly string[], clean: Clean): Promise<AccountStatus> {
  const [domains, usage] = await Promise.all([get('/domains?limit=100'), get('/usage')]);
  if (domains.kind === 'trouble') return status('unknown', clean(domains.detail));
  const raw = objectOf(domains);
  if (!Array.isArray(raw?.data)) return refusal(domains, clean);

  const quota = quotaOf(usage);
  const unverified = unverifiedOf(raw, fromDomains);
  if (unverified !== null) return status('limited', clean(unverified), quota);
  if (quota === 0) return status('limited', 'a quota of emails is used up', quota);
  return status('active', 'the API key is good, and the domains are verified', quota);
}

// Only what would stop every mail, in Resend's own words, is a suspension; not what the key may not look at.
function refusal(came: HttpResponse, clean: Clean): AccountStatus {
  const said = readError(came.body);
  if (said && /^(restricted_api_key|invalid_permission)$/.test(said.name) && !/not active/i.test(said.message))
    return status('unknown', clean(`the API key lives, but may not look: ${said.message}`));
  const reason = said && judgeError(said)?.reason;
  const stopped = reason === 'account_suspended' || reason === 'invalid_credentials';
  return status(stopped ? 'suspended' : 'unknown', wordsOf(came, clean));
}

// What is wrong with our domains there; null when nothing is, as far as the list goes. `partially_…` is about domains that also receive, and
// does not say which half it is (resend.com/docs/webhooks/domains/updated, 2026-11).
function unverifiedOf({ data, has_more }: Raw, fromDomains: readonly string[]): string | null {
  const listed = (data as unknown[]).map((one) => asObject(one) ?? {});
  const states = new Map(listed.map(({ name, status }) => [String(name).toLowerCase(), asText(status) ?? 'unknown']));
  const good = (state: string | undefined) =>
    state === undefined ? has_more === true : /^(verified|partially_)/.test(state);
  if (fromDomains.length === 0) {
    return has_more === true || [...states.values()].some(good) ? null : 'no domain is verified there';
  }
  const bad = fromDomains.filter((domain) => !good(states.get(domain)));
  return bad.length === 0
    ? null
    : `not verified there: ${bad.map((one) => `${one} (${states.get(one) ?? 'absent'})`).join(', ')}`;
}

// GET /usage (resend 6.38.0, 2026-11): a limit may be null, and paid plans may go beyond theirs, which then says nothing.
function quotaOf(usage: HttpResponse | HttpTrouble): number | null {
  const emails = asObject(objectOf(usage)?.emails);
  const left = ['daily', 'monthly'].flatMap((period) => {
    const { used, limit } = asObject(emails?.[period]) ?? {};
    return typeof used === 'number' && typeof limit === 'number' && used <= limit ? [limit - used] : [];
  });
  return left.length === 0 ? null : Math.min(...left);
}

function objectOf(came: HttpResponse | HttpTrouble): Raw | null {
  return came.kind === 'answered' && came.status === 200 ? asObject(readJson(came.body)) : null;
}

function status(status: AccountStatus['status'], detail: string, quotaRemaining: number | null = null): AccountStatus {
  return { status, quotaRemaining, detail };
}
