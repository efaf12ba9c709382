// What SES says about our account: how AWS looks at it, whether it may send, how much of the day's quota is left.
import { startDeadline } from '../deadline.ts';
import type { AccountStatus, Clock } from '../provider.ts';
import type { Clean } from '../words.ts';
import { judgeAnswer } from './answers.ts';
import type { Account, Called, SendQuota, SesApi } from './client.ts';

/**
 * Asks version 2, which alone tells the enforcement status; a key that may not, version 1. Not being allowed to look is `unknown`.
 * All calls but sending share one a second per account (https://docs.aws.amazon.com/ses/latest/dg/quotas.html, 2026-11): ask seldom.
 */
export async function askAccount(
  api: SesApi,
  clean: Clean,
  signal: AbortSignal,
  timeoutMs: number,
  clock: Clock,
): Promise<AccountStatus> {
  const deadline = startDeadline(signal, timeoutMs);
  // A signal of its own for every call.
  const ask = <Output>(call: (signal: AbortSignal) => Promise<Called<Output>>) => {
    const own = startDeadline(deadline.signal, timeoutMs);
    return call(own.signal).finally(own.stop);
  };
  try {
    const account = await ask(api.getAccount);
    if (account.kind === 'answered') return statusOf(account.output);
    if (!mayNotLook(account)) return unanswered(account, clean, clock());
    const enabled = await ask(api.getAccountSendingEnabled);
    const quota = await ask(api.getSendQuota);
    if (enabled.kind !== 'answered' && quota.kind !== 'answered') return unanswered(enabled, clean, clock());
    const quotaRemaining = remaining(quota.kind === 'answered' ? quota.output : undefined);
    // Whether version 1 shows a pause by AWS is not documented: only its "no" is worth anything.
    const disabled = enabled.kind === 'answered' && enabled.output.Enabled === false;
    if (disabled) return { status: 'suspended', quotaRemaining, detail: words.disabled };
    if (quotaRemaining === 0) return { status: 'limited', quotaRemaining, detail: words.usedUp };
    return { status: 'unknown', quotaRemaining, detail: 'the key may not ask for more (`ses:GetAccount`)' };
  } finally {
    deadline.stop();
  }
}

const words = {
  disabled: 'sending is disabled for this account',
  usedUp: 'the quota of 24 hours is used up',
};

function statusOf(account: Account): AccountStatus {
  const quotaRemaining = remaining(account.SendQuota);
  const is = (status: AccountStatus['status'], detail: string) => ({ status, quotaRemaining, detail });
  const { EnforcementStatus: enforcement, SendingEnabled: enabled } = account;
  if (enforcement === 'SHUTDOWN') return is('suspended', 'AWS has shut down sending for this account');
  if (enabled === false) return is('suspended', words.disabled);
  if (enforcement === 'PROBATION') return is('limited', 'AWS has put this account on probation: it may be shut down');
  if (account.ProductionAccessEnabled === false)
    return is('limited', 'in the sandbox: only verified recipients get mail');
  if (quotaRemaining === 0) return is('limited', words.usedUp);
  if (enforcement === 'HEALTHY' && enabled === true) return is('active', 'healthy');
  return is('unknown', 'an answer without the status of the account');
}

function remaining({ Max24HourSend: most, SentLast24Hours: sent }: SendQuota = {}): number | null {
  // Below zero: no limit.
  return most === undefined || sent === undefined || most < 0 ? null : Math.max(0, Math.floor(most - sent));
}

function mayNotLook<Output>(called: Called<Output>): boolean {
  return called.kind === 'refused' && /^(AccessDenied|NotAuthorized)/.test(called.answer.code ?? '');
}

// Only clear words are `suspended`: a key that does not exist cannot send, either.
function unanswered<Output>(
  called: Exclude<Called<Output>, { kind: 'answered' }>,
  clean: Clean,
  now: number,
): AccountStatus {
  if (called.kind !== 'refused') return { status: 'unknown', quotaRemaining: null, detail: clean(called.detail) };
  const { code, status, text } = called.answer;
  const { outcome, reason } = judgeAnswer(called.answer, 1, now);
  const cannot = outcome === 'refused' && (reason === 'account_suspended' || reason === 'invalid_credentials');
  return {
    status: cannot && !mayNotLook(called) ? 'suspended' : 'unknown',
    quotaRemaining: null,
    detail: clean(`${code ?? `HTTP ${status}`}: ${text || 'no body'}`),
  };
}
