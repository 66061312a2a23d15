/** What one SIP message may weigh. Each is checked before memory is spent on what follows. */
export interface SipLimits {
  /** Bytes of a whole message; a UDP datagram cannot hold more than 65,535 (RFC 3261 §18.1.1). */
  readonly maxMessageBytes: number;
  /** Bytes from the start line to the blank line. */
  readonly maxHeadBytes: number;
  /** Header lines of a message. */
  readonly maxHeaders: number;
  /** Characters of the Request-URI. */
  readonly maxUriBytes: number;
}

export const DEFAULT_SIP_LIMITS: SipLimits = {
  maxMessageBytes: 65_535,
  maxHeadBytes: 49_152,
  maxHeaders: 256,
  maxUriBytes: 8_192,
};
