import { CALLS_PER_WORKER, startedVendors } from './config.js';
import { nearestName } from './nearest-name.js';
import { VARIABLE_NAMES, type Values, type VariableName, variable } from './schema.js';

/** Vendors that this version has. */
export const KNOWN_VENDORS: readonly string[] = ['whisper'];

/** Rules that need more than one variable. One line per problem. */
export function crossCheck(values: Values): string[] {
  return [
    ...checkVendors(values),
    ...checkPorts(values),
    ...checkSip(values),
    ...checkDigestUsers(values),
    ...checkDrachtio(values),
    ...checkHttp(values),
    ...checkAmqp(values),
  ];
}

function checkVendors(values: Values): string[] {
  const problems: string[] = [];
  for (const vendor of values.SUPPORTED_VENDORS) {
    if (KNOWN_VENDORS.includes(vendor)) continue;
    const near = nearestName(vendor, KNOWN_VENDORS);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    problems.push(`SUPPORTED_VENDORS: unknown vendor "${vendor}"; known: ${KNOWN_VENDORS.join(', ')}${hint}`);
  }
  const started = startedVendors(values);
  const mustStart = (name: VariableName, vendors: readonly string[]): void => {
    for (const vendor of vendors) {
      if (started.includes(vendor)) continue;
      problems.push(
        `${name}: vendor "${vendor}" is not started; SUPPORTED_VENDORS gives ${started.join(', ') || 'none'}`,
      );
    }
  };
  if (values.STT_DEFAULT_VENDOR !== undefined) mustStart('STT_DEFAULT_VENDOR', [values.STT_DEFAULT_VENDOR]);
  mustStart('STT_FALLBACK_VENDORS', values.STT_FALLBACK_VENDORS ?? []);
  mustStart('LANGUAGE_ROUTING', [...new Set((values.LANGUAGE_ROUTING ?? []).map((route) => route.vendor))]);
  return problems;
}

function checkPorts(values: Values): string[] {
  const problems: string[] = [];
  const { RTP_PORT_MIN: min, RTP_PORT_MAX: max } = values;
  const firstEven = min + (min % 2);
  if (min >= max) problems.push(`RTP_PORT_MIN=${min} must be below RTP_PORT_MAX=${max}`);
  else if (firstEven + 1 > max)
    problems.push(`RTP_PORT_MIN=${min} to RTP_PORT_MAX=${max} holds no even port with the next one`);
  // A drachtio-server has ports of its own, and with SIP_REQUIRE_TLS ours for UDP and TCP stay closed.
  const embedded = values.DRACHTIO_HOST === undefined;
  const plain = embedded && !values.SIP_REQUIRE_TLS;
  if (embedded && values.UDP_PORTS.length === 0 && values.TCP_PORTS.length === 0 && !values.ENABLE_TLS) {
    problems.push('UDP_PORTS and TCP_PORTS are both none: no SRC could call');
  }
  for (const port of plain ? values.UDP_PORTS : []) {
    if (port >= min && port <= max) problems.push(`UDP_PORTS: ${port} lies inside the RTP ports ${min} to ${max}`);
  }
  if (plain && values.HTTP_PORT !== 0 && values.TCP_PORTS.includes(values.HTTP_PORT)) {
    problems.push(`HTTP_PORT=${values.HTTP_PORT} is also one of TCP_PORTS`);
  }
  if (values.ENABLE_TLS && values.HTTP_PORT === values.TLS_PORT) {
    problems.push(`HTTP_PORT=${values.HTTP_PORT} is also TLS_PORT`);
  }
  return problems;
}

