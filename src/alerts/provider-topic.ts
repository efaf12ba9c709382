// The alert on a provider that fails, refuses our account or swallows mail: from the first suspicion until it carries all its mail again.
import { isGraver, type Standing, type Told } from '../core/alert.ts';
import { type Health, rampShares } from '../core/health.ts';
import type { Incident, IncidentCause } from '../core/incident.ts';
import type { Advice, Words } from './alert.ts';
import { detours, incidentOf, mailOf, onIncident, standbyFor, trouble, words } from './common.ts';
import type { IncidentScene, Scene, Topic } from './scene.ts';
import { countOf, spanOf, timeOf } from './text.ts';

// A verdict and its incident are written one after the other: the alert waits for both, but not for ever.
const incidentWithinMs = 5_000;

function ownIncident({ incidents }: Scene, provider: string): IncidentScene | null {
  const own = incidents.filter(
    ({ incident }) => incident.provider === provider && incident.state === 'open' && incident.epoch !== null,
  );
  return own.at(-1) ?? null;
}

// Resting, probed, resting again: that is one stage, and nobody wants to hear of each step.
function stageOf({ state, cause }: Health, open: IncidentScene | null): string {
  const asks = open?.rescue?.state === 'awaiting_approval' ? ' asks' : '';
  if (state === 'ramping') return `returning${asks}`;
  if (state === 'suspect') return `suspect${asks}`;
  return `out ${open?.incident.cause ?? (state === 'suspended' ? state : (cause ?? 'failing'))}${asks}`;
}

// A rescue that is done is news; one that goes on after that only once it has come to twice as much.
function dealtWith(open: IncidentScene | null): number {
  if (open?.rescue?.state !== 'done') return 0;
  const { rescued, expired, held, stranded, confirmed_late } = open.counts;
  return rescued + expired + held + stranded + confirmed_late;
}

function standing(scene: Scene): Standing[] {
  return [...scene.health].flatMap(([provider, its]) => {
    const open = ownIncident(scene, provider);
    if (its.state === 'quarantined' || (its.state === 'up' && open === null)) return [];
    if (open === null && its.state !== 'suspect' && scene.now - its.since < incidentWithinMs) return [];
    return trouble({
      key: `provider/${provider}`,
      kind: 'provider',
      severity: its.state === 'suspect' ? 'warning' : 'critical',
      since: open?.incident.openedAt ?? its.since,
      stage: stageOf(its, open),
      amount: dealtWith(open),
      acknowledgedBy: open?.incident.acknowledged?.by ?? null,
      provider,
      incident: open?.incident.id ?? null,
    });
  });
}

type Line = readonly [title: string, happened: string];

const causes: Readonly<Record<IncidentCause, (provider: string) => Line>> = {
  suspended: (p) => [
    `${p} refuses our account`,
    `${p} does not carry mail for our account: it is suspended, or its key is not valid.`,
  ],
  failing: (p) => [`${p} fails`, `${p} does not take the mail that is handed to it.`],
  silence: (p) => [
    `${p} swallows mail`,
    `${p} accepts mail, and nothing is heard of it any more: none of it seems to arrive.`,
  ],
  partial: (p) => [`${p} swallows a part of its mail`, `${p} accepts mail, and a part of it does not arrive.`],
  slow: (p) => [`${p} delivers late`, `Mail through ${p} arrives much later than usual.`],
  // These have alerts of their own.
  feedback_lost: (p) => [`${p} is not heard of`, `${p} reports nothing.`],
  all_down: (p) => [`${p} carries no mail`, `${p} carries no mail.`],
  quarantined: (p) => [`${p} is quarantined`, `${p} was taken out by an operator.`],
};

function lineOf(provider: string, its: Health, incident: Incident | null): Line {
  if (its.state === 'suspect' && incident === null)
    return [
      `${provider} has gone quiet`,
      `${provider} accepts mail, and less is heard of it than usual. That is not certain yet.`,
    ];
  const [title, happened] = causes[incident?.cause ?? 'failing'](provider);
  if (its.state !== 'ramping') return [title, happened];
  const share = Math.round(100 * (rampShares[its.step] ?? 1));
  return [
    `${provider} is coming back`,
    `${provider} delivers again: ${share} % of its mail goes there now, and more in steps.`,
  ];
}

