import type { MediaFormat, MediaOffer, OfferedStream } from '../core/model.js';

const FORMATS: readonly MediaFormat[] = [
  { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 },
  { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1 },
  { payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, parameters: '0-15' },
];

/** More streams than this are never proposed; the SRC adds others by re-INVITE. */
const MAX_STREAMS = 8;

/**
 * The offer that an SRC would have made, for an INVITE without SDP (RFC 3261 §13.2.1, Cisco CUCM): a session answers it like any
 * other, that answer goes out as our offer in the 200, and the SRC's answer comes with the ACK.
 */
export function delayedOffer(streams: number): MediaOffer {
  const count = Math.min(MAX_STREAMS, Math.max(1, streams));
  return {
    streams: Array.from(
      { length: count },
      (_, index): OfferedStream => ({
        index,
        media: 'audio',
        profile: 'RTP/AVP',
        port: 9,
        direction: 'sendonly',
        formats: FORMATS,
        rawFormats: FORMATS.map((format) => String(format.payloadType)),
      }),
    ),
    originVersion: '',
    timing: '0 0',
  };
}
