import { describe, expect, it } from 'vitest';
import { OrderedRelease } from '../../src/transcript/ordered-release.js';

describe('ordered release', () => {
  it('hands results out in the order of their places, whatever the order in which they finish', () => {
    const out: string[] = [];
    const release = new OrderedRelease<string>((value) => out.push(value));
    const [a, b, c] = [release.reserve(), release.reserve(), release.reserve()];
    release.complete(c, 'c');
    release.complete(b, 'b');
    expect(out).toEqual([]);
    expect(release.pending).toBe(3);
    release.complete(a, 'a');
    expect(out).toEqual(['a', 'b', 'c']);
    expect(release.pending).toBe(0);
  });

  it('hands a result out at once when nothing is before it', () => {
    const out: number[] = [];
    const release = new OrderedRelease<number>((value) => out.push(value));
    release.complete(release.reserve(), 1);
    release.complete(release.reserve(), 2);
    expect(out).toEqual([1, 2]);
  });

  it('takes one result for a place and ignores a second', () => {
    const out: string[] = [];
    const release = new OrderedRelease<string>((value) => out.push(value));
    const first = release.reserve();
    release.complete(first, 'once');
    release.complete(first, 'twice');
    expect(out).toEqual(['once']);
  });

  it('keeps the order when a result completes another place while it is handed out', () => {
    const out: string[] = [];
    const release = new OrderedRelease<string>((value) => {
      out.push(value);
      if (value === 'a') release.complete(c, 'c');
    });
    const [a, b, c] = [release.reserve(), release.reserve(), release.reserve()];
    release.complete(b, 'b');
    release.complete(a, 'a');
    expect(out).toEqual(['a', 'b', 'c']);
  });
});
