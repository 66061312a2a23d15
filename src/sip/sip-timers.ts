/** The base values of RFC 3261 §17.1.1.1, in ms. All other timers are made of these. */
export interface SipTimers {
  /** Round trip estimate: the first retransmission. */
  readonly t1Ms: number;
  /** The longest pause between retransmissions. */
  readonly t2Ms: number;
  /** How long a message may stay in the network. */
  readonly t4Ms: number;
}

export const DEFAULT_SIP_TIMERS: SipTimers = { t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 };

/** 64*T1: timers B, F, H, J, L, M and the patience for an ACK. */
export function transactionLifetimeMs(timers: SipTimers): number {
  return 64 * timers.t1Ms;
}
