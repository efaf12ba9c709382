// Every provider with the server that plays it and the faults of that server: for tests of the whole service.

import { startSmtpServer } from '../support/smtp-server.ts';
import type { FaultCase } from './contract.ts';
import { httpFaults } from './http.faults.ts';
import { mailgunDomain, mailgunKey, startMailgun } from './mailgun.fake.ts';
import { mailgunFaults } from './mailgun.faults.ts';
import { apiKey as mandrillKey, startMandrill } from './mandrill.fake.ts';
import { mandrillFaults } from './mandrill.faults.ts';
import { serverToken, startPostmark } from './postmark.fake.ts';
import { postmarkFaults } from './postmark.faults.ts';
import { resendKey, startResend } from './resend.fake.ts';
import { resendFaults } from './resend.faults.ts';
import { everybody, sendgridKey, startSendgrid } from './sendgrid.fake.ts';
import { sendgridFaults } from './sendgrid.faults.ts';
import { startSesServer } from './ses.fake.ts';
import { sesFaults } from './ses.faults.ts';
import { sesKeys } from './ses.parts.ts';
import { smtpFaults } from './smtp.faults.ts';

/** A server that plays a provider. */
export interface FarSide {
  /** As in the settings file. */
  readonly settings: Record<string, unknown>;
  setFault(fault: unknown): void;
  /** What it took: our message id, and whom it was told to reach. */
  taken(): readonly { readonly id: string | null; readonly recipients: readonly string[] }[];
  close(): Promise<void>;
}

export interface Played {
  readonly name: string;
  readonly faults: readonly FaultCase<unknown>[];
  start(): Promise<FarSide>;
}

/** A server that is reached by `settings`. */
function side<S extends { setFault(fault: never): void; close(): Promise<void> }>(
  server: S,
  settings: Record<string, unknown>,
  taken: FarSide['taken'],
): FarSide {
  return { settings, taken, setFault: (fault) => server.setFault(fault as never), close: () => server.close() };
}

/** All of them. */
export const played: readonly Played[] = [
  {
    name: 'smtp',
    faults: smtpFaults,
    async start() {
      const auth = { user: 'acme', password: 'made-up-password-7' };
      const server = await startSmtpServer({ auth });
      const settings = {
        type: 'smtp',
        host: server.host,
        port: server.port,
        tls: 'none',
        connect_timeout: '1s',
        ...auth,
      };
      return side(server, settings, () => server.received.map(({ id, to }) => ({ id, recipients: to })));
    },
  },
  {
    name: 'mandrill',
    faults: mandrillFaults,
    async start() {
      const server = await startMandrill();
      return side(
        server,
        { type: 'mandrill', api_key: mandrillKey, base_url: `${server.url}/api/1.0` },
        () => server.taken,
      );
    },
  },
  {
    name: 'ses',
    faults: [...httpFaults, ...sesFaults],
    async start() {
      const server = await startSesServer(sesKeys);
      const keys = {
        region: sesKeys.region,
        access_key_id: sesKeys.accessKeyId,
        secret_access_key: sesKeys.secretAccessKey,
      };
      return side(server, { type: 'ses', ...keys, endpoint: server.url }, () =>
        server.taken.map(({ tags, destinations }) => ({ id: tags.mailover_id ?? null, recipients: destinations })),
      );
    },
  },
  {
    name: 'postmark',
    faults: postmarkFaults,
    async start() {
      const server = await startPostmark();
      return side(server, { type: 'postmark', server_token: serverToken, base_url: server.url }, () => server.taken);
    },
  },
  {
    name: 'sendgrid',
    faults: sendgridFaults,
    async start() {
      const server = await startSendgrid();
      return side(server, { type: 'sendgrid', api_key: sendgridKey, base_url: server.url }, () =>
        server.mails.map((mail) => ({ id: mail.custom_args?.mailover_id ?? null, recipients: everybody(mail) })),
      );
    },
  },
  {
    name: 'mailgun',
    faults: mailgunFaults,
    async start() {
      const server = await startMailgun();
      return side(server, { type: 'mailgun', api_key: mailgunKey, domain: mailgunDomain, base_url: server.url }, () =>
        server.mails.map(({ id, envelope }) => ({ id, recipients: envelope })),
      );
    },
  },
  {
    name: 'resend',
    faults: resendFaults,
    async start() {
      const server = await startResend();
      return side(server, { type: 'resend', api_key: resendKey, base_url: server.url }, () => server.taken);
    },
  },
];