/** Protection that was asked for must not be missing in silence. */
function checkSip(values: Values): string[] {
  const problems: string[] = [];
  const { TLS_CERT_PATH: cert, TLS_KEY_PATH: key, TLS_CA_PATH: ca, TLS_CLIENT_AUTH: clientAuth } = values;
  if (values.ENABLE_TLS && (cert === undefined || key === undefined)) {
    problems.push('ENABLE_TLS=true needs TLS_CERT_PATH and TLS_KEY_PATH');
  }
  if (values.SIP_REQUIRE_SRTP && !values.ENABLE_SRTP) problems.push('SIP_REQUIRE_SRTP=true needs ENABLE_SRTP=true');
  // A drachtio-server has TLS of its own.
  const keysCome = values.ENABLE_TLS || values.DRACHTIO_HOST !== undefined || !values.SIP_SDES_REQUIRE_TLS;
  if (values.SIP_REQUIRE_SRTP && !keysCome) {
    problems.push('SIP_REQUIRE_SRTP=true and SIP_SDES_REQUIRE_TLS=true need ENABLE_TLS=true: no call could be taken');
  }
  if (values.SIP_REQUIRE_TLS && !values.ENABLE_TLS) problems.push('SIP_REQUIRE_TLS=true needs ENABLE_TLS=true');
  const asked = [
    ...(ca === undefined ? [] : ['TLS_CA_PATH']),
    ...(clientAuth === undefined || clientAuth === 'none' ? [] : [`TLS_CLIENT_AUTH=${clientAuth}`]),
    ...(values.TLS_PEER_NAMES === undefined ? [] : ['TLS_PEER_NAMES']),
  ];
  if (!values.ENABLE_TLS && asked.length > 0) {
    problems.push(`${asked.join(' and ')} without ENABLE_TLS=true: no certificate would be asked for`);
  }
  if (clientAuth !== undefined && clientAuth !== 'none' && ca === undefined) {
    problems.push(
      `TLS_CLIENT_AUTH=${clientAuth} needs TLS_CA_PATH, the authorities that certificates are checked against`,
    );
  }
  if (values.TLS_PEER_NAMES !== undefined && (ca === undefined || clientAuth === 'none')) {
    problems.push(
      'TLS_PEER_NAMES needs TLS_CA_PATH and TLS_CLIENT_AUTH other than none: no certificate would be looked at',
    );
  }
  if (values.ENABLE_TLS && !values.SIP_REQUIRE_TLS && values.TCP_PORTS.includes(values.TLS_PORT)) {
    problems.push(`TLS_PORT=${values.TLS_PORT} is also one of TCP_PORTS`);
  }
  return problems;
}

/** Names are not told, as in everything that is shown of this variable. */
function checkDigestUsers(values: Values): string[] {
  const problems: string[] = [];
  const places = new Map<string, number>();
  for (const [at, pair] of (values.SIP_AUTH_USERS ?? []).entries()) {
    const name = /^([^:]+):.+$/.exec(pair)?.[1];
    if (name === undefined) {
      problems.push(`SIP_AUTH_USERS: entry ${at + 1} is not name:password`);
      continue;
    }
    const before = places.get(name);
    if (before === undefined) places.set(name, at + 1);
    else problems.push(`SIP_AUTH_USERS: entries ${before} and ${at + 1} have the same name; one password each`);
  }
  return problems;
}

function checkDrachtio(values: Values): string[] {
  const problems: string[] = [];
  if (values.DRACHTIO_HOST !== undefined && (values.ENABLE_TLS || values.SIP_AUTH_USERS !== undefined)) {
    problems.push(
      'DRACHTIO_HOST: ENABLE_TLS and SIP_AUTH_USERS belong to the embedded SIP; set them up in drachtio-server',
    );
  }
  // The control protocol has | between its fields and no way to write one inside a field.
  if (/[|\r\n]/.test(values.DRACHTIO_SECRET ?? '')) {
    problems.push('DRACHTIO_SECRET: a secret with | or a line break cannot be sent to a drachtio-server');
  }
  return problems;
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^127\./.test(address) || /^::ffff:127\./i.test(address);
}

