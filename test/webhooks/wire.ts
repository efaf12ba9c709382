// HTTP by hand, over a bare socket: for requests that no decent client would send.
import { connect } from 'node:net';

/** A webhook as it goes over the wire. */
export interface Posted {
  readonly method?: string;
  /** Path and query. */
  readonly path: string;
  /** By name; several values are several lines. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string | Uint8Array;
}

/** The bytes of a request. */
export function bytesOf({ method = 'POST', path, headers, body }: Posted): Buffer {
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${value}`),
  );
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  const head = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', length, ...lines, '', ''];
  return Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), Buffer.from(body)]);
}

/**
 * Sends `bytes` to the server at `url`, and gives the status of its answer.
 * @throws when none has come within `within` ms, or the connection ends without one.
 */
export function exchange(url: string, bytes: Uint8Array, within = 10_000): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    const done = (settle: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const timer = setTimeout(() => done(() => reject(new Error(`no answer within ${within} ms`))), within);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
      const status = /^HTTP\/1\.1 (\d{3}) [^\n]*\n/.exec(answer)?.[1];
      if (status) done(() => resolve(Number(status)));
    });
    socket.on('error', (error) => done(() => reject(error)));
    socket.on('close', () => done(() => reject(new Error(`closed after: ${answer}`))));
  });
}
