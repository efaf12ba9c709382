// Alerts on what operators decided: a quarantine until it is lifted, a pin until it ends. Colleagues have to know, and it must not be forgotten.
import { maskAddresses } from '../core/mask.ts';
import type { Advice } from './alert.ts';
import { detours, ended, onIncident, trouble, words } from './common.ts';
import type { Scene, Topic } from './scene.ts';
import { spanOf, timeOf } from './text.ts';

function securityIncident({ incidents }: Scene, provider: string) {
  const own = incidents.filter(
    ({ incident }) => incident.provider === provider && incident.cause === 'quarantined' && incident.state === 'open',
  );
  return own.at(-1)?.incident ?? null;
}

/** A provider that an operator took out. */
export const quarantineTopic: Topic = {
  standing: (scene) =>
    [...scene.health].flatMap(([provider, { state, since }]) => {
      if (state !== 'quarantined') return [];
      const incident = securityIncident(scene, provider);
      return trouble({
        key: `quarantine/${provider}`,
        kind: 'quarantine',
        severity: 'critical',
        since,
        acknowledgedBy: incident?.acknowledged?.by ?? null,
        provider,
        incident: incident?.id ?? null,
      });
    }),
  words({ provider, since, incident, acknowledgedBy }, scene) {
    const found = scene.incidents.find((one) => one.incident.id === incident)?.incident ?? null;
    const from = new Date(found?.silentSince ?? since - 86_400_000).toISOString();
    return words({
      title: `${provider} is quarantined`,
      happened: `An operator took ${provider} out at ${timeOf(since)}. Whoever is in its tooling can read what passed through it.`,
      evidence: [maskAddresses(scene.health.get(provider!)?.reason ?? '')],
      did: [
        `Nothing is handed to ${provider} any more, and nothing but a person brings it back.`,
        ...detours(provider!, scene),
      ],
      advice: [
        ...onIncident(incident, acknowledgedBy !== null),
        {
          text: 'List what passed through it; links and codes in it have to be revoked',
          command: `mailover exposure ${provider} --since ${from}`,
        },
        { text: `Revoke our keys at ${provider}, and end its sessions`, command: null },
        { text: 'Once it is clean', command: `mailover release ${provider} --reason "…"` },
      ],
    });
  },
  over: (told, scene) => ended(`${told.provider} was released from quarantine`, told, scene),
};

// A pin that is about to end is worth a word so long before.
const expiringMs = 15 * 60_000;

/** A stream, or all of them, pinned to a provider. */
export const pinTopic: Topic = {
  standing: (scene) =>
    [...scene.pins].flatMap(([stream, { to, at, until }]) => {
      if (until !== null && until <= scene.now) return [];
      // Not for one that is shorter than that itself: it has only just been made.
      const expiring = until !== null && until - scene.now <= expiringMs && until - at > 2 * expiringMs;
      return trouble({
        key: `pin/${stream}`,
        kind: 'pin',
        severity: expiring ? 'warning' : 'info',
        since: at,
        stage: `${to} ${at}${expiring ? ' expiring' : ''}`,
        provider: to,
        stream: stream === '*' ? null : stream,
      });
    }),
  words({ key, provider, stream, stage }, scene) {
    const pin = scene.pins.get(key.slice('pin/'.length));
    const what = stream === null ? 'All mail' : `The mail of stream ${stream}`;
    const option = stream === null ? '' : ` --stream ${stream}`;
    const expiring = stage.endsWith('expiring');
    const until = pin?.until ?? null;
    const end = until === null ? 'It has no end.' : `It ends at ${timeOf(until)}, in ${spanOf(until - scene.now)}.`;
    const again: Advice = {
      text: 'Make it longer',
      command: `mailover failover --to ${provider}${option} --reason "…" --for 2h`,
    };
    return words({
      title: expiring
        ? `${what} is pinned to ${provider} for ${spanOf((until ?? 0) - scene.now)} more`
        : `${what} is pinned to ${provider}`,
      happened: `${what} goes to ${provider}, by hand: ${pin?.by} at ${timeOf(pin?.at ?? 0)}. ${end}`,
      evidence: pin ? [`Reason: ${maskAddresses(pin.reason)}`] : [],
      did: ['The pin wins over every verdict. After it, verdicts decide again.'],
      advice: [
        { text: 'Look at it', command: 'mailover status' },
        ...(expiring ? [again] : []),
        { text: 'Back to automatic', command: `mailover failback${option}` },
      ],
    });
  },
  over(told, scene) {
    const what = told.stream === null ? 'All mail' : `The mail of stream ${told.stream}`;
    return ended(`${what} is no longer pinned to ${told.provider}`, told, scene);
  },
};
