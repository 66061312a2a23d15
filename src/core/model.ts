/**
 * The nouns of sipscribe. Everything above this file uses these words and no others.
 *
 * - **SRC** (session recording client): the SBC or PBX that forks a call to us (RFC 7866 §3).
 * - **SRS** (session recording server): this program.
 * - **Recording session** (RS): the SIP dialog between SRC and SRS, with its media (RFC 7866).
 * - **Communication session** (CS): the call between people that is being recorded (RFC 7865 §6.3).
 * - **Participant**: a person or device of the communication session (RFC 7865 §6.5).
 * - **Stream**: one m-line of the recording session, carrying the media of one or more participants.
 * - **Label**: the opaque string of `a=label` (RFC 4574) that ties an m-line to a `<stream>` and so to a participant.
 * - **Leg**: one recorded audio stream as a file and a channel: `leg-<n>.wav`.
 * - **Payload type**: the 7-bit RTP number that names a format (RFC 3551).
 * - **Utterance**: a stretch of speech of one leg, cut by voice activity: one speech-to-text job.
 * - **Segment**: a timed piece of the text that an engine gives for an utterance.
 * - **Source**: whoever sends to a leg: an address, and the SSRC that it sends with (RFC 3550 §3).
 * - **Hold**: the SRC says that it sends nothing on a leg. **Pause**: a command of ours not to record one, or all.
 * - **Gap**: a stretch of a leg's file that is silence because nothing was there, with its cause.
 * - **Problem**: what is wrong with the recording of a leg while every part works. **Doubt**: why a record cannot be sure of itself.
 * - **Media worker**: a thread that holds the sockets and files of many calls.
 * - **Takeover**: another media worker goes on with a call whose own has died.
 * - **Call clock**: milliseconds since the first sample of the recording; all legs share it.
 *
 * All times are milliseconds unless a name says otherwise; wall-clock times are epoch milliseconds.
 */

import type { OfferedCrypto } from './srtp-suite.js';
import type { Warning } from './warning.js';

/** SDP media direction as written in the offer (RFC 8866 §6.7). */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** One format of an m-line: `a=rtpmap` joined with `a=fmtp`, static payload types filled in from RFC 3551. */
export interface MediaFormat {
  readonly payloadType: number;
  /** Upper case: `PCMU`, `PCMA`, `TELEPHONE-EVENT`. Empty when a dynamic payload type has no rtpmap and nothing else tells it. */
  readonly encoding: string;
  readonly clockRate: number;
  readonly channels: number;
  readonly parameters?: string;
}

/** One m-line of the SRC's offer, in SDP order. */
export interface OfferedStream {
  /** Zero-based position of the m-line. */
  readonly index: number;
  /** `audio`, `video`, `text`, `message` … as written. */
  readonly media: string;
  /** Transport profile as written: `RTP/AVP`, `RTP/SAVP` … */
  readonly profile: string;
  /** Port of the offer; 0 means the SRC removed or refused the stream. */
  readonly port: number;
  /** Connection address that holds for this m-line, when any is given. */
  readonly address?: string;
  readonly direction: Direction;
  /** `a=label`, when given. */
  readonly label?: string;
  readonly formats: readonly MediaFormat[];
  /** The fmt tokens as they stand in the m-line, for echoing a refused line. */
  readonly rawFormats: readonly string[];
  readonly packetTimeMs?: number;
  /** What the m-line says about its RTCP. */
  readonly rtcp?: OfferedRtcp;
  /** Lines of `a=crypto` that can be answered, in order of preference. Keys: not to be kept with the session, never logged. */
  readonly crypto?: readonly OfferedCrypto[];
}

/** What an m-line says about its RTCP; without a port it is the one after the RTP port. */
export interface OfferedRtcp {
  /** RTP and RTCP may share a port (RFC 5761). */
  readonly mux?: boolean;
  /** `a=rtcp` (RFC 3605), and its address when it has one. */
  readonly port?: number;
  readonly address?: string;
  /** No reports are wanted (`b=RR:0`, RFC 3556). */
  readonly unwanted?: boolean;
  /** A receiver may ask for its round trip (RFC 3611 §5.1, `rcvr-rtt`). */
  readonly roundTrip?: boolean;
}

