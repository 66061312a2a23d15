import { answeredParameters, codecNames, codecOf, type FfmpegDecoders, NO_FFMPEG } from '../core/audio-codec.js';
import { SrsError } from '../core/errors.js';
import type { AnsweredCrypto, AnsweredStream, MediaFormat, MediaOffer, OfferedStream } from '../core/model.js';
import type { OfferedCrypto } from '../core/srtp-suite.js';
import { ANY_PROTECTION, type ProtectionRules, protectionOf } from './stream-protection.js';

/**
 * Which parts of an offer are taken. Pure.
 *
 * Every offered format that can be taken is answered, telephone-event included: OpenSIPS with rtpengine hangs up on a subset.
 * A stream that cannot be taken gets port 0 and the rest goes on (RFC 3264 §6, RFC 7866 §8.4).
 */
export interface StreamDecision {
  readonly offered: OfferedStream;
  /** Empty when the stream is refused or was removed by the SRC. */
  readonly formats: readonly MediaFormat[];
  /** Whether the SRC may send now. */
  readonly active: boolean;
  /** The line whose keys the stream is protected with; absent when it is plain or refused. */
  readonly crypto?: OfferedCrypto;
  /** Why it is refused, when that is about its protection. */
  readonly unprotected?: string;
}

/** RFC 3551 payload type 13, and the draft's 19 that Cisco still sends, have this name too. */
const COMPANIONS = new Set(['TELEPHONE-EVENT', 'CN']);

function decide(offered: OfferedStream, rules: ProtectionRules, ffmpeg: FfmpegDecoders): StreamDecision {
  const refused: StreamDecision = { offered, formats: [], active: false };
  if (offered.media !== 'audio' || offered.port === 0) return refused;
  const protection = protectionOf(offered, rules);
  if (protection.kind === 'refused') return { ...refused, unprotected: protection.reason };
  // A filtered array has room for more; a copy has not, and lives as long as the leg.
  const isAudio = (format: MediaFormat): boolean => codecOf(format, ffmpeg) !== undefined;
  const formats = [...offered.formats.filter((format) => COMPANIONS.has(format.encoding) || isAudio(format))];
  if (!formats.some(isAudio)) return refused;
  // RFC 3264 §6.1: we never send, so an offer that only receives, or nothing, is answered inactive.
  const active = offered.direction === 'sendonly' || offered.direction === 'sendrecv';
  return { offered, formats, active, ...(protection.kind === 'srtp' ? { crypto: protection.crypto } : {}) };
}

/**
 * Decides every m-line of an offer.
 *
 * `ffmpeg` has the decoders by which more is taken than what is built in.
 *
 * Throws `SRS_SDP_NOT_ACCEPTABLE` when the SRC offers streams and none of them can be taken (RFC 3261 §13.3.1.3).
 * An offer without any live stream is taken: a persistent recording session has none yet (RFC 8068 §3.4).
 */
export function decideOffer(
  offer: MediaOffer,
  rules = ANY_PROTECTION,
  ffmpeg: FfmpegDecoders = NO_FFMPEG,
): readonly StreamDecision[] {
  const decisions = offer.streams.map((stream) => decide(stream, rules, ffmpeg));
  const live = offer.streams.filter((stream) => stream.port !== 0);
  if (live.length > 0 && decisions.every((decision) => decision.formats.length === 0)) {
    const offered = decisions
      .filter(({ offered: { port } }) => port !== 0)
      .map(({ offered: s, unprotected }) => {
        const formats = s.formats.map((f) => f.encoding || f.payloadType).join(',');
        return `${s.media} ${s.profile} ${formats}${unprotected === undefined ? '' : ` (${unprotected})`}`;
      });
    throw new SrsError(
      'SRS_SDP_NOT_ACCEPTABLE',
      `no stream can be taken: offered ${offered.join('; ').slice(0, 200)}; taken are audio RTP/AVP and RTP/SAVP with ${codecNames(ffmpeg).join(', ')}`,
    );
  }
  return decisions;
}

/** The m-line we answer. `port` is ours, 0 for a refused stream. */
export function answerStream(decision: StreamDecision, port: number, crypto?: AnsweredCrypto): AnsweredStream {
  const { offered } = decision;
  return {
    index: offered.index,
    media: offered.media,
    profile: offered.profile,
    port,
    direction: decision.active ? 'recvonly' : 'inactive',
    ...(offered.label === undefined ? {} : { label: offered.label }),
    formats: decision.formats.map(answered),
    rawFormats: offered.rawFormats,
    ...(offered.rtcp?.mux === true && port !== 0 ? { rtcpMux: true } : {}),
    ...(offered.rtcp?.roundTrip === true && port !== 0 ? { roundTrip: true } : {}),
    ...(crypto === undefined || port === 0 ? {} : { crypto }),
  };
}

/** A format as it is answered: its parameters are ours where they say what a receiver would like. */
function answered(format: MediaFormat): MediaFormat {
  const parameters = answeredParameters(format);
  return parameters === format.parameters ? format : { ...format, ...(parameters === undefined ? {} : { parameters }) };
}
