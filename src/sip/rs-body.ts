import { SrsError } from '../core/errors.js';
import type { MediaOffer, RecordingMetadata } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import { type MediaType, parseMediaType } from './media-type.js';
import { looksLikeMetadata, readMetadata } from './metadata-xml.js';
import { type BodyPart, splitMultipart } from './multipart.js';
import { readOffer } from './sdp.js';

/** What the body of a recording session's request holds. */
export interface RsBody {
  readonly media?: MediaOffer;
  readonly metadata?: RecordingMetadata;
  readonly warnings: readonly Warning[];
}

/** The header fields that describe a body, and its bytes. */
export interface RsBodySource {
  readonly contentType: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly content: Uint8Array;
}

/** What we take, as the Accept header of a 415 and of OPTIONS says it (RFC 3261 §8.2.3). */
export const ACCEPTED_TYPES =
  'application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed, multipart/alternative';

/** 64 KiB: 20 times the largest INVITE that a named SBC is known to send. */
const MAX_BODY_BYTES = 65_536;

/** RFC 7866 registers the first, RFC 9806 and nearly every vendor write the second. */
const METADATA_TYPES = new Set(['application/rs-metadata', 'application/rs-metadata+xml']);
/** Types that say so little that the content decides. */
const VAGUE_TYPES = new Set(['', 'text/plain', 'text/xml', 'application/xml', 'application/octet-stream']);

/** RFC 7865 §5.1.2. Oracle, AudioCodes, Metaswitch, Ribbon and BroadWorks write those of drafts. */
const RFC_NAMESPACE = 'urn:ietf:params:xml:ns:recording:1';

type PartKind = 'sdp' | 'metadata' | 'multipart' | 'unknown';

/**
 * Reads a request body: plain SDP, plain metadata, or multipart in any order and nesting. An empty body has neither.
 *
 * Throws `SRS_SIP_MEDIA_TYPE` for a type or encoding that must be understood and is not (RFC 5621 §8.2),
 * `SRS_SIP_TOO_LARGE` over 64 KiB, `SRS_SIP_MALFORMED` for a multipart without boundaries, `SRS_SDP_MALFORMED`.
 */
export function readRsBody(source: RsBodySource): RsBody {
  const { content } = source;
  if (content.byteLength > MAX_BODY_BYTES) {
    throw new SrsError('SRS_SIP_TOO_LARGE', `body of ${content.byteLength} bytes, the limit is ${MAX_BODY_BYTES}`);
  }
  if (isBlank(content)) return { warnings: [] };
  const headers = new Map<string, string>();
  if (source.contentDisposition !== undefined) headers.set('content-disposition', source.contentDisposition);
  if (source.contentEncoding !== undefined) headers.set('content-encoding', source.contentEncoding);
  const type = source.contentType === undefined ? sniffMultipart(content) : parseMediaType(source.contentType);
  const reader = new BodyReader();
  reader.part({ headers, type, content, parts: [] });
  return reader.result();
}

class BodyReader {
  #sdp: Uint8Array | undefined;
  #xml: Uint8Array | undefined;
  #xmlType: string | undefined;
  readonly #warnings: Warning[] = [];

