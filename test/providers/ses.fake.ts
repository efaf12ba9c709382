// A pretended Amazon SES: as strict as the real one about signatures, parameters and limits, and it keeps what it takes.
import { createHash, createHmac } from 'node:crypto';
import PostalMime, { type Email } from 'postal-mime';
import { type HttpReply, type HttpServer, type ReceivedRequest, startHttpServer } from '../support/http-server.ts';

/** One mail that was taken. */
export interface TakenMail {
  readonly id: string;
  readonly source: string;
  readonly destinations: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly configurationSet: string | null;
  readonly raw: Buffer;
  readonly email: Email;
}

/** The keys and the region that requests have to be signed for; `token` for temporary ones. */
export interface SesKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly token?: string;
  readonly region: string;
}

/** What it says of the account. Not in `allowed`: the action is denied. */
export interface SesState {
  account: Record<string, unknown>;
  sendingEnabled: boolean;
  quota: { most: number; sent: number };
  denied: readonly string[];
  /** How far its clock is ahead of ours, ms. */
  aheadMs: number;
}

/** The server; `state` may be changed at any time. */
export interface SesServer extends HttpServer {
  readonly taken: readonly TakenMail[];
  readonly state: SesState;
}

export const configurationSet = 'made-up-set';

/** Starts it with these keys. */
export async function startSesServer(keys: SesKeys): Promise<SesServer> {
  const taken: TakenMail[] = [];
  const state: SesState = {
    account: {
      EnforcementStatus: 'HEALTHY',
      SendingEnabled: true,
      ProductionAccessEnabled: true,
      SendQuota: { Max24HourSend: 50_000, MaxSendRate: 14, SentLast24Hours: 1_234 },
    },
    sendingEnabled: true,
    quota: { most: 50_000, sent: 1_234 },
    denied: [],
    aheadMs: 0,
  };

  async function handle(request: ReceivedRequest): Promise<HttpReply> {
    const isV2 = request.method === 'GET' && request.path === '/v2/email/account';
    if (!isV2 && (request.method !== 'POST' || request.path !== '/')) return { status: 404, body: '<html>?</html>' };
    const say = isV2 ? sayV2 : sesError;
    const fault = signatureFault(request, keys, Date.now() + state.aheadMs);
    if (fault) return say(fault.code, fault.message, 403);
    const query = new URLSearchParams(request.body.toString('latin1'));
    const action = isV2 ? 'GetAccount' : query.get('Action');
    if (action === null || query.get('Version') !== (isV2 ? null : '2010-12-01'))
      return say('InvalidAction', 'Could not find operation', 400);
    if (state.denied.includes(action))
      return say(
        isV2 ? 'AccessDeniedException' : 'AccessDenied',
        `User: arn:aws:iam::123456789012:user/made-up is not authorized to perform: ses:${action}`,
        403,
      );
    switch (action) {
      case 'GetAccount':
        return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(state.account) };
      case 'GetAccountSendingEnabled':
        return ok(action, `<Enabled>${state.sendingEnabled}</Enabled>`);
      case 'GetSendQuota': {
        const { most, sent } = state.quota;
        return ok(
          action,
          `<Max24HourSend>${most}</Max24HourSend><MaxSendRate>14.0</MaxSendRate><SentLast24Hours>${sent}</SentLast24Hours>`,
        );
      }
      case 'SendRawEmail':
        return take(query);
      default:
        return say('InvalidAction', `Could not find operation ${action}`, 400);
    }
  }

  async function take(query: URLSearchParams): Promise<HttpReply> {
    const no = (message: string) => sesError('InvalidParameterValue', message);
    const data = query.get('RawMessage.Data') ?? '';
    const raw = Buffer.from(data, 'base64');
    if (data === '' || raw.toString('base64') !== data) return no('RawMessage.Data is no Base64');
    if (raw.length > 10_485_760) return no(`Message length is more than 10485760 bytes long: '${raw.length}'.`);
    const source = query.get('Source') ?? '';
    const destinations = members(query, 'Destinations');
    if (destinations.length === 0 || destinations.length > 50) return no('Recipient count exceeds 50.');
    if (new Set(destinations).size !== destinations.length) return no('Duplicate recipients');
    if ([source, ...destinations].some((address) => !/^[\x21-\x7e]+@[a-z0-9.-]+$/.test(address)))
      return no('Illegal address');
    const names = members(query, 'Tags', '.Name');
    const values = members(query, 'Tags', '.Value');
    if ([...names, ...values].some((text) => !/^[A-Za-z0-9_-]{1,256}$/.test(text)) || names.length !== values.length)
      return no('Invalid tag');
    const set = query.get('ConfigurationSetName');
    if (set !== null && set !== configurationSet)
      return sesError('ConfigurationSetDoesNotExist', `Configuration set <${set}> does not exist.`);
    const known =
      /^(Action|Version|Source|RawMessage\.Data|ConfigurationSetName|(Destinations|Tags)\.member\.\d+(\.Name|\.Value)?)$/;
    const strange = [...query.keys()].find((key) => !known.test(key));
    if (strange !== undefined) return sesError('ValidationError', `unknown parameter ${strange}`);
    const email = await PostalMime.parse(raw);
    if (email.from?.address !== source) return no('From is not Source');
    if (email.headers.some(({ key }) => key === 'bcc')) return no('Bcc is shown');
    const id = `0100${createHash('sha256').update(`${taken.length}`).digest('hex').slice(0, 12)}-000000`;
    const tags = Object.fromEntries(names.map((name, at) => [name, values[at] ?? '']));
    taken.push({ id, source, destinations, tags, configurationSet: set, raw, email });
    return ok('SendRawEmail', `<MessageId>${id}</MessageId>`);
  }

  const server = await startHttpServer({
    handler: async (request) => {
      const reply = await handle(request);
      return { ...reply, headers: { ...reply.headers, date: new Date(Date.now() + state.aheadMs).toUTCString() } };
    },
  });
  // Not spread: the counters of the server are getters.
  return Object.assign(server, { taken, state });
}

