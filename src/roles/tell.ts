// Events for applications, as a process with workers posts them.

import { createPlaces } from '../outgoing/places.ts';
import { createOutgoing } from '../outgoing/post.ts';
import { startTeller, type Teller } from '../tell/teller.ts';
import { shareOf } from './sharded.ts';
import type { Shared } from './shared.ts';

/** Starts telling every application of the settings; stops with the process. */
export function runTellers(shared: Shared): void {
  const { config, clock, log, metrics, shards } = shared;
  const endpoints = Object.entries(config.webhooks);
  if (endpoints.length === 0) return;
  const outgoing = createOutgoing(createPlaces(config.outgoing.allow_private), clock);
  shared.atEnd(() => outgoing.close());
  const tellers: Teller[] = [];
  shared.atEnd(() => Promise.all(tellers.map((teller) => teller.close())));
  shards.forEach(({ number, tellings: store, messages }) => {
    for (const [name, settings] of endpoints) {
      const endpoint = {
        name,
        ...settings,
        get concurrency() {
          return shareOf(settings.concurrency, shards, number);
        },
      };
      tellers.push(startTeller({ endpoint, store, messages, outgoing, clock, log, count: metrics.told }));
    }
  });
}
