import { describe, expect, it } from 'vitest';
import { readOffer } from '../../src/sip/sdp.js';

const read = (text: string): ReturnType<typeof readOffer> => readOffer(Buffer.from(text));
const HEAD = 'v=0\r\no=- 1 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n';
const streams = (text: string): ReturnType<typeof readOffer>['media']['streams'] => read(HEAD + text).media.streams;

describe('an SDP offer', () => {
  it('is read with its formats, label, address and packet time', () => {
    const text =
      'm=audio 5004 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:30\r\na=label:007\r\na=sendonly\r\n';
    expect(read(HEAD + text)).toEqual({
      media: {
        streams: [
          {
            index: 0,
            media: 'audio',
            profile: 'RTP/AVP',
            port: 5004,
            address: '192.0.2.1',
            direction: 'sendonly',
            label: '007',
            formats: [
              { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 },
              { payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, parameters: '0-15' },
            ],
            rawFormats: ['0', '101'],
            packetTimeMs: 30,
          },
        ],
        originVersion: '7',
        timing: '0 0',
      },
      warnings: [],
    });
  });

  it.each([
    ['', undefined],
    ['a=rtcp-rsize', undefined],
    ['a=rtcp-mux', { mux: true }],
    ['a=rtcp:5009', { port: 5009 }],
    ['A=RTCP: 5009 IN IP4 192.0.2.9', { port: 5009, address: '192.0.2.9' }],
    ['a=rtcp:5009 IN IP6 2001:db8::9', { port: 5009, address: '2001:db8::9' }],
    ['a=rtcp:5009 IN IP4 sbc.example.com', { port: 5009 }],
    ['a=rtcp:0', undefined],
    ['a=rtcp:99999', undefined],
    ['a=rtcp:x', undefined],
    ['b=RR:0', { unwanted: true }],
    ['b=RR:800', undefined],
    ['a=rtcp-xr:rcvr-rtt=all:10', { roundTrip: true }],
    ['a=rtcp-xr:rcvr-rtt=receiver', undefined],
    ['a=rtcp-mux\r\na=rtcp:5004', { mux: true, port: 5004 }],
  ])('D17: has its RTCP read from "%s"', (line, rtcp) => {
    const [first, second] = streams(`m=audio 5004 RTP/AVP 0\r\n${line}\r\nm=audio 5006 RTP/AVP 0\r\n`);
    expect(first?.rtcp).toEqual(rtcp);
    expect(second?.rtcp).toBeUndefined();
  });

  it('D11: knows static payload types without rtpmap, the old comfort noise 19 included', () => {
    const [stream] = streams('m=audio 5004 RTP/AVP 18 0 8 9 13 19 3\r\n');
    expect(stream?.formats.map((f) => f.encoding)).toEqual(['G729', 'PCMU', 'PCMA', 'G722', 'CN', 'CN', 'GSM']);
  });

  it('believes the rtpmap where it contradicts the static table', () => {
    expect(streams('m=audio 5004 RTP/AVP 0\r\na=rtpmap:0 pcma/8000\r\n')[0]?.formats[0]?.encoding).toBe('PCMA');
  });

  it.each([
    ['lower case and a letter after the clock rate', 'a=rtpmap:0 pcmu/8000a', 'PCMU', 8000, 1],
    ['blanks and an upper-case attribute name', 'a = RTPMAP: 0  PCMU / 8000', 'PCMU', 8000, 1],
    ['stereo', 'a=rtpmap:0 L16/16000/2', 'L16', 16_000, 2],
    ['no clock rate', 'a=rtpmap:0 PCMU', 'PCMU', 8000, 1],
  ])('D11: reads an rtpmap with %s', (_what, line, encoding, clockRate, channels) => {
    const [format] = streams(`m=audio 5004 RTP/AVP 0\r\n${line}\r\n`)[0]?.formats ?? [];
    expect(format).toMatchObject({ encoding, clockRate, channels });
  });

  it.each([
    ['a number that nothing names', 'm=audio 5004 RTP/AVP 0 98\r\n', ''],
    ['101 by custom', 'm=audio 5004 RTP/AVP 0 101\r\n', 'TELEPHONE-EVENT'],
    ['100 by custom (Oracle)', 'm=audio 5004 RTP/AVP 0 100\r\n', 'TELEPHONE-EVENT'],
    ['101 alone, which is no companion', 'm=audio 5004 RTP/AVP 101\r\n', ''],
    ['a list of events', 'm=audio 5004 RTP/AVP 0 98\r\na=fmtp:98 0-15\r\n', 'TELEPHONE-EVENT'],
    [
      'a name on another m-line',
      'm=audio 5004 RTP/AVP 0 98\r\nm=audio 5006 RTP/AVP 0 98\r\na=rtpmap:98 G726-32/8000\r\n',
      'G726-32',
    ],
  ])('D11: names a dynamic payload type without rtpmap: %s', (_what, lines, encoding) => {
    expect(streams(lines)[0]?.formats.at(-1)).toMatchObject({ encoding });
  });

  it.each([
    ['c=0.0.0.0 of the session', HEAD.replace('c=IN IP4 192.0.2.1', 'c=IN IP4 0.0.0.0'), ''],
    ['c=0.0.0.0 of the m-line', HEAD, 'c=IN IP4 0.0.0.0\r\n'],
    ['c=::', HEAD, 'c=IN IP6 ::\r\n'],
    ['a=inactive', HEAD, 'a=inactive\r\n'],
    ['a=inactive of the session', `${HEAD}a=inactive\r\n`, ''],
    ['a=Inactive with a blank behind', HEAD, 'a=Inactive \r\n'],
  ])('D9: is on hold by %s', (_what, head, line) => {
    expect(read(`${head}m=audio 5004 RTP/AVP 0\r\n${line}`).media.streams[0]?.direction).toBe('inactive');
  });

  it('D2: is sendrecv when no direction is given, and a=direction:both is none (SEMS)', () => {
    expect(streams('m=audio 5004 RTP/AVP 0\r\na=direction:both\r\n')[0]?.direction).toBe('sendrecv');
  });

  it('D14: is not on hold without any c= line, even when o= names 0.0.0.0 (OpenSIPS)', () => {
    const [stream] = read('v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\nm=audio 5004 RTP/AVP 0\na=sendonly\n').media
      .streams;
    expect(stream?.direction).toBe('sendonly');
    expect(stream?.address).toBeUndefined();
  });

  it('D13: takes c= of the m-line before that of the session, wherever it stands', () => {
    const found = streams('m=audio 5004 RTP/AVP 0\r\na=sendonly\r\nc=IN IP6 2001:db8::1\r\nm=audio 5006 RTP/AVP 0\r\n');
    expect(found.map((stream) => stream.address)).toEqual(['2001:db8::1', '192.0.2.1']);
  });

  it('D14: survives bare LF, bare CR, empty lines, blanks at line ends and lines of other protocols', () => {
    const text = `${HEAD}m=audio  5004   RTP/AVP\t0 \r\n\r\na=label: x \nhello\ra=sendonly\n\n`;
    const { media, warnings } = read(text);
    expect(media.streams[0]).toMatchObject({ port: 5004, label: 'x', direction: 'sendonly' });
    expect(warnings).toEqual([{ code: 'sdp_line_ignored', detail: '1 lines' }]);
  });

  it('D1: keeps the place of every m-line: refused, of other kinds, with a port count, and unreadable', () => {
    const found = streams(
      'm=audio 0 RTP/AVP 0\r\nm=video 5006/2 RTP/SAVPF 96 97\r\nm=x-data 5008 udp wb\r\nm=audio\r\nm=message 9 TCP/MSRP *\r\nm=audio 70000 RTP/AVP 0\r\n',
    );
    expect(found.map(({ index, media, port, rawFormats }) => [index, media, port, rawFormats.join(' ')])).toEqual([
      [0, 'audio', 0, '0'],
      [1, 'video', 5006, '96 97'],
      [2, 'x-data', 5008, 'wb'],
      [3, 'audio', 0, '0'],
      [4, 'message', 9, '*'],
      [5, 'audio', 0, '0'],
    ]);
  });

  it('D4: keeps every label as the string it is', () => {
    for (const label of ['1', '01', '1e3', '16777227', '90071992547409931', 'a_leg', '-0', 'NaN', '0x10', 'a:b']) {
      expect(streams(`m=audio 5004 RTP/AVP 0\r\na=label:${label}\r\n`)[0]?.label).toBe(label);
    }
  });

  it('D15: keeps big origin versions, user names with blanks and several t= lines', () => {
    const { media } = read(
      'v=0\r\no=my box 1 18446744073709551615 IN IP4 h\r\nt=1 2\r\nt=3 4\r\nm=audio 1 RTP/AVP 0\r\n',
    );
    expect(media).toMatchObject({ originVersion: '18446744073709551615', timing: '1 2\n3 4' });
  });

  it('may have no m-line at all (persistent recording session)', () => {
    expect(read(HEAD).media.streams).toEqual([]);
  });

  it.each([
    ['empty', ''],
    ['no SDP', 'hello\r\nworld\r\n'],
    ['65 m-lines', HEAD + 'm=audio 5004 RTP/AVP 0\r\n'.repeat(65)],
    ['too many lines', HEAD + 'a=x\r\n'.repeat(5000)],
    ['too large', `${HEAD}a=${'x'.repeat(70_000)}\r\n`],
  ])('is malformed when it is %s', (_what, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'SRS_SDP_MALFORMED' }));
  });
});
