// Calls of Mandrill's API: each is a POST of JSON, with the key in it.
import { createHttpClient, type HttpResponse, type HttpTrouble } from '../http.ts';
import type { MandrillSettings } from './settings.ts';

/** The API of one account. */
export interface MandrillApi {
  /** Calls `/messages/send` and the like. Never rejects. */
  call(path: string, parameters: object, signal: AbortSignal): Promise<HttpResponse | HttpTrouble>;
  close(): void;
}

/** Connects nowhere yet. */
export function createMandrillApi({ api_key, base_url, max_concurrency }: MandrillSettings): MandrillApi {
  // A few more than there are hand-overs at a time: questions about the account need not wait for one to end.
  const http = createHttpClient({ maxSockets: max_concurrency + 8 });
  return {
    call: (path, parameters, signal) =>
      http.request({
        method: 'POST',
        url: `${base_url}${path}.json`,
        headers: { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'mailover' },
        body: JSON.stringify({ key: api_key, ...parameters }),
        signal,
      }),
    close: http.close,
  };
}
