// Where traces go, if anywhere.
import { z } from 'zod';
import { converted, share, text, toHttpUrl } from './fields.ts';

/** `telemetry`: traces by OpenTelemetry. */
export const telemetry = z.strictObject({
  otlp_endpoint: converted(toHttpUrl, 'is no address: write scheme, host and port, such as http://127.0.0.1:4318')
    .meta({ kind: 'URL' })
    .optional()
    .meta({
      description:
        'The collector that traces are sent to, by OTLP over HTTP as JSON, without `/v1/traces`. None are made if absent.',
    }),
  headers: z
    .record(
      z.string().regex(/^[a-z0-9-]{1,100}$/, 'is no header: use a-z, 0-9 and -'),
      text().meta({ description: 'A header of every request to the collector, for its keys.', secret: true }),
    )
    .prefault({}),
  service_name: text().prefault('mailover').meta({ description: 'What the service is called in traces.' }),
  sample: share().prefault(1).meta({
    description: 'The part of requests that are traced; one that comes with a `traceparent` says for itself.',
  }),
});
