// Local parts of simulated addresses.

/** One for each number. */
export const firstNameOf = (each: number): string => `user${each}`;
