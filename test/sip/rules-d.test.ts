import { describe, expect, it } from 'vitest';
import type { MediaAnswer } from '../../src/core/model.js';
import { answerStream, decideOffer } from '../../src/session/offer-policy.js';
import { AnswerWriter } from '../../src/sip/answer.js';
import { type ReadOffer, readOffer } from '../../src/sip/sdp.js';

const HEAD = ['v=0', 'o=- 1 7 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0'];
const AUDIO = ['m=audio 5004 RTP/AVP 0', 'a=sendonly', 'a=label:1'];

const read = (lines: readonly string[]): ReadOffer => readOffer(Buffer.from(`${lines.join('\r\n')}\r\n`));

function answerOf({ media }: ReadOffer): MediaAnswer {
  const streams = decideOffer(media).map((one) => answerStream(one, one.formats.length === 0 ? 0 : 40_000));
  return { streams, address: '198.51.100.20', timing: media.timing };
}

const answerTo = (lines: readonly string[]): string => new AnswerWriter(1).write(answerOf(read(lines)));
const plain = answerTo([...HEAD, ...AUDIO]);

describe('an offer with lines that mean nothing to a recorder', () => {
  it.each([
    ['D13', 'bandwidth, phone, mail, key and zone', ['b=AS:80', 'b=X-odd:1', 'i=note', 'p=+1', 'e=a@b', 'k=clear:x']],
    ['D18', 'a=record', ['a=record:on']],
    ['D18', 'a=recordpref', ['a=recordpref:off']],
    ['D19', 'a=content and a=mid', ['a=content:main', 'a=mid:1']],
    ['D19', 'packet times', ['a=ptime:60', 'a=maxptime:150', 'a=minptime:10']],
    ['D19', 'silence suppression', ['a=silenceSupp:off - - - -']],
    ['D19', 'RTCP', ['a=rtcp-xr:voip-metrics', 'a=rtcp-fb:* nack', 'a=rtcp-rsize']],
    ['D17', 'another port for RTCP, and none at all', ['a=rtcp:5009 IN IP4 192.0.2.1', 'b=RS:0', 'b=RR:0']],
    [
      'D14',
      'ICE',
      ['a=ice-ufrag:x', 'a=ice-pwd:y', 'a=candidate:1 1 UDP 1 192.0.2.1 5004 typ host', 'a=end-of-candidates'],
    ],
    ['D14', 'a=direction:both and a name of 3GPP', ['a=direction:both', 'a=3gOoBTC']],
  ])('%s: is answered as without them: %s', (_rule, _what, lines) => {
    const offer = read([...HEAD, ...AUDIO, ...lines]);
    expect(offer.warnings).toEqual([]);
    expect(new AnswerWriter(1).write(answerOf(offer))).toBe(plain);
  });

  it('D17: is answered with rtcp-mux and with the round trip of a receiver when it has them, on streams that are taken', () => {
    const lines = ['a=rtcp-mux', 'a=rtcp-xr:voip-metrics rcvr-rtt=all:100'];
    const refused = ['m=video 5006 RTP/AVP 97', 'a=rtcp-mux'];
    const answer = answerTo([...HEAD, ...AUDIO, ...lines, ...refused, ...AUDIO]);
    const added = 'a=rtcp-mux\r\na=rtcp-xr:rcvr-rtt=sender\r\n';
    const [first = '', ...others] = answer.split('m=').slice(1);
    expect(first.replace(added, '')).toBe(plain.split('m=')[1]);
    expect(first).toContain(added);
    for (const other of others) expect(other).not.toContain('rtcp');
  });

  it('D19: is answered without the groups that it would make (ANAT, BUNDLE)', () => {
    const grouped = [...HEAD, 'a=group:ANAT 1 2', 'a=group:BUNDLE 1 2', ...AUDIO, 'a=mid:1'];
    expect(answerTo(grouped)).toBe(plain);
  });
});

describe('an offer that breaks the grammar', () => {
  it.each([
    ['no s= line', HEAD.filter((line) => !line.startsWith('s='))],
    ['a blank for a name', HEAD.map((line) => (line.startsWith('s=') ? 's= ' : line))],
    ['c= behind t=', [...HEAD.filter((line) => !line.startsWith('c=')), 'c=IN IP4 192.0.2.1']],
    ['empty lines between its sections', [...HEAD, '', '']],
    ['blanks and tabs at the ends of lines', HEAD.map((line) => `${line} \t`)],
  ])('D14: is taken all the same: %s', (_what, head) => {
    expect(answerTo([...head, ...AUDIO])).toBe(plain);
  });

  it('D14: is taken without any c= line, and says so', () => {
    const offer = read([...HEAD.filter((line) => !line.startsWith('c=')), ...AUDIO]);
    expect(offer.warnings).toEqual([{ code: 'connection_missing' }]);
    expect(new AnswerWriter(1).write(answerOf(offer))).toBe(plain);
  });
});

describe('the version of an offer', () => {
  it('D15: may stay, rise, jump or fall: what is offered counts', () => {
    const writer = new AnswerWriter(1);
    const answered = (version: string, direction: string): string => {
      const head = HEAD.map((line) => line.replace('o=- 1 7 ', `o=- 1 ${version} `));
      const audio = AUDIO.map((line) => line.replace('sendonly', direction));
      return writer.write(answerOf(read([...head, ...audio])));
    };
    const first = answered('7', 'sendonly');
    expect(answered('7', 'sendonly')).toBe(first);
    expect(answered('8', 'sendonly')).toBe(first);
    expect(answered('900000000000', 'inactive')).toContain('a=inactive');
    expect(answered('3', 'sendonly')).toContain('a=recvonly');
    expect(answered('3', 'inactive')).toContain('a=inactive');
  });
});

describe('the profile of a stream', () => {
  it.each(['RTP/AVP', 'RTP/AVPF', 'rtp/avpf'])('D16: is answered as it was offered: %s', (profile) => {
    expect(answerTo([...HEAD, ...AUDIO.map((line) => line.replace('RTP/AVP', profile))])).toContain(
      `m=audio 40000 ${profile} 0\r\n`,
    );
  });

  it.each(['UDP/TLS/RTP/SAVP', 'UDP/TLS/RTP/SAVPF', 'TCP/RTP/SAVP'])(
    'D16: G6: of %s is refused with port 0 beside a stream that is taken, and no key goes into the answer',
    (profile) => {
      const key = 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4';
      const answer = answerTo([...HEAD, ...AUDIO, `m=audio 5006 ${profile} 0`, 'a=sendonly', 'a=label:2', key]);
      expect(answer.match(/^m=.*/gm)?.map((line) => line.trim())).toEqual([
        'm=audio 40000 RTP/AVP 0',
        `m=audio 0 ${profile} 0`,
      ]);
      expect(answer).not.toMatch(/crypto|inline|WVNf/);
    },
  );
});
