import type { CallEvent, CallEventDraft } from '../core/call-event.js';
import type { Clock } from '../core/clock.js';
import type { DtmfPolicy } from '../core/dtmf.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { FileFinisher } from '../files/file-finisher.js';
import type { MediaPlane } from '../rtp/media-plane.js';
import type { Disk } from '../store/disk.js';
import type { SttJob, SttOutcome } from '../stt/dispatcher.js';
import type { ProtectionPolicy } from './stream-protection.js';

/** What holds for pauses of ours. */
export interface PauseLimits {
  /** ms after which a pause is reported as forgotten. */
  readonly alarmMs: number;
  /** ms after which a pause ends by itself; 0 = never. */
  readonly limitMs: number;
  /** Whether the SRC is told by re-INVITE. */
  readonly signal: boolean;
}

/** The disk of recordings, as far as a new call must know it. */
export interface DiskStanding {
  /** Why it takes no new call; undefined when it does. */
  readonly trouble: string | undefined;
  /** A write has failed or takes too long. */
  suspect(): void;
}

/** What a session needs of the rest of the house. Made once, in `src/app.ts`. */
export interface SessionServices {
  readonly media: MediaPlane;
  /** False when calls are recorded without words. */
  readonly cutsUtterances: boolean;
  /** Queues an utterance; never rejects. */
  readonly submit: (job: SttJob) => Promise<SttOutcome>;
  /** Gives the event its id and its place, and hands it to every listener. Never throws, never waits. */
  readonly publish: (draft: CallEventDraft) => CallEvent;
  /** Our address towards a peer, for `c=` and `o=`. */
  readonly mediaAddress: (localAddress: string | undefined) => string;
  /** BCP 47 of the calls, when the operator says so. */
  readonly language?: string;
  readonly pause?: PauseLimits;
  /** What is kept of keys that are pressed. Default `mask`: that one was, not which. */
  readonly dtmf?: DtmfPolicy;
  /** Protection where it is offered when not given. */
  readonly protection?: ProtectionPolicy;
  /** False when metadata documents and vendors' extensions are not to be kept as they came, only what was read from them. */
  readonly keepsSignalling?: boolean;
  /** Whether an SRC is asked for a complete snapshot when a partial one cannot be understood. */
  readonly snapshotRequest?: boolean;
  /** Where records are written; the thread pool of Node when not given. */
  readonly disk?: Disk;
  /** Taken to be well when not given. */
  readonly diskStanding?: DiskStanding;
  /** What is made of recordings when they are finished; nothing when not given. */
  readonly files?: Pick<FileFinisher, 'finish' | 'encode'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}
