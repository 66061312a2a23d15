import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { CALL_CODECS, type CallCodecName } from './call-codec.js';

/** A leg as the offer names it: one m-line, one `<stream>`, one participant who sends on it. */
export interface OfferLeg {
  /** `a=label` and `<label>` (RFC 7866 §7.1.1). */
  readonly label: string;
  /** Local RTP port. */
  readonly port: number;
  readonly participant: OfferParticipant;
  /** How often the stream has passed to somebody else: each is a participant of their own. */
  readonly transfers?: number;
  /** Value of its `a=crypto` line; plain RTP without. */
  readonly crypto?: string;
}

export interface OfferParticipant {
  readonly name: string;
  /** `sip:alice@example.com`. */
  readonly aor: string;
  /** `caller`, `agent` …; RFC 7865 has no such thing, so it goes as an element of our own namespace. */
  readonly role?: string;
}

export interface SdpOptions {
  /** IP address for `o=` and `c=`. */
  readonly address: string;
  /** Writes 0.0.0.0 into `c=`: nothing is to be sent, as a hold was written before RFC 3264 (§8.4). */
  readonly heldByAddress?: boolean;
  readonly sessionId: number;
  /** Rises by one with every changed offer (RFC 3264 §8). */
  readonly version: number;
  /** In the order of preference. */
  readonly codecs: readonly CallCodecName[];
  readonly packetTimeMs: number;
  readonly direction: 'sendonly' | 'inactive';
  /** Offers one port for RTP and RTCP (RFC 5761). */
  readonly rtcpMux?: boolean;
  readonly legs: readonly OfferLeg[];
}

/** The SDP of a session recording client: one m-line per leg, sent only (RFC 7866 §7.1.1). */
export function writeSdpOffer(options: SdpOptions): string {
  const family = isIPv6(options.address) ? 'IP6' : 'IP4';
  const codecs = options.codecs.map((name) => CALL_CODECS[name]);
  const lines = [
    'v=0',
    `o=sipscribe ${options.sessionId} ${options.version} IN ${family} ${options.address}`,
    's=-',
    `c=IN ${family} ${options.heldByAddress ? (family === 'IP4' ? '0.0.0.0' : '::') : options.address}`,
    't=0 0',
  ];
  for (const leg of options.legs) {
    lines.push(
      `m=audio ${leg.port} RTP/${leg.crypto === undefined ? 'AVP' : 'SAVP'} ${codecs.map(({ payloadType }) => payloadType).join(' ')}`,
      ...(leg.crypto === undefined ? [] : [`a=crypto:${leg.crypto}`]),
      ...codecs.flatMap(({ payloadType, mapping, parameters }) => [
        `a=rtpmap:${payloadType} ${mapping}`,
        ...(parameters === undefined ? [] : [`a=fmtp:${payloadType} ${parameters}`]),
      ]),
      `a=ptime:${options.packetTimeMs}`,
      // The SRS may ask how long its way to us is (RFC 3611 §5.1).
      'a=rtcp-xr:rcvr-rtt=sender',
      ...(options.rtcpMux === true ? ['a=rtcp-mux'] : []),
      `a=label:${leg.label}`,
      `a=${options.direction}`,
    );
  }
  return `${lines.join('\r\n')}\r\n`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text for XML content and attributes. Control characters cannot stand in XML 1.0 at all and become spaces. */
export function escapeXml(text: string): string {
  return (
    text
      .replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that XML 1.0 forbids.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, ' ')
  );
}

/** An id as RFC 7865 §6.10 wants it: a UUID in base64. The same seed gives the same id, so that snapshots agree. */
export function metadataId(seed: string): string {
  return createHash('sha256').update(seed).digest().subarray(0, 16).toString('base64');
}

