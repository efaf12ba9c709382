// One seed for all made-up cases, so that a run fails where the last one failed: MAILOVER_SEED names another, `now` a new one each time.
import fc from 'fast-check';

const asked = process.env.MAILOVER_SEED ?? '20220808';

/** The seed of this run. */
export const seed = asked === 'now' ? Date.now() % 2 ** 31 : Number(asked);
if (!Number.isInteger(seed)) throw new Error(`MAILOVER_SEED is ${asked}, and should be a whole number, or now.`);

fc.configureGlobal({ seed });
