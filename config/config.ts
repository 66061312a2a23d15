import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { RecordingFormat } from '../src/store/finished-file.js';
import type { LanguageRoute } from './formats.js';
import type { Values, VariableName } from './schema.js';

export type ConfigSource = 'default' | 'file' | 'env' | 'flag';

/** One variable as it is in force, ready to be shown: secrets are masked already. */
export interface ConfigEntry {
  readonly name: VariableName;
  /** Absent = not set. */
  readonly value?: string;
  readonly source: ConfigSource;
}

/** The configuration in force. Times are ms, paths absolute. Only `app.ts`, `cli.ts` and the commands see it whole. */
export interface Config {
  readonly sip: SipConfig;
  readonly rtp: RtpConfig;
  readonly pause: PauseConfig;
  readonly dtmf: 'store' | 'mask' | 'drop';
  readonly stt: SttConfig;
  readonly whisper: WhisperConfig;
  readonly http: HttpConfig;
  readonly websocket: WebSocketConfig;
  /** Absent = no AMQP. */
  readonly amqp?: AmqpConfig;
  readonly limits: { readonly maxConcurrentCalls: number };
  readonly log: { readonly level: string; readonly format?: 'json' | 'pretty' };
  readonly dataDir: string;
  /** Bytes. */
  readonly disk: { readonly minFree: number; readonly backlog: number };
  /** Encodings made after a call; empty = none. */
  readonly recordingFormats: readonly RecordingFormat[];
  /** Where `sipscribe models` lists and puts models. */
  readonly modelsDir: string;
  /** Base URL of model downloads. */
  readonly modelsUrl?: string;
  /** Temporary WAVs and output directories. */
  readonly tempDir: string;
  readonly shutdownGraceMs: number;
  /** Every variable, for `print-config` and the start log. */
  readonly entries: readonly ConfigEntry[];
  /** Things that are accepted but do nothing in this version, or look wrong without being so. One sentence each. */
  readonly notes: readonly string[];
}

export interface SipConfig {
  readonly host: string;
  readonly udpPorts: readonly number[];
  readonly tcpPorts: readonly number[];
  /** CIDR networks; empty = anybody. */
  readonly peers: readonly string[];
  /** RFC 7866 §6.2 to the letter. */
  readonly strict: boolean;
  /** Absent = no SIP over TLS. */
  readonly tls?: SipTlsConfig;
  /** Absent = nobody must authenticate. */
  readonly digest?: {
    readonly realm: string;
    /** Passwords by name. */
    readonly users: ReadonlyMap<string, string>;
    /** In the order in which they are offered. */
    readonly algorithms: readonly ('SHA-256' | 'MD5')[];
    /** CIDR networks. */
    readonly exempt: readonly string[];
  };
  /** New dialogs and probes a second from one address; 0 = no limit. */
  readonly peerRate: number;
  /** TCP and TLS connections from one address. */
  readonly peerConnections: number;
  readonly keepInvite: boolean;
  /** Lower-case names; undefined = all known. */
  readonly callAttributes?: readonly string[];
  readonly snapshotRequest: boolean;
  readonly signalPause: boolean;
  readonly srtp: 'off' | 'offered' | 'required';
  /** SRTP keys are taken over TLS only. */
  readonly sdesNeedsTls: boolean;
  /** Absent = the embedded SIP server. */
  readonly drachtio?: { readonly host: string; readonly port: number; readonly secret?: string };
}

export interface SipTlsConfig {
  readonly port: number;
  /** Absolute paths of PEM files. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile?: string;
  readonly clientAuth: 'none' | 'request' | 'require';
  /** Names of which a client's certificate must carry one; empty = any. */
  readonly peerNames: readonly string[];
}

/** Pauses that were asked for on our side. */
export interface PauseConfig {
  readonly alarmMs: number;
  /** 0 = a pause lasts until it is ended. */
  readonly limitMs: number;
}

export interface RtpConfig {
  readonly bindAddress: string;
  readonly portMin: number;
  readonly portMax: number;
  readonly externalAddress?: string;
  readonly timeoutMs: number;
  readonly receiver: 'auto' | 'node';
  readonly tickMs: number;
  /** At least 1: `MEDIA_WORKERS=0` is worked out already. */
  readonly workers: number;
}

export interface SttConfig {
  /** Vendors to start; empty = record only. */
  readonly vendors: readonly string[];
  /** Absent only when there are no vendors. */
  readonly defaultVendor?: string;
  readonly fallbackVendors: readonly string[];
  readonly languageRouting: readonly LanguageRoute[];
  readonly maxAttempts: number;
  readonly queueLimit: number;
  readonly utterance: {
    readonly endSilenceMs: number;
    readonly maxMs: number;
    readonly minMs: number;
  };
}

