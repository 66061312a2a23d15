import type { UtteranceCutterOptions } from '../audio/utterance-cutter.js';
import type { VoiceActivityEngine } from '../audio/voice-activity.js';
import { BacklogBudget } from '../audio/write-backlog.js';
import type { DtmfPolicy } from '../core/dtmf.js';
import { SrsError } from '../core/errors.js';
import { token } from '../core/ids.js';
import type { CutReason, MediaFormat } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import { CallFiles } from './call-files.js';
import { CallWatch, type ProblemChange, WATCH_BOUNDS, type WatchBounds } from './call-watch.js';
import { Decoders } from './decoders.js';
import { LegCutter } from './leg-cutter.js';
import { type DigitPress, LegDigits, type LegDigitsOptions } from './leg-digits.js';
import type { TimelineHooks } from './leg-timeline.js';
import type { MediaCounters } from './media-counters.js';
import type { LegRemote, MediaCallResult, MissingMedia, PauseInstant } from './media-plane.js';
import type { PauseGate } from './pause-gate.js';
import { RecordedLeg } from './recorded-leg.js';
import type { TakenLeg, Takeover } from './takeover.js';

/** A first packet within this time after the first leg opened is the beginning of the recording; without one, the opening is. */
const FIRST_PACKET_MS = 500;
/** What comes first may have been spoken this much before the first leg opened. More is a flood, not a beginning. */
const MAX_BEFORE_MS = 1000;
/** The call ends with its newest audio when that is this near to its end by the clock. */
const SAME_END_MS = 300;
/** A leg that joins later begins this much before the present: its first packets were spoken before they came. */
const JOIN_BEFORE_MS = 200;
/** Legs whose first audio is this near have begun together. */
const SAME_START_MS = 20;
/** The call clock goes in steps of 125 µs: a whole number of samples of every leg. */
const STEPS_PER_MS = 8;

/** Memory for what the disk does not take, when nobody says how much. */
const DEFAULT_BACKLOG_BYTES = 64 * 1024 * 1024;
/** Stands for `call.wav` among legs. */
const STEREO = 0;

/** A cut utterance as it leaves the worker. */
export interface UtteranceCut {
  readonly leg: number;
  readonly number: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly reason: CutReason;
  readonly samples: Int16Array;
  readonly sampleRate: number;
  readonly endedAt: number;
}

export interface RecordedCallOptions {
  readonly directory: string;
  /** Absent when speech is not to be cut. */
  readonly voice?: VoiceActivityEngine;
  readonly utterance: Partial<UtteranceCutterOptions>;
  readonly watch?: WatchBounds;
  /** Those of the thread; built-in codecs only when not given. */
  readonly decoders?: Decoders;
  /** Streams of the first offer. Default two. */
  readonly channels?: number;
  readonly counters: MediaCounters;
  /** Memory for what the disk does not take, shared by the calls of a thread. */
  readonly budget?: BacklogBudget;
  /** What a worker that died had come to. */
  readonly takeover?: Takeover;
  readonly gate?: PauseGate;
  /** What is told of key presses; absent = nothing. */
  readonly dtmf?: DtmfPolicy;
  /** Monotonic ms. */
  readonly clock: () => number;
  /** Epoch ms. */
  readonly epoch: () => number;
}

export interface RecordedCallEvents {
  utterance(cut: UtteranceCut): void;
  /** @param startedAt epoch ms of the zero of the call clock */
  firstPacket(leg: number, atMs: number, startedAt: number): void;
  /** The call clock has begun: its zero as monotonic and as epoch ms. */
  clockBegan?(at: number, startedAt: number): void;
  digit?(leg: number, press: DigitPress): void;
  warning?(warning: Warning): void;
  problem?(change: ProblemChange): void;
  writeFailed(message: string): void;
}

/** The media of one recording session in its worker: its legs on one clock, and their files. Knows no sockets. */
export class RecordedCall {
  readonly #options: RecordedCallOptions;
  readonly #events: RecordedCallEvents;
  readonly #files: CallFiles;
  readonly #decoders: Decoders;
  readonly #legs = new Map<number, RecordedLeg>();
  #heard: readonly number[] = [];
  /** Ours in RTCP: one for all legs, and random, because it is nobody's business who records (RFC 7022 §4.2). */
  readonly #cname = token(12);
  readonly #watch: CallWatch;
  #watched: readonly RecordedLeg[] = [];
  #openedAt: number | undefined;
  /** Monotonic ms of the first sample, and the same instant as epoch ms. */
  #zero: number | undefined;
  #startedAt = 0;
  #foundMs = Number.POSITIVE_INFINITY;
  /** The beginning by what had come at the first tick with packets: a stall before the second one does not move it. */
  #firstZero: number | undefined;
  /** Where the call ends, once that is known. */
  #endMs: number | undefined;
  /** ms of legs that will never be in their files, and of `call.wav` as leg 0. */
  #unwrittenMs: Map<number, number> | undefined;
  /** Whether legs to come begin paused. */
  #paused = false;

