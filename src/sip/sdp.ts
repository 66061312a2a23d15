import { parse } from 'sdp-transform';
import type { Direction, MediaFormat, MediaOffer, OfferedStream } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import { readCrypto } from './sdp-crypto.js';
import { cutSdp, type SdpSection } from './sdp-lines.js';
import { readRtcpOffer } from './sdp-rtcp.js';

export interface ReadOffer {
  readonly media: MediaOffer;
  readonly warnings: readonly Warning[];
}

const MAX_FORMATS = 64;

/** RFC 3551 §6: payload types that need no rtpmap. 19 is the old comfort noise of the drafts, which Cisco still sends. */
const STATIC_FORMATS: ReadonlyMap<number, readonly [encoding: string, clockRate: number, channels?: number]> = new Map([
  [0, ['PCMU', 8000]],
  [3, ['GSM', 8000]],
  [4, ['G723', 8000]],
  [5, ['DVI4', 8000]],
  [6, ['DVI4', 16_000]],
  [7, ['LPC', 8000]],
  [8, ['PCMA', 8000]],
  [9, ['G722', 8000]],
  [10, ['L16', 44_100, 2]],
  [11, ['L16', 44_100]],
  [12, ['QCELP', 8000]],
  [13, ['CN', 8000]],
  [14, ['MPA', 90_000]],
  [15, ['G728', 8000]],
  [16, ['DVI4', 11_025]],
  [17, ['DVI4', 22_050]],
  [18, ['G729', 8000]],
  [19, ['CN', 8000]],
]);

/** What sdp-transform makes of the attribute lines of one section. */
type Attributes = ReturnType<typeof parse>['media'][number];

/**
 * Reads an SDP offer. Lines are cleaned before sdp-transform sees them, because it drops an m-line with two blanks, a port count
 * or a dash in its name, and a dropped m-line would shift the answer.
 *
 * Pure. Throws `SRS_SDP_MALFORMED` only when nothing is usable or a limit is passed.
 */
export function readOffer(bytes: Uint8Array): ReadOffer {
  const { session, sections, ignored } = cutSdp(bytes);
  const sessionLevel = attributesOf(session);
  const read = sections.map((section, index) => readStream(section, index, sessionLevel));
  const streams = nameFormats(read);
  const unreadable = sections.filter((section) => section.media.length === 0).length;
  const odd = ignored + unreadable;
  const warnings: Warning[] = odd === 0 ? [] : [{ code: 'sdp_line_ignored', detail: `${odd} lines` }];
  if (streams.some((stream, i) => stream !== read[i])) warnings.push({ code: 'format_unnamed' });
  if (streams.some((stream) => stream.port !== 0 && stream.address === undefined)) {
    warnings.push({ code: 'connection_missing' });
  }
  warnings.push(...sections.flatMap(cryptoWarnings));
  return { media: { streams, originVersion: originVersion(session), timing: timing(session) }, warnings };
}

/** The lines that matter. Others (ICE, RTCP feedback, `a=direction:both` …) never reach the parser's patterns. */
const RELEVANT = /^(?:c=|a=(?:rtpmap|fmtp|label|ptime):|a=(?:sendrecv|sendonly|recvonly|inactive)$)/;

/** A section is given to sdp-transform under an m-line of our own, so that its position and tokens stay ours. */
function attributesOf(lines: readonly string[]): Attributes | undefined {
  const relevant = lines.filter((line) => RELEVANT.test(line));
  return parse(`m=audio 9 RTP/AVP 0\r\n${relevant.join('\r\n')}\r\n`).media[0];
}

function readStream(section: SdpSection, index: number, session: Attributes | undefined): OfferedStream {
  const [media = 'audio', port = '0', profile = 'RTP/AVP', ...tokens] = section.media;
  const rawFormats = tokens.length === 0 ? ['0'] : tokens.slice(0, MAX_FORMATS);
  const attributes = attributesOf(section.lines);
  const address = addressOf(attributes) ?? addressOf(session);
  const label = attributes?.label === undefined ? '' : String(attributes.label).trim();
  const packetTimeMs = Number(attributes?.ptime ?? Number.NaN);
  const rtcp = readRtcpOffer(section.lines);
  const { usable } = readCrypto(section.lines);
  return {
    index,
    media,
    profile,
    port: Number(port),
    ...(address === undefined ? {} : { address }),
    direction: directionOf(attributes, session, address),
    ...(label === '' ? {} : { label }),
    formats: /RTP\//i.test(profile) ? formatsOf(rawFormats, attributes) : [],
    rawFormats,
    ...(Number.isFinite(packetTimeMs) && packetTimeMs > 0 && packetTimeMs <= 1000 ? { packetTimeMs } : {}),
    ...(rtcp === undefined ? {} : { rtcp }),
    ...(usable.length === 0 ? {} : { crypto: usable }),
  };
}

