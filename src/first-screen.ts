// The first screen: what is running, and the next thing to type.
import type { LoadedConfig } from '../config/load.ts';
import type { Running } from './app.ts';

/** What the first screen is about. */
export interface FirstScreen {
  readonly loaded: LoadedConfig;
  readonly running: Pick<Running, 'url' | 'firstKey'>;
  readonly adminKey: string | null;
  readonly roles: readonly string[];
}

/** What the terminal shows once the service is ready. The only place that ever shows the first admin key. */
export function firstScreen({ loaded, running, adminKey, roles }: FirstScreen): string {
  const { url, firstKey } = running;
  if (!roles.includes('api')) return `Mailover is ready: ${url} (${roles.join(', ')}; health and metrics alone)\n`;
  const lines = [`Mailover is ready: ${url} (documents: ${url}/docs)`];
  if (firstKey) {
    lines.push('', 'Your admin key, shown this once (only its hash is kept):', '', `  export MAILOVER_KEY=${firstKey}`);
  } else if (adminKey) {
    lines.push(
      '',
      'The admin key is the one in MAILOVER_ADMIN_KEY:',
      '',
      '  export MAILOVER_KEY="$MAILOVER_ADMIN_KEY"',
    );
  }
  if (loaded.source !== 'demo') return `${lines.join('\n')}\n\n`;

  const call = (path: string, method: string, body: string) =>
    `  curl -sX ${method} ${url}${path} -H "Authorization: Bearer $MAILOVER_KEY" \\\n    -H 'Content-Type: application/json' -d '${body}'`;
  if (!firstKey && !adminKey)
    lines.push('', 'The admin key was shown at the first start; MAILOVER_ADMIN_KEY sets another one.');
  lines.push(
    '',
    'This is the demo: two sandbox providers, primary and standby. Send a first mail:',
    '',
    call(
      '/v1/emails',
      'POST',
      '{"from":"Acme <hello@acme.example>","to":"ada@example.com","subject":"Hello","text":"It works.","stream":"critical"}',
    ),
    '',
    'See it arrive:',
    '',
    `  curl -s ${url}/v1/sandbox/inbox -H "Authorization: Bearer $MAILOVER_KEY"`,
    '',
    'Suspend the primary, send again, and watch the mail move to the standby:',
    '',
    call('/v1/providers/primary/sandbox', 'PUT', '{"mode":"suspend"}'),
    `  curl -s ${url}/v1/providers -H "Authorization: Bearer $MAILOVER_KEY"`,
    '',
    'Stop with Ctrl-C.',
    '',
  );
  return `${lines.join('\n')}\n`;
}
