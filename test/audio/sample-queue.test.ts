import { describe, expect, it } from 'vitest';
import { SampleQueue } from '../../src/audio/sample-queue.js';

describe('the sample queue', () => {
  it('agrees with a plain array under 5,000 appends, drops and copies of any size', () => {
    const queue = new SampleQueue();
    const other = new SampleQueue();
    let plain: number[] = [];
    let state = 42;
    const random = (n: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state >>> 8) % n;
    };
    for (let round = 0; round < 5000; round++) {
      const added = Int16Array.from(
        { length: random(3) === 0 ? random(5000) : random(200) },
        () => random(60_000) - 30_000,
      );
      queue.append(added);
      plain.push(...added);
      // A second queue takes the chunks that the first gives back: neither may see the other's samples.
      other.append(new Int16Array(random(3000)).fill(1));
      if (random(4) === 0) other.drop(other.length);
      const count = random(8) === 0 ? plain.length : random(Math.min(plain.length + 1, 900));
      queue.drop(count);
      plain = plain.slice(count);
      const from = random(plain.length + 1);
      const to = from + random(plain.length - from + 1);
      expect(queue.length).toBe(plain.length);
      if (round % 10 === 0) expect([...queue.copy(from, to)]).toEqual(plain.slice(from, to));
      if (plain.length > 20_000) {
        queue.drop(plain.length);
        plain = [];
      }
    }
  });
});