function checkHttp(values: Values): string[] {
  if (isLoopback(values.HTTP_HOST) || values.API_KEYS !== undefined || values.HTTP_INSECURE) return [];
  return [
    `HTTP_HOST=${values.HTTP_HOST} lets other machines read transcripts without a key; set API_KEYS, or HTTP_INSECURE=true to allow it`,
  ];
}

/** Asked-for TLS that would not happen must not pass in silence. */
function checkAmqp(values: Values): string[] {
  const problems: string[] = [];
  if ((values.AMQP_TLS_CERT_FILE === undefined) !== (values.AMQP_TLS_KEY_FILE === undefined)) {
    problems.push('AMQP_TLS_CERT_FILE and AMQP_TLS_KEY_FILE belong together; one of them is not set');
  }
  const files = values.AMQP_TLS_CA_FILE ?? values.AMQP_TLS_CERT_FILE ?? values.AMQP_TLS_KEY_FILE;
  const wanted = files !== undefined || values.AMQP_TLS_SKIP_VERIFY;
  const encrypted = values.AMQP_TLS_ENABLED || /^amqps:/i.test(values.AMQP_URL ?? '');
  if (wanted && !encrypted) {
    problems.push('AMQP_TLS_* files or AMQP_TLS_SKIP_VERIFY without TLS; set AMQP_TLS_ENABLED=true or use amqps://');
  }
  if (values.AMQP_TLS_ENABLED && values.AMQP_URL === undefined) problems.push('AMQP_TLS_ENABLED=true without AMQP_URL');
  return problems;
}

/** Variables of features that this version does not have: what must not be ignored in silence, as problems and as notes. */
export function checkMissingFeatures(
  values: Values,
  isSet: (name: VariableName) => boolean,
): { problems: string[]; notes: string[] } {
  const problems: string[] = [];
  const notes: string[] = [];
  if (values.WHISPER_ENGINE === 'hybrid')
    problems.push('WHISPER_ENGINE=hybrid: not in this version; use native or cli');
  for (const name of VARIABLE_NAMES) {
    const refuse = variable(name).later?.refuse;
    if (refuse === undefined || !isSet(name)) continue;
    const asked = refuse === 'set' || (refuse === 'true' && values[name] === true);
    if (asked) problems.push(`${name}: not in this version; unset it, because it would have no effect`);
    else if (values[name] !== false) notes.push(`${name} has no effect in this version`);
  }
  return { problems, notes };
}

/** What only the embedded SIP looks at. */
const EMBEDDED_ONLY = ['UDP_PORTS', 'TCP_PORTS', 'SIP_PEER_CONNECTIONS'] as const;

/** What is allowed but probably not meant. */
export function remarks(values: Values, isSet: (name: VariableName) => boolean): string[] {
  const notes: string[] = [];
  for (const name of values.DRACHTIO_HOST === undefined ? [] : EMBEDDED_ONLY) {
    const value = values[name];
    const asked = typeof value === 'number' || value.length > 0;
    if (asked && isSet(name)) notes.push(`${name} has no effect beside DRACHTIO_HOST`);
  }
  const pairs = Math.floor((values.RTP_PORT_MAX - values.RTP_PORT_MIN + 1) / 2);
  if (pairs < values.MAX_CONCURRENT_CALLS * 2) {
    notes.push(`RTP ports are enough for ${Math.floor(pairs / 2)} calls of two legs, fewer than MAX_CONCURRENT_CALLS`);
  }
  const places = values.MEDIA_WORKERS * CALLS_PER_WORKER;
  if (places > 0 && places < values.MAX_CONCURRENT_CALLS) {
    notes.push(
      `MEDIA_WORKERS=${values.MEDIA_WORKERS} carries ${places} calls, fewer than MAX_CONCURRENT_CALLS; those above get 503`,
    );
  }
  if (startedVendors(values).length === 0)
    notes.push('no speech-to-text vendor is started: calls are recorded without words');
  return notes;
}