function didOf(provider: string, its: Health, scene: Scene, open: IncidentScene | null): string[] {
  const did = detours(provider, scene, its.state === 'ramping' ? 'The rest of it goes' : 'New mail goes');
  const { rescue = null, incident = null } = open ?? {};
  if (incident?.suggestion) did.push(`It ${incident.suggestion}, if you let it.`);
  const many = countOf(rescue?.candidates ?? 0, 'mail');
  if (rescue?.state === 'running')
    did.push(`What ${provider} may have swallowed (${many}) is being sent again, once each.`);
  if (rescue?.state === 'awaiting_approval')
    did.push(`${many} that ${provider} may have swallowed: held until you approve.`);
  if (rescue?.state === 'done') did.push(`What ${provider} may have swallowed (${many}) has been dealt with.`);
  if (its.state === 'suspended')
    did.push('It stays out until its account check, or a mail that is confirmed, says that it works again.');
  if (its.state === 'down' && its.until !== null)
    did.push(`It rests until ${timeOf(its.until)}; then a trickle of mail tests it, and mail returns in steps.`);
  return did;
}

function adviceOf(provider: string, scene: Scene, open: IncidentScene | null): Advice[] {
  const { incident = null, rescue = null } = open ?? {};
  const advice: Advice[] = onIncident(incident?.id ?? null, incident?.acknowledged != null);
  const its = scene.health.get(provider);
  if (rescue?.state === 'awaiting_approval' && incident)
    advice.push(
      { text: 'See what would be sent again', command: `mailover rescue ${incident.id} --dry-run` },
      { text: 'Send it again', command: `mailover rescue ${incident.id}` },
    );
  if (its?.state === 'suspended')
    advice.push({
      text: `Ask ${provider} why. Was somebody in the account? Then take it out for good, and change its keys`,
      command: `mailover quarantine ${provider} --reason "account suspended, not by us"`,
    });
  const standby = standbyFor(provider, scene);
  if (standby !== null && its?.state !== 'ramping')
    advice.push({
      text: `Send all mail through ${standby} by hand, whatever the verdicts say`,
      command: `mailover failover --to ${standby} --reason "${provider}: see the incident" --for 2h`,
    });
  return advice;
}

function wordsFor({ provider, incident, severity }: Standing, scene: Scene): Words {
  const name = provider!;
  const its = scene.health.get(name)!;
  const open = incidentOf(scene, incident);
  const [title, happened] = lineOf(name, its, open?.incident ?? null);
  const missing = open?.incident.silentSince ?? its.silentSince;
  const since = missing === null || its.state === 'ramping' ? '' : ` Mail is missing since ${timeOf(missing)}.`;
  return words({
    title,
    happened: happened + since,
    evidence: open ? open.incident.evidence.slice(-3) : [its.reason],
    mail: open && !isGraver('warning', severity) ? mailOf(open.counts) : null,
    did: didOf(name, its, scene, open),
    advice: adviceOf(name, scene, open),
  });
}

function over({ provider, incident, since, stage }: Told, scene: Scene): Words {
  const name = provider!;
  const its = scene.health.get(name);
  const past = incidentOf(scene, incident);
  const lasted = `It began at ${timeOf(since)} and lasted ${spanOf(scene.now - since)}.`;
  if (its?.state === 'quarantined')
    return words({
      title: `${name} was taken out by an operator`,
      happened: `${lasted} It gets no mail until somebody releases it.`,
    });
  const advice: Advice[] = [];
  if (past?.incident.cause === 'suspended' || stage.startsWith('out suspended'))
    advice.push({
      text: `Look into the account at ${name} now. Was somebody in it? Are its keys, senders and webhooks as you left them?`,
      command: null,
    });
  if (past && past.counts.stranded + past.counts.held > 0)
    advice.push({ text: 'See what was not sent again', command: `mailover show ${past.incident.id}` });
  return words({
    title: `${name} carries mail again`,
    happened: lasted,
    mail: past ? mailOf(past.counts) : null,
    advice,
  });
}

/** A provider in trouble. */
export const providerTopic: Topic = { standing, words: wordsFor, over };
