import {
  branchOf,
  type Composition,
  callIdOf,
  compose,
  over,
  SDP,
  stray,
  type TortureContext,
  type TortureMessage,
  viaLine,
} from './torture-message.js';

const NO_SUCH_METHOD = { allow: /INVITE/ };

function tortuous(context: TortureContext, toTag: string): Buffer {
  const lines = [
    'INVITE sip:vivekg@chair-dnrc.example.org;unknownparam SIP/2.0',
    'TO :',
    ` sip:vivekg@chair-dnrc.example.org ${toTag}`,
    'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.org>',
    '  ;',
    `  tag = torture${context.serial}`,
    'MaX-fOrWaRdS: 0068',
    `Call-ID: ${callIdOf(context)}`,
    'Content-Length   : CL',
    'cseq: 0009',
    '  INVITE',
    'Via  : SIP  /   2.0',
    ' /UDP',
    `    127.0.0.1:${context.port};branch=${branchOf(context)}, SIP/2.0/TCP spindle.example.org ; branch  =`,
    '  z9hG4bK9ikj8  ,',
    ' SIP  /    2.0   / UDP  192.168.255.111   ; branch=',
    ' z9hG4bK30239',
    's :',
    'NewFangledHeader:   newfangled value',
    ' continued newfangled value',
    'UnknownHeaderWithUnusualValue: ;;,,;;,;',
    'Content-Type: application/sdp',
    'Route:',
    ' <sip:services.example.org;lr;unknownwith=value;unknown-no-value>',
    'm:"Quoted string \\"\\"" <sip:jdrosen@example.org> ; newparam =',
    '      newvalue ;',
    '  secondparam ; q = 0.33',
  ];
  const head = lines.join('\r\n').replace('CL', String(Buffer.byteLength(SDP)));
  return Buffer.from(`${head}\r\n\r\n${SDP}`);
}

const LONG = 'long'.repeat(60);

function longValues(context: TortureContext): Composition {
  const vias = Array.from({ length: 30 }, (_, i) => `v: SIP/2.0/TCP host${i}.example.org;branch=z9hG4bK${LONG}${i}`);
  return {
    method: 'INVITE',
    lines: {
      Via: [viaLine(context, '127.0.0.1', `;unknown${LONG}=${LONG}`), ...vias],
      To: `To: "A ${'very '.repeat(60)}name"<sip:srs@example.org:6000;p${LONG}=${LONG};q${LONG}=1>;t${LONG}=2`,
      From: `F: sip:${LONG}@example.org;tag=${'7'.repeat(500)};f${LONG}=v${LONG};nameonly${LONG}`,
      'Call-ID': `Call-ID: ${callIdOf(context)}.${LONG}`,
      Contact: `Contact: <sip:${LONG}@127.0.0.1:${context.port};c${LONG}=${LONG}>`,
    },
    extra: [`Unknown-${LONG}: ${LONG}`, `Unknown-${LONG}: ${LONG}; param=${LONG}`],
    body: SDP,
  };
}

/** A binary part that holds NULs, line ends and something like a boundary. */
const SIGNED = Buffer.concat([
  Buffer.from('--bnd\r\nContent-Type: text/plain\r\n\r\nHello\r\n--bnd\r\n'),
  Buffer.from('Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n'),
  Buffer.from([0x30, 0x82, 0x00, 0x0d, 0x0a, 0x00, 0x2d, 0x2d, 0x62, 0x0d, 0xff, 0x80, 0x0a]),
  Buffer.from('\r\n--bnd--\r\n'),
]);
const MIXED = { 'Content-Type': 'Content-Type: multipart/mixed;boundary=bnd' };

