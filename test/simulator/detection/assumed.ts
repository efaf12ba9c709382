// What the simulated world is assumed to be. None of it is measured: it is meant to be as ugly as real traffic, never kinder.

const secondMs = 1000;
const minuteMs = 60_000;
const hourMs = 3_600_000;

/** The big mailbox hosts: their share of all mail and the median delay from acceptance to the first sign of life. */
export const assumedHosts = [
  { domain: 'gmail.com', share: 0.38, medianMs: 3200 },
  { domain: 'outlook.com', share: 0.17, medianMs: 5000 },
  { domain: 'yahoo.com', share: 0.09, medianMs: 4500 },
  { domain: 'icloud.com', share: 0.08, medianMs: 4000 },
  { domain: 'gmx.de', share: 0.03, medianMs: 4500 },
  { domain: 'proton.me', share: 0.02, medianMs: 4000 },
  { domain: 'qq.com', share: 0.01, medianMs: 8000 },
] as const;

/** All other recipients: the long tail. Shares of its mail by Zipf's law; each domain has a median delay of its own. */
export const assumedTail = {
  domains: 2000,
  zipf: 1,
  medianMs: 4000,
  /** Spread of the domains' medians (of the logarithm). */
  medianSigma: 0.5,
  /** Share of domains that greylist, the share of their mail that is a first contact, and how long that then takes. */
  greylisting: 0.03,
  firstContact: 0.7,
  greylistedMs: [5 * minuteMs, 15 * minuteMs],
  /** Share of its time that a domain is down, and for how long at a time. */
  downShare: 0.01,
  downMs: [hourMs, 8 * hourMs],
} as const;

/** Delays: lognormal about the host's median, with a heavy tail. */
export const assumedDelay = {
  sigma: 1.3,
  /** Stretched for no reason that we know, evenly in the logarithm. */
  stretched: 0.01,
  stretchedMs: [minuteMs, hourMs],
  /** Never shows a sign of life. */
  silent: 0.03,
  /** All delays of the provider drift together: spread (of the logarithm) and how fast it forgets. */
  driftSigma: 0.2,
  driftMs: 2 * hourMs,
} as const;

/** Traffic: Poisson, with a daily curve exp(shape · cos) that runs from 0.25 to 2.3 times the mean. */
export const assumedTraffic = {
  dayShape: 1.1,
  peakHour: 14,
  /** So many messages are followed by another to the same recipient at once (welcome and confirm), which shares the first one's fate. */
  followUp: 0.08,
  followUpMs: [secondMs / 2, 20 * secondMs],
} as const;

/** What goes wrong without any fault of the delivery. Counts are per year; durations evenly in the logarithm. */
export const assumedTrouble = {
  /** Each big host: nothing of its mail is heard of until it is back, and then only when the provider tries again. */
  hostDown: { perYear: 3, ms: [hourMs, 2 * hourMs] },
  /** Each big host: its delays so many times longer. */
  hostSlow: { perYear: 3, ms: [hourMs, 2 * hourMs], factor: [5, 50] },
  retriedMs: [minuteMs / 2, 15 * minuteMs],
  lull: { perYear: 40, ms: [2 * hourMs, 6 * hourMs], factor: 0.05 },
  burst: { perYear: 50, ms: [2 * minuteMs, 10 * minuteMs], factor: 20 },
  /** Bad addresses all over the long tail, on top of other mail: so many times the usual rate. Most bounce at once; of the others nothing is ever heard. */
  badAddresses: { perYear: 12, ms: [minuteMs, 10 * minuteMs], factor: 3, silent: 0.2 },
  /** Our own door for webhooks is shut; providers try again for as long after. */
  doorShut: { perYear: 8, ms: [2 * minuteMs, 2 * hourMs] },
  redeliveredMs: [0, 10 * minuteMs],
  /** The provider delivers, but its webhooks stand still and come all at once in the end. */
  stall: { perYear: 4, ms: [5 * minuteMs, 90 * minuteMs] },
  flushedMs: [0, 2 * minuteMs],
  clockJump: { perYear: 2, ms: 5 * minuteMs },
  /** Our whole service is away: no hand-over, no door, no monitor. What waited goes out within a few seconds after. */
  restart: { perYear: 50, ms: [5 * secondMs, 60 * secondMs] },
  /** A webhook that never comes, though the mail was delivered. */
  webhookLost: 0.001,
} as const;
