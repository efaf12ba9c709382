// Every scenario by its name, drawn anew for each seed.
import { anything } from './scenarios/chaos.ts';
import { blameless } from './scenarios/feedback.ts';
import { ourselves } from './scenarios/ourselves.ts';
import { outages } from './scenarios/outages.ts';
import type { Scenario } from './scenarios/parts.ts';
import { rescues } from './scenarios/rescue.ts';
import { silences } from './scenarios/silence.ts';

/** All of them. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  ...outages,
  ...silences,
  ...blameless,
  ...ourselves,
  ...rescues,
  ...anything,
};
