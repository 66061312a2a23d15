import { relative, resolve } from 'node:path';
import type { Assurance } from '../core/assurance.js';
import type { CallEvent } from '../core/call-event.js';
import type { LegStatistics } from '../core/leg-statistics.js';
import type { Logger } from '../core/logger.js';
import type { EndReason, RsOffer } from '../core/model.js';
import type { PauseInterval } from '../core/pause-interval.js';
import type { FileFinisher } from '../files/file-finisher.js';
import type { FinishedLeg, MediaCallResult } from '../rtp/media-plane.js';
import { CallDirectory } from '../store/call-directory.js';
import type { CallRecordIdentity } from '../store/call-history.js';
import { type CallRecord, CallRecordWriter, type RecordedKey, type RecordedLeg } from '../store/call-record.js';
import type { Disk } from '../store/disk.js';

/**
 * The record of one session on disk. It exists before the 200 goes out, so that every answered call has one, and it follows
 * the session's events. A record that cannot be written never stops the recording.
 */
export class SessionRecord {
  /** Absolute. */
  readonly directory: string;
  /** The same, relative to the data directory. */
  readonly name: string;
  readonly #folder: CallDirectory;
  readonly #writer: CallRecordWriter;
  readonly #log: Logger;
  /** Metadata is written in the order of its arrival, off the path of the answer. */
  #metadata: Promise<void> = Promise.resolve();
  /** Asked at every write, so that an idle call keeps nothing twice. */
  #description: ((startedAt: number) => RecordDescription) | undefined;
  #media: readonly FinishedLeg[] = [];
  readonly #finisher: SessionRecordOptions['files'];
  /** Checksums and peaks, from the end of the recording on. */
  #files: Promise<void> | undefined;

