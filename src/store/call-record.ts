import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Assurance } from '../core/assurance.js';
import type { LegDescription, TranscriptFailed, TranscriptFinal } from '../core/call-event.js';
import type { DtmfSource } from '../core/dtmf.js';
import { SrsError } from '../core/errors.js';
import type { LegStatistics } from '../core/leg-statistics.js';
import type { EndReason } from '../core/model.js';
import type { PauseInterval } from '../core/pause-interval.js';
import type { Warning } from '../core/warning.js';
import type { CallRecordIdentity, RecordedSpell } from './call-history.js';
import { type Disk, type DiskFile, pooledDisk } from './disk.js';
import type { FinishedFile } from './finished-file.js';

export interface RecordedLeg extends LegDescription {
  /** Name in the session's folder. */
  readonly file?: string;
  readonly statistics?: LegStatistics;
  /** Who spoke on it, oldest first; `speaker` is the last one. */
  readonly speakers?: readonly RecordedSpell[];
}

/** A key that was pressed. */
export interface RecordedKey {
  /** Absent when it is not known. */
  readonly leg?: number;
  /** One character or `flash`. */
  readonly digit?: string;
  /** True when the policy keeps the digit back. */
  readonly masked?: boolean;
  readonly startMs: number;
  readonly durationMs?: number;
  readonly source: DtmfSource;
}

/** The durable record of one recording session: `call.json`. Wall-clock times are epoch ms. */
export interface CallRecord extends CallRecordIdentity {
  readonly version: 1;
  readonly sessionId: string;
  readonly callId: string;
  readonly state: 'recording' | 'paused' | 'draining' | 'ended';
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly reason?: EndReason;
  readonly durationMs?: number;
  /** Of all audio files. */
  readonly bytes?: number;
  /** What the finished recording says about its own completeness. */
  readonly assurance?: Assurance;
  readonly from?: string;
  readonly to?: string;
  readonly userAgent?: string;
  /** `address:port` of the SRC. */
  readonly source: string;
  readonly legs: readonly RecordedLeg[];
  readonly warnings: readonly Warning[];
  /** Pauses by a command of ours, oldest first. */
  readonly pauses?: readonly PauseInterval[];
  /** In the order of publication, which is the order in which the utterances ended. */
  readonly transcripts: readonly TranscriptFinal[];
  readonly failures: readonly TranscriptFailed[];
  /** Keys that were pressed, in the order in which they were told; absent when there were none. */
  readonly dtmf?: readonly RecordedKey[];
  /** The audio files, with what tells whether they are as they were; absent when they could not be read, encodings are added later. */
  readonly files?: readonly FinishedFile[];
  /** Raw metadata as received: names in the session's folder. */
  readonly metadataFiles: readonly string[];
  /** The first INVITE, keys and credentials masked: a name in the session's folder. Absent by policy. */
  readonly invite?: string;
  /** Entries that did not fit into the lists above. */
  readonly omitted?: number;
}

export type CallRecordChange = Partial<Omit<CallRecord, 'version' | 'sessionId'>>;

export interface CallRecordOptions {
  /** Waits for the disk at open and close. */
  readonly durable?: boolean;
  /** Least time between two writes; close does not wait for it. */
  readonly minIntervalMs?: number;
  /** Told of a write that failed, once until one went well; it is tried again. */
  readonly onError?: (error: SrsError) => void;
  /** What is known elsewhere and belongs into the record: asked at every write, so that nothing is kept twice while a call is idle. */
  readonly described?: (record: CallRecord) => Partial<CallRecord>;
  /** False: the first write is asked for by `flush`, when the first state is whole. */
  readonly writesAtOnce?: boolean;
  readonly disk?: Disk;
  /** How long `close` tries again while the disk does not take the last state, in ms. Default 20 000. */
  readonly patienceMs?: number;
}

const MIN_INTERVAL_MS = 500;
/** As long as the files of a call wait for their disk. */
const PATIENCE_MS = 20_000;
const RETRY_MS = 500;
/** A long call's record is long: writing may take at most a twentieth of the time … */
const REST_FACTOR = 20;
/**
 * … and at most so many bytes of a record per second. Hundreds of calls share one thread and one disk: after an hour of talk a record
 * has some 2 MB and is written every half minute instead of after each word. The end of a call waits for nothing.
 */
const BYTES_PER_SECOND = 64 * 1024;
const MAX_TRANSCRIPTS = 50_000;
const MAX_OTHERS = 1_000;
const MAX_KEYS = 5_000;
const MAX_METADATA_FILES = 1_000;

/**
 * Keeps `call.json` as new as its changes: at most one write in flight, changes meanwhile joined into the next one.
 * Every write replaces the file whole, so a crash leaves the state before or after it.
 */
export class CallRecordWriter {
  readonly path: string;
  readonly #directory: string;
  readonly #options: CallRecordOptions;
  readonly #disk: Disk;
  #record: CallRecord;
  #changed = true;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<boolean> | undefined;
  #failed = false;
  /** When the next write may begin; `flush` and `close` do not ask. */
  #notBefore = 0;
  #metadataNumber = 0;
  #opened = false;
  #last = false;
  /** Files that go to disk with the first state of the record. */
  readonly #first: DiskFile[] = [];

  /** Writes the record for the first time, at once if nothing else was said; `flush` tells when it is on disk. */
  constructor(directory: string, initial: CallRecord, options: CallRecordOptions = {}) {
    this.#directory = directory;
    this.path = join(directory, 'call.json');
    this.#record = initial;
    this.#options = options;
    this.#disk = options.disk ?? pooledDisk;
    if (options.writesAtOnce !== false) this.#start();
  }

  get record(): CallRecord {
    return this.#record;
  }

