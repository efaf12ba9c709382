// What Mandrill says about our account. It has no field for a suspension: that shows in the answers to mail, as `queued_reason`.
import { asObject, readJson } from '../json.ts';
import type { AccountStatus } from '../provider.ts';
import type { Clean } from '../words.ts';
import { judgeError } from './answers.ts';
import type { MandrillApi } from './api.ts';
import { readError } from './result.ts';

/**
 * Asks /users/info (mailchimp-client-lib-codegen 1.4.1, 2026-11). Never `active`: of a suspended account it tells the same. A backlog is
 * mail that waits for a quota. A key that is refused here may be one that may only send.
 */
export async function askAccount(api: MandrillApi, clean: Clean, signal: AbortSignal): Promise<AccountStatus> {
  const came = await api.call('/users/info', {}, signal);
  if (came.kind === 'trouble') return status('unknown', clean(came.detail));
  const said = readError(came.body);
  if (said) {
    const suspended = judgeError(said.name, said.message)?.reason === 'account_suspended';
    return status(suspended ? 'suspended' : 'unknown', clean(`HTTP ${came.status}: ${said.name}: ${said.message}`));
  }
  const { reputation, hourly_quota: quota, backlog } = asObject(readJson(came.body)) ?? {};
  if (came.status !== 200 || typeof quota !== 'number' || typeof backlog !== 'number')
    return status('unknown', clean(`HTTP ${came.status}: ${came.body || 'no body'}`));
  const numbers = `reputation ${JSON.stringify(reputation)} of 100, ${quota} mails an hour, backlog ${backlog}`;
  if (quota <= 0 || backlog > 0) return status('limited', `mail has to wait: ${numbers}`);
  return status('unknown', `${numbers}; Mandrill does not say whether sending is suspended`);
}

function status(status: AccountStatus['status'], detail: string): AccountStatus {
  return { status, quotaRemaining: null, detail };
}
