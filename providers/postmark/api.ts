// Postmark's own client on our HTTP: the client makes the requests, and what came of them is read from the wire.
//
// Not from the client, because there (5.1.0, measured) a refused connection and one lost after the whole mail are the same error, an
// empty 200 is `{}`, a 200 with an ErrorCode is a success, and of an answer that is not JSON nothing is left.
import { ServerClient } from 'postmark';
import { createHttpClient, type HttpRequest, type HttpResponse, type HttpTrouble } from '../http.ts';
import type { PostmarkSettings } from './settings.ts';

/** The API of one Postmark server. */
export interface PostmarkApi {
  /** Does the one request that `ask` makes of the client. Never rejects. */
  call(ask: (client: ServerClient) => Promise<unknown>, signal: AbortSignal): Promise<HttpResponse | HttpTrouble>;
  close(): void;
}

/** Connects nowhere yet. */
export function createPostmarkApi({ server_token, base_url, max_concurrency }: PostmarkSettings): PostmarkApi {
  // A few more than there are hand-overs at a time: questions need not wait for one to end.
  const http = createHttpClient({ maxSockets: max_concurrency + 8 });
  const { protocol, host, pathname } = new URL(base_url);
  return {
    async call(ask, signal) {
      let came: HttpResponse | HttpTrouble | null = null;
      // A client for every request: it is a handful of fields, and this is how our signal gets to the request that it is for.
      const client = new ServerClient(server_token, {
        requestHost: host + pathname.replace(/\/$/, ''),
        useHttps: protocol === 'https:',
        // The client's own time-out, in seconds, which nobody listens to: ours ends the request. Short, so that its timer is soon gone.
        timeout: 1,
        fetch: async (input, init) => {
          came = await http.request({ ...requestOf(init), url: String(input), signal });
          if (came.kind === 'trouble') throw new Error(came.detail);
          const { status, body } = came;
          // All that the client looks at; a real Response cannot have every status.
          return { status, text: async () => body } as Response;
        },
      });
      const fault = await ask(client).then(
        () => null,
        (error: unknown) => String(error),
      );
      const nothing = { kind: 'trouble', cause: 'connection_failed', sent: false, answer: null } as const;
      return came ?? { ...nothing, detail: `the client asked for nothing: ${fault}` };
    },
    close: http.close,
  };
}

// The client always calls with a plain object of headers, and with text for a body.
function requestOf(init: RequestInit | undefined): Pick<HttpRequest, 'method' | 'headers' | 'body'> {
  const { method, headers, body } = init as Pick<HttpRequest, 'method' | 'headers' | 'body'>;
  return { method, ...(headers && { headers }), ...(body !== undefined && { body }) };
}
