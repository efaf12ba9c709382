// From a scene to what stands, and from what is to be told to the alert that says it. Pure.
import type { AlertAction, AlertChange, AlertKind, Standing } from '../core/alert.ts';
import { accountTopic, foreignTopic, parkedTopic, quotaTopic } from './account-topics.ts';
import type { Alert, Words } from './alert.ts';
import { words } from './common.ts';
import { deadTopic, heldTopic, shardAwayTopic, storeFullTopic, storeWeakTopic, unheardTopic } from './house-topics.ts';
import { pinTopic, quarantineTopic } from './operator-topics.ts';
import { providerTopic } from './provider-topic.ts';
import type { Scene, Topic } from './scene.ts';
import { allDownTopic, feedbackTopic } from './stream-topics.ts';

const topics: Readonly<Record<AlertKind, Topic>> = {
  all_down: allDownTopic,
  provider: providerTopic,
  quarantine: quarantineTopic,
  feedback_lost: feedbackTopic,
  pin: pinTopic,
  account: accountTopic,
  quota: quotaTopic,
  parked: parkedTopic,
  foreign_events: foreignTopic,
  held: heldTopic,
  dead_letters: deadTopic,
  undelivered: unheardTopic,
  store_full: storeFullTopic,
  store_weak: storeWeakTopic,
  shard_away: shardAwayTopic,
};

/** Everything in a scene that people should know of, but for what is muted. */
export function standingIn(scene: Scene, mute: readonly AlertKind[]): Standing[] {
  return Object.entries(topics).flatMap(([kind, topic]) =>
    mute.includes(kind as AlertKind) ? [] : topic.standing(scene),
  );
}

/** What a link may name. */
export type Linked = Pick<Alert, 'incident' | 'provider' | 'stream'>;

/** The alert that tells a change, as it does at one sink. @param linkOf where the reader finds more; null for nowhere. */
export function composed(
  { id, told }: AlertChange,
  action: AlertAction,
  scene: Scene,
  linkOf: (about: Linked) => string | null,
): Alert {
  const { episode, key, kind, severity, since, provider, stream, incident, acknowledgedBy } = told;
  const about = { provider, stream, incident };
  const head = { id, episode, key, kind, action, severity, since, at: scene.now, ...about, acknowledgedBy };
  return { ...head, link: linkOf(about), ...wordsOf(told, action, scene) };
}

function wordsOf(told: AlertChange['told'], action: AlertAction, scene: Scene): Words {
  const topic = topics[told.kind];
  if (action === 'resolve') return topic.over(told, scene);
  const its = topic.words(told, scene);
  if (action === 'acknowledge')
    return words({
      title: its.title,
      happened: `${told.acknowledgedBy} has taken it on. It is not told again until it ends.`,
    });
  return its;
}

/** The alert that asks whether a sink works. */
export function testAlert(id: string, at: number, action: AlertAction): Alert {
  const its = words({
    title: 'Test of Mailover’s alerts: nothing is wrong',
    happened:
      action === 'resolve' ? 'The test is over.' : 'Somebody asked for this test. A real alert would look like it.',
    evidence: ['What speaks for it, with figures, would stand here.'],
    mail: '0 mails moved to another provider, 0 sent again after it was swallowed, none stranded.',
    did: ['Nothing.'],
    advice: [{ text: 'Look at the service', command: 'mailover status' }],
  });
  const head = { id, episode: id, key: `test/${id}`, kind: 'test', action, severity: 'info', since: at, at } as const;
  return { ...head, provider: null, stream: null, incident: null, acknowledgedBy: null, link: null, ...its };
}
