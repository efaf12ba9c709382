// Requests that never become one: too slow, too long in their headers, no HTTP. Answered on the bare socket, in the shape of all errors.
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ApiError, type ErrorName, problem } from './errors.ts';

const kinds: Readonly<Record<string, readonly [ErrorName, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [
    'request_timeout',
    'The request was not complete within server.request_timeout. Nothing was accepted.',
  ],
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The header fields together are longer than 16 KB.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['payload_too_large', 'The extensions of a chunk are too long.'],
};
const other = [
  'bad_request',
  'This is no request that HTTP knows: look at its first line, headers and length.',
] as const;

/** Answers and hangs up. `error` is what Node's parser said; none of the request is repeated. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket, requestId: string): void {
  if (error.code !== 'ECONNRESET' && socket.writable) {
    const [name, detail] = kinds[error.code ?? ''] ?? other;
    const view = problem(new ApiError(name, detail));
    const body = JSON.stringify(view);
    socket.write(
      [
        `HTTP/1.1 ${view.status} ${STATUS_CODES[view.status]}`,
        'Content-Type: application/problem+json; charset=utf-8',
        `Content-Length: ${Buffer.byteLength(body)}`,
        `X-Request-Id: ${requestId}`,
        'Connection: close',
        '',
        body,
      ].join('\r\n'),
    );
  }
  socket.destroy();
}