export interface WhisperConfig {
  readonly engine: 'auto' | 'native' | 'cli';
  readonly binaryPath?: string;
  readonly model: string;
  /**
   * Where the engine looks for models. Absent for a program unless `WHISPER_MODELS_DIR` is given: `--model_dir` with a folder of ours
   * would make it forget the models that it has downloaded.
   */
  readonly modelsDir?: string;
  /** As given, e.g. `en-US`; absent = detect. */
  readonly language?: string;
  readonly task: 'transcribe' | 'translate';
  readonly outputFormat: 'json' | 'txt' | 'srt' | 'vtt' | 'tsv';
  readonly timeoutMs: number;
  /** As given: -1 = one per core, 0 = no limit. */
  readonly maxConcurrent: number;
  readonly extraArgs: readonly string[];
  readonly sampleRate: number;
  readonly channels: number;
  readonly threads?: number;
}

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** Empty = no key is asked for. */
  readonly apiKeys: readonly string[];
}

export interface WebSocketConfig {
  readonly heartbeatMs: number;
  readonly queueLimit: number;
  readonly replayLimit: number;
}

export interface AmqpConfig {
  readonly url: string;
  readonly queueName: string;
  /** Empty = the default exchange. */
  readonly exchange: string;
  readonly queueLimit: number;
  /** What goes beyond `amqps://` in the URL. Paths are absolute. */
  readonly tls: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
    readonly skipVerify: boolean;
  };
}

/** A media worker carries so many calls at most (see the media figures in the bench). */
export const CALLS_PER_WORKER = 450;

/** Sorts values into groups and works out what depends on other values. The values have passed their checks. */
export function groupValues(values: Values): Omit<Config, 'entries' | 'notes'> {
  const dataDir = resolve(values.DATA_DIR);
  const modelsDir = resolve(values.WHISPER_MODELS_DIR ?? join(dataDir, 'models'));
  return {
    sip: groupSip(values),
    dtmf: values.DTMF_POLICY,
    pause: { alarmMs: values.PAUSE_ALARM, limitMs: values.PAUSE_LIMIT },
    rtp: {
      bindAddress: values.RTP_BIND_IP ?? values.SIP_HOST,
      portMin: values.RTP_PORT_MIN,
      portMax: values.RTP_PORT_MAX,
      ...(values.EXTERNAL_IP === undefined ? {} : { externalAddress: values.EXTERNAL_IP }),
      timeoutMs: values.RTP_TIMEOUT,
      receiver: values.RTP_RECEIVER,
      tickMs: values.RTP_TICK,
      workers: values.MEDIA_WORKERS || Math.ceil(values.MAX_CONCURRENT_CALLS / CALLS_PER_WORKER),
    },
    stt: groupStt(values),
    whisper: groupWhisper(values, modelsDir),
    http: { host: values.HTTP_HOST, port: values.HTTP_PORT, apiKeys: values.API_KEYS ?? [] },
    websocket: {
      heartbeatMs: values.WS_HEARTBEAT,
      queueLimit: values.WS_QUEUE_LIMIT,
      replayLimit: values.WS_REPLAY_LIMIT,
    },
    ...(values.AMQP_URL === undefined ? {} : { amqp: groupAmqp(values, values.AMQP_URL) }),
    limits: { maxConcurrentCalls: values.MAX_CONCURRENT_CALLS },
    log: { level: values.LOG_LEVEL, ...(values.LOG_FORMAT === undefined ? {} : { format: values.LOG_FORMAT }) },
    dataDir,
    disk: { minFree: values.MIN_FREE_DISK, backlog: values.DISK_BACKLOG },
    recordingFormats: values.RECORDING_FORMATS ?? [],
    modelsDir,
    ...(values.WHISPER_MODELS_URL === undefined ? {} : { modelsUrl: values.WHISPER_MODELS_URL }),
    tempDir: resolve(values.TMPDIR ?? tmpdir()),
    shutdownGraceMs: values.SHUTDOWN_GRACE,
  };
}

/** The vendors that are to start: `WHISPER_ENABLED=false` takes whisper out. */
export function startedVendors(values: Values): readonly string[] {
  return values.SUPPORTED_VENDORS.filter((vendor) => vendor !== 'whisper' || values.WHISPER_ENABLED);
}

function groupSip(values: Values): SipConfig {
  const attributes = values.SIP_CALL_ATTRIBUTES?.map((name) => name.toLowerCase());
  const { DRACHTIO_HOST: host, DRACHTIO_PORT: port, DRACHTIO_SECRET: secret } = values;
  return {
    host: values.SIP_HOST,
    udpPorts: values.SIP_REQUIRE_TLS ? [] : values.UDP_PORTS,
    tcpPorts: values.SIP_REQUIRE_TLS ? [] : values.TCP_PORTS,
    peers: values.SIP_PEERS ?? [],
    strict: values.SIP_STRICT,
    ...groupTls(values),
    ...groupDigest(values),
    peerRate: values.SIP_PEER_RATE,
    peerConnections: values.SIP_PEER_CONNECTIONS,
    keepInvite: values.SIP_KEEP_INVITE,
    ...(attributes === undefined || attributes.includes('*')
      ? {}
      : { callAttributes: attributes.filter((name) => name !== 'none') }),
    snapshotRequest: values.SIP_SNAPSHOT_REQUEST,
    signalPause: values.SIP_SIGNAL_PAUSE,
    srtp: values.SIP_REQUIRE_SRTP ? 'required' : values.ENABLE_SRTP ? 'offered' : 'off',
    sdesNeedsTls: values.SIP_SDES_REQUIRE_TLS,
    ...(host === undefined ? {} : { drachtio: { host, port, ...(secret === undefined ? {} : { secret }) } }),
  };
}