  /** Creates `call.wav`. Throws `SRS_RECORDING_WRITE`. */
  constructor(options: RecordedCallOptions, events: RecordedCallEvents) {
    this.#options = options;
    this.#events = events;
    this.#watch = new CallWatch(options.watch ?? WATCH_BOUNDS, (change) => events.problem?.(change));
    this.#decoders = options.decoders ?? new Decoders();
    this.#files = new CallFiles(options.directory, {
      budget: options.budget ?? new BacklogBudget(DEFAULT_BACKLOG_BYTES),
      resume: options.takeover?.zero !== undefined,
      channels: options.channels ?? 2,
      onError: (error) => {
        options.counters.recordingErrors++;
        events.writeFailed(SrsError.from(error).message);
      },
      onGivenUp: (leg, fromMs, toMs) => this.#giveUp(leg ?? STEREO, fromMs, toMs),
    });
    const zero = options.takeover?.zero;
    if (zero) {
      this.#zero = zero.at;
      this.#startedAt = zero.startedAt;
    }
    this.#paused = options.takeover?.paused ?? false;
  }

  /** Goes on with a leg of the worker before. What nobody heard in between is silence. */
  takeLeg(taken: TakenLeg): RecordedLeg {
    const { leg, formats, active, remote, port } = taken;
    this.#foundMs = Math.min(this.#foundMs, this.#files.foundMs(leg));
    if (taken.firstPacketMs !== undefined) this.#heard = [...this.#heard, leg];
    const recorded = this.addLeg(leg, formats, active && port !== undefined, remote);
    recorded.timeline.gaps.takeOver(recorded.timeline.at(this.#files.foundMs(leg)));
    this.#files.catchUp(leg);
    if (taken.paused) this.setPaused(true, [leg]);
    return recorded;
  }

  /** Adds a leg and creates its file. Throws `SRS_RECORDING_WRITE`; then the leg is not there. */
  addLeg(leg: number, formats: readonly MediaFormat[], active: boolean, remote?: LegRemote): RecordedLeg {
    if (this.#legs.has(leg)) throw new SrsError('SRS_INTERNAL', `Leg ${leg} is open already.`);
    this.#openedAt ??= this.#options.clock();
    const foundMs = this.#files.foundMs(leg);
    const originMs = this.#zero === undefined ? 0 : Math.max(foundMs, this.#wallMs() - JOIN_BEFORE_MS);
    const cutter = this.#cutter(leg, originMs);
    const digits = this.#digits(leg, (ssrc, timestamp) => recorded.placeMs(ssrc, timestamp));
    const hooks: TimelineHooks = {
      committed: (from, to) => this.#committed(recorded, from, to),
      changed: (from, to) => this.#files.patch(leg, from, to),
      past: (from, payload, first, length) => this.#files.patchPast(leg, from, payload, first, length),
      makeRoom: (before) => this.#files.makeRoom(leg, before),
      wallMs: () => this.#wallMs(),
    };
    const recorded: RecordedLeg = new RecordedLeg({
      leg,
      formats,
      active,
      originMs,
      counters: this.#options.counters,
      hooks,
      decoders: this.#decoders,
      raise: (sampleRate) => this.#raise(recorded, sampleRate),
      paused: this.#paused,
      remote,
      cname: this.#cname,
      clock: this.#options.clock,
      epoch: this.#options.epoch,
      warn: (warning) => this.#events.warning?.(warning),
      ...(this.#options.gate ? { gate: this.#options.gate } : {}),
      ...(cutter ? { cutter } : {}),
      ...(digits ? { digits } : {}),
    });
    this.#files.addLeg(leg, recorded.timeline);
    cutter?.rerate(recorded.timeline.rate, originMs);
    this.#legs.set(leg, recorded);
    this.#watched = [...this.#legs.values()];
    return recorded;
  }

  /** The leg never was, and neither was its file. */
  removeLeg(leg: number): void {
    this.#legs.get(leg)?.release();
    this.#legs.delete(leg);
    this.#watched = [...this.#legs.values()];
    this.#files.removeLeg(leg);
  }

  leg(leg: number): RecordedLeg | undefined {
    return this.#legs.get(leg);
  }

  /**
   * Pauses or resumes legs; without `legs` all of them, and those to come. To be called when the sockets are drained: what came
   * before is written, what comes after is not. Begins the call clock when it has not begun, because the pause has a place on it.
   */
  setPaused(paused: boolean, legs?: readonly number[]): PauseInstant {
    const now = this.#options.clock();
    if (this.#zero === undefined) this.#findZero(now, true);
    const wallMs = this.#wallMs(now);
    if (!legs) this.#paused = paused;
    for (const leg of this.#legs.values()) if (!legs || legs.includes(leg.leg)) leg.setPaused(paused, wallMs);
    return { atMs: wallMs, at: this.#options.epoch() };
  }

  /** One tick of the loop, after the sockets were drained. @param now monotonic ms */
  tick(now: number, flush: boolean): void {
    for (const leg of this.#legs.values()) leg.decoding.tick(now);
    this.#files.step();
    if (this.#zero === undefined && !this.#findZero(now, false)) return;
    const wallMs = this.#wallMs(now);
    for (const leg of this.#legs.values()) {
      leg.tick(wallMs);
      this.#reportFirstPacket(leg);
    }
    if (!flush) return;
    this.#files.flush();
    this.#watch.look(wallMs, this.#watched);
  }

  /**
   * Settles where the call ends and cuts what is being said; nothing is heard from now on. To be followed by `complete`. Idempotent.
   *
   * @param endedAt monotonic ms at which the end was asked for
   */
  end(endedAt: number): void {
    if (this.#endMs !== undefined) return;
    const now = this.#options.clock();
    if (this.#zero === undefined) this.#findZero(now, true);
    const zero = this.#zero ?? endedAt;
    let newestMs = 0;
    for (const leg of this.#legs.values()) {
      leg.settle(this.#wallMs(now), true);
      this.#reportFirstPacket(leg);
      newestMs = Math.max(newestMs, leg.timeline.msAt(leg.timeline.newestEnd));
    }
    const wallEndMs = this.#legs.size === 0 ? 0 : Math.max(0, inSteps(endedAt - zero));
    const endMs = newestMs >= wallEndMs - SAME_END_MS ? newestMs : wallEndMs;
    for (const leg of this.#legs.values()) {
      leg.timeline.commitTo(leg.timeline.at(endMs));
      leg.digits?.close();
      leg.cutter?.flush('end');
    }
    this.#endMs = endMs;
  }

  /**
   * Finishes the files. Undefined when the disk does not take everything yet: then this is to be asked again. With `force` they are
   * finished all the same, and the result says what is not in them.
   */
  complete(force: boolean): MediaCallResult | undefined {
    const endMs = this.#endMs ?? 0;
    if (!this.#files.finish(endMs, force)) return undefined;
    this.close();
    const unwrittenMs = (leg: number): { readonly unwrittenMs?: number } => {
      const ms = this.#unwrittenMs?.get(leg);
      return ms === undefined ? {} : { unwrittenMs: ms };
    };
    return {
      startedAt: this.#startedAt,
      durationMs: endMs,
      legs: [...this.#legs.values()].map((leg) => ({
        ...leg.statistics(CallFiles.nameOf(leg.leg), { startedAt: this.#startedAt, endMs }),
        ...unwrittenMs(leg.leg),
        ...this.#firstPacketBefore(leg.leg),
      })),
      bytes: this.#files.bytes,
      ...unwrittenMs(STEREO),
    };
  }

  /** Both at once, whatever the disk says. */
  finish(endedAt: number): MediaCallResult {
    this.end(endedAt);
    const result = this.complete(true);
    if (!result) throw new SrsError('SRS_INTERNAL', 'The files of a call were not finished.');
    return result;
  }

  /** Frees the voice detectors and closes the files as they are. Idempotent. */
  close(): void {
    this.#files.close();
    for (const leg of this.#legs.values()) leg.release();
  }

  /** The call clock. */
  #wallMs(now = this.#options.clock()): number {
    return this.#zero === undefined ? 0 : inSteps(now - this.#zero);
  }

  /**
   * Sets the beginning of the call clock. Packets that came first are taken to end now, and the leg that has most of them begins at zero.
   * One tick more is given to the other legs, and one that is a packet behind begins at zero too: legs that start together lie together.
   */
  #findZero(now: number, force: boolean): boolean {
    const opened = this.#openedAt ?? now;
    let waitingMs = 0;
    for (const { timeline } of this.#legs.values()) waitingMs = Math.max(waitingMs, timeline.waitingMs);
    if (waitingMs > 0) {
      const beforeMs = Math.min(waitingMs, now - opened + MAX_BEFORE_MS);
      const firstZero = this.#firstZero;
      this.#firstZero ??= now - beforeMs;
      if (!force && firstZero === undefined) return false;
      this.#zero = Math.min(now - beforeMs, firstZero ?? now);
      for (const leg of this.#legs.values()) {
        const ownMs = leg.timeline.waitingMs;
        if (Math.abs(beforeMs - ownMs) <= SAME_START_MS) leg.settle(ownMs);
      }
    } else if (force || now - opened >= FIRST_PACKET_MS) this.#zero = opened;
    if (this.#zero === undefined) return false;
    this.#startedAt = this.#options.epoch() - (now - this.#zero);
    this.#events.clockBegan?.(this.#zero, this.#startedAt);
    return true;
  }

  #cutter(leg: number, originMs: number): LegCutter | undefined {
    const { voice, utterance, counters, epoch } = this.#options;
    const before = this.#options.takeover?.legs.find((taken) => taken.leg === leg)?.utterances ?? 0;
    return (
      voice &&
      new LegCutter(voice, utterance, originMs, before, (cut) => {
        counters.utterances[cut.reason]++;
        this.#events.utterance({ leg, ...cut, endedAt: Math.min(epoch(), this.#startedAt + cut.endMs) });
      })
    );
  }

  /** Wide-band audio came to a leg that was narrow-band. False when its files cannot follow. */
  #raise(leg: RecordedLeg, sampleRate: number): boolean {
    const { timeline, cutter } = leg;
    if (sampleRate <= timeline.rate) return true;
    return this.#files.raise(leg.leg, () => {
      timeline.rerate(sampleRate);
      cutter?.rerate(sampleRate, timeline.msAt(timeline.committed));
    });
  }

  #digits(leg: number, placeMs: LegDigitsOptions['placeMs']): LegDigits | undefined {
    const { dtmf: policy } = this.#options;
    if (!policy) return undefined;
    return new LegDigits({
      policy,
      wallMs: () => (this.#zero === undefined ? 0 : this.#wallMs()),
      placeMs,
      pressed: (press) => this.#events.digit?.(leg, press),
    });
  }

  #committed(leg: RecordedLeg, from: number, to: number): void {
    const { cutter, meter, timeline } = leg;
    meter.follow(timeline.rate);
    const { samples } = timeline.ring;
    timeline.ring.eachPiece(from, to, (slot, length) => {
      meter.push(samples, slot, length);
      cutter?.push(samples, slot, length);
    });
    // The stereo file may have gone ahead of this leg: then its channel is filled in now.
    this.#files.patch(leg.leg, from, to);
  }

  /** From the end of what the worker before had written, of the leg that has least, to now. */
  get missing(): MissingMedia {
    const toMs = this.#zero === undefined ? 0 : Math.max(0, this.#wallMs());
    return { fromMs: Math.min(this.#foundMs, toMs), toMs };
  }

  /** What the worker before had told of a leg's beginning. */
  #firstPacketBefore(leg: number): { readonly firstPacketMs?: number } {
    const firstPacketMs = this.#options.takeover?.legs.find((taken) => taken.leg === leg)?.firstPacketMs;
    return firstPacketMs === undefined ? {} : { firstPacketMs };
  }

  #giveUp(leg: number, fromMs: number, toMs: number): void {
    this.#unwrittenMs = new Map(this.#unwrittenMs).set(leg, (this.#unwrittenMs?.get(leg) ?? 0) + toMs - fromMs);
    this.#options.counters.unwrittenMs += toMs - fromMs;
    const timeline = this.#legs.get(leg)?.timeline;
    timeline?.gaps.note(timeline.at(fromMs), timeline.at(toMs), 'write_failed');
  }

  #reportFirstPacket(leg: RecordedLeg): void {
    if (leg.timeline.firstStart < 0 || this.#heard.includes(leg.leg)) return;
    this.#heard = [...this.#heard, leg.leg];
    this.#events.firstPacket(leg.leg, leg.timeline.msAt(leg.timeline.firstStart), this.#startedAt);
  }
}

/** A time of the call clock, at its nearest step. */
function inSteps(ms: number): number {
  return Math.round(ms * STEPS_PER_MS) / STEPS_PER_MS;
}
