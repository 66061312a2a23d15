import { Buffer } from 'node:buffer';
import type { RecordingMetadata } from '../core/model.js';
import type { WarningCode } from '../core/warning.js';
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
  /** The same for operators: docs/reference/dialects.md is made from this table. */
  readonly recognisedBy: string;
  /** Warnings that are its normal shape. */
  readonly quirks: readonly WarningCode[];
  /** Call attributes that it carries, by name in `RsOffer.attributes`. */
  readonly attributes: readonly string[];
}

const DRAFT_NAMESPACE = 'urn:ietf:params:xml:ns:recording';

/** The surest signs come first: a vendor's own element or header before a boundary or a product name. */
export const DIALECTS: readonly Dialect[] = [
  {
    name: 'cisco-nbr',
    product: 'Cisco CUBE, network-based recording',
    recognisedBy: 'header `X-Cisco-Recording-Participant`',
    recognise: (e) => e.header('x-cisco-recording-participant') !== '',
    quirks: ['not_siprec'],
    attributes: ['x-cisco-recording-participant', 'cisco-guid'],
  },
  {
    name: 'cisco-cucm',
    product: 'Cisco CUCM, built-in bridge of a phone',
    recognisedBy: '`x-nearend`, `x-farend` or `x-refci` in From',
    recognise: (e) => /;\s*x-(?:nearend|farend|refci)\b/i.test(e.header('from')),
    quirks: ['not_siprec'],
    attributes: ['x-nearend', 'x-farend', 'x-refci', 'x-nearendclusterid'],
  },
  {
    name: 'broadworks',
    product: 'Cisco BroadWorks and Webex Calling',
    recognisedBy: 'root element `recording_metadata`, or `broadWorksRecordingMetadata` in the metadata',
    recognise: (e) => e.metadata?.root === 'recording_metadata' || /<broadWorksRecordingMetadata[\s>]/i.test(e.xml),
    quirks: ['src_tag_missing', 'require_missing', 'namespace_draft', 'content_type_garbled', 'disposition_missing'],
    attributes: ['exttrackingid', 'serviceproviderid', 'recordingtype'],
  },
  {
    name: 'netsapiens',
    product: 'NetSapiens',
    recognisedBy: '`netsapiensExtension` in the metadata',
    recognise: (e) => /<netsapiensExtension[\s>]/i.test(e.xml),
    quirks: [],
    attributes: ['groupseq', 'group_id'],
  },
  {
    name: 'google',
    product: 'Google Contact Center AI',
    recognisedBy: '`Goog-ContactCenter` in Call-Info, or the attribute `media_label` in the metadata',
    recognise: (e) => /Goog-ContactCenter/i.test(e.header('call-info')) || /\smedia_label\s*=/.test(e.xml),
    quirks: ['label_in_attribute'],
    attributes: ['call-info'],
  },
  {
    name: 'genesys',
    product: 'Genesys SIP Server and Genesys Cloud',
    recognisedBy: 'header `X-GenesysConversationId` or `X-Genesys-GVP-Session-ID`',
    recognise: (e) => e.header('x-genesysconversationid') !== '' || e.header('x-genesys-gvp-session-id') !== '',
    quirks: [],
    attributes: ['x-genesysconversationid', 'x-genesys-gvp-session-id', 'x-genesys-calluuid', 'record'],
  },
  {
    name: 'twilio',
    product: 'Twilio',
    recognisedBy: 'header `X-Twilio-CallSid`, or User-Agent',
    recognise: (e) => e.header('x-twilio-callsid') !== '' || /^twilio/i.test(e.header('user-agent')),
    quirks: [],
    attributes: ['x-twilio-callsid'],
  },
  {
    name: 'jambonz',
    product: 'jambonz',
    recognisedBy: '`callednumber` in the metadata, or User-Agent',
    recognise: (e) => /<(?:[\w.-]{1,32}:)?callednumber[\s>]/i.test(e.xml) || /^jambonz/i.test(e.header('user-agent')),
    quirks: ['src_tag_missing'],
    attributes: ['callednumber', 'callingnumber'],
  },
  {
    name: 'oracle',
    product: 'Oracle (Acme Packet) SBC',
    recognisedBy: 'prefix `apkt:` in the metadata, header `X-Acme-Call-ID`, or boundary `unique-boundary-1`',
    recognise: (e) => /\bapkt:/.test(e.xml) || e.header('x-acme-call-id') !== '' || e.boundary('unique-boundary-1'),
    quirks: ['namespace_draft', 'format_unnamed'],
    attributes: ['ucid', 'x-acme-call-id', 'user-to-user', 'callingparty'],
  },
  {
    name: 'audiocodes',
    product: 'AudioCodes Mediant',
    recognisedBy: 'header `X-AUDC-Call-ID`, its namespace in the metadata, or boundary `boundary_ac`',
    recognise: (e) =>
      e.header('x-audc-call-id') !== '' || /"https?:\/\/AudioCodes/i.test(e.xml) || e.boundary('boundary_ac'),
    quirks: ['src_tag_missing', 'namespace_draft', 'line_ends_bare_lf'],
    attributes: ['avayaucid', 'x-audc-call-id'],
  },
  {
    name: 'metaswitch',
    product: 'Metaswitch CFS',
    recognisedBy: 'boundary `metaswitch-boundary`, or User-Agent',
    recognise: (e) => e.boundary('metaswitch-boundary') || /^metaswitch/i.test(e.header('user-agent')),
    quirks: ['namespace_draft'],
    attributes: [],
  },
  {
    name: 'ribbon',
    product: 'Ribbon (Sonus) SBC',
    recognisedBy: 'boundary `sonus-`, or `callData` in the metadata',
    recognise: (e) => e.boundary('sonus-') || /<(?:[\w.-]{1,32}:)?callData[\s>]/.test(e.xml),
    quirks: ['namespace_draft'],
    attributes: ['gcid', 'callid'],
  },
  {
    name: 'avaya',
    product: 'Avaya SBCE',
    recognisedBy: 'AOR `ASBCE@`, User-Agent, or `;+sip.src` inside the URI of Contact',
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
    recognisedBy: 'boundary `OSS-unique-boundary-`, or User-Agent',
    recognise: (e) => e.boundary('OSS-unique-boundary-') || /^opensips/i.test(e.header('user-agent')),
    quirks: ['src_tag_missing', 'connection_missing'],
    attributes: ['sipsessionid'],
  },
  {
    name: 'cisco-cube',
    product: 'Cisco CUBE',
    recognisedBy: 'User-Agent `Cisco-SIPGateway`, `o=CiscoSystemsSIP-GW` in SDP, or header `Cisco-Guid`',
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
    recognisedBy: '`a=direction:both` in SDP, or labels `a_leg` and `b_leg` in the metadata',
    recognise: (e) => /^a=direction:both/m.test(e.sdp) || /<label>\s*[ab]_leg\s*</.test(e.xml),
    quirks: [],
    attributes: [],
  },
  {
    name: 'freeswitch',
    product: 'FreeSWITCH forks with mod_siprec',
    recognisedBy: 'User-Agent, or labels `inbound` and `outbound` in the metadata',
    recognise: (e) => /^freeswitch/i.test(e.header('user-agent')) || /<label>\s*(?:in|out)bound\s*</.test(e.xml),
    quirks: ['disposition_missing'],
    attributes: [],
  },
  {
    name: 'ng911',
    product: 'Emergency call systems (Intrado)',
    recognisedBy: '`+sip-src` in Contact',
    recognise: (e) => /\+sip-src\b/i.test(e.header('contact')),
    quirks: ['src_tag_missing'],
    attributes: [],
  },
  {
    name: 'draft',
    product: 'Any SRC that writes the metadata of the drafts before RFC 7865',
    recognisedBy: 'namespace `urn:ietf:params:xml:ns:recording`',
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
