import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { RECORDING_PROBLEMS } from './assurance.js';
import { DTMF_SOURCES } from './dtmf.js';
import { WARNING_CODES } from './warning.js';

/**
 * The only door to prom-client. Every metric is made here, with a closed set of label values that all exist from the start at 0,
 * so that `rate()` never misses the first event. Durations are taken in ms and written in seconds, here and nowhere else.
 * No ids, numbers or names of people ever become labels.
 */
export const SIP_METHODS = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'UPDATE', 'INFO', 'PRACK', 'OTHER'] as const;
export type SipMethodLabel = (typeof SIP_METHODS)[number];
export const SIP_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx', '6xx'] as const;
export const SIP_REFUSAL_CAUSES = [
  ...(['malformed', 'too_large', 'forbidden', 'rate', 'challenged', 'unauthenticated', 'full'] as const),
  ...(['method', 'scheme', 'extension', 'no_dialog', 'merged', 'not_acceptable'] as const),
] as const;
export type SipRefusalCause = (typeof SIP_REFUSAL_CAUSES)[number];
/** Why a SIP connection was not taken or was cut off. */
export const CONNECTION_REFUSALS = [
  'forbidden',
  'full',
  'peer_full',
  'handshake',
  'certificate',
  'name',
  'slow',
  'unread',
] as const;
export type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number];
export const RTP_DROP_REASONS = [
  'malformed',
  'unknown_payload',
  'late',
  'early',
  'duplicate',
  'stranger',
  'inactive',
  'paused',
  'unauthenticated',
  'replayed',
] as const;
export type RtpDropReason = (typeof RTP_DROP_REASONS)[number];
/** The kinds of packets in RTCP datagrams (RFC 3550 §6, RFC 4585, RFC 3611). */
export const RTCP_TYPES = ['sr', 'rr', 'sdes', 'bye', 'app', 'xr', 'feedback', 'other'] as const;
export type RtcpType = (typeof RTCP_TYPES)[number];
export const RTCP_DROP_REASONS = ['malformed', 'stranger', 'flood', 'unauthenticated'] as const;
export type RtcpDropReason = (typeof RTCP_DROP_REASONS)[number];
/** `skipped`: too many waited. */
export const ENCODING_STATUSES = ['success', 'error', 'skipped'] as const;
export const WHISPER_STATUSES = ['success', 'error', 'timeout'] as const;
export type WhisperStatus = (typeof WHISPER_STATUSES)[number];
export const STT_STATUSES = ['success', 'error', 'timeout', 'cancelled'] as const;
export type SttStatus = (typeof STT_STATUSES)[number];

/** 0.05 s to about 2,048 s, in steps of two: a word on a GPU to an hour on a slow CPU. */
const WHISPER_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

export interface MetricsOptions {
  readonly vendors: readonly string[];
  readonly models: readonly string[];
  /** Process CPU, memory and event-loop figures of prom-client. Off in tests that count handles. */
  readonly processFigures?: boolean;
}

