// The AWS SDK on our HTTP: the SDK signs, writes and reads, once; what became of a request is known from the wire.
//
// The SDK's own handler reports a reset after the whole mail as a time-out, and its retries can each be a mail (3.1169.0, measured).
// Version 1 of the API sends. Version 2 is loaded only to ask what version 1 does not tell: how AWS looks at the account.
import type { SESClientConfig } from '@aws-sdk/client-ses';
import type { HttpClient, HttpResponse, HttpTrouble } from '../http.ts';
import type { Answer } from './answers.ts';
import type { SesSettings } from './settings.ts';

/**
 * What one call came to. `answered`: a success the SDK could read. `refused`: any other answer, whoever gave it. `unsent`: nothing was
 * asked; `credentials` says that there were none to ask with.
 */
export type Called<Output> =
  | { readonly kind: 'answered'; readonly output: Output }
  | { readonly kind: 'refused'; readonly answer: Answer }
  | HttpTrouble
  | { readonly kind: 'unsent'; readonly cause: 'timeout' | 'credentials' | 'fault'; readonly detail: string };

/** One call of the SDK, with the options it has to be made with. */
type Ask<Output> = (options: { readonly abortSignal: AbortSignal }) => Promise<Output>;

/** The clients of the SDK. `signal` has to be new for every call: it is what tells them apart on the wire. Nothing here rejects. */
export interface SesApi {
  sendRawEmail(input: RawEmail, signal: AbortSignal): Promise<Called<{ MessageId?: string | undefined }>>;
  getSendQuota(signal: AbortSignal): Promise<Called<SendQuota>>;
  getAccountSendingEnabled(signal: AbortSignal): Promise<Called<{ Enabled?: boolean | undefined }>>;
  getAccount(signal: AbortSignal): Promise<Called<Account>>;
  close(): void;
}

/** The parameters of `SendRawEmail`. */
export interface RawEmail {
  readonly Source: string;
  readonly Destinations: string[];
  readonly RawMessage: { readonly Data: Uint8Array };
  readonly Tags: { Name: string; Value: string }[];
  readonly ConfigurationSetName?: string;
}

/** How much may be sent in 24 hours, −1 for any amount, and how much was. */
export interface SendQuota {
  readonly Max24HourSend?: number | undefined;
  readonly SentLast24Hours?: number | undefined;
}

/** What version 2 tells of the account. */
export interface Account {
  readonly EnforcementStatus?: string | undefined;
  readonly SendingEnabled?: boolean | undefined;
  readonly ProductionAccessEnabled?: boolean | undefined;
  readonly SendQuota?: SendQuota | undefined;
}

/** Connects nowhere yet, but begins to load version 1, so that the first mail need not wait for it. */
export function createSesApi(settings: SesSettings, http: HttpClient): SesApi {
  const wire = createWire(http);
  const config = clientConfig(settings, wire.handler);
  const v1 = once(async () => {
    const sdk = await import('@aws-sdk/client-ses');
    return { sdk, client: new sdk.SESClient(config) };
  });
  const v2 = once(async () => {
    const sdk = await import('@aws-sdk/client-sesv2');
    return { sdk, client: new sdk.SESv2Client(config) };
  });
  v1().catch(() => {});

  return {
    sendRawEmail: (input, signal) =>
      wire.call(async (options) => {
        const { sdk, client } = await v1();
        return client.send(new sdk.SendRawEmailCommand(input), options);
      }, signal),
    getSendQuota: (signal) =>
      wire.call(async (options) => {
        const { sdk, client } = await v1();
        return client.send(new sdk.GetSendQuotaCommand({}), options);
      }, signal),
    getAccountSendingEnabled: (signal) =>
      wire.call(async (options) => {
        const { sdk, client } = await v1();
        return client.send(new sdk.GetAccountSendingEnabledCommand({}), options);
      }, signal),
    getAccount: (signal) =>
      wire.call(async (options) => {
        const { sdk, client } = await v2();
        return client.send(new sdk.GetAccountCommand({}), options);
      }, signal),
    close: http.close,
  };
}

type Handler = NonNullable<SESClientConfig['requestHandler']>;

function clientConfig(settings: SesSettings, requestHandler: Handler) {
  const { region, endpoint, access_key_id, secret_access_key, session_token } = settings;
  const credentials =
    access_key_id !== undefined && secret_access_key !== undefined
      ? {
          accessKeyId: access_key_id,
          secretAccessKey: secret_access_key,
          ...(session_token !== undefined && { sessionToken: session_token }),
        }
      : undefined;
  return {
    region,
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    maxAttempts: 1,
    requestHandler,
  };
}

/** How far one call has got. */
interface Exchange {
  begun: boolean;
  came: HttpResponse | HttpTrouble | null;
}

interface RawRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array;
}

function createWire(http: HttpClient) {
  const exchanges = new WeakMap<object, Exchange>();

  const handler = {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request: RawRequest, { abortSignal: signal }: { abortSignal?: AbortSignal } = {}) {
      const exchange = signal && exchanges.get(signal);
      if (!signal || !exchange) throw new Error('a call of the SDK without a signal of its own');
      const { method, protocol, hostname, port, path, headers, body } = request;
      exchange.begun = true;
      const came = await http.request({
        method: method === 'GET' ? 'GET' : 'POST',
        url: `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`,
        headers,
        ...(body !== undefined && { body }),
        signal,
      });
      exchange.came = came;
      if (came.kind === 'trouble') throw new Error(came.detail);
      return { response: { statusCode: came.status, headers: { ...came.headers }, body: Buffer.from(came.body) } };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };

  async function call<Output>(ask: Ask<Output>, signal: AbortSignal): Promise<Called<Output>> {
    const exchange: Exchange = { begun: false, came: null };
    exchanges.set(signal, exchange);
    // The SDK does not listen to the signal while it looks for credentials. On the wire, `came` says it better.
    const tooLate = new Promise<null>((resolve) => {
      const abort = () => exchange.begun || resolve(null);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
    const settled = ask({ abortSignal: signal }).then(
      (output) => ({ output }),
      (error: unknown) => ({ error: error as SdkError }),
    );
    const done = await Promise.race([settled, tooLate]);
    const { came } = exchange;
    if (came?.kind === 'trouble') return came;
    if (came === null) return unsent(done && 'error' in done ? done.error : null);
    if (done && 'output' in done) return { kind: 'answered', output: done.output };
    return { kind: 'refused', answer: answerOf(came, done?.error) };
  }

  return { handler, call };
}

/** What the SDK throws. `Error` is the element of that name in an answer of SES; absent where SES did not answer. */
interface SdkError {
  readonly name: string;
  readonly message: string;
  readonly Error?: { readonly Code?: string };
}

// Version 1 names the error in its XML, version 2 in a header.
function answerOf({ status, headers, body }: HttpResponse, error: SdkError | undefined): Answer {
  const code = error?.Error?.Code ?? headers['x-amzn-errortype']?.split(':')[0] ?? null;
  return { status, headers, code, text: code === null ? body : (error?.message ?? body) };
}

function unsent(error: SdkError | null): Called<never> {
  if (error === null || error.name === 'AbortError')
    return { kind: 'unsent', cause: 'timeout', detail: 'there was no time left to begin' };
  const cause = /^(Credentials|Token)ProviderError$/.test(error.name) ? 'credentials' : 'fault';
  return { kind: 'unsent', cause, detail: `${error.name}: ${error.message}` };
}

/** Does it once, at the first call. */
function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | null = null;
  return () => (made ??= make());
}
