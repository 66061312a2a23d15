import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import { type Cut, UtteranceCutter, type UtteranceCutterOptions } from '../../src/audio/utterance-cutter.js';
import { VoiceActivityEngine } from '../../src/audio/voice-activity.js';

const loud = (ms: number, level = 1000): Int16Array => new Int16Array(ms * 8).fill(level);
const silence = (ms: number): Int16Array => new Int16Array(ms * 8);

function join(...parts: Int16Array[]): Int16Array {
  const all = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A cutter whose voice is loudness. */
function byLoudness(
  options: Partial<UtteranceCutterOptions> = {},
  position = 0,
): { cutter: UtteranceCutter; cuts: Cut[] } {
  const cuts: Cut[] = [];
  const cutter = new UtteranceCutter(
    options,
    (frame) => (frame[0] ?? 0) > 500,
    (cut) => cuts.push(cut),
    position,
  );
  return { cutter, cuts };
}

const brief = (cuts: readonly Cut[]) => cuts.map(({ start, end, reason }) => [start / 8, end / 8, reason]);

describe('the utterance cutter', () => {
  it('cuts speech with its padding when the silence after it is long enough', () => {
    const { cutter, cuts } = byLoudness();
    const audio = join(silence(1000), loud(800), silence(2000), loud(400), silence(700));
    for (let at = 0; at < audio.length; at += 333) cutter.push(audio, at, Math.min(333, audio.length - at));
    // The window of 100 ms in which speech begins is kept whole, before it the padding.
    expect(brief(cuts)).toEqual([
      [720, 2040, 'silence'],
      [3520, 4440, 'silence'],
    ]);
    for (const cut of cuts) expect(cut.samples).toEqual(audio.slice(cut.start, cut.end));
  });

  it('keeps words together when the pause between them is short', () => {
    const { cutter, cuts } = byLoudness();
    cutter.push(join(silence(500), loud(300), silence(500), loud(300), silence(800)));
    expect(cuts).toHaveLength(1);
  });

  it('takes a click for no speech', () => {
    const { cutter, cuts } = byLoudness();
    cutter.push(join(silence(500), loud(40), silence(500), loud(80), silence(1000)));
    cutter.flush('end');
    expect(cuts).toEqual([]);
  });

  it('cuts endless speech at its quietest place, and loses no sample between the pieces', () => {
    const { cutter, cuts } = byLoudness({ maxUtteranceMs: 5000 });
    const audio = join(loud(4200), loud(60, 501), loud(6000));
    cutter.push(audio);
    cutter.flush('end');
    expect(cuts.map(({ reason }) => reason)).toEqual(['max_length', 'max_length', 'end']);
    expect(cuts[0]?.end).toBeGreaterThan(4200 * 8);
    expect(cuts[0]?.end).toBeLessThan(4260 * 8);
    expect(cuts[1]?.start).toBe(cuts[0]?.end);
    expect(join(...cuts.map(({ samples }) => samples))).toEqual(audio);
  });

  it('flushes what is being said with the reason of the flush, and goes on at the right place after it', () => {
    const { cutter, cuts } = byLoudness({}, 8000);
    cutter.push(join(silence(300), loud(505)));
    cutter.flush('hold');
    expect(cutter.speaking).toBe(false);
    cutter.push(join(silence(3000), loud(300)));
    cutter.flush('end');
    cutter.flush('end');
    expect(brief(cuts)).toEqual([
      [1020, 1805, 'hold'],
      [4525, 5105, 'end'],
    ]);
  });

  it('gives back the memory of a long utterance, and places every cut right through an hour of turns', () => {
    const { cutter, cuts } = byLoudness({ maxUtteranceMs: 25_000 });
    const turn = join(silence(1000), loud(2000), silence(1000));
    for (let i = 0; i < 900; i++) cutter.push(turn);
    expect(cuts).toHaveLength(900);
    for (const [i, cut] of cuts.entries()) expect(cut.start).toBe((i * 4000 + 720) * 8);
  });
});

describe('voice activity with the cutter', () => {
  it('finds espeak-ng sentences at their places through G.711, and hears none in silence, hum or line noise', async () => {
    const engine = await VoiceActivityEngine.load();
    const say = (text: string): Int16Array => {
      const wav = execFileSync('espeak-ng', ['-v', 'en-us', '--stdout', text], { stdio: ['ignore', 'pipe', 'ignore'] });
      const raw = execFileSync('ffmpeg', ['-v', 'error', '-i', '-', '-ar', '8000', '-ac', '1', '-f', 's16le', '-'], {
        input: wav,
      });
      return new Int16Array(new Uint8Array(raw).buffer);
    };
    const sentences = ['good morning how can I help you', 'my order has not arrived', 'yes'].map(say);
    const noise = Int16Array.from({ length: 24_000 }, (_, i) => ((i * 7919) % 61) - 30);
    const parts = [noise, silence(1000)];
    const places: [number, number][] = [];
    let at = parts.reduce((sum, part) => sum + part.length, 0);
    for (const sentence of sentences) {
      places.push([at, at + sentence.length]);
      parts.push(sentence, silence(1500));
      at += sentence.length + 12_000;
    }
    const audio = decodeG711('PCMU', encodeG711('PCMU', join(...parts)));
    const cuts: Cut[] = [];
    const detector = engine.detector();
    const cutter = new UtteranceCutter(
      {},
      (frame) => detector.isSpeech(frame),
      (cut) => cuts.push(cut),
    );
    cutter.push(audio);
    cutter.flush('end');
    detector.close();
    detector.close();
    expect(detector.isSpeech(new Int16Array(160).fill(9000))).toBe(false);
    expect(engine.open).toBe(0);
    expect(cuts).toHaveLength(3);
    for (const [i, [from, to]] of places.entries()) {
      // espeak-ng's own lead and tail of silence lie in the sentence, hence the slack inwards.
      expect(cuts[i]?.start).toBeGreaterThan(from - 3200);
      expect(cuts[i]?.start).toBeLessThan(from + 800);
      expect(cuts[i]?.end).toBeGreaterThan(to - 3200);
      expect(cuts[i]?.end).toBeLessThan(to + 3200);
    }
  });

  it('opens many detectors in one module and gives their memory back', async () => {
    const engine = await VoiceActivityEngine.load();
    for (let round = 0; round < 20; round++) {
      const detectors = Array.from({ length: 900 }, () => engine.detector());
      expect(engine.open).toBe(900);
      for (const detector of detectors) detector.close();
    }
    expect(engine.open).toBe(0);
    expect(() => engine.detector(11_025)).toThrowError(/11025 Hz/);
  });
});
