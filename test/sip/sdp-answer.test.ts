import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MediaAnswer } from '../../src/core/model.js';
import { answerStream, decideOffer } from '../../src/session/offer-policy.js';
import { AnswerWriter } from '../../src/sip/answer.js';
import { readOffer } from '../../src/sip/sdp.js';

function answerTo(sdp: string): MediaAnswer | undefined {
  const { media } = readOffer(Buffer.from(sdp));
  try {
    const streams = decideOffer(media).map((d) =>
      answerStream(d, d.formats.length === 0 ? 0 : 40_000 + d.offered.index * 2),
    );
    return { streams, address: '198.51.100.20', timing: media.timing };
  } catch {
    return undefined;
  }
}

const HEAD = 'v=0\r\no=- 1 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=5 6\r\n';

describe('an SDP answer', () => {
  it('D1: D3: is written line by line as RFC 3264 §6 wants it', () => {
    const answer = answerTo(
      `${HEAD}m=audio 1000 RTP/AVP 8 101 96\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:96 AMR/8000\r\na=label:16777227\r\na=sendonly\r\nm=video 1002 RTP/AVP 97 98\r\n`,
    );
    expect(answer && new AnswerWriter(42).write(answer)).toBe(
      [
        'v=0',
        'o=- 42 1 IN IP4 198.51.100.20',
        's=-',
        'c=IN IP4 198.51.100.20',
        't=5 6',
        'm=audio 40000 RTP/AVP 8 101',
        'a=label:16777227',
        'a=rtpmap:8 PCMA/8000',
        'a=rtpmap:101 telephone-event/8000',
        'a=fmtp:101 0-15',
        'a=recvonly',
        'm=video 0 RTP/AVP 97 98',
        '',
      ].join('\r\n'),
    );
  });

  it('D15: raises its version by one when it changes and keeps it when not', () => {
    const answer = answerTo(`${HEAD}m=audio 1000 RTP/AVP 0\r\na=sendonly\r\n`);
    const held = answerTo(`${HEAD}m=audio 1000 RTP/AVP 0\r\na=inactive\r\n`);
    if (!answer || !held) throw new Error('both offers must be answered');
    const writer = new AnswerWriter(42);
    const versions = [answer, answer, held, held, answer].map((one) => /^o=- 42 (\d+) /m.exec(writer.write(one))?.[1]);
    expect(versions).toEqual(['1', '1', '2', '2', '3']);
  });

  it('D20: names IPv6 as such', () => {
    const answer = answerTo(`${HEAD}m=audio 1000 RTP/AVP 0\r\n`);
    if (!answer) throw new Error('the offer must be answered');
    expect(new AnswerWriter(1).write({ ...answer, address: '2001:db8::5' })).toContain('c=IN IP6 2001:db8::5\r\n');
  });

  it('never lets a value of the offer start a line of its own', () => {
    const stream = {
      index: 0,
      media: 'audio',
      profile: 'RTP/AVP',
      port: 4000,
      direction: 'recvonly' as const,
      label: 'x\r\na=crypto:1 evil',
      formats: [
        { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1, parameters: 'a\nm=audio 1 RTP/AVP 0' },
      ],
      rawFormats: ['0'],
    };
    const text = new AnswerWriter(1).write({ streams: [stream], address: '192.0.2.1', timing: '0 0' });
    expect(text.match(/^m=/gm)).toHaveLength(1);
    expect(text).not.toMatch(/^a=crypto/m);
  });

  it('D1: D2: D3: keeps the invariants of RFC 3264 for any offer', () => {
    const attribute = fc.constantFrom(
      'a=sendonly',
      'a=inactive',
      'a=sendrecv',
      'a=recvonly',
      'a=label:1',
      'a=x:y',
      '',
      'junk',
    );
    const line = fc.record({
      media: fc.constantFrom('audio', 'audio', 'audio', 'video', 'text', 'message', 'x-y'),
      port: fc.constantFrom('0', '5004', '65535', '5004/2', 'x'),
      profile: fc.constantFrom('RTP/AVP', 'RTP/AVP', 'RTP/AVPF', 'RTP/SAVP', 'udptl', 'TCP/MSRP'),
      formats: fc.array(fc.constantFrom('0', '8', '18', '101', '127', '200', '*', 't38'), { maxLength: 6 }),
      attributes: fc.array(attribute, { maxLength: 4 }),
    });
    let answered = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 16 }), fc.constantFrom('\r\n', '\n'), (lines, eol) => {
        const sections = lines.flatMap((m) => [
          `m=${m.media} ${m.port} ${m.profile} ${m.formats.join(' ')}`,
          ...m.attributes,
        ]);
        const offered = readOffer(Buffer.from(HEAD + sections.join(eol) + eol)).media;
        expect(offered.streams).toHaveLength(lines.length);
        const answer = answerTo(HEAD + sections.join(eol) + eol);
        if (!answer) return;
        answered += 1;
        const text = new AnswerWriter(1).write(answer);
        const written = readOffer(Buffer.from(text)).media;
        expect(written.timing).toBe(offered.timing);
        expect(written.streams.map((s) => s.media)).toEqual(offered.streams.map((s) => s.media));
        for (const [i, stream] of written.streams.entries()) {
          const before = offered.streams[i];
          expect(stream.profile).toBe(before?.profile);
          if (before?.port === 0) expect(stream.port).toBe(0);
          if (stream.port === 0) {
            expect(stream.rawFormats).toEqual(before?.rawFormats);
            continue;
          }
          const heard = before?.direction === 'sendonly' || before?.direction === 'sendrecv';
          expect(stream.direction).toBe(heard ? 'recvonly' : 'inactive');
          expect(stream.label).toBe(before?.label);
          expect(before?.rawFormats).toEqual(expect.arrayContaining([...stream.rawFormats]));
          for (const format of stream.formats) expect(text).toContain(`a=rtpmap:${format.payloadType} `);
        }
      }),
      { numRuns: 500 },
    );
    expect(answered).toBeGreaterThan(50);
  });
});