/** The SDP offer in the shape that sessions need. */
export interface MediaOffer {
  readonly streams: readonly OfferedStream[];
  readonly originVersion: string;
  /** `t=` lines, copied to the answer (RFC 3264 §6). */
  readonly timing: string;
}

/** What we say to one m-line. */
export interface AnsweredStream {
  readonly index: number;
  readonly media: string;
  readonly profile: string;
  /** 0 refuses the stream. */
  readonly port: number;
  readonly direction: 'recvonly' | 'inactive';
  readonly label?: string;
  /** Formats we take, in the order of the offer. For a refused stream: empty. */
  readonly formats: readonly MediaFormat[];
  readonly rawFormats: readonly string[];
  /** Only when it was offered (RFC 5761 §5.1.1). */
  readonly rtcpMux?: boolean;
  readonly roundTrip?: boolean;
  /** Present when the stream is protected by SRTP. */
  readonly crypto?: AnsweredCrypto;
}

/** The `a=crypto` line of an answer (RFC 4568 §5.1.2), with a key of our own. */
export interface AnsweredCrypto {
  /** Tag and suite as the offer wrote them. */
  readonly tag: string;
  readonly suite: string;
  /** Master key and salt. */
  readonly key: Uint8Array;
}

/** What a session answers to an offer; the SIP floor writes it as SDP. */
export interface MediaAnswer {
  readonly streams: readonly AnsweredStream[];
  /** IP address for `c=` and `o=`. */
  readonly address: string;
  readonly timing: string;
}

/**
 * From when to when, as the metadata tells it (RFC 7865 §6.9). The text is kept as written and read where it can be: epoch ms, UTC
 * when no zone is given (Oracle), unknown for 1970 (Ribbon). It is data; what was recorded when, our own clock says.
 */
export interface ToldSpan {
  readonly fromText?: string;
  readonly from?: number;
  readonly untilText?: string;
  readonly until?: number;
}

/** One `<nameID>` of a participant (RFC 7865 §6.5.1). */
export interface NameId {
  readonly aor?: string;
  readonly names: readonly { readonly text: string; readonly lang?: string }[];
}

/** A participant in normal form, whatever the vendor's XML looked like (RFC 7865 §6.5). */
export interface Participant {
  /** Opaque; unique within one SRC only (RFC 7866 §9.2). */
  readonly id: string;
  /** Address of record as sent, e.g. `sip:alice@example.com`. */
  readonly aor?: string;
  readonly name?: string;
  /** Role when the metadata or a vendor extension tells it: `caller`, `callee`, `agent` … */
  readonly role?: string;
  /** All names, when there is more to say than `aor` and `name` do: several of them, or their languages. */
  readonly nameIds?: readonly NameId[];
}

/** RFC 7865 `<stream>`: the metadata's side of an m-line. */
export interface MetadataStream {
  readonly id: string;
  readonly label?: string;
  readonly sessionId?: string;
  readonly contentType?: string;
}

/** RFC 7865 `<participantstreamassoc>`: who sends on, and who hears, which stream. */
export interface ParticipantStreams {
  readonly participantId: string;
  readonly send: readonly string[];
  readonly receive: readonly string[];
  readonly span?: ToldSpan;
}

/** RFC 7865 `<participantsessionassoc>`: who belongs to which communication session (§6.6). */
export interface ParticipantSession {
  readonly participantId: string;
  readonly sessionId: string;
  readonly span?: ToldSpan;
  /** Contact parameters of the participant (`isfocus` …). */
  readonly params?: readonly { readonly name: string; readonly value?: string }[];
}

/** A communication session as the metadata names it. */
export interface CommunicationSession {
  readonly id: string;
  readonly groupId?: string;
  readonly sipSessionIds: readonly string[];
  readonly reasons?: readonly string[];
  readonly startTime?: string;
  readonly stopTime?: string;
  /** Epoch ms of `startTime` and `stopTime`, where they can be read. */
  readonly startedAt?: number;
  readonly stoppedAt?: number;
  /** Its association with the recording session (RFC 7865 §6.3). */
  readonly recorded?: ToldSpan;
}

