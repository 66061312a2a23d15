import { over, SDP, stray, type TortureMessage } from './torture-message.js';

const REGISTER = 'this is no registrar (RFC 3261 §8.2.1)';
const ALLOW = { headers: { allow: /INVITE/ } };

/** RFC 4475 §3.3: well-formed messages that ask for something odd. */
export const APPLICATION: readonly TortureMessage[] = [
  over('3.3.1 insuf', 'From, To and Call-ID are missing', 400, 'RFC 3261 §8.1.1', {
    method: 'INVITE',
    lines: { From: null, To: null, 'Call-ID': null },
    body: SDP,
  }),
  over('3.3.2 unkscm', 'a Request-URI of a scheme that nobody knows', 416, 'RFC 3261 §8.2.2.1', {
    uri: 'nobodyKnowsThisScheme:totallyopaquecontent',
    lines: { To: 'To: sip:user@example.com' },
  }),
  over('3.3.3 novelsc', 'a Request-URI of a registered scheme that SIP has no use for', 416, 'RFC 3261 §8.2.2.1', {
    uri: 'soap.beep://192.0.2.103:3002',
    lines: { To: 'To: sip:user@example.com' },
  }),
  over(
    '3.3.4 unksm2',
    'unknown schemes in To, From and Contact',
    405,
    REGISTER,
    {
      method: 'REGISTER',
      lines: {
        To: 'To: isbn:2983792873',
        From: 'From: <http://www.example.com>;tag=3234233',
        Contact: 'Contact: <name:John_Smith>',
      },
    },
    ALLOW,
  ),
  over('3.3.4 unksm2/options', 'unknown schemes in To and From', 200, 'they name nobody that is asked for here', {
    lines: { To: 'To: isbn:2983792873', From: 'From: <http://www.example.com>;tag=3234233' },
  }),
  over(
    '3.3.5 bext01',
    'Require and Proxy-Require with options that nobody has',
    420,
    'Unsupported names those of Require; Proxy-Require is for proxies (RFC 3261 §8.2.2.3)',
    {
      extra: [
        'Supported: nothingSupportsThis, nothingSupportsThisEither',
        'Require: nothingSupportsThis, nothingSupportsThisEither',
        'Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis',
      ],
    },
    { headers: { unsupported: /^nothingSupportsThis, nothingSupportsThisEither$/ } },
  ),
  over(
    '3.3.6 invut',
    'a body of an unknown type',
    415,
    'RFC 3261 §8.2.3',
    {
      method: 'INVITE',
      lines: { 'Content-Type': 'Content-Type: application/unknownformat' },
      body: '<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n',
    },
    { headers: { accept: /application\/sdp/ } },
  ),
  over(
    '3.3.7 regaut01',
    'credentials of an unknown scheme',
    405,
    REGISTER,
    { method: 'REGISTER', extra: ['Authorization: NoOneKnowsThisScheme opaque-data=here'] },
    ALLOW,
  ),
  over('3.3.8 multi01', 'headers twice that stand once, with other values', 400, 'RFC 3261 §7.3.1', {
    method: 'INVITE',
    extra: [
      'CSeq: 59 INVITE',
      'Call-ID: multi01.other@example.org',
      'To: <sip:other@example.net>',
      'From: <sip:other@example.net>;tag=992d8ub3',
      'Max-Forwards: 5',
      'Contact: <sip:other@example.net>',
    ],
    body: SDP,
  }),
  over('3.3.9 mcl01', 'two Content-Lengths', 400, 'which of them ends the body cannot be known', {
    lines: { 'Content-Length': ['Content-Length: 13', 'Content-Length: 5'] },
    trailer: 'There is no way to know how many octets are supposed to be here.\r\n',
  }),
  over(
    '3.3.9 mcl01/stream',
    'two Content-Lengths on a stream',
    400,
    'the stream cannot be read on and ends',
    {
      lines: { 'Content-Length': ['Content-Length: 13', 'Content-Length: 5'] },
      trailer: 'There is no way to know how many octets are supposed to be here.\r\n',
    },
    { transport: 'TCP', closes: true },
  ),
  over('3.3.10 bcast', 'a 200 whose second Via is the broadcast address', 'dropped', 'not ours, and never passed on', {
    ...stray('SIP/2.0 200 OK', { CSeq: 'CSeq: 10 INVITE' }, SDP),
    extra: ['Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23', 'Contact: <sip:user@198.51.100.8>'],
  }),
  over('3.3.11 zeromf', 'Max-Forwards of 0', 200, 'who is asked answers; only who passes on refuses (RFC 3261 §16.3)', {
    lines: { 'Max-Forwards': 'Max-Forwards: 0' },
  }),
  over(
    '3.3.12 cparam01',
    'a Contact with an unknown header parameter',
    405,
    REGISTER,
    { method: 'REGISTER', lines: { Contact: 'Contact: sip:+19725552222@gw1.example.net;unknownparam' } },
    ALLOW,
  ),
  over(
    '3.3.13 cparam02',
    'a Contact with an unknown URI parameter',
    405,
    REGISTER,
    { method: 'REGISTER', lines: { Contact: 'Contact: <sip:+19725552222@gw1.example.net;unknownparam>' } },
    ALLOW,
  ),
  over(
    '3.3.14 regescrt',
    'a Contact with a header escaped into its URI',
    405,
    REGISTER,
    {
      method: 'REGISTER',
      lines: { Contact: 'Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>' },
    },
    ALLOW,
  ),
  over('3.3.15 sdp01', 'Accept without any type that the answer could have', 406, 'RFC 3261 §20.1, §21.4.7', {
    method: 'INVITE',
    extra: ['Accept: text/nobodyKnowsThis'],
    body: SDP,
  }),
];

/** RFC 4475 §3.4: what peers of RFC 2543 send. */
export const BACKWARD: readonly TortureMessage[] = [
  over(
    '3.4.1 inv2543',
    'no branch, no From tag, no Max-Forwards, no Contact, no Content-Length',
    200,
    'as RFC 2543',
    ({ port }) => ({
      method: 'INVITE',
      lines: {
        Via: `Via: SIP/2.0/UDP 127.0.0.1:${port}`,
        From: `From: <sip:+13035551111@127.0.0.1:${port};user=phone>`,
        To: 'To: sip:+16505552222@ss1.example.net;user=phone',
        'Max-Forwards': null,
        Contact: null,
        'Content-Length': null,
      },
      extra: [`Record-Route: <sip:UserB@127.0.0.1:${port};maddr=127.0.0.1>`],
      body: SDP,
    }),
  ),
];