  constructor(folder: CallDirectory, dataDirectory: string, initial: CallRecord, options: SessionRecordOptions) {
    const { logger, disk, files, onWriteFailed } = options;
    this.#finisher = files;
    this.#folder = folder;
    this.directory = folder.path;
    this.name = relative(resolve(dataDirectory), folder.path);
    this.#log = logger;
    const { sessionId } = initial;
    this.#writer = new CallRecordWriter(folder.path, initial, {
      disk,
      writesAtOnce: false,
      described: (record) => this.#described(record.startedAt),
      onError: (error) => {
        logger.error({ err: error, sessionId }, 'call record write failed');
        onWriteFailed?.();
      },
    });
  }

  /** Resolves when the record is on disk, for the first time with everything that is known. Throws `SRS_RECORDING_WRITE`. */
  async flush(): Promise<void> {
    await this.#metadata;
    await this.#writer.flush();
  }

  saveMetadata(raw: string): void {
    this.#metadata = this.#metadata
      .then(() => this.#writer.saveMetadata(raw))
      .catch((error: unknown) => this.#log.error({ err: error }, 'metadata cannot be saved'));
  }

  saveInvite(message: Uint8Array): void {
    this.#metadata = this.#metadata
      .then(() => this.#writer.saveInvite(message))
      .catch((error: unknown) => this.#log.error({ err: error }, 'INVITE cannot be saved'));
  }

  /** Who takes part and on which legs, as known now. Files and statistics of legs stay. */
  describe(description: (startedAt: number) => RecordDescription): void {
    this.#description = description;
    this.#writer.update({});
  }

  #described(startedAt: number): Partial<CallRecord> {
    if (!this.#description) return {};
    const { legs, identity } = this.#description(startedAt);
    return {
      legs: legs.map((leg) => {
        const found = this.#media.find((statistics) => statistics.leg === leg.leg);
        return found ? { ...leg, file: found.file, statistics: statisticsOf(found) } : leg;
      }),
      ...identity,
    };
  }

  /** Pauses by a command of ours so far. */
  keepPauses(pauses: readonly PauseInterval[]): void {
    this.#writer.update({ pauses });
  }

  /** Something came that is not kept. */
  omit(): void {
    this.#writer.update((record) => ({ omitted: (record.omitted ?? 0) + 1 }));
  }

  finishMedia(result: MediaCallResult, reason: EndReason, assurance: Assurance): void {
    this.#media = result.legs;
    this.#writer.update({
      startedAt: result.startedAt,
      endedAt: result.startedAt + result.durationMs,
      durationMs: result.durationMs,
      bytes: result.bytes,
      reason,
      assurance,
    });
    const names = ['call.wav', ...result.legs.map(({ file }) => file)];
    this.#files = this.#finisher
      ?.finish(this.directory, names)
      .then((files) => this.#writer.update({ files }))
      .catch((error: unknown) => this.#log.error({ err: error }, 'recording has no checksums and no peaks'));
  }

  /** Takes from an event what the record keeps. */
  note(event: CallEvent): void {
    switch (event.type) {
      case 'call.started':
      case 'call.ended':
        break;
      case 'call.updated':
        this.#writer.update({ state: event.state });
        break;
      case 'transcript.final':
        this.#writer.update((record) => ({ transcripts: [...record.transcripts, event] }));
        break;
      case 'transcript.failed':
        this.#writer.update((record) => ({ failures: [...record.failures, event] }));
        break;
      case 'dtmf.pressed': {
        const { leg, digit, startMs, durationMs, source } = event;
        const pressed: RecordedKey = {
          ...(leg === undefined ? {} : { leg: leg.leg }),
          ...(digit === undefined ? { masked: true } : { digit }),
          startMs,
          ...(durationMs === undefined ? {} : { durationMs }),
          source,
        };
        this.#writer.update((record) => ({ dtmf: [...(record.dtmf ?? []), pressed] }));
        break;
      }
      case 'recording.warning':
        this.#writer.update((record) => ({ warnings: [...record.warnings, event.warning] }));
        break;
      default:
        event satisfies never;
    }
  }

  /** Writes the last state and waits for the disk. False when it was waited for in vain. Idempotent. */
  async close(state: CallRecord['state']): Promise<boolean> {
    await this.#metadata;
    await this.#files;
    this.#writer.update({ state });
    return this.#writer.close();
  }

  /** Begins what may take long and is done when the call has ended. To be called after `close`. */
  encode(): void {
    if (this.#files) this.#finisher?.encode(this.directory);
  }

  /** Nothing of the session is left on disk: it was never answered. */
  async discard(): Promise<void> {
    await this.#metadata;
    await this.#writer.abandon();
    await this.#folder.discard();
  }
}

/** What a session tells its record, on a call clock that begins at the epoch ms given. */
export interface RecordDescription {
  readonly legs: readonly RecordedLeg[];
  readonly identity: CallRecordIdentity;
}

function statisticsOf({ leg: _leg, file: _file, ...statistics }: FinishedLeg): LegStatistics {
  return statistics;
}

export interface SessionRecordOptions {
  readonly logger: Logger;
  readonly disk: Disk;
  /** Told of a record that could not be written. */
  readonly onWriteFailed?: () => void;
  readonly files?: Pick<FileFinisher, 'finish' | 'encode'>;
}

/** The record of a session that begins, written by the first `flush` into the folder that the media has made. */
export function openSessionRecord(
  dataDirectory: string,
  sessionId: string,
  offer: RsOffer,
  options: SessionRecordOptions,
): SessionRecord {
  const folder = new CallDirectory(dataDirectory, sessionId, offer.receivedAt);
  const record = new SessionRecord(
    folder,
    dataDirectory,
    {
      version: 1,
      sessionId,
      callId: offer.callId,
      state: 'recording',
      startedAt: offer.receivedAt,
      ...(offer.from === undefined ? {} : { from: offer.from }),
      ...(offer.to === undefined ? {} : { to: offer.to }),
      ...(offer.userAgent === undefined ? {} : { userAgent: offer.userAgent }),
      source: offer.source,
      legs: [],
      participants: [],
      warnings: [],
      transcripts: [],
      failures: [],
      metadataFiles: [],
    },
    options,
  );
  if (offer.invite) record.saveInvite(offer.invite);
  return record;
}