/** RFC 4475 §3.1.1: everything here is allowed, if seldom seen. */
export const VALID: readonly TortureMessage[] = [
  {
    ...over('3.1.1.1 wsinv', 'white space, folding, case and unknown headers wherever they may be', 481, '', {}),
    because: 'it has a To tag, and there is no such dialog (RFC 3261 §12.2.2)',
    build: (context) => tortuous(context, ';   tag    = 1918181833n'),
  },
  {
    ...over('3.1.1.1 wsinv/new', 'the same without a To tag', 200, 'valid', {}),
    build: (context) => tortuous(context, ';   other    = 1918181833n'),
  },
  over(
    '3.1.1.2 intmeth',
    'every character that a method, a URI and a display name may hold',
    405,
    'a valid request of a method that nobody has (RFC 3261 §8.2.1)',
    {
      method: "!interesting-Method0123456789_*+`.%indeed'~",
      uri: "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d@example.org",
      lines: {
        To: 'To: "BEL:\\\x07 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.org>',
        From: `From: token1~\` token2'+_ token3*%!.- <sip:mundane@example.org>;fromParam''~+*_!.-%="\u0440\u0430\u0431";tag=_token~1'+\`*%!-.`,
      },
      extra: ["extensionHeader-!.%*+_`'~:\ufeff\u5927\u505c\u96fb"],
    },
    { headers: NO_SUCH_METHOD },
  ),
  over('3.1.1.3 esc01', 'characters escaped that need not be, and that must be', 200, 'valid', {
    method: 'INVITE',
    uri: 'sip:sips%3Auser%40example.com@example.net',
    lines: { To: 'To: sip:%75se%72@example.com', From: 'From: <sip:I%20have%20spaces@example.net>;tag=938' },
    body: SDP,
  }),
  over('3.1.1.4 escnull', 'escaped NULs in URIs', 405, 'a registrar would take it; this is none', {
    method: 'REGISTER',
    lines: {
      To: 'To: sip:null-%00-null@example.com',
      From: 'From: sip:null-%00-null@example.com;tag=839923423',
      Contact: ['Contact: <sip:%00@host5.example.com>', 'Contact: <sip:%00%00@host5.example.com>'],
    },
  }),
  over('3.1.1.4 escnull/options', 'an escaped NUL in the Request-URI', 200, 'any user part is taken', {
    uri: 'sip:null-%00-null@example.com',
  }),
  over(
    '3.1.1.5 esc02',
    'a % that escapes nothing, in a method name',
    405,
    'the method is RE%47IST%45R and not REGISTER',
    {
      method: 'RE%47IST%45R',
      uri: 'sip:registrar.example.com',
      lines: {
        To: 'To: "%Z%45" <sip:resource@example.com>',
        From: 'From: "%Z%45" <sip:resource@example.com>;tag=f232',
      },
    },
    { headers: NO_SUCH_METHOD },
  ),
  over('3.1.1.6 lwsdisp', 'no blank between display name and bracket', 200, 'valid', {
    lines: { From: 'From: caller<sip:caller@example.com>;tag=323' },
  }),
  over('3.1.1.7 longreq', 'very long values in every header', 200, 'valid', longValues),
  {
    ...over('3.1.1.8 dblreq', 'a second request behind the first in one datagram', 405, 'only the first counts', {}),
    because: 'what is behind Content-Length is dropped (RFC 3261 §18.3), so the INVITE is never seen',
    build: (context) =>
      compose(context, { method: 'REGISTER', trailer: compose({ ...context, serial: -1 }, { method: 'INVITE' }) }),
  },
  {
    ...over('3.1.1.8 dblreq/stream', 'the same bytes on a stream', 405, 'there they are two requests', {}),
    transport: 'TCP',
    answers: [405, 200],
    build: (context) => compose(context, { method: 'REGISTER', trailer: compose({ ...context, serial: -2 }) }),
  },
  over(
    '3.1.1.9 semiuri',
    'parameters with an escaped @ inside the user part',
    200,
    'the user part ends at the last @',
    {
      uri: 'sip:user;par=u%40example.net@example.com',
    },
  ),
  over(
    '3.1.1.10 transports',
    'known and unknown transports in Via',
    200,
    'only the topmost is ours to read',
    (context) => ({
      lines: {
        Via: [
          viaLine(context, '127.0.0.1'),
          ...['SCTP', 'TLS', 'UNKNOWN', 'TCP'].map(
            (name, i) => `Via: SIP/2.0/${name} t${i}.example.com;branch=z9hG4bK${i}`,
          ),
        ],
      },
    }),
  ),
  over('3.1.1.11 mpart01', 'a multipart body with a binary part', 405, 'valid, but MESSAGE is not taken', {
    method: 'MESSAGE',
    lines: MIXED,
    body: SIGNED,
  }),
  over(
    '3.1.1.11 mpart01/invite',
    'the same body in an INVITE',
    415,
    'a part that must be understood and is not (RFC 5621 §8.4)',
    { method: 'INVITE', lines: MIXED, body: SIGNED },
    { headers: { accept: /application\/sdp/ } },
  ),
  over('3.1.1.12 unreason', 'a reason phrase with all that UTF-8 has', 'dropped', 'no request of ours is open', {
    ...stray(
      'SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e \u0434\u0435\u0432\u044f\u043d\u043e\u0441\u0442\u043e',
      {
        CSeq: 'CSeq: 35 INVITE',
      },
    ),
  }),
  over('3.1.1.13 noreason', 'an empty reason phrase', 'dropped', 'no request of ours is open', {
    ...stray('SIP/2.0 100 ', { CSeq: 'CSeq: 35 INVITE' }),
  }),
];
