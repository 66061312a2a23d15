import { describe, expect, it } from 'vitest';
import { LevelMeter } from '../../src/audio/level-meter.js';
import { CallWatch, type ProblemChange, WATCH_BOUNDS, type WatchedLeg } from '../../src/rtp/call-watch.js';
import { LegWatch } from '../../src/rtp/leg-watch.js';

const RATE = 8000;
const LOUD = new Int16Array(RATE).fill(4000);
const SILENT = new Int16Array(RATE);

/**
 * What a leg gets in one second. `talk`: audio; `mute`: packets of silence; `nothing`: no packet; `hold`: the SRC holds it;
 * `comfort`: one packet of comfort noise; `lossy`: audio of which one packet in ten is lost; `jump`: audio whose numbers begin anew.
 */
type Second = 'talk' | 'mute' | 'nothing' | 'hold' | 'comfort' | 'lossy' | 'jump';

class ScriptedLeg implements WatchedLeg {
  readonly watch = new LegWatch();
  readonly meter = new LevelMeter(RATE);
  readonly leg: number;
  lost = 0;
  #sequence = 65_500;
  #timestamp = 0xffff_0000;

  constructor(leg: number) {
    this.leg = leg;
  }

  second(what: Second, atMs: number): void {
    this.watch.expect(what !== 'hold', atMs);
    const sends = ['talk', 'mute', 'lossy', 'jump'].includes(what);
    if (what === 'jump') this.#sequence += 5000;
    for (let n = 0; n < 50; n++) {
      this.#timestamp = (this.#timestamp + 160) >>> 0;
      if (!sends) continue;
      this.#sequence = (this.#sequence + 1) & 0xffff;
      if (what === 'lossy' && n % 10 === 9) this.lost++;
      else this.watch.packet(this.#sequence, this.#timestamp, 20, RATE);
    }
    if (what === 'comfort') this.watch.comfort();
    this.meter.push(what === 'talk' || what === 'lossy' || what === 'jump' ? LOUD : SILENT, 0, RATE);
  }
}

type Script = readonly (readonly [seconds: number, ...legs: Second[]])[];

/** Plays a call second by second, and gives the changes as `problem leg from-to`. */
function play(script: Script, bounds = WATCH_BOUNDS): string[] {
  const changes: ProblemChange[] = [];
  const watch = new CallWatch(bounds, (change) => changes.push(change));
  const legs = (script[0] ?? [0]).slice(1).map((_, index) => new ScriptedLeg(index + 1));
  let wallMs = 0;
  for (const [seconds, ...what] of script) {
    for (let second = 0; second < seconds; second++) {
      for (const [index, leg] of legs.entries()) leg.second(what[index] ?? 'nothing', wallMs);
      wallMs += 1000;
      watch.look(wallMs, legs);
    }
  }
  return changes.map(({ problem, leg, fromMs, toMs }) => `${problem} ${leg} ${fromMs}-${toMs ?? ''}`);
}

describe('a call that is watched', () => {
  const healthy: Record<string, Script> = {
    'two people who talk': [[600, 'talk', 'talk']],
    'a listener whose microphone is open': [
      [30, 'talk', 'talk'],
      [1200, 'talk', 'mute'],
    ],
    'somebody who is muted for the first minute': [
      [60, 'talk', 'mute'],
      [60, 'talk', 'talk'],
    ],
    'somebody who is muted for an hour after a word': [
      [2, 'talk', 'talk'],
      [3600, 'talk', 'mute'],
    ],
    'music on hold': [
      [20, 'talk', 'talk'],
      [600, 'talk', 'mute'],
      [20, 'talk', 'talk'],
    ],
    'a hold of both sides': [
      [20, 'talk', 'talk'],
      [900, 'hold', 'hold'],
      [20, 'talk', 'talk'],
    ],
    'a hold of one side': [
      [20, 'talk', 'talk'],
      [900, 'talk', 'hold'],
      [20, 'talk', 'talk'],
    ],
    'streams that are inactive from the beginning': [[900, 'hold', 'hold']],
    'a leg that nobody expects anything of': [[900, 'talk', 'hold']],
    'silence suppression that is announced once': [
      [5, 'talk', 'talk'],
      [1, 'talk', 'comfort'],
      [240, 'talk', 'nothing'],
      [5, 'talk', 'talk'],
    ],
    'silence suppression without a word, once it was seen': [
      [5, 'talk', 'talk'],
      [20, 'talk', 'nothing'],
      [5, 'talk', 'talk'],
      [240, 'talk', 'nothing'],
      [5, 'talk', 'talk'],
    ],
    'a conference of muted people': [[900, 'talk', 'mute', 'mute', 'talk']],
    'a stream that stops for a moment': [
      [20, 'talk', 'talk'],
      [29, 'talk', 'nothing'],
      [60, 'talk', 'talk'],
    ],
  };

  it.each(Object.keys(healthy))('tells nothing wrong of %s', (name) => {
    expect(play(healthy[name] ?? [])).toEqual([]);
  });

  it('tells of a leg that never has RTP, and that only the other side is heard', () => {
    expect(play([[100, 'talk', 'nothing']])).toEqual(['no_rtp 2 0-', 'one_sided 2 0-']);
  });

  it('tells of both legs when neither has RTP, and of no side', () => {
    expect(play([[100, 'nothing', 'nothing']])).toEqual(['no_rtp 1 0-', 'no_rtp 2 0-']);
  });

  it('tells when RTP stops and when it comes again, and once for each time', () => {
    const script: Script = [
      [20, 'talk', 'talk'],
      [40, 'talk', 'nothing'],
      [200, 'talk', 'talk'],
    ];
    const told = play(script);
    expect(told).toEqual(['no_rtp 2 20000-', 'one_sided 2 20000-', 'no_rtp 2 20000-61000', 'one_sided 2 20000-61000']);
    expect(play([...script, ...script]).filter((change) => /^no_rtp 2 \d+-$/.test(change))).toHaveLength(1);
  });

  it('reckons from the end of a hold, not from its begin', () => {
    const script: Script = [
      [10, 'talk', 'talk'],
      [100, 'hold', 'hold'],
      [29, 'nothing', 'nothing'],
    ];
    expect(play(script)).toEqual([]);
    expect(play([...script, [2, 'nothing', 'nothing']])).toEqual(['no_rtp 1 110000-', 'no_rtp 2 110000-']);
  });

  it('takes back what it told of a leg that is then held', () => {
    const told = play([
      [10, 'talk', 'talk'],
      [40, 'talk', 'nothing'],
      [10, 'talk', 'hold'],
    ]);
    expect(told.slice(-2)).toEqual(['no_rtp 2 10000-51000', 'one_sided 2 10000-51000']);
  });

  it('tells of a listener without packets after ten times as long, because the stream may be dead after all', () => {
    const told = play([
      [5, 'talk', 'talk'],
      [1, 'talk', 'comfort'],
      [320, 'talk', 'nothing'],
    ]);
    expect(told).toEqual(['no_rtp 2 6000-', 'one_sided 2 6000-']);
  });

  it('tells of a leg whose packets hold nothing but silence, and takes it back with the first sound', () => {
    const told = play([
      [125, 'talk', 'mute'],
      [2, 'talk', 'talk'],
    ]);
    expect(told).toEqual(['all_silence 2 0-', 'one_sided 2 0-', 'all_silence 2 0-126000', 'one_sided 2 0-126000']);
  });

  it('tells of silence on both legs, and of no side', () => {
    expect(play([[125, 'mute', 'mute']])).toEqual(['all_silence 1 0-', 'all_silence 2 0-']);
  });

  it('tells of a single leg of silence', () => {
    expect(play([[125, 'mute']])).toEqual(['all_silence 1 0-']);
  });

  it('tells of a leg that gets less than half of its audio, when its numbers do not say why', () => {
    const seconds = (gap: Second): Script => [
      [10, 'talk', 'talk'],
      ...Array.from({ length: 12 }, () => [[9, 'talk', gap] as const, [1, 'talk', 'jump'] as const]).flat(),
    ];
    expect(play(seconds('nothing'))).toEqual(['short_audio 2 0-']);
    expect(play(seconds('talk'))).toEqual([]);
    const suppressed = seconds('nothing').map(([length, one, two]): Script[number] => [
      length,
      one ?? 'talk',
      two === 'jump' ? 'talk' : (two ?? 'talk'),
    ]);
    expect(play(suppressed)).toEqual([]);
  });

  it('tells of silence in a conference only when nobody is heard', () => {
    expect(play([[125, 'mute', 'mute', 'mute']])).toEqual(['all_silence 1 0-', 'all_silence 2 0-', 'all_silence 3 0-']);
    expect(play([[125, 'talk', 'mute', 'nothing']])).toEqual(['no_rtp 3 0-', 'one_sided 3 0-']);
  });

  it('tells of losses of one packet in ten within ten seconds, and when they are over', () => {
    const told = play([
      [20, 'talk', 'talk'],
      [30, 'talk', 'lossy'],
      [30, 'talk', 'talk'],
    ]);
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(/^high_loss 2 \d+-$/);
    expect(told[1]).toMatch(/^high_loss 2 \d+-\d+$/);
    const [from = 0, to = 0] = (told[1] ?? '').split(' ')[2]?.split('-').map(Number) ?? [];
    expect(from).toBeGreaterThanOrEqual(10_000);
    expect(from).toBeLessThanOrEqual(21_000);
    expect(to - from).toBeLessThanOrEqual(60_000);
  });

  it('does not take losses in a hold for losses of the leg', () => {
    const leg = new ScriptedLeg(1);
    const changes: ProblemChange[] = [];
    const watch = new CallWatch(WATCH_BOUNDS, (change) => changes.push(change));
    for (let second = 0; second < 60; second++) {
      leg.second(second >= 20 && second < 40 ? 'hold' : 'talk', second * 1000);
      if (second === 40) leg.lost += 1000;
      watch.look((second + 1) * 1000, [leg]);
    }
    // They are counted where the numbers begin anew, which is when the hold ends.
    expect(changes.map(({ problem }) => problem)).toEqual([]);
  });
});

describe('what a leg is asked about itself', () => {
  it('is how long it was ready, whatever came', () => {
    const watch = new LegWatch();
    expect([watch.expectedFromMs, watch.expectedMs(5000)]).toEqual([-1, 0]);
    watch.expect(true, 1000);
    watch.expect(true, 2000);
    watch.expect(false, 4000);
    watch.expect(false, 5000);
    watch.expect(true, 10_000);
    expect([watch.expectedFromMs, watch.expectedMs(10_500)]).toEqual([1000, 3500]);
  });

  it('is not silence suppression when a packet is lost, a packet is long, or a hold lies between', () => {
    const watch = new LegWatch();
    watch.expect(true, 0);
    watch.packet(1, 0, 20, 8000);
    watch.packet(3, 8000, 20, 8000);
    watch.packet(4, 8000 + 1600, 200, 8000);
    watch.expect(false, 1000);
    watch.expect(true, 2000);
    watch.packet(5, 40_000, 20, 8000);
    expect(watch.suppressed).toBe(false);
    watch.packet(6, 42_000, 20, 8000);
    expect(watch.suppressed).toBe(true);
  });
});
