// The slots of Redis Cluster: which one a hash tag falls into, and who keeps it.

/** One stretch of slots, both ends included, and the node that keeps it, `host:port`. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly host: string;
  readonly port: number;
}

/** The slot of all keys with this hash tag, given with its braces: CRC-16/XMODEM of what is between them, modulo 16384 (Redis Cluster specification). */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag.slice(1, -1))) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % 16_384;
}

/** Reads the reply of `CLUSTER SLOTS`. @param asked whom: a node may not know its own name. */
export function readSlots(reply: unknown, asked: string): SlotRange[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((one: unknown) => {
    const [from, to, primary] = one as [number, number, [string | null, number] | undefined];
    const [host, port] = primary ?? [];
    // A question mark: it does not know the name of the other (yet).
    return port === undefined || host === '?' ? [] : [{ from, to, host: host || asked, port: Number(port) }];
  });
}