export interface MetadataOptions {
  /** Call-ID of the recording session; the ids come from it. */
  readonly callId: string;
  /** Epoch ms of the call's begin. */
  readonly startedAt: number;
  /** Ties recording sessions of one call together (RFC 7865 §6.2). */
  readonly group?: string;
  readonly legs: readonly OfferLeg[];
}

/** A complete snapshot (RFC 7865 §5.1, §8): every participant sends on its own stream and hears all others. */
export function writeMetadata(options: MetadataOptions): string {
  const id = (kind: string, label = ''): string => metadataId(`${options.callId}/${kind}/${label}`);
  const time = new Date(options.startedAt).toISOString();
  const session = id('session');
  const group = options.group === undefined ? undefined : metadataId(options.group);
  const parts = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<recording xmlns="urn:ietf:params:xml:ns:recording:1">',
    '  <datamode>complete</datamode>',
    ...(group === undefined ? [] : [`  <group group_id="${group}"/>`]),
    `  <session session_id="${session}">`,
    `    <sipSessionID>${escapeXml(sipSessionId(options.callId))}</sipSessionID>`,
    ...(group === undefined ? [] : [`    <group-ref>${group}</group-ref>`]),
    `    <start-time>${time}</start-time>`,
    '  </session>',
  ];
  const person = ({ label, transfers = 0 }: OfferLeg): string =>
    id('participant', transfers === 0 ? label : `${label}/${transfers}`);
  for (const leg of options.legs) {
    const { participant } = leg;
    parts.push(
      `  <participant participant_id="${person(leg)}">`,
      `    <nameID aor="${escapeXml(participant.aor)}">`,
      `      <name xml:lang="en">${escapeXml(participant.name)}</name>`,
      '    </nameID>',
      ...(participant.role === undefined
        ? []
        : [`    <role xmlns="urn:x-sipscribe:participant">${escapeXml(participant.role)}</role>`]),
      '  </participant>',
    );
  }
  for (const { label } of options.legs) {
    parts.push(
      `  <stream stream_id="${id('stream', label)}" session_id="${session}">`,
      `    <label>${escapeXml(label)}</label>`,
      '  </stream>',
    );
  }
  parts.push(`  <sessionrecordingassoc session_id="${session}">`, `    <associate-time>${time}</associate-time>`);
  parts.push('  </sessionrecordingassoc>');
  for (const leg of options.legs) {
    const { label } = leg;
    const participant = person(leg);
    const heard = options.legs.filter((other) => other.label !== label);
    parts.push(
      `  <participantsessionassoc participant_id="${participant}" session_id="${session}">`,
      `    <associate-time>${time}</associate-time>`,
      '  </participantsessionassoc>',
      `  <participantstreamassoc participant_id="${participant}">`,
      `    <send>${id('stream', label)}</send>`,
      ...heard.map((other) => `    <recv>${id('stream', other.label)}</recv>`),
      '  </participantstreamassoc>',
    );
  }
  parts.push('</recording>');
  return `${parts.join('\r\n')}\r\n`;
}

/** The two halves of the communication session's RFC 7989 identifier. */
function sipSessionId(callId: string): string {
  const half = (side: string): string => createHash('sha256').update(`${callId}/${side}`).digest('hex').slice(0, 32);
  return `${half('local')};remote=${half('remote')}`;
}

export interface SiprecBody {
  readonly contentType: string;
  readonly content: Buffer;
}

/** SDP and metadata as one `multipart/mixed` body (RFC 7866 §9.1). */
export function joinBody(sdp: string, metadata: string, boundary: string): SiprecBody {
  const content = [
    `--${boundary}`,
    'Content-Type: application/sdp',
    '',
    `${sdp}--${boundary}`,
    'Content-Type: application/rs-metadata+xml',
    'Content-Disposition: recording-session',
    '',
    `${metadata}--${boundary}--`,
    '',
  ].join('\r\n');
  return { contentType: `multipart/mixed;boundary=${boundary}`, content: Buffer.from(content, 'utf8') };
}
