import { over, SDP, stray, type TortureMessage, viaLine } from './torture-message.js';

const LIBERAL = 'an element may be liberal here: it can be read in one way only';

/** RFC 4475 §3.1.2: broken messages; most must be refused, some may be read around. */
export const INVALID: readonly TortureMessage[] = [
  over('3.1.2.1 badinv01', 'empty elements in Via and Contact', 400, 'Via is what answers travel by', (context) => ({
    method: 'INVITE',
    lines: {
      Via: `${viaLine(context, '127.0.0.1')};;,;,,`,
      Contact: 'Contact: "Joe" <sip:joe@example.org>;;;;',
    },
    body: SDP,
  })),
  over('3.1.2.2 clerr', 'Content-Length beyond the datagram', 400, 'RFC 3261 §18.3', {
    method: 'INVITE',
    lines: { 'Content-Length': 'Content-Length: 9999' },
    body: SDP,
  }),
  over(
    '3.1.2.2 clerr/stream',
    'Content-Length beyond what was sent so far',
    'dropped',
    'on a stream the rest may still come; the connection is cut when it does not',
    { method: 'INVITE', lines: { 'Content-Length': 'Content-Length: 9999' }, body: SDP },
    { transport: 'TCP' },
  ),
  over('3.1.2.3 ncl', 'a negative Content-Length', 400, 'no number', {
    method: 'INVITE',
    lines: { 'Content-Length': 'Content-Length: -999' },
    body: SDP,
  }),
  over(
    '3.1.2.3 ncl/stream',
    'a negative Content-Length on a stream',
    400,
    'where the next message begins cannot be known, so the stream ends',
    { method: 'INVITE', lines: { 'Content-Length': 'Content-Length: -999' }, body: SDP },
    { transport: 'TCP', closes: true },
  ),
  over('3.1.2.4 scalar02', 'numbers beyond every range', 400, 'CSeq is below 2^31 (RFC 3261 §8.1.1.5)', {
    method: 'REGISTER',
    lines: {
      CSeq: 'CSeq: 36893488147419103232 REGISTER',
      'Max-Forwards': 'Max-Forwards: 300',
      Contact: 'Contact: <sip:user@host129.example.com>;expires=280297596632815',
    },
    extra: [`Expires: 1${'0'.repeat(100)}`],
  }),
  over('3.1.2.5 scalarlg', 'numbers beyond every range in a response', 'dropped', 'it answers nothing of ours', {
    ...stray('SIP/2.0 503 Service Unavailable', {
      CSeq: 'CSeq: 9292394834772304023312 OPTIONS',
      'Retry-After': 'Retry-After: 949302838503028349304023988',
      Warning: 'Warning: 1812 overture "In Progress"',
    }),
  }),
  over('3.1.2.6 quotbal', 'a quoted name without its second quote', 400, 'where To ends cannot be known', {
    method: 'INVITE',
    lines: { To: 'To: "Mr. J. User <sip:j.user@example.com>' },
    body: SDP,
  }),
  over('3.1.2.7 ltgtruri', 'brackets around the Request-URI', 400, 'RFC 3261 §7.1', {
    method: 'INVITE',
    uri: '<sip:user@example.com>',
    body: SDP,
  }),
  over('3.1.2.8 lwsruri', 'a blank inside the Request-URI', 400, 'RFC 3261 §7.1', {
    method: 'INVITE',
    uri: 'sip:user@example.com; lr',
    body: SDP,
  }),
  over('3.1.2.9 lwsstart', 'several blanks between the parts of the request line', 200, LIBERAL, {
    startLine: 'INVITE  sip:user@example.com  SIP/2.0',
    method: 'INVITE',
    body: SDP,
  }),
  over('3.1.2.10 trws', 'blanks behind the request line', 200, LIBERAL, {
    startLine: 'OPTIONS sip:remote-target@example.com SIP/2.0  ',
  }),
  over('3.1.2.11 escruri', 'headers inside the Request-URI', 200, 'taken without heeding them: a call shall be kept', {
    method: 'INVITE',
    uri: 'sip:user@example.com?Route=%3Csip:example.com%3E',
    body: SDP,
  }),
  over('3.1.2.12 baddate', 'Date with a zone that is not GMT', 200, 'the header changes nothing here', {
    method: 'INVITE',
    extra: ['Date: Fri, 01 Jan 2010 16:00:00 EST'],
    body: SDP,
  }),
  over('3.1.2.13 regbadct', 'Contact with a ? outside brackets', 405, 'only a registrar reads it', {
    method: 'REGISTER',
    lines: { Contact: 'Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E' },
  }),
  over('3.1.2.14 badaspec', 'blanks inside the brackets of To', 200, LIBERAL, {
    lines: { To: 'To: "Watson, Thomas" < sip:t.watson@example.org >' },
  }),
  over('3.1.2.15 baddn', 'a display name with commas and no quotes', 200, LIBERAL, {
    lines: {
      To: 'To: Watson, Thomas <sip:t.watson@example.org>',
      From: 'From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43',
    },
  }),
  over('3.1.2.16 badvers', 'a version of SIP that does not exist', 505, 'RFC 3261 §21.5.6', (context) => ({
    startLine: 'OPTIONS sip:t.watson@example.org SIP/7.0',
    lines: { Via: viaLine(context, '127.0.0.1').replace('SIP/2.0', 'SIP/7.0') },
  })),
  over('3.1.2.17 mismatch01', 'CSeq names another method', 400, 'RFC 3261 §8.1.1.5', {
    lines: { CSeq: 'CSeq: 8 INVITE' },
  }),
  over('3.1.2.18 mismatch02', 'CSeq names another method than an unknown one', 400, '400 or 501 are both right', {
    method: 'NEWMETHOD',
    lines: { CSeq: 'CSeq: 8 INVITE' },
  }),
  over('3.1.2.19 bigcode', 'a status beyond 32 bits', 'dropped', 'it is no response', {
    ...stray('SIP/2.0 4294967301 better not break the receiver', { CSeq: 'CSeq: 353494 INVITE' }),
  }),
];

/** RFC 4475 §3.2: what transactions are told apart by. */
export const TRANSACTION: readonly TortureMessage[] = [
  over('3.2.1 badbranch', 'a branch that is the magic cookie alone', 200, 'matched as RFC 2543 did', ({ port }) => ({
    lines: { Via: `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK` },
  })),
];
