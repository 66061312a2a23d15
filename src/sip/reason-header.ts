/**
 * The Reason header of a BYE of ours (RFC 3326).
 *
 * @param text anything; what a quoted string cannot hold becomes a blank or an apostrophe, and 128 characters are kept
 */
export function reasonHeader(text: string): string {
  const quotable = text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/["\\]/g, "'")
    .slice(0, 128);
  return `SIP;cause=200;text="${quotable}"`;
}
