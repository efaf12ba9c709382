// A message's id says in which shard it lives: nobody has to be asked.

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const shape = /^em_[0-9A-HJKMNP-TV-Z]{26}([0-9A-HJKMNP-TV-Z]{2})?$/;

/** The most shards there can be: two characters are for their number. */
export const mostShards = alphabet.length ** 2;

/** The id of a message in this shard: ids of the first one are as they were before there were others. They sort by time all the same. */
export function idIn(shard: number, ulid: string): string {
  const number = shard === 0 ? '' : alphabet[Math.floor(shard / 32)]! + alphabet[shard % 32]!;
  return `em_${ulid}${number}`;
}

/** The number of the shard in which the message with this id lives. What is no id of ours lives in the first one as well as in any other. */
export function shardOf(id: string): number {
  const number = shape.exec(id)?.[1];
  return number === undefined ? 0 : alphabet.indexOf(number[0]!) * 32 + alphabet.indexOf(number[1]!);
}