/** A protected stream whose keys cannot be used will be refused: whoever set up the SRC wants to know why. */
function cryptoWarnings(section: SdpSection, index: number): Warning[] {
  const [, port = '0', profile = ''] = section.media;
  if (port === '0' || !/^RTP\/SAVPF?$/i.test(profile)) return [];
  const { usable, fault = 'none offered' } = readCrypto(section.lines);
  return usable.length > 0 ? [] : [{ code: 'crypto_unusable', detail: `m-line ${index + 1}: ${fault}` }];
}

/** What these are where nobody says it: Oracle writes them without rtpmap, and everybody else means the same by 101. */
const CUSTOMARY_EVENTS = new Set([100, 101]);

/**
 * Names dynamic payload types that have no rtpmap: as another m-line of the offer names them, or as telephone events by their fmtp
 * (RFC 4733 §2.4.1) or by custom. A nameless format would not be answered, and DTMF would count as packets of an unknown type.
 */
function nameFormats(streams: readonly OfferedStream[]): readonly OfferedStream[] {
  const named = new Map<number, MediaFormat>();
  for (const format of streams.flatMap((stream) => stream.formats)) {
    if (format.encoding !== '' && format.payloadType > 95) named.set(format.payloadType, format);
  }
  return streams.map((stream) => {
    const voiced = stream.formats.some(({ encoding }) => encoding !== '' && encoding !== 'TELEPHONE-EVENT');
    const formats = stream.formats.map((format) => {
      const { payloadType, parameters } = format;
      if (format.encoding !== '' || payloadType < 96) return format;
      const known = named.get(payloadType);
      if (known) return { ...known, ...(parameters === undefined ? {} : { parameters }) };
      const events = /^\d{1,3}-\d{1,3}(?:,|$)/.test(parameters ?? '') || CUSTOMARY_EVENTS.has(payloadType);
      return voiced && events ? { ...format, encoding: 'TELEPHONE-EVENT' } : format;
    });
    return formats.some((format, i) => format !== stream.formats[i]) ? { ...stream, formats } : stream;
  });
}

function addressOf(attributes: Attributes | undefined): string | undefined {
  const ip = attributes?.connection?.ip;
  // sdp-transform makes a number of an address cut to digits. A TTL or a count may follow a multicast one (RFC 8866 §5.7).
  const address = ip === undefined ? undefined : String(ip).split('/')[0];
  return address === undefined || address === '' ? undefined : address;
}

/** Hold by the unspecified address is the old way of `inactive` (RFC 3264 §8.4); BroadWorks and Metaswitch still use it. */
function directionOf(
  attributes: Attributes | undefined,
  session: Attributes | undefined,
  address: string | undefined,
): Direction {
  if (address === '0.0.0.0' || address === '::' || address === '0:0:0:0:0:0:0:0') return 'inactive';
  return attributes?.direction ?? session?.direction ?? 'sendrecv';
}

function formatsOf(tokens: readonly string[], attributes: Attributes | undefined): MediaFormat[] {
  const formats = new Map<number, MediaFormat>();
  for (const token of tokens) {
    if (!/^\d{1,3}$/.test(token)) continue;
    const payloadType = Number(token);
    if (payloadType > 127 || formats.has(payloadType)) continue;
    const fixed = STATIC_FORMATS.get(payloadType);
    const mapped = attributes?.rtp?.find((map) => Number(map.payload) === payloadType && String(map.codec) !== '');
    const parameters = attributes?.fmtp?.find((line) => Number(line.payload) === payloadType)?.config;
    formats.set(payloadType, {
      payloadType,
      encoding: (mapped ? String(mapped.codec) : (fixed?.[0] ?? '')).toUpperCase(),
      clockRate: positive(mapped?.rate) ?? fixed?.[1] ?? 8000,
      channels: positive(mapped?.encoding) ?? (mapped ? 1 : (fixed?.[2] ?? 1)),
      ...(parameters === undefined ? {} : { parameters: String(parameters).trim() }),
    });
  }
  return [...formats.values()];
}

function positive(value: unknown): number | undefined {
  const number = Number(value);
  return Number.isInteger(number) && number > 0 && number <= 1_000_000 ? number : undefined;
}

/** The version is the third of six fields; a user name with blanks shifts it, so fields are counted from the end. */
function originVersion(session: readonly string[]): string {
  const fields =
    session
      .find((line) => line.startsWith('o='))
      ?.slice(2)
      .split(' ') ?? [];
  return fields.at(-4) ?? '';
}

/** Every `t=` value, one per line; `0 0` when there is none that can be read. */
function timing(session: readonly string[]): string {
  const values = session
    .filter((line) => /^t=\d{1,20} \d{1,20}$/.test(line))
    .slice(0, 8)
    .map((line) => line.slice(2));
  return values.length === 0 ? '0 0' : values.join('\n');
}