  /** Takes what it understands of a part. What it does not must be optional, unless it is one of several alternatives. */
  part(part: BodyPart, alternative = false): void {
    // An empty part says nothing and asks for nothing.
    if (isBlank(part.content)) return;
    const kind = kindOf(part);
    const encoding = part.headers.get('content-encoding')?.trim().toLowerCase();
    const encoded = encoding !== undefined && encoding !== '' && encoding !== 'identity';
    if (kind === 'unknown' || encoded) {
      if (alternative || isOptional(part)) return;
      throw encoded
        ? new SrsError('SRS_SIP_MEDIA_TYPE', `content encoding ${quote(encoding)}`, {
            facts: { acceptEncoding: 'identity' },
          })
        : new SrsError('SRS_SIP_MEDIA_TYPE', `media type ${quote(part.type.value)}`, {
            facts: { accept: ACCEPTED_TYPES },
          });
    }
    if (kind === 'multipart') this.#multipart(part);
    else if (kind === 'metadata') this.#takeMetadata(part);
    else if (this.#sdp === undefined) {
      this.#sdp = transferDecoded(part);
      if (bareLineFeeds(this.#sdp)) this.#warnings.push({ code: 'line_ends_bare_lf' });
    } else this.#warnings.push({ code: 'sdp_line_ignored', detail: 'second SDP part' });
  }

  #multipart(part: BodyPart): void {
    let { parts } = part;
    if (parts.length === 0) {
      // A multipart header over a plain body: the content decides.
      const plain = { ...part, type: parseMediaType('') };
      if (kindOf(plain) !== 'unknown' && !/^[ \t]{0,8}--/m.test(Buffer.from(part.content).toString('latin1'))) {
        this.part(plain);
        return;
      }
      const split = splitMultipart(part.content, part.type);
      if (!split.intact) this.#warnings.push({ code: 'multipart_unterminated' });
      parts = split.parts;
    }
    const alternative = part.type.value === 'multipart/alternative';
    // Of alternatives the last that is understood is the best (RFC 2046 §5.1.4).
    const ordered = alternative
      ? [...parts]
          .reverse()
          .filter((one) => kindOf(one) !== 'unknown')
          .slice(0, 1)
      : parts;
    for (const one of ordered) this.part(one, alternative);
  }

  /** The first one counts; its type is that of our own requests (RFC 7866 §9.2), when it is one of the two known. */
  #takeMetadata(part: BodyPart): void {
    if (this.#xml !== undefined) return;
    this.#xml = transferDecoded(part);
    if (!METADATA_TYPES.has(part.type.value)) this.#warnings.push({ code: 'content_type_garbled' });
    const disposition = parseMediaType(part.headers.get('content-disposition') ?? '').value;
    if (disposition !== 'recording-session') this.#warnings.push({ code: 'disposition_missing' });
    if (METADATA_TYPES.has(part.type.value)) this.#xmlType = part.type.value;
  }

  result(): RsBody {
    const offer = this.#sdp === undefined ? undefined : readOffer(this.#sdp);
    const mediaType = this.#xmlType;
    const read = this.#xml === undefined ? undefined : readMetadata(this.#xml);
    const { metadata } = read ?? {};
    if (metadata?.namespace !== undefined && metadata.namespace !== RFC_NAMESPACE) {
      this.#warnings.push({ code: 'namespace_draft' });
    }
    if (metadata && /\smedia_label\s*=/.test(metadata.raw)) this.#warnings.push({ code: 'label_in_attribute' });
    return {
      ...(offer ? { media: offer.media } : {}),
      ...(read ? { metadata: { ...read.metadata, ...(mediaType === undefined ? {} : { mediaType }) } } : {}),
      warnings: [...this.#warnings, ...(offer?.warnings ?? []), ...(read?.warnings ?? [])],
    };
  }
}

function kindOf(part: BodyPart): PartKind {
  const { value } = part.type;
  if (value === 'application/sdp') return 'sdp';
  if (METADATA_TYPES.has(value)) return 'metadata';
  if (value.startsWith('multipart/')) return 'multipart';
  // A garbled type has no plain `type/subtype`: BroadWorks has sent `application/ +xml`.
  const vague = VAGUE_TYPES.has(value) || !/^[^\s/]+\/[\w.-][^\s/]*$/.test(value) || value.endsWith('/xml');
  if (vague && looksLikeMetadata(part.content)) return 'metadata';
  if (vague && /^\s*v=0\s/.test(head(part.content))) return 'sdp';
  return 'unknown';
}

/** RFC 8866 §5 ends lines with CRLF; AudioCodes does not. */
function bareLineFeeds(sdp: Uint8Array): boolean {
  const at = sdp.indexOf(10);
  return at > 0 && sdp[at - 1] !== 13;
}

/** `handling` is `required` unless it says `optional` (RFC 5621 §8.2); Cisco's GTD part says so. */
function isOptional(part: BodyPart): boolean {
  const disposition = part.headers.get('content-disposition');
  const handling = disposition === undefined ? undefined : parseMediaType(disposition).parameters.get('handling');
  return handling?.toLowerCase() === 'optional';
}

function transferDecoded(part: BodyPart): Uint8Array {
  const encoding = part.headers.get('content-transfer-encoding')?.trim().toLowerCase();
  return encoding === 'base64' ? Buffer.from(Buffer.from(part.content).toString('latin1'), 'base64') : part.content;
}

/** A body without Content-Type: the first bytes tell a multipart one, `kindOf` the others. */
function sniffMultipart(content: Uint8Array): MediaType {
  return parseMediaType(/^\s*--[^\s-]/.test(head(content)) ? 'multipart/mixed' : '');
}

function head(content: Uint8Array): string {
  return Buffer.from(content.buffer, content.byteOffset, Math.min(256, content.byteLength)).toString('latin1');
}

function isBlank(content: Uint8Array): boolean {
  return content.every((byte) => byte === 13 || byte === 10 || byte === 32 || byte === 9 || byte === 0);
}

function quote(value: string): string {
  return JSON.stringify(value.slice(0, 80));
}
