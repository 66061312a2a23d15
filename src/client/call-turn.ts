import type { OfferParticipant } from './siprec-offer.js';

/** What happens in a call when so much of its audio is sent. */
export type CallTurn = { readonly atMs: number } & (
  | {
      readonly kind: 'hold';
      readonly forMs: number;
      /** `address`: by 0.0.0.0 in `c=`, as before RFC 3264. */
      readonly by?: 'direction' | 'address';
    }
  /** Sends nothing and says nothing. */
  | { readonly kind: 'pause'; readonly forMs: number }
  /** Every stream goes on as another source. */
  | { readonly kind: 'new_source' }
  /** The last stream passes to somebody else, which the metadata of a re-INVITE tells. */
  | { readonly kind: 'transfer'; readonly to: OfferParticipant }
);
