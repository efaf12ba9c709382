// A whole incident through every sink: what the people who are woken get to read, and what each far side makes of it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, sandboxes, startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { type FarSides, outgoing, startFarSides } from './far-sides.ts';

let far: FarSides;
let service: Service;
beforeAll(async () => {
  far = await startFarSides();
  service = await startService({
    settings: {
      providers: { ...sandboxes.providers },
      streams: { default: { providers: ['primary', 'standby'] }, alerts: { providers: ['primary', 'standby'] } },
      health: { rest: '1s', max_rest: '1s', probe_interval: '100ms', probes: 1, ramp_dwell: '500ms' },
      alerts: { sinks: far.settings, group_for: '1s', link: 'https://runbook.acme.example/{incident}' },
      outgoing,
    },
  });
}, 60_000);
afterAll(async () => {
  await service?.close();
  await far?.close();
});

describe('a suspended account', () => {
  test('is told to every sink, and so is its end', async () => {
    await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'suspend' });
    await service.send();
    const began = performance.now();
    const [triggered] = await until(() => far.pagerduty.heard.length > 0 && far.pagerduty.heard, {
      what: 'the pager to be told',
    });
    const pagedMs = performance.now() - began;
    expect(triggered).toMatchObject({
      action: 'trigger',
      body: { payload: { severity: 'critical', source: 'primary' } },
    });
    expect(pagedMs).toBeLessThan(5_000);
    const { body: incidents } = await service.call('GET', '/v1/incidents?state=open');
    const { id } = incidents.data[0];

    await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'deliver' });
    await until(
      async () => {
        await service.send();
        return far.pagerduty.heard.some(({ action }) => action === 'resolve');
      },
      { what: 'the pager to be told of the end', within: 25_000, every: 50 },
    );
    await until(() => far.slack.heard.some(({ about }) => about.startsWith('RESOLVED')), { what: 'the chat' });
    await until(() => far.opsgenie.heard.some(({ action }) => action === 'close'), { what: 'the close' });
    await until(() => far.webhook.heard.some(({ action }) => action === 'alert.resolved'), { what: 'the hook' });
    await until(() => far.json.heard.some(({ action }) => action === 'resolve'), { what: 'the template' });

    for (const side of [far.slack, far.pagerduty, far.opsgenie, far.webhook, far.json])
      expect(side.refused).toEqual([]);
    // One episode, one key, from the first word to the last.
    expect(new Set(far.pagerduty.heard.map(({ about }) => about)).size).toBe(1);
    expect(new Set(far.opsgenie.heard.map(({ about }) => about)).size).toBe(1);
    expect(far.pagerduty.heard.map(({ action }) => action).filter((action) => action === 'resolve')).toHaveLength(1);
    expect(far.webhook.heard[0]).toMatchObject({
      action: 'alert.triggered',
      body: {
        data: { provider: 'primary', incident: id, severity: 'critical', link: `https://runbook.acme.example/${id}` },
      },
    });
  });
});
