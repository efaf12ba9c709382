// Alerts on what a provider says of our account, or does with it: limited, short of quota, mail set aside, events about mail that is not ours.
import type { Standing } from '../core/alert.ts';
import { maskAddresses } from '../core/mask.ts';
import { ended, standbyFor, trouble, words } from './common.ts';
import type { Scene, Topic } from './scene.ts';
import { countOf, timeOf } from './text.ts';

const lookAt = (provider: string) => ({ text: `See what ${provider} says`, command: 'mailover status' });

function moveAway(provider: string, scene: Scene) {
  const standby = standbyFor(provider, scene);
  if (standby === null) return [];
  const command = `mailover failover --to ${standby} --reason "${provider}: account" --for 2h`;
  return [{ text: 'Move the mail away meanwhile', command }];
}

/** The account is limited: on probation, not verified, not allowed to send. */
export const accountTopic: Topic = {
  standing: ({ accounts }) =>
    [...accounts].flatMap(([provider, { status, at }]) =>
      status === 'limited'
        ? trouble({ key: `account/${provider}`, kind: 'account', severity: 'warning', since: at, provider })
        : [],
    ),
  words: ({ provider }, scene) =>
    words({
      title: `${provider} limits our account`,
      happened: `${provider} still takes mail and says that our account is limited: its next step may be to suspend it.`,
      evidence: [`Its account check says: ${maskAddresses(scene.accounts.get(provider!)?.detail ?? '')}`],
      did: ['Nothing was moved. Should it refuse our mail, that goes to the next provider at once.'],
      advice: [
        { text: `Log in at ${provider}, and find out why`, command: null },
        lookAt(provider!),
        ...moveAway(provider!, scene),
      ],
    }),
  over: (told, scene) => ended(`${told.provider} no longer limits our account`, told, scene),
};

/** The quota is nearly used up. */
export const quotaTopic: Topic = {
  standing: ({ accounts, quotaLow }) =>
    [...accounts].flatMap(([provider, { quotaRemaining, status, at }]) => {
      if (quotaRemaining === null || quotaRemaining >= quotaLow || status === 'suspended') return [];
      const stage = quotaRemaining === 0 ? 'used up' : 'low';
      return trouble({ key: `quota/${provider}`, kind: 'quota', severity: 'warning', since: at, stage, provider });
    }),
  words({ provider }, scene) {
    const left = scene.accounts.get(provider!)?.quotaRemaining ?? 0;
    return words({
      title: left === 0 ? `The quota at ${provider} is used up` : `The quota at ${provider} is nearly used up`,
      happened: `${provider} takes ${left === 0 ? 'no more mail' : `${countOf(left, 'more mail', 'more mails')}`} in this period.`,
      evidence: [`Its account check says: ${maskAddresses(scene.accounts.get(provider!)?.detail ?? '')}`],
      did: ['Nothing was moved. What it does not take goes to the next provider at once.'],
      advice: [
        { text: `Raise the quota at ${provider}`, command: null },
        lookAt(provider!),
        ...moveAway(provider!, scene),
      ],
    });
  },
  over: (told, scene) => ended(`The quota at ${told.provider} is enough again`, told, scene),
};

/** A provider takes mail with a success code and sets it aside. */
export const parkedTopic: Topic = {
  standing: ({ parked }) =>
    [...parked].map(
      ([provider, { count, since }]): Standing =>
        trouble({ key: `parked/${provider}`, kind: 'parked', severity: 'warning', since, amount: count, provider }),
    ),
  words: ({ provider, amount }, scene) =>
    words({
      title: `${provider} sets mail aside`,
      happened: `${provider} took ${countOf(amount, 'mail')} with a success code and says that it will not send ${amount === 1 ? 'it' : 'them'} now: a backlog, or a paused account.`,
      did: ['By on_unknown of its stream each goes to the next provider, marked as a possible duplicate, or is held.'],
      advice: [lookAt(provider!), ...moveAway(provider!, scene)],
    }),
  over: (told, scene) => ended(`${told.provider} sets no more mail aside`, told, scene),
};

// So long after the last one the matter rests.
const foreignMs = 3_600_000;

/** Somebody else sends with our account. */
export const foreignTopic: Topic = {
  standing: ({ foreign, now }) =>
    [...foreign].flatMap(([provider, { count, lastAt }]) =>
      lastAt !== null && now - lastAt < foreignMs
        ? trouble({
            key: `foreign/${provider}`,
            kind: 'foreign_events',
            severity: 'warning',
            since: lastAt,
            amount: count,
            provider,
          })
        : [],
    ),
  words: ({ provider, amount }, scene) =>
    words({
      title: `${provider} reports mail that is not ours`,
      happened: `${provider} has reported ${countOf(amount, 'event')} about mail that this service never sent: an old system of yours sends with this account, or a thief does.`,
      evidence: [`The last one came at ${timeOf(scene.foreign.get(provider!)?.lastAt ?? scene.now)}.`],
      did: ['The events are kept, and change nothing.'],
      advice: [
        {
          text: `See at ${provider} who sent it. If it is nobody you know, take the provider out, and revoke its keys`,
          command: `mailover quarantine ${provider} --reason "mail that is not ours"`,
        },
      ],
    }),
  over: (told, scene) => ended(`${told.provider} reports no more mail that is not ours`, told, scene),
};