/** RFC 7865 `<group>`: communication sessions that belong together, over transfers and recording sessions (§6.2). */
export interface SessionGroup {
  readonly id: string;
  readonly span?: ToldSpan;
}

/** An element that is not RFC 7865's own, as it was written (RFC 7865 §9). Nothing ever requires one. */
export interface MetadataExtension {
  /** What it hangs on. */
  readonly of: 'recording' | 'group' | 'session' | 'participant' | 'stream' | 'association';
  /** Id of that element, when it has one. */
  readonly id?: string;
  /** Local name in lower case. */
  readonly name: string;
  readonly xml: string;
  /** True when `xml` is only its beginning. */
  readonly cut?: boolean;
}

/** One metadata snapshot in normal form. */
export interface RecordingMetadata {
  /** `partial` snapshots are merged by id, `complete` ones replace (RFC 7865 §5.1.2). */
  readonly mode: 'complete' | 'partial';
  readonly sessions: readonly CommunicationSession[];
  readonly participants: readonly Participant[];
  readonly streams: readonly MetadataStream[];
  readonly associations: readonly ParticipantStreams[];
  readonly groups?: readonly SessionGroup[];
  readonly memberships?: readonly ParticipantSession[];
  readonly extensions?: readonly MetadataExtension[];
  /** Local name and namespace of the root element: two dialects can be told by them. */
  readonly root?: string;
  readonly namespace?: string;
  /** Media type that it came as, when a header said so. */
  readonly mediaType?: string;
  /** True when it was not well-formed: it counts as `partial`, and only because what it lacks may have been lost. */
  readonly salvaged?: boolean;
  /** The bytes as received, decoded as UTF-8. Kept with the record by policy. */
  readonly raw: string;
}

/** Correlation ids and vendor headers of a call: lower-case name, values in order of appearance. */
export type CallAttributes = Readonly<Record<string, readonly string[]>>;

/** An INVITE, re-INVITE or UPDATE, joined and normalised: the only thing a session gets from SIP. */
export interface RsOffer {
  /** SIP Call-ID of the recording session's dialog. */
  readonly callId: string;
  readonly media?: MediaOffer;
  readonly metadata?: RecordingMetadata;
  readonly warnings: readonly Warning[];
  /** Epoch ms of arrival. */
  readonly receivedAt: number;
  readonly from?: string;
  readonly to?: string;
  readonly userAgent?: string;
  /** `address:port` the request came from. */
  readonly source: string;
  /** Whether the dialog was begun over TLS, as seen from here. */
  readonly overTls?: boolean;
  /** Name of the dialect that the request was recognised as; absent = plain RFC 7866. */
  readonly dialect?: string;
  /** What ties this call to others: UCID, Cisco-Guid, Session-ID, X- headers … by lower-case name. Told with the first offer and with changes. */
  readonly attributes?: CallAttributes;
  /** The first INVITE as received, keys and credentials masked; absent by policy and on later offers. */
  readonly invite?: Uint8Array;
  /** Our address as the SRC reaches us. Told with the first offer of a dialog and true for all of it. */
  readonly localAddress?: string;
}

/** Why a recording session ended. */
export type EndReason = 'bye' | 'ack_timeout' | 'session_expired' | 'cancelled' | 'shutdown' | 'stopped' | 'failed';

/** Who speaks on a leg, as far as it is known. */
export interface Speaker {
  readonly participantId?: string;
  readonly name?: string;
  readonly aor?: string;
  readonly role?: string;
  /** True when the label did not tell it and the order of the m-lines did. */
  readonly inferred?: boolean;
}

/** Why an utterance was cut where it was. */
export type CutReason = 'silence' | 'max_length' | 'hold' | 'end';

/** A timed word of a transcript, on the call clock. */
export interface Word {
  readonly word: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly probability?: number;
}
