/** Compact forms of RFC 3261 §7.3.3, RFC 3265, RFC 3515, RFC 3892, RFC 3841, RFC 4028 and RFC 4474. */
const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
};

/** Names as RFCs write them; the rest is cased word by word. Both tables save the work of lower-casing on every message. */
const WRITTEN = [
  ...['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Contact', 'Content-Type', 'Content-Length', 'Content-Disposition'],
  ...['Max-Forwards', 'Allow', 'Supported', 'Require', 'Unsupported', 'Route', 'Record-Route', 'User-Agent', 'Server'],
  ...['Session-Expires', 'Min-SE', 'Retry-After', 'Accept', 'Warning', 'Reason', 'Date', 'Session-ID', 'MIME-Version'],
  ...['Accept-Encoding', 'Accept-Language', 'Content-Encoding', 'Expires', 'Event', 'RAck', 'RSeq', 'WWW-Authenticate'],
  ...['P-Asserted-Identity', 'History-Info', 'Diversion', 'User-to-User', 'Cisco-Guid', 'Timestamp', 'Proxy-Require'],
];

const canonical = new Map<string, string>();
const written = new Map<string, string>();
for (const name of WRITTEN) {
  const lower = name.toLowerCase();
  canonical.set(name, lower);
  canonical.set(lower, lower);
  written.set(lower, name);
}
for (const [short, long] of Object.entries(COMPACT)) {
  canonical.set(short, long);
  canonical.set(short.toUpperCase(), long);
}

/** The lower-case long form of a header name in any case or compact form. */
export function canonicalHeaderName(name: string): string {
  const known = canonical.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  return canonical.get(lower) ?? lower;
}

/** The name as it is put on the wire: `call-id` becomes `Call-ID`, `x-my-header` becomes `X-My-Header`. */
export function writtenHeaderName(name: string): string {
  const known = written.get(name);
  if (known !== undefined) return known;
  return name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('-');
}
