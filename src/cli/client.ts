// Asks a running service: one small HTTP client for all commands, and words for whatever goes wrong on the way.

/** The service cannot be asked, or has refused. The message is for the person at the terminal. */
export class ClientFault extends Error {
  override readonly name = 'ClientFault';
  /** The status of the answer; null where none came. */
  readonly status: number | null;

  constructor(message: string, status: number | null = null) {
    super(message);
    this.status = status;
  }
}

/** A running service. All reject with a `ClientFault`. `path` begins with `/v1`. */
export interface Client {
  readonly url: string;
  get<T>(path: string): Promise<T>;
  put<T>(path: string, body: object): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
  delete<T>(path: string): Promise<T>;
  /** The lines of an answer that may be very long, as they come, without one that has no end. An aborted `signal` ends it with a fault. With a `body` it is posted. */
  lines(path: string, signal: AbortSignal, body?: object): AsyncGenerator<string>;
}

/** What a client needs. `url` is the service's, without a path, or with that of a proxy. */
export interface ClientParts {
  readonly url: string;
  readonly key: string;
  readonly fetch: typeof fetch;
}

const patienceMs = 15_000;

/** A client for one service and one key. */
export function createClient({ url: given, key, fetch }: ClientParts): Client {
  const url = given.replace(/\/+$/, '');

  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${key}` };
    if (body) headers['content-type'] = 'application/json';
    let status: number;
    let text: string;
    try {
      const signal = AbortSignal.timeout(patienceMs);
      const answer = await fetch(url + path, { method, headers, signal, ...(body && { body: JSON.stringify(body) }) });
      status = answer.status;
      text = await answer.text();
    } catch (error) {
      throw away(error);
    }
    const said = parsed(text);
    if (status >= 200 && status < 300 && said !== null) return said as T;
    throw refusal(status, said);
  }

  const away = (error: unknown) =>
    new ClientFault(
      `No Mailover answers at ${url} (${whyOf(error)}). Start it with \`npm start\`, or set MAILOVER_URL to where it runs.`,
    );

  function refusal(status: number, said: object | null): ClientFault {
    const { detail } = (said ?? {}) as { detail?: unknown };
    if (typeof detail !== 'string')
      return new ClientFault(
        `What answers at ${url} (status ${status}) is not Mailover: look at MAILOVER_URL.`,
        status,
      );
    if (status === 401)
      return new ClientFault(`${url} does not know this key: set MAILOVER_KEY to one of its API keys.`, status);
    if (status === 403) return new ClientFault(`This key may not do that: ${detail}`, status);
    return new ClientFault(`${url} refuses: ${detail}`, status);
  }

  return {
    url,
    get: (path) => call('GET', path),
    put: (path, body) => call('PUT', path, body),
    post: (path, body) => call('POST', path, body),
    delete: (path) => call('DELETE', path),
    async *lines(path, signal, body) {
      let begun = false;
      // For the beginning alone: the rest may take as long as it takes.
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(new DOMException('late', 'TimeoutError')), patienceMs);
      try {
        const ends = AbortSignal.any([signal, late.signal]);
        const headers = { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) };
        const answer = await fetch(url + path, {
          headers,
          signal: ends,
          ...(body && { method: 'POST', body: JSON.stringify(body) }),
        });
        clearTimeout(timer);
        if (!answer.ok || !answer.body) throw refusal(answer.status, parsed(await answer.text()));
        begun = true;
        let rest = '';
        for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          yield* lines;
        }
      } catch (error) {
        if (error instanceof ClientFault) throw error;
        if (signal.aborted) throw new ClientFault('Interrupted: nothing is kept.');
        throw begun
          ? new ClientFault(`The answer broke off (${whyOf(error)}): nothing of it is kept. Ask again.`)
          : away(error);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function parsed(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

// fetch says "fetch failed" and keeps the reason in its cause, or in the first of several causes.
function whyOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer in ${patienceMs / 1_000} s`;
  const cause = error instanceof Error ? error.cause : null;
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  const { code, message } = (first ?? error) as { code?: unknown; message?: unknown };
  if (code === 'ECONNREFUSED') return 'connection refused';
  return String(code ?? message ?? error);
}
