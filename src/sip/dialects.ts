import { Buffer } from 'node:buffer';
import type { RecordingMetadata, WarningCode } from '../core/model.js';
import type { SipRequestView } from './sip-server.js';

/** What a dialect is told by. Texts are bounded. */
interface Evidence {
  header(name: string): string;
  /** Begins the boundary of the body. */
  boundary(start: string): boolean;
  /** Head and body up to 64 KiB. */
  readonly sdp: string;
  readonly xml: string;
  readonly metadata: RecordingMetadata | undefined;
}

/**
 * One vendor's way of SIPREC. Recognition is for people and statistics: nothing is refused by it, and every reader takes every shape
 * from everybody, because a proxy, a new release or an OEM name changes who is at the other end and not what is sent.
 */
export interface Dialect {
  /** As in `RsOffer.dialect`, events and records. */
  readonly name: string;
  readonly product: string;
  readonly recognise: (evidence: Evidence) => boolean;
  /** Quirks that are its normal shape. */
  readonly quirks: readonly WarningCode[];
  /** Call attributes that it carries, by name in `RsOffer.attributes`. */
  readonly attributes: readonly string[];
  /** It sends no metadata and no sign of SIPREC: each of its calls is one side of a call, told in From. */
  readonly plainCalls?: true;
  /** It sends no RTP when its `a=label` does not come back. All answers have it. */
  readonly needsLabel?: true;
}

const DRAFT_NAMESPACE = 'urn:ietf:params:xml:ns:recording';

