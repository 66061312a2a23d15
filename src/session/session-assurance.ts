import type { Assurance, ProblemSpan, RecordingDoubt } from '../core/assurance.js';
import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import { Scope } from '../core/scope.js';
import type { Warning } from '../core/warning.js';
import type { MediaCallResult } from '../rtp/media-plane.js';
import { assessRecording } from './assess-recording.js';
import type { Leg } from './leg-book.js';

/** How long a leg may have RTP before somebody must be named for it: SRCs send metadata after the first packet. */
const UNCLAIMED_MS = 10_000;
/** Problems that are over and remembered; a leg that comes and goes all day must not fill the memory. */
const MAX_SPANS = 256;

export interface SessionAssuranceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly warn: (warning: Warning) => void;
  /** What is wrong now has changed. */
  readonly changed: () => void;
  /** How long a leg that has RTP may wait for a name, in ms. */
  readonly nameWaitMs?: number;
}

/** Whether a leg has RTP, and whether somebody was ever named for it. */
interface NamedLeg {
  /** Call clock of its first packet; -1 before it. */
  heardMs: number;
  /** Our own clock when we heard of it. */
  heardAt: number;
  /** `nobody` when the metadata tells who sends where, and nobody does here. */
  sender: 'unknown' | 'nobody' | 'somebody';
  /** Whether the time runs in which a name may still come. */
  awaited: boolean;
}

const NONE: readonly ProblemSpan[] = [];

/** What is wrong with the recording of one session, while it runs and at its end. A healthy session keeps next to nothing here. */
export class SessionAssurance {
  readonly #options: SessionAssuranceOptions;
  #present = NONE;
  #past = NONE;
  #doubts: readonly RecordingDoubt[] = [];
  readonly #legs = new Map<number, NamedLeg>();
  /** From the first leg on that has RTP and no name. */
  #scope: Scope | undefined;
  #closed = false;
  #final: Assurance | undefined;

  constructor(options: SessionAssuranceOptions) {
    this.#options = options;
  }

  /** What is wrong now, when anything is. */
  get status(): { readonly problems?: readonly ProblemSpan[] } {
    return this.#present.length === 0 ? {} : { problems: this.#present };
  }

  /** What the last event and the record say, when the recording is finished. */
  get final(): { readonly assurance?: Assurance } {
    return this.#final ? { assurance: this.#final } : {};
  }

  /** A problem that the media noticed, or the end of one. */
  note(change: ProblemSpan): void {
    if (this.#closed) return;
    const { problem, leg, toMs } = change;
    const known = this.#present.find((span) => span.problem === problem && span.leg === leg);
    if ((known === undefined) === (toMs !== undefined)) return;
    const { logger, metrics, changed } = this.#options;
    logger.warn({ ...change }, known ? 'recording problem is over' : 'recording problem');
    if (known) {
      this.#present = this.#present.filter((span) => span !== known);
      this.#past = [...this.#past, change].slice(-MAX_SPANS);
      metrics.recordingProblemsNow.dec({ problem });
    } else {
      this.#present = [...this.#present, change];
      metrics.recordingProblemsNow.inc({ problem });
      this.#tell(change);
    }
    changed();
  }

  /**
   * Another worker goes on with the call, which knows nothing of what was wrong before: it will be told again if it lasts.
   *
   * @param toMs until when the worker that died was heard of, on the call clock
   */
  moved(toMs: number): void {
    this.doubt('media_lost');
    for (const span of this.#present) {
      if (span.problem !== 'stream_unclaimed') this.note({ ...span, toMs: Math.max(toMs, span.fromMs ?? 0) });
    }
  }

  /** Something happened after which the record cannot be sure. */
  doubt(doubt: RecordingDoubt): void {
    if (!this.#doubts.includes(doubt)) this.#doubts = this.#doubts.concat(doubt);
  }

  /** @param atMs call clock */
  firstPacket(leg: number, atMs: number): void {
    const known = this.#leg(leg);
    known.heardMs = atMs;
    known.heardAt = this.#options.clock.monotonic();
    this.#awaitName(leg, known);
  }

  /**
   * What the metadata says now. Whoever was named once has left, not been missed.
   *
   * @param unclaimed zero-based m-lines on which nobody sends although the metadata tells who sends where
   */
  claims(legs: readonly Pick<Leg, 'leg' | 'index' | 'open'>[], unclaimed: ReadonlySet<number>): void {
    for (const { leg, index, open } of legs) {
      const known = open ? this.#leg(leg) : undefined;
      if (!known || known.sender === 'somebody') continue;
      known.sender = unclaimed.has(index) ? 'nobody' : 'somebody';
      if (known.sender === 'nobody') this.#awaitName(leg, known);
      else this.#named(leg, known);
    }
  }

  /** The recording is over. @param isLeg false for a leg of a refused offer, whose file may still be counted */
  finish({ legs, durationMs }: MediaCallResult, isLeg: (leg: number) => boolean): Assurance {
    const present = this.#present;
    this.close();
    const told = [...this.#past, ...present];
    const unclaimed = [...this.#legs].filter(([, { sender, heardMs }]) => sender === 'nobody' && heardMs >= 0);
    this.#final = assessRecording({
      durationMs,
      legs: legs.filter(({ leg }) => isLeg(leg)),
      told,
      unclaimed: unclaimed.map(([leg]) => leg),
      doubts: this.#doubts,
    });
    for (const span of this.#final.problems) if (!told.includes(span)) this.#tell(span);
    return this.#final;
  }

  /** Nothing more is noticed. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { problem } of this.#present) this.#options.metrics.recordingProblemsNow.dec({ problem });
    this.#present = NONE;
    void this.#scope?.close();
  }

  #leg(leg: number): NamedLeg {
    let known = this.#legs.get(leg);
    if (!known) {
      known = { heardMs: -1, heardAt: 0, sender: 'unknown', awaited: false };
      this.#legs.set(leg, known);
    }
    return known;
  }

  #awaitName(leg: number, known: NamedLeg): void {
    if (known.sender !== 'nobody' || known.heardMs < 0 || known.awaited) return;
    known.awaited = true;
    this.#scope ??= new Scope('assurance');
    this.#scope.timeout(() => {
      if (known.sender === 'nobody') this.note({ problem: 'stream_unclaimed', leg, fromMs: known.heardMs });
    }, this.#options.nameWaitMs ?? UNCLAIMED_MS);
  }

  #named(leg: number, { heardMs, heardAt }: NamedLeg): void {
    if (heardMs < 0) return;
    const toMs = heardMs + this.#options.clock.monotonic() - heardAt;
    this.note({ problem: 'stream_unclaimed', leg, fromMs: heardMs, toMs });
  }

  #tell({ problem, leg, fromMs }: ProblemSpan): void {
    const { metrics, warn } = this.#options;
    metrics.recordingProblems.inc({ problem });
    warn({ code: problem, detail: fromMs === undefined ? `leg ${leg}` : `leg ${leg} from ${Math.round(fromMs)} ms` });
  }
}
