import type { VoiceActivityEngine } from '../audio/voice-activity.js';
import { BacklogBudget } from '../audio/write-backlog.js';
import { SrsError } from '../core/errors.js';
import { callMessages } from './call-messages.js';
import { Decoders } from './decoders.js';
import { legEars } from './leg-ears.js';
import { MediaCounters } from './media-counters.js';
import type { LegOptions, PauseInstant } from './media-plane.js';
import { closeSources, farewell, type OpenCall, type OpenLeg, sendReport } from './open-call.js';
import type { OpenPacketSource } from './packet-source.js';
import { PauseGate } from './pause-gate.js';
import { RecordedCall } from './recorded-call.js';
import type { RecordedLeg } from './recorded-leg.js';
import type { Takeover } from './takeover.js';
import { UnfinishedCalls } from './unfinished-calls.js';
import {
  type OpenedLegs,
  type RequestEnvelope,
  sharedClock,
  type WorkerMessage,
  type WorkerSettings,
  wireError,
} from './worker-protocol.js';

/** Files are written and headers made true this often, each call at its own phase. */
const FLUSH_MS = 900;
const COUNTERS_MS = 1000;
/** Writing the files of one call takes 0.3 ms; this long is told. */
const SLOW_DISK_MS = 500;
/**
 * Ticks come a little slower than asked: at a multiple of the packets' length they would find every packet at the same age, and a sender's
 * clock could drift by a whole packet before it shows.
 */
const TICK_STRETCH = 1.03;
/** Turns without a tick that a backlog may take at most. */
const MAX_BACKLOG_TURNS = 16;

export interface MainPort {
  post(message: WorkerMessage, transfer?: ArrayBuffer[]): void;
  close(): void;
}

/**
 * The event loop of a media worker. While calls are open it sleeps in `Atomics.wait` between ticks and lets libuv drain all sockets in one
 * turn: measured, half the cost of waking for every packet. A message from the main thread ends the sleep. Without calls it blocks in
 * the event loop and costs nothing.
 */
export class MediaLoop {
  readonly #settings: WorkerSettings;
  readonly #voice: VoiceActivityEngine;
  readonly #port: MainPort;
  readonly #openSource: OpenPacketSource;
  readonly #control: Int32Array;
  readonly #calls = new Map<number, OpenCall>();
  readonly #unfinished: UnfinishedCalls;
  readonly #counters = new MediaCounters();
  readonly #decoders: Decoders;
  readonly #budget: BacklogBudget;
  #backlogTold = 0;
  readonly #tickMs: number;
  readonly #flushTicks: number;
  readonly #whenDrained: (() => void)[] = [];
  #seen = 0;
  #scheduled = false;
  #nextTick = 0;
  #ticks = 0;
  #backlogTurns = 0;
  #countersAt = 0;
  #faultAt = Number.NEGATIVE_INFINITY;
  readonly #onFault = (error: unknown): void => this.#fault(error);

