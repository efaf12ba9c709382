// Events for applications, as a process with workers posts them.

import { createPlaces } from '../outgoing/places.ts';
import { createOutgoing } from '../outgoing/post.ts';
import { startTeller } from '../tell/teller.ts';
import type { Shared } from './shared.ts';

/** Starts telling every application of the settings; stops with the process. */
export function runTellers(shared: Shared): void {
  const { config, clock, log, messages, tellings: store, metrics } = shared;
  const endpoints = Object.entries(config.webhooks);
  if (endpoints.length === 0) return;
  const outgoing = createOutgoing(createPlaces(config.outgoing.allow_private), clock);
  shared.atEnd(() => outgoing.close());
  for (const [name, settings] of endpoints) {
    const endpoint = { name, ...settings };
    const teller = startTeller({ endpoint, store, messages, outgoing, clock, log, count: metrics.told });
    shared.atEnd(() => teller.close());
  }
}
