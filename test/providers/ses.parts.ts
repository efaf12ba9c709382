// What the SES adapter is made of in tests: keys that look made up, and settings that reach a pretended SES.
import { type SesSettings, sesSettings } from '../../providers/ses/settings.ts';
import { configurationSet, type SesKeys, type SesServer } from './ses.fake.ts';

export const sesKeys = {
  accessKeyId: 'AKIDMADEUPFORTESTS',
  secretAccessKey: 'made-up/secret+access-key-7',
  region: 'eu-central-1',
} satisfies SesKeys;

export const topicArn = 'arn:aws:sns:eu-central-1:123456789012:mail-events';

/** Settings for `server`; `more` wins, and `undefined` there takes a setting away. */
export function sesTestSettings(
  server: Pick<SesServer, 'url'>,
  more: Partial<Record<keyof SesSettings, unknown>> = {},
): SesSettings {
  return sesSettings.parse({
    type: 'ses',
    region: sesKeys.region,
    access_key_id: sesKeys.accessKeyId,
    secret_access_key: sesKeys.secretAccessKey,
    configuration_set: configurationSet,
    sns_topic_arns: [topicArn],
    endpoint: server.url,
    ...more,
  });
}