  constructor(settings: WorkerSettings, voice: VoiceActivityEngine, port: MainPort, openSource: OpenPacketSource) {
    this.#settings = settings;
    this.#voice = voice;
    this.#port = port;
    this.#openSource = openSource;
    this.#control = new Int32Array(settings.control);
    this.#decoders = new Decoders(settings.ffmpeg);
    this.#budget = new BacklogBudget(settings.backlogBytes);
    this.#unfinished = new UnfinishedCalls(settings.diskPatienceMs, (reply) => {
      this.#reportCounters();
      this.#port.post(reply);
    });
    this.#tickMs = settings.tickMs * TICK_STRETCH;
    this.#flushTicks = Math.max(1, Math.floor(FLUSH_MS / this.#tickMs));
  }

  /** Serves one request of the main thread; always answers. */
  async handle(request: RequestEnvelope): Promise<void> {
    try {
      const result = await this.#serve(request);
      if (request.kind !== 'finish') this.#port.post({ kind: 'reply', id: request.id, ...(result ? { result } : {}) });
      if (request.kind === 'stop') this.#port.close();
    } catch (error) {
      this.#port.post({ kind: 'reply', id: request.id, error: wireError(error) });
    }
  }

  async #serve(request: RequestEnvelope): Promise<PauseInstant | OpenedLegs | undefined> {
    switch (request.kind) {
      case 'open-call': {
        const call = this.#openCall(request);
        if (request.takeover) return await this.#takeLegs(call, request.takeover);
        const opened: number[] = [];
        // A leg whose port somebody else holds is tried on another one by whoever asks for it.
        for (const leg of request.legs) {
          const done = await this.#openLeg(call, leg).then(
            () => true,
            () => false,
          );
          if (done) opened.push(leg.leg);
        }
        return { opened };
      }
      case 'open-leg':
        await this.#openLeg(this.#call(request.call), request);
        return;
      case 'update-leg': {
        const { recorded } = this.#leg(request.call, request.leg);
        if (request.formats) await this.#decoders.prepare(request.formats);
        await this.#onceDrained(() => recorded.update(request));
        return;
      }
      case 'close-leg': {
        const leg = this.#leg(request.call, request.leg);
        await this.#onceDrained(() => leg.recorded.close());
        sendReport(leg, leg.recorded.rtcp.goodbye(sharedClock()));
        await closeSources(leg);
        if (!request.discard) return;
        const call = this.#call(request.call);
        call.legs.delete(request.leg);
        call.recorded.removeLeg(request.leg);
        return;
      }
      case 'pause': {
        const { recorded, gate } = this.#call(request.call);
        const { paused, legs, ticket } = request;
        return await this.#onceDrained(() => {
          if (ticket !== undefined && !gate.take(ticket)) {
            throw new SrsError('SRS_MEDIA_WORKER', 'The resume was called off.');
          }
          const instant = recorded.setPaused(paused, legs);
          if (!paused) gate.open(legs);
          return instant;
        });
      }
      case 'finish': {
        const call = this.#call(request.call);
        call.finishing ??= { id: request.id, at: request.at, due: sharedClock() + this.#settings.tailMs };
        return;
      }
      case 'stop':
        for (const call of this.#calls.values()) {
          // One call that cannot be finished must not cost the others their ends.
          await this.#drop(call).catch((error: unknown) => this.#fault(error));
        }
        this.#unfinished.retry(Number.POSITIVE_INFINITY);
        return;
    }
  }

  /** Goes on with every leg, or with none and leaves the files as they are. */
  async #takeLegs(call: OpenCall, takeover: Takeover): Promise<OpenedLegs> {
    const missedMs = takeover.zero ? sharedClock() - takeover.zero.at : 0;
    try {
      for (const leg of takeover.legs) {
        if (leg.port === undefined) call.recorded.takeLeg(leg);
        else {
          await this.#openLeg(call, { ...leg, port: leg.port }, () => {
            const recorded = call.recorded.takeLeg(leg);
            recorded.security.takeOver(missedMs);
            return recorded;
          });
        }
      }
    } catch (error) {
      this.#calls.delete(call.call);
      await Promise.all([...call.legs.values()].map(closeSources));
      call.recorded.close();
      throw error;
    }
    return { opened: takeover.legs.map(({ leg }) => leg), missing: call.recorded.missing };
  }

  #openCall(request: RequestEnvelope & { kind: 'open-call' }): OpenCall {
    const { call, directory, utterances, channels, gate: slot, takeover } = request;
    const gate = new PauseGate(this.#settings.gates, slot);
    const began = sharedClock();
    const recorded = new RecordedCall(
      {
        directory,
        utterance: this.#settings.utterance,
        watch: this.#settings.watch,
        decoders: this.#decoders,
        channels,
        counters: this.#counters,
        budget: this.#budget,
        ...(takeover ? { takeover } : {}),
        gate,
        dtmf: this.#settings.dtmf,
        clock: sharedClock,
        epoch: () => Date.now(),
        ...(utterances ? { voice: this.#voice } : {}),
      },
      callMessages(this.#port, call),
    );
    this.#tellSlow(began);
    const open: OpenCall = { call, recorded, gate, legs: new Map(), finishing: undefined };
    this.#calls.set(call, open);
    this.#schedule();
    return open;
  }

  async #openLeg(
    call: OpenCall,
    request: LegOptions & { readonly port: number },
    add = () => call.recorded.addLeg(request.leg, request.formats, request.active, request.remote),
  ): Promise<void> {
    const { bindAddress } = this.#settings;
    const ears = legEars(this.#onFault);
    await this.#decoders.prepare(request.formats);
    const sources = [await this.#openSource(bindAddress, request.port, ears.rtp)];
    let recorded: RecordedLeg;
    try {
      // With rtcp-mux too: some senders offer it and use a port of its own all the same.
      sources.push(await this.#openSource(bindAddress, request.port + 1, ears.rtcp));
      recorded = add();
      ears.leg = recorded;
      if (request.keys) recorded.security.change(request.keys);
    } catch (error) {
      await Promise.all(sources.map((source) => source.close()));
      throw error;
    }
    call.legs.set(request.leg, { recorded, sources });
  }

  #call(call: number): OpenCall {
    const found = this.#calls.get(call);
    if (!found || found.finishing) throw new SrsError('SRS_MEDIA_WORKER', 'The call is not open in this media worker.');
    return found;
  }

  #leg(call: number, leg: number): OpenLeg {
    const found = this.#call(call).legs.get(leg);
    if (!found) throw new SrsError('SRS_MEDIA_WORKER', `Leg ${leg} is not open in this call.`);
    return found;
  }

  /** Acts when the sockets are drained: what was sent before a hold or the end of a stream is still heard. */
  #onceDrained<T>(act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#whenDrained.push(() => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#nextTick = sharedClock() + this.#tickMs;
    setImmediate(() => this.#turn());
  }

  /** Runs in the check phase: libuv has just polled, so Node's own sockets were read, up to 32 packets each. The others are read here. */
  #turn(): void {
    const due = sharedClock() >= this.#nextTick;
    const rest = this.#backlogTurns > 0;
    if (due || rest || this.#whenDrained.length > 0) this.#drain(rest);
    const backlog = this.#takeBacklog() && ++this.#backlogTurns < MAX_BACKLOG_TURNS;
    const acts = backlog ? [] : this.#whenDrained.splice(0);
    for (const act of acts) act();
    if (!backlog) {
      this.#backlogTurns = 0;
      if (due) {
        const now = sharedClock();
        this.#nextTick = Math.max(this.#nextTick + this.#tickMs, now + this.#tickMs / 2);
        this.#tick(now);
      }
    }
    if (this.#calls.size + this.#unfinished.size === 0) {
      this.#reportCounters();
      this.#scheduled = false;
      return;
    }
    // A message that came after the last poll has raised the counter: then there is no time to sleep, nor while a reply waits to go out.
    if (!backlog && acts.length === 0 && Atomics.load(this.#control, 0) === this.#seen) {
      Atomics.wait(this.#control, 0, this.#seen, Math.max(0, this.#nextTick - sharedClock()));
    }
    this.#seen = Atomics.load(this.#control, 0);
    setImmediate(() => this.#turn());
  }

  /** @param rest of those that were not emptied in the turn before; looking at all of them again would make a flood on one port dear */
  #drain(rest: boolean): void {
    for (const call of this.#calls.values()) {
      for (const leg of call.legs.values()) for (const source of leg.sources) source.drain(rest);
    }
  }

  #takeBacklog(): boolean {
    let backlog = false;
    for (const call of this.#calls.values()) {
      for (const leg of call.legs.values()) if (leg.recorded.takeBacklog()) backlog = true;
    }
    return backlog;
  }

  #tick(now: number): void {
    this.#ticks++;
    for (const call of this.#calls.values()) {
      const flush = (this.#ticks + call.call) % this.#flushTicks === 0;
      const began = flush ? sharedClock() : 0;
      try {
        call.recorded.tick(now, flush);
        for (const leg of call.legs.values()) sendReport(leg, leg.recorded.rtcp.tick(now));
        if (flush) this.#tellSlow(began);
      } catch (error) {
        this.#fault(error);
      }
      if (call.finishing && now >= call.finishing.due) this.#complete(call, call.finishing.id, call.finishing.at);
    }
    if (this.#ticks % this.#flushTicks === 0) this.#unfinished.retry(now);
    if (now - this.#countersAt >= COUNTERS_MS) {
      this.#countersAt = now;
      this.#reportCounters();
    }
  }

  /** The ports are given back at once, and the files when the disk has taken them or has been waited for long enough. */
  #complete(call: OpenCall, id: number, at: number): void {
    this.#calls.delete(call.call);
    farewell(call);
    const closed = [...call.legs.values()].map(closeSources);
    const { recorded } = call;
    try {
      recorded.end(at);
    } catch (error) {
      recorded.close();
      void Promise.all(closed).then(() => this.#port.post({ kind: 'reply', id, error: wireError(error) }));
      return;
    }
    this.#unfinished.add(recorded, id, Promise.all(closed));
  }

  async #drop(call: OpenCall): Promise<void> {
    for (const leg of call.legs.values()) for (const source of leg.sources) source.drain();
    this.#calls.delete(call.call);
    farewell(call);
    await Promise.all([...call.legs.values()].map(closeSources));
    try {
      call.recorded.finish(sharedClock());
    } finally {
      call.recorded.close();
    }
  }

  #reportCounters(): void {
    const delta = this.#counters.take();
    if (delta) this.#port.post({ kind: 'counters', delta });
    const { usedBytes } = this.#budget;
    if (usedBytes !== this.#backlogTold) this.#port.post({ kind: 'backlog', bytes: usedBytes });
    this.#backlogTold = usedBytes;
  }

  #tellSlow(began: number): void {
    const ms = sharedClock() - began;
    if (ms >= SLOW_DISK_MS) this.#port.post({ kind: 'disk-slow', ms: Math.round(ms) });
  }

  /** At most one a second, so that a flood of bad packets is not a flood of messages. */
  #fault(error: unknown): void {
    const now = sharedClock();
    if (now - this.#faultAt < 1000) return;
    this.#faultAt = now;
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#port.post({ kind: 'fault', message });
  }
}
