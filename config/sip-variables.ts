import { boolean, cidrList, duration, integer, ipAddress, list, oneOf, portList, text } from './formats.js';
import { given, optional } from './variable.js';

const port = integer(1, 65_535);

/** SIP signalling and RTP. */
export const SIP_VARIABLES = {
  SIP_HOST: given(ipAddress, '0.0.0.0', 'Address that SIP listens on.'),
  UDP_PORTS: given(portList, '5060', 'UDP ports for SIP, or none.', { aliases: ['PORTS'] }),
  TCP_PORTS: given(portList, '5060', 'TCP ports for SIP, or none.'),
  SIP_PEERS: optional(cidrList, 'Networks of the SRCs that may call; others get 403, or no connection.', {
    fallbackDoc: 'any',
  }),
  SIP_STRICT: given(
    boolean,
    'false',
    'Takes only INVITEs with both +sip.src and Require: siprec (RFC 7866 section 6.2); many SBCs send neither.',
  ),
  ENABLE_TLS: given(boolean, 'false', 'SIP over TLS 1.2 and 1.3.'),
  TLS_PORT: given(port, '5061', 'TLS port for SIP.'),
  TLS_CERT_PATH: optional(text, 'Certificate chain for SIP over TLS, PEM.'),
  TLS_KEY_PATH: optional(text, 'Key of the certificate, PEM.'),
  TLS_CA_PATH: optional(text, 'Authorities that certificates of SRCs must be signed by, PEM.'),
  TLS_CLIENT_AUTH: optional(
    oneOf('none', 'request', 'require'),
    'Whether an SRC must show a certificate: request checks one that is shown, require takes no connection without.',
    { fallbackDoc: 'require when TLS_CA_PATH is set, else none' },
  ),
  TLS_PEER_NAMES: optional(
    list,
    'Names, URIs or addresses of which a certificate of an SRC must carry one (subjectAltName); *.example.com for one label.',
    { fallbackDoc: 'any' },
  ),
  SIP_REQUIRE_TLS: given(boolean, 'false', 'Listens on TLS only.'),
  SIP_AUTH_USERS: optional(
    list,
    'name:password pairs of SRCs that must authenticate by digest; not set = nobody must.',
    {
      secret: 'value',
    },
  ),
  SIP_AUTH_REALM: given(text, 'sipscribe', 'Realm of digest authentication.'),
  SIP_AUTH_PREFER: given(
    oneOf('sha-256', 'md5', 'sha-256-only'),
    'sha-256',
    'Algorithm that is offered first; the other one follows, unless only SHA-256 shall do. Some SRCs read the first offer alone.',
  ),
  SIP_AUTH_EXEMPT: optional(cidrList, 'Networks whose SRCs need no digest; many cannot.', { fallbackDoc: 'none' }),
  SIP_PEER_RATE: given(
    integer(0, 100_000),
    '0',
    'New INVITEs and OPTIONS a second from one address; above it the answer is 503 with Retry-After. 0 = no limit.',
  ),
  SIP_PEER_CONNECTIONS: given(
    integer(1, 100_000),
    '256',
    'TCP and TLS connections held from one address; no effect beside DRACHTIO_HOST.',
  ),
  SIP_KEEP_INVITE: given(
    boolean,
    'true',
    'Keeps signalling beside a recording as it came: the first INVITE, keys and credentials masked, and the metadata.',
  ),
  SIP_CALL_ATTRIBUTES: optional(
    list,
    'Header fields and metadata elements that are kept as attributes of a call, * for all known; none keeps none.',
    { fallbackDoc: 'all known' },
  ),
  SIP_SNAPSHOT_REQUEST: given(
    boolean,
    'false',
    'Asks an SRC once for a full metadata snapshot when a partial one cannot be understood (RFC 7866 section 9.2).',
  ),
  SIP_SIGNAL_PAUSE: given(
    boolean,
    'false',
    'Tells the SRC of a pause or resume of ours by re-INVITE; several SRCs cannot take one.',
  ),
  PAUSE_ALARM: given(duration('1s', '24h'), '10m', 'A pause of ours that lasts so long is reported as forgotten.'),
  PAUSE_LIMIT: given(duration('0s', '24h'), '0s', 'A pause of ours ends by itself after so long; 0s = never.'),
  DTMF_POLICY: given(
    oneOf('store', 'mask', 'drop'),
    'mask',
    'Of keys that are pressed: store keeps which and when, mask keeps that one was pressed and when, drop keeps nothing.',
  ),
  ENABLE_SRTP: given(boolean, 'true', 'Takes streams protected by SRTP whose keys come in the SDP (SDES).'),
  SIP_REQUIRE_SRTP: given(
    boolean,
    'false',
    'Refuses streams without SRTP, and with 488 calls of which no stream is left.',
  ),
  SIP_SDES_REQUIRE_TLS: given(
    boolean,
    'false',
    'Takes no SRTP keys that came without TLS; otherwise they are taken with a warning.',
  ),
  DRACHTIO_HOST: optional(text, 'drachtio-server to use in place of the embedded SIP.'),
  DRACHTIO_PORT: given(port, '9022', 'Port of the drachtio-server.'),
  DRACHTIO_SECRET: optional(text, 'Secret of the drachtio-server.', { secret: 'value' }),
  RTP_PORT_MIN: given(integer(1024, 65_534), '10000', 'First port for RTP; a leg takes an even port and the next one.'),
  RTP_PORT_MAX: given(integer(1025, 65_535), '20000', 'Last port for RTP.'),
  RTP_BIND_IP: optional(ipAddress, 'Address that RTP listens on.', { fallbackDoc: 'SIP_HOST' }),
  EXTERNAL_IP: optional(ipAddress, 'Address written into SDP and Contact when we sit behind NAT.', {
    fallbackDoc: 'the local address that the SRC reached',
  }),
  RTP_TIMEOUT: given(
    duration('1s', '24h'),
    '30s',
    'A leg without RTP for so long is reported while the call goes on; it does not end the call.',
  ),
  RTP_RECEIVER: given(
    oneOf('auto', 'node'),
    'auto',
    'How packets are received: in batches where the system and the package koffi allow it, or with the sockets of Node.',
  ),
  RTP_TICK: given(duration('10ms', '1s'), '100ms', 'How often media workers drain their sockets.'),
  MEDIA_WORKERS: given(integer(0, 64), '0', 'Media threads; 0 = as many as MAX_CONCURRENT_CALLS needs.'),
} as const;