/** The surest signs come first: a vendor's own element or header before a boundary or a product name. */
export const DIALECTS: readonly Dialect[] = [
  {
    name: 'cisco-nbr',
    product: 'Cisco CUBE, network-based recording',
    recognise: (e) => e.header('x-cisco-recording-participant') !== '',
    quirks: ['not_siprec'],
    attributes: ['x-cisco-recording-participant', 'cisco-guid'],
    plainCalls: true,
  },
  {
    name: 'cisco-cucm',
    product: 'Cisco CUCM, built-in bridge of a phone',
    recognise: (e) => /;\s*x-(?:nearend|farend|refci)\b/i.test(e.header('from')),
    quirks: ['not_siprec'],
    attributes: ['x-nearend', 'x-farend', 'x-refci', 'x-nearendclusterid'],
    plainCalls: true,
  },
  {
    name: 'broadworks',
    product: 'Cisco BroadWorks and Webex Calling',
    recognise: (e) => e.metadata?.root === 'recording_metadata' || /<broadWorksRecordingMetadata[\s>]/i.test(e.xml),
    quirks: ['src_tag_missing', 'require_missing', 'namespace_draft', 'content_type_garbled', 'disposition_missing'],
    attributes: ['exttrackingid', 'serviceproviderid', 'recordingtype'],
  },
  {
    name: 'netsapiens',
    product: 'NetSapiens',
    recognise: (e) => /<netsapiensExtension[\s>]/i.test(e.xml),
    quirks: ['disposition_missing'],
    attributes: ['groupseq', 'group_id'],
    needsLabel: true,
  },
  {
    name: 'google',
    product: 'Google Contact Center AI',
    recognise: (e) => /Goog-ContactCenter/i.test(e.header('call-info')) || /\smedia_label\s*=/.test(e.xml),
    quirks: ['label_in_attribute'],
    attributes: ['call-info'],
  },
  {
    name: 'genesys',
    product: 'Genesys SIP Server and Genesys Cloud',
    recognise: (e) => e.header('x-genesysconversationid') !== '' || e.header('x-genesys-gvp-session-id') !== '',
    quirks: [],
    attributes: ['x-genesysconversationid', 'x-genesys-gvp-session-id', 'x-genesys-calluuid'],
  },
  {
    name: 'twilio',
    product: 'Twilio',
    recognise: (e) => e.header('x-twilio-callsid') !== '' || /^twilio/i.test(e.header('user-agent')),
    quirks: [],
    attributes: ['x-twilio-callsid', 'x-twilio-accountsid'],
  },
  {
    name: 'jambonz',
    product: 'jambonz',
    recognise: (e) => /<(?:[\w.-]{1,32}:)?callednumber[\s>]/i.test(e.xml) || /^jambonz/i.test(e.header('user-agent')),
    quirks: ['src_tag_missing'],
    attributes: ['callednumber', 'callingnumber'],
  },
  {
    name: 'oracle',
    product: 'Oracle (Acme Packet) SBC',
    recognise: (e) => /\bapkt:/.test(e.xml) || e.header('x-acme-call-id') !== '' || e.boundary('unique-boundary-1'),
    quirks: ['namespace_draft', 'format_unnamed'],
    attributes: ['ucid', 'x-acme-call-id', 'cisco-gucid', 'user-to-user', 'callingparty', 'realm'],
  },
  {
    name: 'audiocodes',
    product: 'AudioCodes Mediant',
    recognise: (e) =>
      e.header('x-audc-call-id') !== '' || /"https?:\/\/AudioCodes/i.test(e.xml) || e.boundary('boundary_ac'),
    quirks: ['src_tag_missing', 'namespace_draft', 'line_ends_bare_lf'],
    attributes: ['avayaucid', 'x-audc-call-id'],
  },
  {
    name: 'metaswitch',
    product: 'Metaswitch CFS',
    recognise: (e) => e.boundary('metaswitch-boundary') || /^metaswitch/i.test(e.header('user-agent')),
    quirks: ['namespace_draft'],
    attributes: [],
  },
  {
    name: 'ribbon',
    product: 'Ribbon (Sonus) SBC',
    recognise: (e) => e.boundary('sonus-') || /<(?:[\w.-]{1,32}:)?callData[\s>]/.test(e.xml),
    quirks: ['namespace_draft'],
    attributes: ['gcid', 'callid'],
  },
  {
    name: 'avaya',
    product: 'Avaya SBCE',
    recognise: (e) =>
      /aor="(?:sip:)?ASBCE@/i.test(e.xml) ||
      /^avaya/i.test(e.header('user-agent')) ||
      /;\+sip\.src>/i.test(e.header('contact')),
    quirks: [],
    attributes: ['user-to-user', 'ucid'],
  },
  {
    name: 'opensips',
    product: 'OpenSIPS with rtpengine',
    recognise: (e) => e.boundary('OSS-unique-boundary-') || /^opensips/i.test(e.header('user-agent')),
    quirks: ['src_tag_missing', 'connection_missing'],
    attributes: ['sipsessionid'],
  },
  {
    name: 'cisco-cube',
    product: 'Cisco CUBE',
    recognise: (e) =>
      /^Cisco-SIPGateway/i.test(e.header('user-agent')) ||
      /^o=CiscoSystemsSIP-GW/m.test(e.sdp) ||
      e.header('cisco-guid') !== '',
    quirks: [],
    attributes: ['cisco-guid', 'session-id', 'sipsessionid'],
  },
  {
    name: 'sems',
    product: 'SEMS and Procomm',
    recognise: (e) => /^a=direction:both/m.test(e.sdp) || /<label>\s*[ab]_leg\s*</.test(e.xml),
    quirks: [],
    attributes: [],
  },
  {
    name: 'freeswitch',
    product: 'FreeSWITCH forks with mod_siprec',
    recognise: (e) => /^freeswitch/i.test(e.header('user-agent')) || /<label>\s*(?:in|out)bound\s*</.test(e.xml),
    quirks: ['disposition_missing'],
    attributes: [],
  },
  {
    name: 'ng911',
    product: 'Emergency call systems (Intrado)',
    recognise: (e) => /\+sip-src\b/i.test(e.header('contact')),
    quirks: ['src_tag_missing'],
    attributes: ['call-info'],
  },
  {
    name: 'draft',
    product: 'Any SRC that writes the metadata of the drafts before RFC 7865',
    recognise: (e) => e.metadata?.namespace === DRAFT_NAMESPACE,
    quirks: ['namespace_draft'],
    attributes: [],
  },
];

/** Name of the dialect of a request; undefined is plain RFC 7866. Pure. */
export function recogniseDialect(request: SipRequestView, metadata: RecordingMetadata | undefined): string | undefined {
  const { body } = request;
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 65_536)).toString('latin1');
  const type = request.header('content-type') ?? '';
  const evidence: Evidence = {
    header: (name) => (request.header(name) ?? '').trim().slice(0, 2048),
    boundary: (start) => new RegExp(`;\\s*boundary\\s*=\\s*"?${start}`, 'i').test(type.slice(0, 1024)),
    sdp: text,
    xml: metadata?.raw ?? '',
    metadata,
  };
  return DIALECTS.find((dialect) => dialect.recognise(evidence))?.name;
}
