// Alerts from incidents that are no provider's fall: a stream that nobody carries, a provider of which nothing reaches us.
import type { IncidentCause } from '../core/incident.ts';
import { inForce, pinFor } from '../core/pins.ts';
import { ended, incidentOf, onIncident, trouble, words } from './common.ts';
import type { Scene, Topic } from './scene.ts';
import { countOf, listOf, timeOf } from './text.ts';

function openWith({ incidents }: Scene, cause: IncidentCause) {
  return incidents.flatMap(({ incident }) => (incident.cause === cause && incident.state === 'open' ? [incident] : []));
}

function pinOfOne({ pins, now }: Scene, stream: string): boolean {
  const own = pins.get(stream);
  return own !== undefined && inForce(own, now);
}

/** No provider of a stream carries its mail. */
export const allDownTopic: Topic = {
  standing: (scene) =>
    openWith(scene, 'all_down').map(({ id, stream, openedAt, acknowledged }) =>
      trouble({
        key: `stream/${stream}`,
        kind: 'all_down',
        severity: 'critical',
        since: openedAt,
        acknowledgedBy: acknowledged?.by ?? null,
        stream,
        incident: id,
      }),
    ),
  words({ stream, incident, acknowledgedBy }, scene) {
    const own = scene.streams[stream!]?.providers ?? [];
    const pin = pinFor(scene.pins, stream!, scene.now);
    const pinned = pin && scene.health.get(pin.to)?.state !== 'quarantined' ? pin.to : null;
    const providers = pinned === null || own.includes(pinned) ? own : [pinned, ...own];
    const others = [...scene.health.keys()].filter((name) => !providers.includes(name));
    const out =
      pinned === null
        ? `All providers of stream ${stream} are out: ${listOf(providers)}. Its mail is accepted, and does not leave.`
        : `The mail of stream ${stream} is pinned to ${pinned}, which is out, and nobody else gets what ${pinned} takes or is well enough for what it fails.`;
    return words({
      title: `Nothing carries the mail of stream ${stream}`,
      happened: out,
      evidence: providers.map((name) => {
        const its = scene.health.get(name);
        return `${name} is ${its?.state} since ${timeOf(its?.since ?? 0)}: ${its?.reason}`;
      }),
      mail: `${countOf(scene.waiting, 'mail waits', 'mails wait')} for a provider, on disk. What expires meanwhile is not sent.`,
      did: [
        'The mail is kept. One mail at a time tries them all the same, and the rest follows as soon as one of them takes mail.',
      ],
      advice: [
        {
          text: 'See who is down, and why: if all of them are, look at your own network first',
          command: 'mailover status',
        },
        ...onIncident(incident, acknowledgedBy !== null).slice(1),
        ...(pinned === null
          ? []
          : [
              {
                text: `End the pin to ${pinned}`,
                command: `mailover failback${pinOfOne(scene, stream!) ? ` --stream ${stream}` : ''}`,
              },
            ]),
        ...others.slice(0, 1).map((name) => ({
          text: `Send it through ${name}, which is not in this stream`,
          command: `mailover failover --to ${name} --stream ${stream} --reason "all others are out" --for 2h --force`,
        })),
      ],
    });
  },
  over: (told, scene) => ended(`The mail of stream ${told.stream} is carried again`, told, scene),
};

/** Nothing is heard of a provider's mail, and the fault is not known to be its own. */
export const feedbackTopic: Topic = {
  standing: (scene) =>
    openWith(scene, 'feedback_lost').map(({ id, provider, openedAt, acknowledged }) =>
      trouble({
        key: `feedback/${provider}`,
        kind: 'feedback_lost',
        severity: 'warning',
        since: openedAt,
        acknowledgedBy: acknowledged?.by ?? null,
        provider,
        incident: id,
      }),
    ),
  words({ provider, incident, acknowledgedBy }, scene) {
    const found = incidentOf(scene, incident);
    return words({
      title: `News from ${provider} does not reach us`,
      happened: `Nothing is heard of the mail that ${provider} takes, and the fault may be on our side: its mail may well arrive.`,
      evidence: found?.incident.evidence.slice(-3) ?? [],
      did: ['Nothing was moved and nothing is sent again. While it lasts, a silent provider is not noticed.'],
      advice: [
        {
          text: `Is server.public_url reached from outside, and does ${provider} still post its webhooks there?`,
          command: null,
        },
        ...onIncident(incident, acknowledgedBy !== null),
      ],
    });
  },
  over: (told, scene) => ended(`News from ${told.provider} reaches us again`, told, scene),
};
