/**
 * One error class, one closed table of codes. Every entry is documented in `docs/reference/errors.md`; a test keeps it so.
 *
 * `retryable` speaks of speech-to-text jobs and deliveries: the same input may succeed later.
 * `sipStatus` is the final response when the error is thrown inside a SIP transaction.
 */
interface ErrorKind {
  readonly retryable: boolean;
  readonly sipStatus: number;
  readonly summary: string;
}

const kind = (summary: string, sipStatus = 500, retryable = false): ErrorKind => ({ summary, sipStatus, retryable });

export const ERROR_CODES = {
  SRS_INTERNAL: kind('A fault of sipscribe itself.'),
  SRS_CONFIG_INVALID: kind('The configuration has problems; all of them are listed.'),
  SRS_SIP_MALFORMED: kind('The SIP message breaks RFC 3261 in a way that cannot be read around.', 400),
  SRS_SIP_TOO_LARGE: kind('The SIP message or one of its parts is over its limit.', 513),
  SRS_SIP_BAD_EXTENSION: kind('Require names an extension that this server does not have.', 420),
  SRS_SIP_MEDIA_TYPE: kind('The body has a type that this server cannot read.', 415),
  SRS_SIP_METHOD: kind('The method is not allowed here.', 405),
  SRS_SIP_BUSY: kind('The server is full or draining.', 503),
  SRS_SIP_DIALOG_STATE: kind('The dialog cannot carry a request of ours now: it is not confirmed, over, or busy.', 500),
  SRS_SIP_TIMEOUT: kind('The peer did not answer in time.', 408),
  SRS_SIP_REJECTED: kind('The peer refused the request.'),
  SRS_CALL_UNKNOWN: kind('No live call has this id.', 404),
  SRS_CALL_STATE: kind('The call cannot take this command now, or has no such leg.', 409),
  SRS_SDP_MALFORMED: kind('The SDP cannot be read.', 400),
  SRS_SDP_NOT_ACCEPTABLE: kind('No stream of the offer can be taken.', 488),
  SRS_PORTS_EXHAUSTED: kind('No RTP port is free.', 503),
  SRS_MEDIA_WORKER: kind('A media worker failed.', 503),
  SRS_RECORDING_WRITE: kind('A recording cannot be written.', 503),
  SRS_ENCODING: kind('A finished recording, or the audio of a test call, cannot be encoded.'),
  SRS_WAV_MALFORMED: kind('The WAV file cannot be read.'),
  SRS_STT_TIMEOUT: kind('The engine ran longer than its limit and was killed.', 500, true),
  SRS_STT_ENGINE: kind('The engine failed on this audio.', 500, true),
  SRS_STT_NO_OUTPUT: kind('The engine ended without a result that can be read.', 500, true),
  SRS_STT_UNAVAILABLE: kind('The engine, its binary or its model is not there.'),
  SRS_STT_MODEL: kind('The model file is missing, cut short or not a model.'),
  SRS_STT_CANCELLED: kind('The job was cancelled.'),
  SRS_STT_SPOOL: kind('The audio of an utterance cannot be queued: the queue is full or the disk refuses.'),
  SRS_STT_VENDOR_UNKNOWN: kind('A vendor name that no provider has.'),
  SRS_LISTENER: kind('A listener could not take an event.', 500, true),
  SRS_DOWNLOAD: kind('A download failed or its checksum is wrong.', 500, true),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The only error that sipscribe throws on purpose. The message names the input and the rule. */
export class SrsError extends Error {
  readonly code: ErrorCode;
  /** Extra facts for logs and responses; never names, numbers or words spoken. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; facts?: Record<string, string | number | boolean> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SrsError';
    this.code = code;
    this.facts = options.facts ?? {};
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  get sipStatus(): number {
    return ERROR_CODES[this.code].sipStatus;
  }

  /** Anything thrown, as an SrsError: a foreign error becomes `SRS_INTERNAL` with the original as its cause. */
  static from(error: unknown): SrsError {
    if (error instanceof SrsError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new SrsError('SRS_INTERNAL', message, { cause: error });
  }
}