export class Metrics {
  readonly registry = new Registry();
  readonly activeCalls = this.#gauge('siprec_active_calls', 'Recording sessions that are open.');
  readonly pausedCalls = this.#gauge(
    'siprec_paused_calls',
    'Recording sessions that a command of ours has paused, whole or in part.',
  );
  readonly calls = this.#counter('siprec_calls_total', 'Recording sessions by how they ended.', ['outcome']);
  readonly portsInUse = this.#gauge(
    'siprec_ports_in_use',
    'RTP ports held by open streams, quarantined ones not counted.',
  );
  readonly rtpPackets = this.#counter('siprec_rtp_packets_received_total', 'RTP packets received.');
  readonly rtpBytes = this.#counter('siprec_rtp_bytes_received_total', 'Bytes of RTP payload and header received.');
  readonly rtpDropped = this.#counter('siprec_rtp_dropped_packets_total', 'RTP packets not written, by reason.', [
    'reason',
  ]);
  readonly rtpLost = this.#counter('siprec_rtp_lost_packets_total', 'RTP packets that never came, by sequence number.');
  readonly rtcpPackets = this.#counter('siprec_rtcp_packets_received_total', 'RTCP packets received, by type.', [
    'type',
  ]);
  readonly rtcpDropped = this.#counter('siprec_rtcp_dropped_datagrams_total', 'RTCP datagrams not read, by reason.', [
    'reason',
  ]);
  readonly rtcpSent = this.#counter('siprec_rtcp_reports_sent_total', 'RTCP datagrams sent.');
  readonly dtmfDigits = this.#counter(
    'siprec_dtmf_digits_total',
    'Key presses that were told, by where they were heard.',
    ['source'],
  );
  readonly sipRequests = this.#counter('siprec_sip_requests_total', 'SIP requests received.', ['method']);
  readonly sipResponses = this.#counter('siprec_sip_responses_total', 'SIP final and provisional responses sent.', [
    'class',
  ]);
  readonly sipRefused = this.#counter(
    'siprec_sip_refused_total',
    'SIP messages that were refused before they reached a call, or that could not be read, by cause.',
    ['cause'],
  );
  readonly sipConnectionsRefused = this.#counter(
    'siprec_sip_connections_refused_total',
    'TCP and TLS connections that were refused or cut off, by reason.',
    ['reason'],
  );
  readonly quirks = this.#counter('siprec_peer_quirks_total', 'Oddities of peers that were accepted.', ['quirk']);
  readonly sttRequests = this.#counter('siprec_stt_requests_total', 'Speech-to-text attempts.', ['vendor', 'status']);
  readonly sttErrors = this.#counter('siprec_stt_errors_total', 'Speech-to-text attempts that failed.', ['vendor']);
  readonly sttQueueDepth = this.#gauge('siprec_stt_queue_depth', 'Utterances that wait for a slot.', ['vendor']);
  readonly sttRunning = this.#gauge('siprec_stt_running', 'Transcriptions that hold a slot.', ['vendor']);
  readonly sttQueueOldest = this.#gauge('siprec_stt_queue_oldest_seconds', 'Age of the oldest waiting utterance.', [
    'vendor',
  ]);
  readonly sttAudioSeconds = this.#counter('siprec_stt_audio_seconds_total', 'Seconds of speech transcribed.', [
    'vendor',
  ]);
  readonly utterances = this.#counter('siprec_utterances_total', 'Utterances cut, by reason.', ['reason']);
  readonly whisperTempBytes = this.#gauge('siprec_whisper_temp_file_bytes', 'Bytes of temporary WAVs that exist now.');
  readonly whisperTimeouts = this.#counter('siprec_whisper_timeouts_total', 'Whisper runs killed at their limit.', [
    'model',
  ]);
  readonly whisperRestarts = this.#counter(
    'siprec_whisper_child_restarts_total',
    'Native engine children that died or were killed.',
  );
  readonly amqpPublished = this.#counter('siprec_amqp_published_messages_total', 'Messages the broker confirmed.');
  readonly amqpReturned = this.#counter('siprec_amqp_returned_messages_total', 'Messages the broker could not route.');
  readonly amqpConnected = this.#gauge('siprec_amqp_connection_status', '1 while connected to the broker.');
  readonly amqpReconnects = this.#counter(
    'siprec_amqp_reconnect_attempts_total',
    'Attempts to connect to the broker after the first.',
  );
  readonly amqpWaiting = this.#gauge('siprec_amqp_waiting_messages', 'Messages not yet confirmed by the broker.');
  readonly websocketClients = this.#gauge('siprec_websocket_clients', 'WebSocket clients connected.');
  readonly websocketDropped = this.#counter(
    'siprec_websocket_dropped_events_total',
    'Events not sent to a slow WebSocket client.',
  );
  readonly listenerErrors = this.#counter('siprec_listener_errors_total', 'Events that a listener threw on.', [
    'listener',
  ]);
  readonly recordingProblems = this.#counter(
    'siprec_recording_problems_total',
    'Times that a leg was told to be recorded badly, by what was wrong.',
    ['problem'],
  );
  readonly recordingProblemsNow = this.#gauge(
    'siprec_recording_problems',
    'Legs of open calls that are recorded badly now, by what is wrong.',
    ['problem'],
  );
  readonly encodings = this.#counter('siprec_encodings_total', 'Encodings of finished recordings.', ['status']);
  readonly recordingErrors = this.#counter('siprec_recording_errors_total', 'Failed writes of recordings.');
  readonly diskFree = this.#gauge('siprec_disk_free_bytes', 'Free space of the disk that recordings lie on.');
  readonly mediaMoved = this.#counter(
    'siprec_media_calls_moved_total',
    'Calls whose media worker died and that another one went on with.',
  );
  readonly recordingBacklog = this.#gauge(
    'siprec_recording_backlog_bytes',
    'Bytes of recordings that wait in memory for a disk that does not take them.',
  );
  readonly recordingUnwritten = this.#counter(
    'siprec_recording_unwritten_seconds_total',
    'Seconds of audio that were given up because the disk did not take them; each file counts by itself.',
  );
  readonly diskSlow = this.#counter('siprec_disk_slow_writes_total', 'Writes of recordings that took over 500 ms.');
  readonly #whisperDuration: Histogram<string>;
  readonly #sttLatency: Histogram<string>;
  readonly #transcriptDelay: Histogram<string>;
  readonly #recordingDuration: Histogram<string>;
  readonly recordingSize: Histogram<string>;
  readonly legLoss: Histogram<string>;
  readonly #legJitter: Histogram<string>;

  constructor(options: MetricsOptions) {
    const { vendors, models } = options;
    this.#whisperDuration = this.#histogram(
      'siprec_whisper_cli_duration_seconds',
      'Time of one whisper run, queueing not counted, whichever engine ran it.',
      WHISPER_BUCKETS,
      ['model', 'status'],
    );
    this.#sttLatency = this.#histogram(
      'siprec_stt_latency_seconds',
      'Time of one transcription in its slot.',
      WHISPER_BUCKETS,
      ['vendor'],
    );
    this.#transcriptDelay = this.#histogram(
      'siprec_transcript_delay_seconds',
      'From the end of an utterance to its published words.',
      WHISPER_BUCKETS,
    );
    this.#recordingDuration = this.#histogram(
      'siprec_recording_duration_seconds',
      'Length of finished recordings.',
      [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400],
    );
    this.recordingSize = this.#histogram(
      'siprec_recording_size_bytes',
      'Bytes of all files of a finished recording.',
      [1e4, 1e5, 1e6, 5e6, 1e7, 5e7, 1e8, 5e8, 1e9],
    );
    this.legLoss = this.#histogram(
      'siprec_leg_loss_ratio',
      'Part of the packets of a finished leg that never came.',
      [0, 0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
    );
    this.#legJitter = this.#histogram(
      'siprec_leg_jitter_seconds',
      'Standard deviation of the delay of the packets of a finished leg.',
      [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
    );
    for (const type of RTCP_TYPES) this.rtcpPackets.inc({ type }, 0);
    for (const reason of RTCP_DROP_REASONS) this.rtcpDropped.inc({ reason }, 0);
    for (const method of SIP_METHODS) this.sipRequests.inc({ method }, 0);
    for (const name of SIP_CLASSES) this.sipResponses.inc({ class: name }, 0);
    for (const cause of SIP_REFUSAL_CAUSES) this.sipRefused.inc({ cause }, 0);
    for (const reason of CONNECTION_REFUSALS) this.sipConnectionsRefused.inc({ reason }, 0);
    for (const reason of RTP_DROP_REASONS) this.rtpDropped.inc({ reason }, 0);
    for (const status of ENCODING_STATUSES) this.encodings.inc({ status }, 0);
    for (const source of DTMF_SOURCES) this.dtmfDigits.inc({ source }, 0);
    for (const quirk of WARNING_CODES) this.quirks.inc({ quirk }, 0);
    for (const problem of RECORDING_PROBLEMS) {
      this.recordingProblems.inc({ problem }, 0);
      this.recordingProblemsNow.set({ problem }, 0);
    }
    for (const outcome of ['completed', 'failed', 'rejected']) this.calls.inc({ outcome }, 0);
    for (const reason of ['silence', 'max_length', 'hold', 'end']) this.utterances.inc({ reason }, 0);
    for (const listener of ['websocket', 'amqp', 'record']) this.listenerErrors.inc({ listener }, 0);
    for (const vendor of vendors) {
      for (const status of STT_STATUSES) this.sttRequests.inc({ vendor, status }, 0);
      this.sttErrors.inc({ vendor }, 0);
      this.sttAudioSeconds.inc({ vendor }, 0);
      this.sttQueueDepth.set({ vendor }, 0);
      this.sttRunning.set({ vendor }, 0);
      this.sttQueueOldest.set({ vendor }, 0);
      this.#sttLatency.zero({ vendor });
    }
    for (const model of models) {
      this.whisperTimeouts.inc({ model }, 0);
      for (const status of WHISPER_STATUSES) this.#whisperDuration.zero({ model, status });
    }
    if (options.processFigures) collectDefaultMetrics({ register: this.registry });
  }

  observeWhisper(model: string, status: WhisperStatus, ms: number): void {
    this.#whisperDuration.observe({ model, status }, ms / 1000);
  }

  observeSttLatency(vendor: string, ms: number): void {
    this.#sttLatency.observe({ vendor }, ms / 1000);
  }

  observeTranscriptDelay(ms: number): void {
    this.#transcriptDelay.observe(Math.max(0, ms) / 1000);
  }

  observeRecording(durationMs: number, bytes: number): void {
    this.#recordingDuration.observe(durationMs / 1000);
    this.recordingSize.observe(bytes);
  }

  observeLegJitter(ms: number): void {
    this.#legJitter.observe(ms / 1000);
  }

  /** The Prometheus text format. */
  render(): Promise<string> {
    return this.registry.metrics();
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge<string> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter<string> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram(name: string, help: string, buckets: number[], labelNames: string[] = []): Histogram<string> {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.registry] });
  }
}
