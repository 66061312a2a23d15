import { RECORDING_FORMATS } from '../src/store/finished-file.js';
import { boolean, duration, integer, ipAddress, list, listOf, oneOf, size, text, url } from './formats.js';
import { given, optional } from './variable.js';

/** Everything that is neither SIP, media nor speech. */
export const SERVICE_VARIABLES = {
  CONFIG_FILE: optional(text, 'JSON or YAML file with these names; the environment and flags win over it.'),
  DATA_DIR: given(text, './data', 'Where recordings, records and models lie.'),
  MIN_FREE_DISK: given(
    size('0', '1000TB'),
    '500MB',
    'Free space of DATA_DIR below which new calls get 503 with Retry-After; running calls go on. 0 = until the disk is full.',
  ),
  DISK_BACKLOG: given(
    size('1MB', '1TB'),
    '256MB',
    'Memory for recordings that the disk does not take; 64 kB for each second of a call of two legs.',
  ),
  RECORDING_FORMATS: optional(
    listOf(...RECORDING_FORMATS),
    'Encodings of call.wav that ffmpeg makes after the call: flac, opus, mp3; the WAVs stay.',
    { fallbackDoc: 'none' },
  ),
  TMPDIR: optional(text, 'Where temporary WAVs and output of whisper programs lie.', {
    fallbackDoc: "the system's",
  }),
  MAX_CONCURRENT_CALLS: given(
    integer(1, 100_000),
    '500',
    'Recording sessions at one time; above it the answer is 503 with Retry-After.',
  ),
  SHUTDOWN_GRACE: given(
    duration('0s', '24h'),
    '30s',
    'After SIGTERM, how long running calls may go on before they are ended.',
  ),
  HTTP_PORT: given(integer(0, 65_535), '8080', 'Port of the API, WebSocket, metrics and health.'),
  HTTP_HOST: given(ipAddress, '127.0.0.1', 'Address of the same. Beyond loopback it needs API_KEYS or HTTP_INSECURE.'),
  API_KEYS: optional(list, 'Keys that open the API, WebSocket and metrics, separated by commas.', { secret: 'value' }),
  HTTP_INSECURE: given(boolean, 'false', 'Lets HTTP listen beyond loopback without a key.'),
  WS_HEARTBEAT: given(duration('1s', '50s'), '20s', 'How often an idle WebSocket client is pinged.'),
  WS_QUEUE_LIMIT: given(
    integer(10, 1_000_000),
    '1000',
    'Events that wait for one slow WebSocket client before it is told of dropped ones.',
  ),
  WS_REPLAY_LIMIT: given(
    integer(0, 1_000_000),
    '10000',
    'Events kept in memory for WebSocket clients that come back with since=SEQ.',
  ),
  AMQP_URL: optional(url('amqp', 'amqps'), 'RabbitMQ to publish to; not set = no AMQP.', { secret: 'url' }),
  AMQP_QUEUE_NAME: given(text, 'siprec.transcripts', 'Queue for transcripts.'),
  AMQP_EXCHANGE: optional(text, 'Durable topic exchange; not set = the default exchange, straight to the queue.'),
  AMQP_QUEUE_LIMIT: given(
    integer(100, 10_000_000),
    '100000',
    'Events that wait in memory for a broker that is away; above it new ones are refused, logged and counted.',
  ),
  AMQP_TLS_ENABLED: given(boolean, 'false', 'TLS to the broker, as with amqps:// in AMQP_URL.'),
  AMQP_TLS_CA_FILE: optional(text, 'Certificate authority of the broker, PEM.', {
    fallbackDoc: 'those that Node.js knows',
  }),
  AMQP_TLS_CERT_FILE: optional(text, 'Client certificate for the broker, PEM.'),
  AMQP_TLS_KEY_FILE: optional(text, 'Key of the client certificate, PEM.'),
  AMQP_TLS_SKIP_VERIFY: given(boolean, 'false', "Takes any broker's certificate."),
  LOG_LEVEL: given(oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), 'info', 'What is logged.'),
  LOG_FORMAT: optional(oneOf('json', 'pretty'), 'Shape of log lines.', {
    fallbackDoc: 'pretty on a terminal, else json',
  }),
} as const;
