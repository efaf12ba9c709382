// Who sends: services that post mail and ask again until they have an answer, and operators who cancel, resend and look.

import type { Stage } from './happen.ts';
import { firstNameOf } from './names.ts';

const hourMs = 3_600_000;
const mostTries = 60;

/** How busy the hour of the day is, about 1 on average; from 0.25 to 2.3. */
export function dayShape(hour: number): number {
  return Math.exp(1.1 * Math.cos(((hour - 14) / 24) * 2 * Math.PI)) / 1.326;
}

/** Begins; returns what ends it. */
export function startTraffic(stage: Stage): () => void {
  const { ground, dice, hosts } = stage;
  const { clock, plan, wall, notes } = ground;
  const streams = Object.entries(plan.streams);
  let going = true;
  let sent = 0;

  const drawStream = () => {
    let left = dice.uniform() * streams.reduce((sum, [, { share }]) => sum + share, 0);
    return streams.find(([, { share }]) => {
      left -= share;
      return left < 0;
    })!;
  };

  function post(): void {
    sent += 1;
    const key = `key-${sent}`;
    const [stream, { expires_in, on_unknown }] = drawStream();
    const many = dice.uniform() < 0.1 ? 2 + Math.floor(2 * dice.uniform()) : 1;
    const to = Array.from({ length: many }, () => ({
      name: '',
      address: `${firstNameOf(Math.floor(4_000 * dice.uniform()))}@${hosts.draw(dice).domain}`,
    })).filter(({ address }, at, all) => all.findIndex((one) => one.address === address) === at);
    const laterMs = dice.uniform() < 0.02 ? 30_000 + 240_000 * dice.uniform() : null;
    let answered = false;
    const attempt = (tries: number) => {
      if (answered || tries > mostTries) return;
      clock.plan(null, clock.now() + 2_000 + 500 * dice.uniform(), () => attempt(tries + 1));
      const api = stage.api();
      if (!api || api.process.pausedUntil > clock.now()) return;
      clock.plan(api.process, clock.now() + 0.5, () => {
        const now = wall();
        const scheduledAt = laterMs === null ? null : now + Math.floor(laterMs);
        const draft = {
          from: { name: '', address: 'app@acme.example' },
          to,
          cc: [],
          bcc: [],
          replyTo: [],
          subject: 'news',
          text: 'hello',
          html: null,
          headers: {},
          attachments: [],
          tags: [],
          metadata: {},
          stream,
          scheduledAt,
          expiresAt: (scheduledAt ?? now) + expires_in,
          onUnknown: on_unknown,
          bytes: 5,
        };
        void api.intake.accept({ drafts: [draft], input: key, sentBy: 'app', idempotencyKey: key }).then(
          (taken) => {
            answered = true;
            if (taken.kind === 'conflict') return notes.fault(`${key} is a conflict`);
            const fate = notes.fates.get(taken.ids[0]!);
            if (fate) fate.answeredAt ??= clock.now();
            notes.line('202', taken.ids[0]!);
          },
          () => {},
        );
      });
    };
    attempt(0);
  }

  function next(): void {
    const hour = plan.hour + clock.now() / hourMs;
    const perMs = (plan.perMinute / 60_000) * (plan.daily ? dayShape(hour % 24) : 1) * stage.traffic.times;
    // No rate is looked at for longer than a minute: it may change meanwhile.
    const gapMs = dice.exponential(1 / Math.max(perMs, 1e-9));
    clock.plan(null, clock.now() + Math.min(gapMs, 60_000), () => {
      if (!going) return;
      if (gapMs <= 60_000) post();
      next();
    });
  }
  next();

  function act(): void {
    clock.plan(null, clock.now() + dice.exponential(hourMs / plan.actsAnHour), () => {
      if (!going) return;
      act();
      const api = stage.api();
      const fates = [...notes.fates.values()];
      if (!api || fates.length === 0) return;
      // Mostly what was sent lately: that may still be changed.
      const fate = fates[Math.max(0, fates.length - 1 - Math.floor(dice.exponential(5)))]!;
      const resend = dice.uniform() < 0.4;
      const held = fates.find(({ id }) => ['held', 'failed'].includes(ground.records.messages.get(id)?.status ?? ''));
      clock.plan(api.process, clock.now(), () => {
        if (resend && held) {
          void api.changes.resend(held.id).then(
            ({ kind }) => {
              if (kind === 'changed') held.resends += 1;
            },
            () => {},
          );
        } else {
          void api.changes.cancel(fate.id).then(
            ({ kind }) => {
              if (kind === 'changed') fate.cancelledAt = clock.now();
            },
            () => {},
          );
        }
      });
    });
  }
  if (plan.actsAnHour > 0) act();

  return () => {
    going = false;
  };
}
