// The security incident that a quarantine is: opened with it at once; the leading monitor makes up for what was cut short.
import { quarantineIncident } from '../core/incident.ts';
import { distrustedFrom } from '../core/quarantine.ts';
import type { IncidentStore } from '../store/incidents.ts';
import type { OperateParts } from './parts.ts';

/** Opens, updates or closes it, as the provider now is. Gives the id of the open one, null for none. */
export async function incidentFor(
  { world, clock }: Pick<OperateParts, 'world' | 'clock'>,
  incidents: Pick<IncidentStore, 'change' | 'open'>,
  provider: string,
  newId: () => string,
): Promise<string | null> {
  const health = (await world.read()).health.get(provider);
  if (!health) return null;
  const fact = { provider, since: distrustedFrom(health), detail: health.reason, at: clock() };
  await incidents.change((open) => quarantineIncident(open, fact, newId));
  const open = await incidents.open();
  return open.find((one) => one.provider === provider && one.cause === 'quarantined')?.id ?? null;
}
