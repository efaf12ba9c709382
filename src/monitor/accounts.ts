// Account checks: every provider that can be asked is asked about our account, on a schedule with jitter.
import type { AccountStatus, Provider } from '../../providers/provider.ts';
import { answerOf } from '../core/answer.ts';
import { maskAddresses } from '../core/mask.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { Chore } from './chore.ts';

const answerMs = 10_000;

/**
 * One chore for all. "May I look?" and "may we send?" are different questions: an answer that does not tell is `unknown`, and a check
 * that fails says nothing about the account.
 * @param random uniform in [0, 1), for the jitter of a fifth either way, so that many installations do not ask in step.
 * @param judge called for a provider whose word may change its health.
 */
export function accountChore(
  providers: ReadonlyMap<string, Provider>,
  accounts: AccountStore,
  everyMs: number,
  clock: () => number,
  random: () => number,
  judge: (provider: string) => void,
): Chore {
  const nextAt = new Map<string, number>();
  async function check(name: string, provider: Provider): Promise<void> {
    nextAt.set(name, clock() + everyMs * (0.8 + 0.4 * random()));
    const at = clock();
    const signal = AbortSignal.timeout(answerMs);
    const status = await answerOf<AccountStatus>(provider.account!(signal), signal, (detail) => ({
      status: 'unknown',
      quotaRemaining: null,
      detail,
    }));
    await accounts.write(name, { ...status, detail: maskAddresses(status.detail), at });
    if (status.status === 'suspended' || status.status === 'active') judge(name);
  }
  return {
    name: 'account-checks',
    everyMs: Math.min(1_000, everyMs),
    async run() {
      const due = [...providers].filter(([name, provider]) => provider.account && (nextAt.get(name) ?? 0) <= clock());
      await Promise.all(due.map(([name, provider]) => check(name, provider)));
    },
  };
}
