import { over, SDP, type TortureMessage, viaLine } from './torture-message.js';

const NO_REGISTRAR = 'readable; this is no registrar';
const SDP6 = SDP.replaceAll('IN IP4 192.0.2.60', 'IN IP6 2001:db8::20');
const TWO_FAMILIES = [
  ...['v=0', 'o=bob 280744730 28977631 IN IP4 host.example.org', 's=-', 't=0 0'],
  ...['m=audio 22334 RTP/AVP 0', 'c=IN IP4 192.0.2.1', 'a=sendonly'],
  ...['m=audio 6024 RTP/AVP 0', 'c=IN IP6 2001:db8::1', 'a=sendonly', ''],
].join('\r\n');
const MAPPED = SDP.replaceAll('IN IP4 192.0.2.60', 'IN IP6 ::ffff:192.0.2.2');

/** RFC 5118 §4: how IPv6 addresses may and may not be written. Each REGISTER has a twin whose method is taken here. */
export const IPV6: readonly TortureMessage[] = [
  over('4.1 ipv6-good', 'an IPv6 reference in Request-URI, Via and Contact', 405, NO_REGISTRAR, (context) => ({
    method: 'REGISTER',
    uri: 'sip:[2001:db8::10]',
    lines: { Via: viaLine(context, '[2001:db8::9:1]'), Contact: 'Contact: "Caller" <sip:caller@[2001:db8::1]>' },
  })),
  over('4.1 ipv6-good/options', 'an IPv6 reference in Request-URI and Via', 200, 'valid', (context) => ({
    uri: 'sip:[2001:db8::10]',
    lines: { Via: viaLine(context, '[2001:db8::9:1]') },
  })),
  over('4.2 ipv6-bad', 'an IPv6 address without brackets in the Request-URI', 400, 'no valid URI', (context) => ({
    method: 'REGISTER',
    uri: 'sip:2001:db8::10',
    lines: { Via: viaLine(context, '[2001:db8::9:1]') },
  })),
  over('4.2 ipv6-bad/invite', 'the same in an INVITE', 400, 'no valid URI', {
    method: 'INVITE',
    uri: 'sip:2001:db8::10',
    body: SDP,
  }),
  over('4.3 port-ambiguous', 'what looks like a port inside the brackets', 405, NO_REGISTRAR, {
    method: 'REGISTER',
    uri: 'sip:[2001:db8::10:5070]',
  }),
  over('4.3 port-ambiguous/options', 'what looks like a port inside the brackets', 200, 'it belongs to the address', {
    uri: 'sip:[2001:db8::10:5070]',
  }),
  over('4.4 port-unambiguous', 'a port behind the brackets', 405, NO_REGISTRAR, {
    method: 'REGISTER',
    uri: 'sip:[2001:db8::10]:5070',
  }),
  over('4.4 port-unambiguous/options', 'a port behind the brackets', 200, 'valid', { uri: 'sip:[2001:db8::10]:5070' }),
  over('4.5 via-received-with-brackets', 'received with brackets in Via', 481, 'a BYE for no dialog', (context) => ({
    method: 'BYE',
    uri: 'sip:[2001:db8::10]',
    lines: {
      Via: viaLine(context, '[2001:db8::9:1]', ';received=[2001:db8::9:255]'),
      To: 'To: sip:user@example.com;tag=bd76ya',
    },
  })),
  over('4.5 via-received-without-brackets', 'received without brackets in Via', 200, 'valid', (context) => ({
    uri: 'sip:[2001:db8::10]',
    lines: { Via: viaLine(context, '[2001:db8::9:1]', ';received=2001:db8::9:255') },
  })),
  over('4.6 ipv6-in-sdp', 'IPv6 in URI, Via, Contact and SDP', 200, 'valid', (context) => ({
    method: 'INVITE',
    uri: 'sip:user@[2001:db8::10]',
    lines: {
      Via: viaLine(context, '[2001:db8::20]'),
      To: 'To: sip:user@[2001:db8::10]',
      Contact: 'Contact: "Caller" <sip:caller@[2001:db8::20]>',
    },
    body: SDP6,
  })),
  over('4.7 mult-ip-in-header', 'Vias of both families behind each other', 481, 'a BYE for no dialog', (context) => ({
    method: 'BYE',
    uri: 'sip:user@host.example.net',
    lines: {
      Via: [
        viaLine(context, '[2001:db8::9:1]'),
        'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144',
        'Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200',
      ],
      To: 'To: sip:user@example.net;tag=9817--94',
    },
  })),
  over('4.8 mult-ip-in-sdp', 'a stream of each family in one offer', 200, 'each stream is taken by itself', {
    method: 'INVITE',
    uri: 'sip:user@[2001:db8::10]',
    body: TWO_FAMILIES,
  }),
  over('4.9 ipv4-mapped-ipv6', 'IPv4 addresses mapped into IPv6', 200, 'valid', (context) => ({
    method: 'INVITE',
    lines: {
      Via: [viaLine(context, '[::ffff:192.0.2.10]'), 'Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111'],
      Contact: 'Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>',
    },
    body: MAPPED,
  })),
  over('4.10 ipv6-bug-abnf-3-colons', 'three colons, as the first grammar had it', 200, 'to be read around', {
    uri: 'sip:user@[2001:db8:::192.0.2.1]',
    lines: { To: 'To: sip:user@[2001:db8:::192.0.2.1]' },
  }),
  over('4.10 ipv6-correct-abnf-2-colons', 'two colons before a dotted end', 200, 'valid', {
    uri: 'sip:user@[2001:db8::192.0.2.1]',
    lines: { To: 'To: sip:user@[2001:db8::192.0.2.1]' },
  }),
];
