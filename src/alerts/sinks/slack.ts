// Slack's incoming webhooks, and those of Mattermost and Rocket.Chat: a JSON object with `text`, which is all that they have in common.
import type { Outgoing } from '../../outgoing/post.ts';
import type { Letter } from '../alert.ts';
import { asText, type Dress } from '../plain.ts';
import { postedOf, type Sink, without } from './sink.ts';

// `text` should be no longer than 4,000 characters (docs.slack.dev, chat.postMessage, "Truncating content", 2026-11).
const mostText = 4_000;

// Only these three have to be escaped (docs.slack.dev, "Formatting message text"). Mattermost wakes a channel for a bare @channel.
function safe(text: string): string {
  const plain = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return plain.replace(/@(?=channel|here|all|everyone)/gi, '@\u200b');
}

const dress: Dress = {
  safe,
  strong: (text) => `*${text.replaceAll('*', '·')}*`,
  command: (text) => `\`${text.replaceAll('`', '´')}\``,
};

/** The body of one request. */
export function slackBody({ alerts }: Letter): { text: string } {
  const share = Math.floor(mostText / alerts.length) - 10;
  return { text: alerts.map((alert) => cut(asText(alert, dress), share)).join('\n\n———\n\n') };
}

// Not within an entity.
function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/&\w*$/, '')}…`;
}

/** Makes the sink. */
export function slackSink(name: string, settings: { url: string; timeout: number }, outgoing: Outgoing): Sink {
  const { url, timeout: timeoutMs } = settings;
  const clean = without(url, new URL(url).pathname);
  return {
    name,
    type: 'slack',
    grouped: true,
    longestMs: timeoutMs,
    async post(letter, signal) {
      const body = JSON.stringify(slackBody(letter));
      return postedOf(await outgoing.ask({ url, body, timeoutMs }, signal), clean);
    },
  };
}
