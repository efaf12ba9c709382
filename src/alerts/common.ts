// What several topics say: where mail goes instead, how much of it there is, what anybody may always do.
import type { Standing } from '../core/alert.ts';
import { carriesMail } from '../core/health.ts';
import { pinFor } from '../core/pins.ts';
import type { IncidentCounts } from '../store/incidents.ts';
import type { Advice, Words } from './alert.ts';
import type { IncidentScene, Scene } from './scene.ts';
import { countOf, listOf, spanOf, timeOf } from './text.ts';

/** A trouble of one kind, with what most of them have not. */
export function trouble(its: Pick<Standing, 'key' | 'kind' | 'severity' | 'since'> & Partial<Standing>): Standing {
  return {
    stage: '',
    amount: 0,
    acknowledgedBy: null,
    provider: null,
    stream: null,
    incident: null,
    ...its,
  };
}

/** Words without the parts that are not needed. */
export function words(its: Pick<Words, 'title' | 'happened'> & Partial<Words>): Words {
  return { evidence: [], mail: null, did: [], advice: [], ...its };
}

/** The end of a trouble, in short. */
export function ended(title: string, { since }: { readonly since: number }, { now }: Scene): Words {
  return words({ title, happened: `It began at ${timeOf(since)} and lasted ${spanOf(now - since)}.` });
}

/** The incident with this id, if the scene has it. */
export function incidentOf({ incidents }: Scene, id: string | null): IncidentScene | null {
  return incidents.find(({ incident }) => incident.id === id) ?? null;
}

/** What is said of an incident to whoever may take note of it. */
export function onIncident(id: string | null, acknowledged: boolean): Advice[] {
  if (id === null) return [{ text: 'Look at it', command: 'mailover status' }];
  const look = { text: 'Look at it', command: `mailover show ${id}` };
  return acknowledged
    ? [look]
    : [look, { text: 'Take it on, and stop these alerts', command: `mailover acknowledge ${id}` }];
}

/** Where the mail of a provider goes while it does not get it, stream by stream. */
export function detours(provider: string, { streams, health, pins, now }: Scene, subject = 'New mail goes'): string[] {
  const moved: string[] = [];
  const stuck: string[] = [];
  const left: string[] = [];
  for (const [stream, { providers, mode }] of Object.entries(streams)) {
    if (!providers.includes(provider)) continue;
    const pinned = pinFor(pins, stream, now)?.to ?? null;
    const next = pinned ?? providers.find((one) => one !== provider && carriesMail(health.get(one)?.state));
    if (mode !== 'auto' && pinned === null) left.push(stream);
    else if (next === undefined) stuck.push(stream);
    else if (next !== provider) moved.push(`${stream} to ${next}`);
  }
  return [
    ...(moved.length > 0 ? [`${subject} another way: ${listOf(moved)}.`] : []),
    ...(left.length > 0 ? [`Nothing was moved in ${listOf(left)}: health.mode leaves that to you.`] : []),
    ...(stuck.length > 0
      ? [`Nobody else carries the mail of ${listOf(stuck)}: it waits on disk, and goes out when a provider is back.`]
      : []),
  ];
}

/** A provider to which a stream's mail could be sent by hand; null when there is none. */
export function standbyFor(provider: string, { streams, health }: Scene): string | null {
  for (const { providers } of Object.values(streams)) {
    if (!providers.includes(provider)) continue;
    const next = providers.find((one) => one !== provider && carriesMail(health.get(one)?.state));
    if (next !== undefined) return next;
  }
  return null;
}

/** What has become of the mail of an incident. */
export function mailOf({ moved, rescued, confirmed_late, expired, held, stranded }: IncidentCounts): string {
  if (moved + rescued + confirmed_late + expired + held + stranded === 0) return 'None was moved or sent again yet.';
  const parts = [`${countOf(moved, 'mail')} moved to another provider`, `${rescued} sent again after it was swallowed`];
  if (confirmed_late > 0) parts.push(`${confirmed_late} confirmed late after all`);
  if (held > 0) parts.push(`${held} held until you decide`);
  if (expired > 0) parts.push(`${expired} expired`);
  parts.push(stranded > 0 ? `${stranded} stranded: nobody sends them again` : 'none stranded');
  return `${parts.join(', ')}.`;
}
