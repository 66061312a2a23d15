/** What a measured process tells of itself when asked. All but the delay count from its start. */
export interface Figures {
  readonly cpuMicroseconds: number;
  readonly residentBytes: number;
  /** RTP packets that came out of the sockets. */
  readonly packets: number;
  /** Those of them that were thrown away for whatever reason: none of a faultless load may be. */
  readonly dropped: number;
  /** How late the main thread's timers were, 99 of 100 of them, in ms; since it was asked last. */
  readonly loopDelayP99: number;
}

/** Asked of a measured process, and its answers. */
export type Question = { readonly ask: 'figures' } | { readonly ask: 'open-streams'; readonly streams: number };
export type Answer =
  | { readonly kind: 'ready'; readonly sipPort: number; readonly rtpPorts: readonly number[] }
  | { readonly kind: 'figures'; readonly figures: Figures }
  /** Milliseconds that each stream took to open. */
  | { readonly kind: 'opened'; readonly ms: readonly number[] };
