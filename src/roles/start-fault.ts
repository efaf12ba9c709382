// A fault of the surroundings that only a person can mend.

/** An unsafe Redis, a missing key, a wrong level of the log. Its message says what, where and the mend; exit status 78. */
export class StartFault extends Error {}
