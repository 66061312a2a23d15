import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SIP_LIMITS } from '../../src/sip/limits.js';
import { StreamFramer, type StreamItem } from '../../src/sip/stream-framer.js';

const message = (body: string, eol = '\r\n'): string =>
  `INFO sip:h SIP/2.0${eol}Call-ID: a${eol}l : ${Buffer.byteLength(body)}${eol}${eol}${body}`;
const texts = (items: readonly StreamItem[]): string[] =>
  items.map((item) => (item.kind === 'message' ? Buffer.from(item.bytes).toString() : item.kind));

describe('the stream framer', () => {
  it('finds the same messages however the stream is cut', () => {
    const stream = [message('one'), message('', '\n'), message('\r\n\r\nINFO'), message('é')];
    const bytes = Buffer.from(stream.join(''));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }), (cuts) => {
        const framer = new StreamFramer();
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const items = edges.flatMap((edge, i) => [...framer.push(bytes.subarray(edge, edges[i + 1]))]);
        expect(texts(items)).toEqual(stream);
        expect(framer.pendingBytes).toBe(0);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('answers a double blank line once, also when it comes in pieces', () => {
    const framer = new StreamFramer();
    expect(texts(framer.push(Buffer.from('\r\n')))).toEqual([]);
    expect(texts(framer.push(Buffer.from('\r\n')))).toEqual(['ping']);
    expect(texts(framer.push(Buffer.from('\r\n\r\n'.repeat(1_000))))).toEqual(['ping']);
    expect(texts(framer.push(Buffer.from(`\r\n${message('x')}`)))).toEqual([message('x')]);
  });

  it.each([
    ['no Content-Length', 'INFO sip:h SIP/2.0\r\nCall-ID: a\r\n\r\n', 'SRS_SIP_MALFORMED'],
    ['two Content-Lengths', 'INFO sip:h SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n', 'SRS_SIP_MALFORMED'],
    ['a body over the limit', 'INFO sip:h SIP/2.0\r\nl: 70000\r\n\r\n', 'SRS_SIP_TOO_LARGE'],
    ['a head without end', `INFO sip:h SIP/2.0\r\na: ${'b'.repeat(50_000)}`, 'SRS_SIP_TOO_LARGE'],
  ])('breaks on %s and stays broken', (_what, text, code) => {
    const framer = new StreamFramer(DEFAULT_SIP_LIMITS);
    const items = framer.push(Buffer.from(message('good') + text));
    expect(texts(items)).toEqual([message('good'), 'broken']);
    const last = items[1];
    expect(last?.kind === 'broken' && last.error.code).toBe(code);
    expect(framer.push(Buffer.from(message('late')))).toEqual([]);
    expect(framer.pendingBytes).toBe(0);
  });
});
