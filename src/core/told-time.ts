/**
 * Whether metadata tells a time at all: Ribbon writes 1970 where it does not know one. Any other text, readable or not, is told: an
 * end that cannot be read is an end.
 */
export function isToldTime(text: string | undefined): text is string {
  return text !== undefined && text !== '' && !text.startsWith('1970');
}