function groupTls(values: Values): { readonly tls?: SipTlsConfig } {
  const { TLS_CERT_PATH: cert, TLS_KEY_PATH: key, TLS_CA_PATH: ca } = values;
  if (!values.ENABLE_TLS || cert === undefined || key === undefined) return {};
  return {
    tls: {
      port: values.TLS_PORT,
      certFile: resolve(cert),
      keyFile: resolve(key),
      ...(ca === undefined ? {} : { caFile: resolve(ca) }),
      clientAuth: values.TLS_CLIENT_AUTH ?? (ca === undefined ? 'none' : 'require'),
      peerNames: values.TLS_PEER_NAMES ?? [],
    },
  };
}

const ALGORITHMS = {
  'sha-256': ['SHA-256', 'MD5'],
  md5: ['MD5', 'SHA-256'],
  'sha-256-only': ['SHA-256'],
} as const;

function groupDigest(values: Values): Pick<SipConfig, 'digest'> {
  if (values.SIP_AUTH_USERS === undefined) return {};
  const users = values.SIP_AUTH_USERS.map((pair): [string, string] => {
    const colon = pair.indexOf(':');
    return [pair.slice(0, colon), pair.slice(colon + 1)];
  });
  const { SIP_AUTH_REALM: realm, SIP_AUTH_PREFER: prefer, SIP_AUTH_EXEMPT: exempt = [] } = values;
  return { digest: { realm, users: new Map(users), algorithms: ALGORITHMS[prefer], exempt } };
}

function groupStt(values: Values): SttConfig {
  const vendors = startedVendors(values);
  const defaultVendor = values.STT_DEFAULT_VENDOR ?? vendors[0];
  return {
    vendors,
    ...(defaultVendor === undefined ? {} : { defaultVendor }),
    fallbackVendors: values.STT_FALLBACK_VENDORS ?? [],
    languageRouting: values.LANGUAGE_ROUTING ?? [],
    maxAttempts: values.STT_MAX_ATTEMPTS,
    queueLimit: values.STT_QUEUE_LIMIT,
    utterance: {
      endSilenceMs: values.STT_UTTERANCE_END_SILENCE,
      maxMs: values.STT_UTTERANCE_MAX,
      minMs: values.STT_UTTERANCE_MIN,
    },
  };
}

function groupAmqp(values: Values, url: string): AmqpConfig {
  const { AMQP_TLS_CA_FILE: ca, AMQP_TLS_CERT_FILE: cert, AMQP_TLS_KEY_FILE: key } = values;
  return {
    url: values.AMQP_TLS_ENABLED ? url.replace(/^amqp:/i, 'amqps:') : url,
    queueName: values.AMQP_QUEUE_NAME,
    exchange: values.AMQP_EXCHANGE ?? '',
    queueLimit: values.AMQP_QUEUE_LIMIT,
    tls: {
      ...(ca === undefined ? {} : { caFile: resolve(ca) }),
      ...(cert === undefined ? {} : { certFile: resolve(cert) }),
      ...(key === undefined ? {} : { keyFile: resolve(key) }),
      skipVerify: values.AMQP_TLS_SKIP_VERIFY,
    },
  };
}

function groupWhisper(values: Values, modelsDir: string): WhisperConfig {
  const language = values.WHISPER_LANGUAGE?.toLowerCase() === 'auto' ? undefined : values.WHISPER_LANGUAGE;
  const isProgram =
    values.WHISPER_ENGINE === 'cli' || (values.WHISPER_ENGINE === 'auto' && values.WHISPER_BINARY_PATH !== undefined);
  return {
    // `hybrid` did not pass the checks: it is not in this version.
    engine: values.WHISPER_ENGINE === 'hybrid' ? 'auto' : values.WHISPER_ENGINE,
    ...(values.WHISPER_BINARY_PATH === undefined ? {} : { binaryPath: values.WHISPER_BINARY_PATH }),
    model: values.WHISPER_MODEL,
    ...(isProgram && values.WHISPER_MODELS_DIR === undefined ? {} : { modelsDir }),
    ...(language === undefined ? {} : { language }),
    task: values.WHISPER_TRANSLATE ? 'translate' : values.WHISPER_TASK,
    outputFormat: values.WHISPER_OUTPUT_FORMAT,
    timeoutMs: values.WHISPER_TIMEOUT,
    maxConcurrent: values.WHISPER_MAX_CONCURRENT,
    extraArgs: values.WHISPER_EXTRA_ARGS ?? [],
    sampleRate: values.WHISPER_SAMPLE_RATE,
    channels: values.WHISPER_CHANNELS,
    ...(values.WHISPER_THREADS === undefined ? {} : { threads: values.WHISPER_THREADS }),
  };
}
