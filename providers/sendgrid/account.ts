// What SendGrid says of our account when asked.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, readJson } from '../json.ts';
import type { AccountStatus } from '../provider.ts';
import type { Clean } from '../words.ts';
import { judgeError } from './answers.ts';
import { readErrors } from './result.ts';

/** Does one GET of a path of the API. Never rejects. */
export type Get = (path: string) => Promise<HttpResponse | HttpTrouble>;

/**
 * Asks for the scopes of the key, which any key may, and for the credits, which few may. Never `active`: SendGrid answers both for an
 * account that it has suspended, and only its `account_status_change` events and missing deliveries tell of that.
 */
export async function askAccount(get: Get, clean: Clean): Promise<AccountStatus> {
  const [scopes, credits] = await Promise.all([get('/v3/scopes'), get('/v3/user/credits')]);
  const quotaRemaining = readCredits(credits);
  const verdicts = [scopes, credits].map((came) => clearWords(came, clean));
  const bad = verdicts.find((one) => one !== null);
  if (bad) return { ...bad, quotaRemaining };

  if (scopes.kind === 'trouble') return { status: 'unknown', quotaRemaining, detail: clean(scopes.detail) };
  const listed = scopes.status === 200 ? asObject(readJson(scopes.body))?.scopes : null;
  if (!Array.isArray(listed)) {
    return { status: 'unknown', quotaRemaining, detail: clean(`HTTP ${scopes.status}: ${scopes.body}`) };
  }
  if (!listed.includes('mail.send'))
    return { status: 'limited', quotaRemaining, detail: 'the API key may not send: it lacks the scope mail.send' };
  return {
    status: 'unknown',
    quotaRemaining,
    detail: 'the API key may send; SendGrid does not say here whether the account is suspended',
  };
}

// Words about the account count, not those about what the key may look at.
function clearWords(came: HttpResponse | HttpTrouble, clean: Clean): Omit<AccountStatus, 'quotaRemaining'> | null {
  if (came.kind === 'trouble') return null;
  for (const said of readErrors(came.body) ?? []) {
    const reason = judgeError(came.status, said)?.reason;
    const detail = clean(`HTTP ${came.status}: ${said.message}`);
    if (reason === 'account_suspended') return { status: 'suspended', detail };
    if (reason === 'quota_exceeded') return { status: 'limited', detail };
  }
  return null;
}

// `remain` counts down to the mails that cost extra, which is no end of sending where there are any (`overage`).
function readCredits(came: HttpResponse | HttpTrouble): number | null {
  const credits = came.kind === 'answered' && came.status === 200 ? asObject(readJson(came.body)) : null;
  const { remain, overage } = credits ?? {};
  if (typeof remain !== 'number' || remain < 0) return null;
  return remain === 0 && Number(overage) > 0 ? null : remain;
}
