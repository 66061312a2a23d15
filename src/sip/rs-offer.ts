import type { RsOffer } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import { readCallAttributes } from './call-attributes.js';
import { recogniseDialect } from './dialects.js';
import { maskedInvite } from './invite-copy.js';
import { ownedText } from './owned-text.js';
import { type RsBody, readRsBody } from './rs-body.js';
import type { SipRequestView } from './sip-server.js';

export interface OfferPolicy {
  /** Names of the call attributes that may be kept; all when not given. */
  readonly attributes?: readonly string[];
  /** Keep a masked copy of the first INVITE. */
  readonly keepInvite?: boolean;
}

/** One request, joined: SDP with metadata. Throws what `readRsBody` throws. */
export function readRsOffer(request: SipRequestView, policy: OfferPolicy = {}): RsOffer {
  return join(request, readRequestBody(request), policy);
}

/**
 * The same for the INVITE that begins a dialog, which also says whether it is a recording session at all.
 *
 * `recognised` is the tolerant reading: any sign of SIPREC will do, because most SRCs break one of the two rules of RFC 7866 §6.2.
 * `conforming` is that section to the letter: `+sip.src` in Contact and `siprec` in Require.
 */
export function readFirstOffer(
  request: SipRequestView,
  policy: OfferPolicy = {},
): { offer: RsOffer; recognised: boolean; conforming: boolean } {
  const body = readRequestBody(request);
  const offer = join(request, body, policy);
  const contact = request.headers('contact').join(',');
  const required = hasOption(request, 'require');
  const lettered = /[;>]\s*\+sip\.src(?=[\s;,=>]|$)/i.test(contact);
  const conforming = required && lettered;
  // In or after the angle brackets, and with the spellings of Avaya, BroadWorks, AudioCodes and SipRecClient.
  const tagged = /;\s*(?:\+sip[.-]src|src)(?=[\s;,=>]|$)/i.test(contact);
  const recognised = required || tagged || body.metadata !== undefined || hasOption(request, 'supported');
  const warnings: Warning[] = [...offer.warnings];
  if (!recognised) warnings.push({ code: 'not_siprec' });
  else if (body.metadata === undefined) warnings.push({ code: 'metadata_missing' });
  if (recognised && !lettered) warnings.push({ code: 'src_tag_missing' });
  if (recognised && !required) warnings.push({ code: 'require_missing' });
  const invite = policy.keepInvite && request.raw.byteLength > 0 ? { invite: maskedInvite(request.raw) } : {};
  return { offer: { ...offer, ...invite, warnings }, recognised, conforming };
}

function readRequestBody(request: SipRequestView): RsBody {
  return readRsBody({
    contentType: request.header('content-type'),
    contentDisposition: request.header('content-disposition'),
    contentEncoding: request.header('content-encoding'),
    content: request.body,
  });
}

function join(request: SipRequestView, body: RsBody, policy: OfferPolicy): RsOffer {
  const dialect = recogniseDialect(request, body.metadata);
  const attributes = readCallAttributes(request, body.metadata, policy.attributes);
  const from = request.header('from');
  const to = request.header('to');
  const userAgent = request.header('user-agent');
  const { address, port, transport } = request.source;
  const keys = body.media?.streams.some((stream) => stream.crypto !== undefined) === true;
  const warnings: Warning[] = keys && transport !== 'tls' ? [{ code: 'srtp_keys_in_clear' }] : [];
  return {
    // The session keeps these as long as the call, and must not keep the message with them.
    callId: ownedText(request.callId),
    ...body,
    warnings: [...body.warnings, ...warnings],
    receivedAt: request.receivedAt,
    ...(from === undefined ? {} : { from: ownedText(from) }),
    ...(to === undefined ? {} : { to: ownedText(to) }),
    ...(userAgent === undefined ? {} : { userAgent: ownedText(userAgent) }),
    ...(transport === 'tls' ? { overTls: true } : {}),
    ...(dialect === undefined ? {} : { dialect }),
    ...(attributes === undefined ? {} : { attributes }),
    source: `${address.includes(':') ? `[${address}]` : address}:${port}`,
  };
}

function hasOption(request: SipRequestView, header: string): boolean {
  return request
    .headers(header)
    .flatMap((value) => value.split(','))
    .some((tag) => tag.trim().toLowerCase() === 'siprec');
}
