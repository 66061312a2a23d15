import { createHash } from 'node:crypto';
import type { AnsweredCrypto, AnsweredStream, MediaAnswer, MediaFormat } from '../core/model.js';

/**
 * Writes the answers of one dialog as plain `application/sdp`. It keeps the `o=` line honest: the version rises by one when the
 * description changed and stays when it did not (RFC 3264 §8). What is taken was decided before; nothing is decided here.
 */
export class AnswerWriter {
  readonly #sessionId: string;
  #version = 0;
  /** Digest of the description that was written last. */
  #last: string | undefined;

  /** @param sessionId numeric session id of the `o=` line, unique per dialog (RFC 8866 §5.2) */
  constructor(sessionId: number) {
    this.#sessionId = String(Math.trunc(Math.abs(sessionId)));
  }

  write(answer: MediaAnswer): string {
    const address = `IN ${answer.address.includes(':') ? 'IP6' : 'IP4'} ${clean(answer.address)}`;
    const description = [
      's=-',
      `c=${address}`,
      ...answer.timing.split(/[\r\n]+/).map((value) => `t=${clean(value)}`),
      ...answer.streams.flatMap(mediaLines),
    ].join('\r\n');
    const digest = createHash('sha1').update(address).update(description).digest('base64');
    if (digest !== this.#last) {
      this.#version += 1;
      this.#last = digest;
    }
    return ['v=0', `o=- ${this.#sessionId} ${this.#version} ${address}`, description, ''].join('\r\n');
  }
}

/** Names that everybody writes in lower case; some peers compare them letter by letter. */
const LOWER_CASE = new Set(['TELEPHONE-EVENT', 'OPUS', 'RED', 'SPEEX']);

function mediaLines(stream: AnsweredStream): string[] {
  const refused = stream.port === 0 || stream.formats.length === 0;
  // A refused m-line keeps the offered formats so that it stays readable (RFC 3264 §6).
  const formats = refused ? stream.rawFormats.map(clean) : stream.formats.map((format) => String(format.payloadType));
  const line = `m=${clean(stream.media)} ${refused ? 0 : stream.port} ${clean(stream.profile)} ${formats.join(' ') || '0'}`;
  if (refused) return [line];
  return [
    line,
    // NetSapiens sends no RTP at all when its label does not come back.
    ...(stream.label === undefined ? [] : [`a=label:${clean(stream.label)}`]),
    ...stream.formats.flatMap(formatLines),
    ...(stream.crypto === undefined ? [] : [cryptoLine(stream.crypto)]),
    ...(stream.rtcpMux === true ? ['a=rtcp-mux'] : []),
    // Only senders are asked, and only one side sends (RFC 3611 §5.2).
    ...(stream.roundTrip === true ? ['a=rtcp-xr:rcvr-rtt=sender'] : []),
    `a=${stream.direction}`,
  ];
}

/** Without lifetime and MKI: ours protects a few packets of RTCP. */
function cryptoLine({ tag, suite, key }: AnsweredCrypto): string {
  return `a=crypto:${clean(tag)} ${clean(suite)} inline:${Buffer.from(key).toString('base64')}`;
}

function formatLines(format: MediaFormat): string[] {
  const { payloadType, encoding, clockRate, channels, parameters } = format;
  if (encoding === '') return [];
  const name = clean(LOWER_CASE.has(encoding) ? encoding.toLowerCase() : encoding);
  const map = `a=rtpmap:${payloadType} ${name}/${clockRate}${channels > 1 ? `/${channels}` : ''}`;
  return parameters === undefined || parameters === '' ? [map] : [map, `a=fmtp:${payloadType} ${clean(parameters)}`];
}

/** Nothing that came from outside may start a line of its own. */
function clean(value: string): string {
  return value.replace(/\p{Cc}/gu, '').slice(0, 2048);
}
