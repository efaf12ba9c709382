// Whom this process connects to: every socket that is opened, by whichever library.
import { Socket } from 'node:net';
import { vi } from 'vitest';

/** Watches from now on. */
export interface Dialling {
  /** `host:port` or the path of every connection begun since, but those to `ports` of this machine. */
  dialled(...ports: readonly number[]): string[];
  stop(): void;
}

/** Starts to watch. */
export function watchDialling(): Dialling {
  const spy = vi.spyOn(Socket.prototype, 'connect');
  return {
    dialled: (...ports) =>
      spy.mock.calls.flatMap((call) => {
        // What `net.connect` makes of its own arguments is one list.
        const [target] = [call[0]].flat() as unknown[];
        const {
          host = 'localhost',
          port,
          path,
        } = (typeof target === 'object' ? target : { port: target }) as {
          host?: string;
          port?: number | string;
          path?: string;
        };
        if (path !== undefined && port === undefined) return [path];
        const isOurs = ['localhost', '127.0.0.1'].includes(host) && ports.includes(Number(port));
        return isOurs ? [] : [`${host}:${port}`];
      }),
    stop: () => spy.mockRestore(),
  };
}
