import { join } from 'node:path';
import { MediaCounters } from '../../src/rtp/media-counters.js';
import type { MediaCallResult } from '../../src/rtp/media-plane.js';
import { RecordedCall } from '../../src/rtp/recorded-call.js';
import { PCMA, PCMU, readWav, temporaryDirectory } from './media-fixture.js';
import type { Act, Arrival, LegModel } from './network-model.js';
import { CallRules } from './placement-model.js';

/** The media loop ticks a little slower than it is told, see there. */
export const TICK_MS = 103;
const FLUSH_TICKS = 9;
/** How long packets on their way are waited for after the end. */
const TAIL_MS = 400;

export interface ModelledCall {
  readonly result: MediaCallResult;
  readonly rules: CallRules;
  /** Length of the files by the rules, in samples. */
  readonly length: number;
  readonly legs: readonly Int16Array[];
  readonly stereo: Int16Array;
}

/**
 * Plays what the models send into a real recorded call with real files, in virtual time: sockets are drained on ticks and before each
 * command, as the media loop does. The rules hear the same.
 *
 * @param tickAt when the tick after the one at a time is
 */
export function playCall(
  models: readonly LegModel[],
  openedAt: number,
  endedAt: number,
  tickAt: (last: number) => number,
): ModelledCall {
  const directory = temporaryDirectory();
  let now = openedAt;
  const call = new RecordedCall(
    {
      directory: directory.path,
      utterance: {},
      counters: new MediaCounters(),
      clock: () => now,
      epoch: () => 1_000_000 + now,
    },
    { utterance: () => {}, firstPacket: () => {}, writeFailed: () => {} },
  );
  try {
    const legs = models.map(({ leg }) => call.addLeg(leg, [PCMU, PCMA], true));
    const rules = new CallRules(
      models.map(({ leg }) => leg),
      openedAt,
    );
    const arrivals = models.flatMap((model) => model.arrivals).sort((a, b) => a.at - b.at);
    const acts = models.flatMap((model) => model.acts).sort((a, b) => a.at - b.at);
    let next = 0;
    const drain = (): void => {
      for (let arrival = arrivals[next]; arrival && arrival.at <= now; arrival = arrivals[++next]) {
        const { leg, packet }: Arrival = arrival;
        // The recorder may wipe what it was handed.
        legs[leg - 1]?.receive(Uint8Array.from(packet.wire), '127.0.0.1', 4000 + leg);
        rules.deliver(leg, packet);
      }
    };
    const command = ({ leg, kind }: Act): void => {
      if (kind === 'hold' || kind === 'resume') call.leg(leg)?.update({ active: kind === 'resume' });
      else call.setPaused(kind === 'pause', [leg]);
      rules.act(leg, kind, now);
    };
    let ticks = 0;
    for (let tick = tickAt(openedAt); tick < endedAt + TAIL_MS; tick = tickAt(tick)) {
      for (let act = acts[0]; act && act.at <= tick; act = acts[0]) {
        now = Math.max(now, act.at);
        drain();
        command(act);
        acts.shift();
      }
      now = tick;
      drain();
      call.tick(now, ++ticks % FLUSH_TICKS === 0);
      rules.tick(now);
    }
    now = Math.max(now, endedAt + TAIL_MS);
    drain();
    call.tick(now, false);
    rules.tick(now);
    const result = call.finish(endedAt);
    // The end by the rules is the one that was asked for, at a clock that went on for the tail.
    const length = rules.finish(now, endedAt);
    return {
      result,
      rules,
      length,
      legs: models.map(({ leg }) => readWav(join(directory.path, `leg-${leg}.wav`)).samples),
      stereo: readWav(join(directory.path, 'call.wav')).samples,
    };
  } finally {
    call.close();
    directory.remove();
  }
}
