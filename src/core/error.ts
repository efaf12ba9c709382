// What a thrown value says: anything can be thrown.

/** The message of an error, and whatever else was thrown as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
