// What every HTTPS adapter owes its key: nothing goes to a far side that cannot prove who it is.
import { expect, test } from 'vitest';
import type { Provider } from '../../providers/provider.ts';
import { type HttpFault, startHttpServer } from '../support/http-server.ts';
import { testContext, testMail } from './mail.ts';

/** Declares the tests. `create` makes the provider with this `base_url` (or what its settings call it). */
export function testStrangers(name: string, create: (baseUrl: string) => Provider): void {
  test.each<[string, HttpFault | null]>([
    ['has a certificate that nobody vouches for', null],
    ['does not speak TLS', { at: 'connect', act: 'garbage' }],
    ['hangs up on TLS', { at: 'connect', act: 'reset' }],
  ])(`${name} sends nothing to a far side that %s`, async (_, fault) => {
    const server = await startHttpServer({ tls: true });
    server.setFault(fault);
    const provider = create(server.url);
    try {
      expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'failed', reason: 'tls_failed' });
      expect(server.requests).toEqual([]);
    } finally {
      await provider.close();
      await server.close();
    }
  });
}