  /** Changes fields. Returns at once; the write follows. */
  update(change: CallRecordChange | ((record: CallRecord) => CallRecordChange)): void {
    if (this.#last) return;
    const fields = typeof change === 'function' ? change(this.#record) : change;
    this.#record = bounded({ ...this.#record, ...fields });
    this.#changed = true;
    if (fields.endedAt !== undefined) {
      this.#notBefore = 0;
      this.#cancelTimer();
    }
    this.#schedule();
  }

  /**
   * Saves raw metadata as `metadata-<n>.xml` beside the record and names it there. Throws `SRS_RECORDING_WRITE`.
   * An SRC that sends metadata without end fills no disk: after a thousand files the rest is only counted.
   */
  async saveMetadata(raw: string): Promise<void> {
    if (this.#metadataNumber >= MAX_METADATA_FILES) {
      this.update((record) => ({ omitted: (record.omitted ?? 0) + 1 }));
      return;
    }
    this.#metadataNumber += 1;
    const name = `metadata-${this.#metadataNumber}.xml`;
    await this.#save(name, raw, 'metadata cannot be saved');
    this.update((record) => ({ metadataFiles: record.metadataFiles.concat(name) }));
  }

  /** Saves the first INVITE as `invite.sip` beside the record and names it there. Throws `SRS_RECORDING_WRITE`. */
  async saveInvite(message: Uint8Array): Promise<void> {
    const name = 'invite.sip';
    await this.#save(name, message, 'the INVITE cannot be saved');
    this.update({ invite: name });
  }

  /** Before the first write, a file waits for it: the folder of a call fills in one go. */
  async #save(name: string, content: string | Uint8Array, complaint: string): Promise<void> {
    const file: DiskFile = { path: join(this.#directory, name), content };
    if (!this.#opened && !this.#writing) {
      this.#first.push(file);
      return;
    }
    try {
      await this.#disk.write([file]);
    } catch (error) {
      throw new SrsError('SRS_RECORDING_WRITE', complaint, { cause: error });
    }
  }

  /** Resolves when what is known now is on disk. Throws `SRS_RECORDING_WRITE`. */
  async flush(): Promise<void> {
    while (this.#changed || this.#writing) {
      this.#start();
      await this.#writing;
    }
  }

  /** Writes the last state, again and again while the disk does not take it. False when it never did; never rejects. Idempotent. */
  close(): Promise<boolean> {
    if (!this.#closing) {
      this.#last = true;
      this.#closing = this.#writeLast().finally(() => this.#cancelTimer());
    }
    return this.#closing;
  }

  /** Writes nothing more; resolves when a write that was under way is over. */
  async abandon(): Promise<void> {
    this.#last = true;
    this.#cancelTimer();
    await this.#writing?.catch(() => {});
  }

  async #writeLast(): Promise<boolean> {
    const end = performance.now() + (this.#options.patienceMs ?? PATIENCE_MS);
    for (let tried = 1; ; tried++) {
      try {
        await this.flush();
        return true;
      } catch {
        // A background write that was in flight may fail for a passing reason; the last state gets a write of its own.
        if (tried > 1 && performance.now() >= end) return false;
        if (tried > 1) await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  #schedule(): void {
    if (this.#timer || this.#writing || this.#last || (!this.#opened && this.#options.writesAtOnce === false)) return;
    const delayMs = Math.max(this.#options.minIntervalMs ?? MIN_INTERVAL_MS, this.#notBefore - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, delayMs);
    // A record that waits for its write must not hold a process that has nothing else to do: close writes it.
    this.#timer.unref();
  }

  #cancelTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    if (this.#writing) return;
    this.#cancelTimer();
    const writing = this.#write();
    this.#writing = writing;
    // Whoever flushes hears of a failure; a write in the background told `onError`.
    writing.catch(() => {});
  }

  async #write(): Promise<void> {
    const started = performance.now();
    this.#changed = false;
    const described = this.#options.described?.(this.#record);
    const content = `${JSON.stringify(described ? { ...this.#record, ...described } : this.#record, null, 1)}\n`;
    try {
      const durable = this.#options.durable === true && (!this.#opened || this.#last);
      await this.#disk.write([...this.#first, { path: this.path, content, durable }]);
      this.#first.length = 0;
      this.#opened = true;
      this.#failed = false;
    } catch (error) {
      this.#changed = true;
      const failure = new SrsError('SRS_RECORDING_WRITE', 'the call record cannot be written', { cause: error });
      if (!this.#failed) this.#options.onError?.(failure);
      this.#failed = true;
      throw failure;
    } finally {
      this.#writing = undefined;
      const rest = Math.max((performance.now() - started) * REST_FACTOR, (content.length / BYTES_PER_SECOND) * 1000);
      this.#notBefore = performance.now() + rest;
      if (this.#changed) this.#schedule();
    }
  }
}

/** A record has an upper size, whatever the call does; what is left out is counted. */
function bounded(record: CallRecord): CallRecord {
  const over =
    Math.max(0, record.transcripts.length - MAX_TRANSCRIPTS) +
    Math.max(0, record.failures.length - MAX_OTHERS) +
    Math.max(0, record.warnings.length - MAX_OTHERS) +
    Math.max(0, (record.dtmf?.length ?? 0) - MAX_KEYS);
  if (over === 0) return record;
  return {
    ...record,
    transcripts: record.transcripts.slice(0, MAX_TRANSCRIPTS),
    failures: record.failures.slice(0, MAX_OTHERS),
    warnings: record.warnings.slice(0, MAX_OTHERS),
    ...(record.dtmf ? { dtmf: record.dtmf.slice(0, MAX_KEYS) } : {}),
    omitted: (record.omitted ?? 0) + over,
  };
}
