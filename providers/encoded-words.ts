// Header values for providers that put them into the mail as they get them.

// An encoded word has at most 75 characters (RFC 2047, 2), twelve of them around the base64: 45 bytes are 60 of it.
const mostBytes = 45;

/** `value` in ASCII: as it is where it is printable, else as encoded words of UTF-8 (RFC 2047), which readers join again. */
export function encodedWords(value: string): string {
  if (/^[\t\x20-\x7e]*$/.test(value)) return value;
  const pieces = [''];
  for (const character of value) {
    const longer = `${pieces.at(-1)}${character}`;
    if (Buffer.byteLength(longer) > mostBytes) pieces.push(character);
    else pieces[pieces.length - 1] = longer;
  }
  return pieces.map((piece) => `=?UTF-8?B?${Buffer.from(piece).toString('base64')}?=`).join(' ');
}
