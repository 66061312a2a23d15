import { boolean, cidrList, duration, integer, ipAddress, portList, text } from './formats.js';
import { given, optional } from './variable.js';

const port = integer(1, 65_535);

/** SIP signalling and RTP. */
export const SIP_VARIABLES = {
  SIP_HOST: given(ipAddress, '0.0.0.0', 'Address that SIP listens on.'),
  UDP_PORTS: given(portList, '5060', 'UDP ports for SIP, or none.', { aliases: ['PORTS'] }),
  TCP_PORTS: given(portList, '5060', 'TCP ports for SIP, or none.'),
  SIP_PEERS: optional(cidrList, 'Networks of the SRCs that may call; others get 403.', { fallbackDoc: 'any' }),
  SIP_STRICT: given(
    boolean,
    'false',
    'Takes only INVITEs with both +sip.src and Require: siprec (RFC 7866 section 6.2); many SBCs send neither.',
  ),
  ENABLE_TLS: given(boolean, 'false', 'SIP over TLS.', { later: { refuse: 'true' } }),
  TLS_PORT: given(port, '5061', 'TLS port for SIP.', { later: { refuse: 'never' } }),
  TLS_CERT_PATH: optional(text, 'Certificate for SIP over TLS, PEM.', { later: { refuse: 'never' } }),
  TLS_KEY_PATH: optional(text, 'Key of the certificate, PEM.', { later: { refuse: 'never' } }),
  TLS_CA_PATH: optional(text, 'Authorities that SRCs must be signed by, PEM.', { later: { refuse: 'never' } }),
  SIP_REQUIRE_TLS: given(boolean, 'false', 'Refuses calls that do not come over TLS.', { later: { refuse: 'true' } }),
  ENABLE_SRTP: given(boolean, 'true', 'Answers SDES keys when they are offered.', {
    later: { refuse: 'never' },
  }),
  SIP_REQUIRE_SRTP: given(boolean, 'false', 'Refuses calls that offer no SRTP.', { later: { refuse: 'true' } }),
  DRACHTIO_HOST: optional(text, 'drachtio-server to use in place of the embedded SIP.', {
    later: { refuse: 'set' },
  }),
  DRACHTIO_PORT: given(port, '9022', 'Port of the drachtio-server.', { later: { refuse: 'never' } }),
  DRACHTIO_SECRET: optional(text, 'Secret of the drachtio-server.', { later: { refuse: 'never' }, secret: 'value' }),
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
    { later: { refuse: 'never' } },
  ),
  RTP_TICK: given(duration('10ms', '1s'), '100ms', 'How often media workers drain their sockets.'),
  MEDIA_WORKERS: given(integer(0, 64), '0', 'Media threads; 0 = as many as MAX_CONCURRENT_CALLS needs.'),
} as const;