/** An error as version 1 says it. */
export function sesError(code: string, message: string, status = 400): HttpReply {
  const text = message.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/'/g, '&apos;');
  const body = `<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/">
  <Error><Type>Sender</Type><Code>${code}</Code><Message>${text}</Message></Error><RequestId>made-up</RequestId>
</ErrorResponse>`;
  return { status, headers: { 'content-type': 'text/xml' }, body };
}

function sayV2(code: string, message: string, status: number): HttpReply {
  const headers = { 'content-type': 'application/json', 'x-amzn-errortype': `${code}:http://internal.example/` };
  return { status, headers, body: JSON.stringify({ message }) };
}

function ok(action: string, result: string): HttpReply {
  const body = `<${action}Response xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><${action}Result>${result}</${action}Result>
<ResponseMetadata><RequestId>made-up</RequestId></ResponseMetadata></${action}Response>`;
  return { status: 200, headers: { 'content-type': 'text/xml' }, body };
}

// Numbered from 1 without a gap.
function members(query: URLSearchParams, name: string, part = ''): string[] {
  const all: string[] = [];
  for (let value = query.get(`${name}.member.1${part}`); value !== null; ) {
    all.push(value);
    value = query.get(`${name}.member.${all.length + 1}${part}`);
  }
  return all;
}

// Signature Version 4, computed anew from what came over the wire:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (2026-11).
function signatureFault(
  request: ReceivedRequest,
  keys: SesKeys,
  now: number,
): { code: string; message: string } | null {
  const header = (name: string) => [request.headers[name] ?? ''].flat().join(',').trim();
  const given =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/ses\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
      header('authorization'),
    );
  if (!given) return { code: 'IncompleteSignature', message: 'no signature' };
  const [, key, day = '', region = '', names = '', signature] = given;
  if (key !== keys.accessKeyId)
    return { code: 'InvalidClientTokenId', message: 'The security token included in the request is invalid.' };
  if (header('x-amz-security-token') !== (keys.token ?? ''))
    return { code: 'InvalidClientTokenId', message: 'The security token included in the request is invalid.' };
  const time = header('x-amz-date');
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(at - now) < 300_000))
    return { code: 'SignatureDoesNotMatch', message: `Signature expired: ${time} is now earlier than another time` };
  const must = ['host', 'x-amz-date', 'content-type', ...(keys.token ? ['x-amz-security-token'] : [])];
  const signed = names.split(';');
  const hash = createHash('sha256').update(request.body).digest('hex');
  const canonical = [
    request.method,
    request.path,
    '',
    ...signed.map((name) => `${name}:${header(name).replace(/ +/g, ' ')}`),
    '',
    names,
    hash,
  ].join('\n');
  const scope = `${day}/${region}/ses/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const mac = (secret: string | Buffer, data: string) => createHmac('sha256', secret).update(data).digest();
  const signingKey = [day, region, 'ses', 'aws4_request'].reduce<Buffer | string>(mac, `AWS4${keys.secretAccessKey}`);
  const wanted = createHmac('sha256', signingKey).update(text).digest('hex');
  const complete = must.every((name) => signed.includes(name) || (name === 'content-type' && request.method === 'GET'));
  if (wanted !== signature || region !== keys.region || !complete || !time.startsWith(day))
    return {
      code: 'SignatureDoesNotMatch',
      message: `The request signature we calculated does not match the signature you provided. The Canonical String was ${canonical}`,
    };
  return null;
}
