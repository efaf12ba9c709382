// Looking at a running service: its providers, its incidents, one mail or incident.
import type { EmailAnswer, IncidentAnswer, ListAnswer, PinAnswer, ProviderAnswer } from './answers.ts';
import { type Client, ClientFault } from './client.ts';
import { type Cell, columns, plain, type Terminal, timeText, toned, toneOf } from './terminal.ts';

const most = 100;

/** What `mailover status` shows: every provider, what is pinned by hand, and the incidents that are open. */
export interface Status {
  readonly providers: readonly ProviderAnswer[];
  readonly pins: readonly PinAnswer[];
  readonly incidents: readonly IncidentAnswer[];
}

/** Asks for all. */
export async function readStatus(client: Client): Promise<Status> {
  const [providers, pins, incidents] = await Promise.all([
    client.get<ListAnswer<ProviderAnswer>>('/v1/providers'),
    client.get<ListAnswer<PinAnswer>>('/v1/failover'),
    readIncidents(client, false),
  ]);
  return { providers: providers.data, pins: pins.data, incidents };
}

/** The open incidents, or all of them; the newest hundred. */
export async function readIncidents(client: Client, all: boolean): Promise<readonly IncidentAnswer[]> {
  const found = await client.get<ListAnswer<IncidentAnswer>>(`/v1/incidents?limit=${most}${all ? '' : '&state=open'}`);
  return found.data;
}

/** One screen. */
export function statusText(terminal: Terminal, { providers, pins, incidents }: Status): string {
  const head = headOf('PROVIDER', 'TYPE', 'STATE', 'SINCE (UTC)', 'UNCONFIRMED', 'SILENCE', 'WHY');
  const rows = providers.map(({ name, type, state, since, reason, confirmation }): Cell[] => [
    name,
    type,
    [state, toneOf(state)],
    timeText(since),
    confirmation ? String(confirmation.unconfirmed) : '–',
    confirmation?.silence == null ? '–' : confirmation.silence.toFixed(1),
    reason,
  ]);
  const trouble = incidents.length === 0 ? 'No incident is open.\n' : incidentsText(terminal, incidents);
  const pinned = pins.length === 0 ? '' : `${pinsText(terminal, pins)}\n`;
  return `${columns(terminal, [head, ...rows])}\n${pinned}${trouble}`;
}

/** Where mail is pinned by hand. */
export function pinsText(terminal: Terminal, pins: readonly PinAnswer[]): string {
  if (pins.length === 0) return 'Nothing is pinned: mail is routed by itself.\n';
  const head = headOf('PINNED', 'TO', 'UNTIL (UTC)', 'BY', 'WHY');
  const rows = pins.map(({ stream, to, until, by, reason }): Cell[] => [
    stream ?? 'all streams',
    [to, 'strong'],
    until === null ? 'taken back by hand' : timeText(until),
    by,
    reason,
  ]);
  return columns(terminal, [head, ...rows]);
}

/** A table of incidents. */
export function incidentsText(terminal: Terminal, incidents: readonly IncidentAnswer[]): string {
  if (incidents.length === 0) return 'There is no incident.\n';
  const head = headOf(
    'INCIDENT',
    'ABOUT',
    'CAUSE',
    'STATE',
    'OPENED (UTC)',
    'CLOSED (UTC)',
    'MOVED',
    'RESCUED',
    'STRANDED',
  );
  const rows = incidents.map(({ counts, ...incident }): Cell[] => [
    incident.id,
    incident.provider ?? `stream ${incident.stream}`,
    incident.cause,
    [incident.state, toneOf(incident.state)],
    timeText(incident.opened_at),
    timeText(incident.closed_at),
    ...[counts.moved, counts.rescued, counts.stranded].map(String),
  ]);
  return columns(terminal, [head, ...rows]);
}

/** A mail by `em_…`, an incident by `inc_…`. @throws ClientFault when there is none */
export async function readOne(client: Client, id: string): Promise<EmailAnswer | IncidentAnswer> {
  if (/^em_\w+$/.test(id)) return client.get<EmailAnswer>(`/v1/emails/${id}`);
  if (/^inc_\w+$/.test(id)) return client.get<IncidentAnswer>(`/v1/incidents/${id}`);
  throw new ClientFault(`${plain(id)} is not an id: those of mail begin with em_, those of incidents with inc_.`);
}

/** All about one. */
export function oneText(terminal: Terminal, one: EmailAnswer | IncidentAnswer): string {
  return 'timeline' in one ? incidentText(terminal, one) : emailText(terminal, one);
}

function incidentText(terminal: Terminal, incident: IncidentAnswer): string {
  const { counts, rescue } = incident;
  const facts: Cell[][] = [
    ['incident', incident.id],
    ['about', incident.provider ?? `stream ${incident.stream}`],
    ['cause', incident.cause],
    ['state', [incident.state, toneOf(incident.state)]],
    ['acknowledged', timeText(incident.acknowledged_at)],
    [
      'mail',
      Object.entries(counts)
        .map(([what, count]) => `${count} ${what}`)
        .join(', '),
    ],
  ];
  if (rescue) facts.push(['rescue', `${rescue.state.replaceAll('_', ' ')}, ${rescue.candidates} candidates`]);
  if (incident.suggestion) facts.push(['suggested', incident.suggestion]);
  const entries = incident.timeline.map(({ at, what, text }): Cell[] => [timeText(at), what, text]);
  return `${columns(terminal, facts)}\n${columns(terminal, entries)}`;
}

function emailText(terminal: Terminal, email: EmailAnswer): string {
  const facts: Cell[][] = [
    ['mail', email.id],
    ['status', [email.status, toneOf(email.status)]],
    ['why', email.reason ?? '–'],
    ['provider', email.provider ?? '–'],
    ['stream', email.stream],
    ['from', email.from],
    ['to', email.to.join(', ')],
    ['subject', email.subject],
    ['created', timeText(email.created_at)],
    ['expires', timeText(email.expires_at)],
    ['possible duplicate', email.possible_duplicate ? 'yes' : 'no'],
  ];
  const happened: [at: string, ...Cell[]][] = [
    ...email.attempts.map(({ started_at, provider, outcome, reason, detail }): [string, ...Cell[]] => [
      started_at,
      provider,
      `${outcome ?? 'on the wire'}${reason ? ` (${reason})` : ''}`,
      detail,
    ]),
    ...email.events.map(({ at, provider, type, recipient, detail }): [string, ...Cell[]] => [
      at,
      provider,
      `${type}${recipient ? ` ${recipient}` : ''}`,
      detail,
    ]),
  ];
  happened.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const rows = happened.map(([at, ...cells]): Cell[] => [`${timeText(at)}.${at.slice(20, 23)}`, ...cells]);
  return `${columns(terminal, facts)}\n${columns(terminal, rows)}`;
}

/** The head of a table. */
export function headOf(...names: string[]): Cell[] {
  return names.map((name): Cell => [name, 'faint']);
}

/** The screen again every second, until `signal`. */
export async function watchStatus(
  client: Client,
  terminal: Terminal,
  { json, signal, pause }: { json: boolean; signal: AbortSignal; pause: (ms: number) => Promise<void> },
): Promise<void> {
  while (!signal.aborted) {
    const status = await readStatus(client);
    if (json) terminal.write(`${JSON.stringify(status)}\n`);
    else
      terminal.write(
        `${terminal.clears ? '\x1b[2J\x1b[H' : ''}${statusText(terminal, status)}${toned(terminal, terminal.clears ? '\nCtrl-C ends this.' : '', 'faint')}\n`,
      );
    await pause(1_000);
  }
}
