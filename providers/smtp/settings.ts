// Settings of an SMTP relay.
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { duration, host, integer, text, whenSection } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Schema of `type: smtp`. `tls: starttls` insists on the upgrade: a relay that does not offer it gets no mail. */
export const smtpSettings = z
  .strictObject({
    type: z.literal('smtp').meta({ description: 'Any relay that speaks SMTP.' }),
    ...commonSettings,
    host: host().meta({ description: 'The relay: a host name or an IP address.' }),
    port: integer(1, 65_535)
      .prefault(587)
      .meta({ description: 'The port of the relay: 587 for `starttls`, 465 for `implicit`, 25 between servers.' }),
    user: text().optional().meta({ description: 'The user to log in as; with `password`, or neither.' }),
    password: text()
      .optional()
      .meta({ description: 'The password to log in with; with `user`, or neither.', secret: true }),
    tls: z.enum(['starttls', 'implicit', 'none']).prefault('starttls').meta({
      description:
        'Encryption: `starttls` upgrades and insists on it, `implicit` begins with it, `none` sends in the clear.',
    }),
    tls_ca: text()
      .refine(isCertificate, `must be a certificate in PEM form: write "\${file:/path/to/ca.pem}"`)
      .optional()
      .meta({
        description:
          "The certificate (PEM) of the private authority that signed the relay's; trusted instead of the public ones.",
      }),
    name: host()
      .optional()
      .meta({ description: 'The name to greet the relay with (EHLO); the name of this machine if absent.' }),
    max_connections: integer(1, 1_000)
      .prefault(5)
      .meta({ description: 'The most connections to the relay that one process keeps open.' }),
    connect_timeout: duration()
      .prefault('5s')
      .meta({ description: 'How long connecting may take: name, TCP, TLS and greeting.' }),
  })
  .refine(({ user, password }) => (user === undefined) === (password === undefined), {
    ...whenSection,
    path: ['password'],
    error: 'goes together with `user`: set both, or neither for a relay without a login',
  });

/** The settings of one SMTP relay, parsed: times in milliseconds, rates per second. */
export type SmtpSettings = z.output<typeof smtpSettings>;

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
