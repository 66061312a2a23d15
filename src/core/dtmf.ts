/** What is kept of a key that somebody pressed: which one, only that one was pressed, or nothing. */
export const DTMF_POLICIES = ['store', 'mask', 'drop'] as const;
export type DtmfPolicy = (typeof DTMF_POLICIES)[number];

/** Where a key press was heard: as telephone-event in RTP (RFC 4733), or as SIP INFO. */
export const DTMF_SOURCES = ['rtp', 'info'] as const;
export type DtmfSource = (typeof DTMF_SOURCES)[number];

/** Event codes 0 to 16 (RFC 4733 §3.2): sixteen keys and the hook flash. */
const KEYS: readonly string[] = [...'0123456789*#ABCD', 'flash'];

/** The key of an event code: one character, or `flash`; undefined for codes that are no keys (modem tones, trunk signals …). */
export function dtmfKey(code: number): string | undefined {
  return KEYS[code];
}
