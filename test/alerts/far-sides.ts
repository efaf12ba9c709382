// The far sides of the sinks, as strict as the real ones: each checks what its own documents demand, and keeps what it took.
import { Webhook } from 'standardwebhooks';
import { type HttpReply, type HttpServer, type ReceivedRequest, startHttpServer } from '../support/http-server.ts';

export const routingKey = '0123456789abcdef0123456789abcdef';
export const genieKey = 'made-up-genie-key';
export const signingSecret = `whsec_${Buffer.from('made-up-secret-for-the-alerts').toString('base64')}`;
export const oldSecret = `whsec_${Buffer.from('made-up-secret-of-yesterday').toString('base64')}`;

/** One alert as the far side understood it. */
export interface Heard {
  /** What it is about: the dedup key, the alias, the first line of a text. */
  readonly about: string;
  readonly action: string;
  readonly body: Record<string, unknown>;
}

export interface FarSide {
  readonly server: HttpServer;
  readonly heard: readonly Heard[];
  /** What it refused, and why. */
  readonly refused: readonly string[];
}

type Judge = (request: ReceivedRequest, body: Record<string, unknown>) => Heard | string;

const isText = (value: unknown, most: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= most;

async function farSide(judge: Judge, yes: HttpReply): Promise<FarSide> {
  const heard: Heard[] = [];
  const refused: string[] = [];
  const server = await startHttpServer({
    handler(request) {
      let verdict: Heard | string;
      try {
        verdict =
          request.headers['content-type'] === 'application/json'
            ? judge(request, JSON.parse(request.body.toString('utf8')) as Record<string, unknown>)
            : 'content-type';
      } catch (error) {
        verdict = String(error);
      }
      if (typeof verdict === 'string') {
        refused.push(verdict);
        return { status: 400, body: verdict };
      }
      heard.push(verdict);
      return yes;
    },
  });
  return { server, heard, refused };
}

/** Slack: an object with `text`, of at most 40,000 characters, in which <…> is markup and & begins an entity. */
export function startSlack(): Promise<FarSide> {
  return farSide(
    ({ path, method }, body) => {
      if (method !== 'POST' || path !== '/services/T0/B0/made-up') return 'no_service';
      if (!isText(body.text, 40_000)) return 'no_text';
      if (/[<>]|&(?!amp;|lt;|gt;)/.test(body.text)) return 'invalid_payload: markup that nobody meant';
      const [first = ''] = body.text.split('\n');
      return { about: first.replaceAll('*', ''), action: 'text', body };
    },
    { status: 200, body: 'ok' },
  );
}

/** PagerDuty, Events API v2: schema and limits as documented. */
export function startPagerduty(): Promise<FarSide> {
  return farSide(
    ({ path, method, body: raw }, body) => {
      if (method !== 'POST' || path !== '/v2/enqueue') return 'no such route';
      if (raw.length > 512 * 1_024) return 'event too large';
      if (body.routing_key !== routingKey) return 'Invalid routing key';
      if (!['trigger', 'acknowledge', 'resolve'].includes(String(body.event_action))) return 'event_action';
      if (!isText(body.dedup_key, 255)) return 'dedup_key';
      if (body.event_action === 'trigger') {
        const payload = body.payload as Record<string, unknown>;
        if (!isText(payload.summary, 1_024)) return 'summary';
        if (!isText(payload.source, 255)) return 'source';
        if (!['critical', 'warning', 'error', 'info'].includes(String(payload.severity))) return 'severity';
        if (Number.isNaN(Date.parse(String(payload.timestamp)))) return 'timestamp';
        if (typeof payload.custom_details !== 'object') return 'custom_details';
        for (const { href } of (body.links ?? []) as { href: string }[]) if (!URL.canParse(href)) return 'links';
      }
      return { about: body.dedup_key, action: String(body.event_action), body };
    },
    { status: 202, body: '{"status":"success","message":"Event processed","dedup_key":"x"}' },
  );
}

/** Opsgenie, Alert API: create, and by alias priority, notes, acknowledge, close. */
export function startOpsgenie(): Promise<FarSide> {
  return farSide(
    ({ path, method, headers }, body) => {
      if (headers.authorization !== `GenieKey ${genieKey}`) return 'Could not authenticate';
      const [route = '', query] = path.split('?');
      const [, , , alias, what] = route.split('/');
      if (route === '/v2/alerts') {
        if (method !== 'POST') return 'method';
        if (!isText(body.message, 130)) return 'message';
        if (!isText(body.alias, 512)) return 'alias';
        if (!isText(body.description, 15_000)) return 'description';
        if (!/^P[1-5]$/.test(String(body.priority))) return 'priority';
        if ((body.tags as string[]).some((tag) => !isText(tag, 50))) return 'tags';
        if (Object.values(body.details as object).some((value) => typeof value !== 'string')) return 'details';
        return { about: body.alias, action: 'create', body };
      }
      if (query !== 'identifierType=alias' || !alias || !what) return 'no such route';
      if (what === 'priority' ? method !== 'PUT' : method !== 'POST') return 'method';
      if (!['priority', 'notes', 'acknowledge', 'close'].includes(what)) return 'no such route';
      if (what !== 'priority' && !isText(body.note, 25_000)) return 'note';
      return { about: decodeURIComponent(alias), action: what, body };
    },
    { status: 202, body: '{"result":"Request will be processed"}' },
  );
}

/** An application that verifies by the reference library of Standard Webhooks, with this secret. */
export function startReceiver(secret: string): Promise<FarSide> {
  const verifier = new Webhook(secret);
  return farSide(
    ({ body: raw, headers }, body) => {
      verifier.verify(raw.toString('utf8'), headers as Record<string, string>);
      if (raw.length > 20_480) return 'larger than the specification recommends';
      if (!isText(body.type, 100) || Number.isNaN(Date.parse(String(body.timestamp)))) return 'type or timestamp';
      return { about: String(headers['webhook-id']), action: body.type, body };
    },
    { status: 200, body: '{}' },
  );
}

/** An API that takes what a template makes. */
export function startJson(): Promise<FarSide> {
  return farSide(
    ({ headers }, body) =>
      headers.authorization === 'Token made-up'
        ? { about: String(body.headline), action: String(body.what), body }
        : 'not authorised',
    { status: 200, body: '{}' },
  );
}

/** Sinks of all kinds, for the settings, that post to these far sides. */
export interface FarSides {
  readonly slack: FarSide;
  readonly pagerduty: FarSide;
  readonly opsgenie: FarSide;
  readonly webhook: FarSide;
  readonly json: FarSide;
  readonly settings: Record<string, object>;
  close(): Promise<void>;
}

export const template = '{"headline": {{title}}, "what": {{action}}, "body": {{text}}, "grave": {{severity}}}';

/** Starts all of them. */
export async function startFarSides(): Promise<FarSides> {
  const [slack, pagerduty, opsgenie, webhook, json] = await Promise.all([
    startSlack(),
    startPagerduty(),
    startOpsgenie(),
    startReceiver(signingSecret),
    startJson(),
  ]);
  return {
    slack,
    pagerduty,
    opsgenie,
    webhook,
    json,
    settings: {
      chat: { type: 'slack', url: `${slack.server.url}/services/T0/B0/made-up` },
      pager: { type: 'pagerduty', routing_key: routingKey, base_url: pagerduty.server.url },
      genie: { type: 'opsgenie', api_key: genieKey, base_url: opsgenie.server.url },
      hook: { type: 'webhook', url: `${webhook.server.url}/alerts`, secrets: [signingSecret, oldSecret] },
      own: { type: 'json', url: `${json.server.url}/x`, headers: { authorization: 'Token made-up' }, template },
      mail: { type: 'email', from: 'alerts@acme.example', to: ['oncall@acme.example'], stream: 'alerts' },
      line: { type: 'log' },
    },
    async close() {
      await Promise.all([slack, pagerduty, opsgenie, webhook, json].map(({ server }) => server.close()));
    },
  };
}

/** Where tests may post. */
export const outgoing = { allow_private: ['127.0.0.0/8'] };
