import { describe, expect, it } from 'vitest';
import type { LegRemote } from '../../src/rtp/media-plane.js';
import { RtcpCounters } from '../../src/rtp/rtcp-counters.js';
import { epochToNtp, type SenderReport } from '../../src/rtp/rtcp-packet.js';
import { readRtcp } from '../../src/rtp/rtcp-reader.js';
import { type OutgoingRtcp, RtcpSession, type RtcpWay } from '../../src/rtp/rtcp-session.js';
import { writeRtcp } from '../../src/rtp/rtcp-writer.js';
import type { AnnouncedSource } from '../../src/rtp/source-latch.js';

const SRC: AnnouncedSource = { address: '192.0.2.10', port: 4000 };
const EPOCH = Date.UTC(2026, 0, 1);
const block = {
  ssrc: 0xdecafbad,
  fractionLost: 0,
  cumulativeLost: 0,
  highest: 1,
  jitter: 0,
  lastSr: 0,
  delaySinceLastSr: 0,
};

/** A session whose leg hears `source`, and its clock. */
function studio(remote?: LegRemote) {
  const counters = new RtcpCounters();
  const heard = { source: undefined as AnnouncedSource | undefined, ssrc: 0xdecafbad, fresh: true };
  const reports: SenderReport[] = [];
  const byes: number[] = [];
  let now = 1000;
  const session = new RtcpSession({
    leg: {
      get source() {
        return heard.source;
      },
      get ssrc() {
        return heard.ssrc;
      },
      reportBlock: () => (heard.fresh ? block : undefined),
      senderReport: (report) => reports.push(report),
      goodbye: (ssrc) => byes.push(ssrc),
    },
    remote,
    cname: 'abc',
    counters,
    epoch: () => EPOCH + now,
    random: () => 0.5,
  });
  /** Lets so many ms go by in ticks; what was sent in them. */
  const pass = (ms: number): (OutgoingRtcp & { readonly at: number })[] => {
    const sent: (OutgoingRtcp & { readonly at: number })[] = [];
    for (const end = now + ms; now < end; ) {
      now += 100;
      const report = session.tick(now);
      if (report) sent.push({ ...report, at: now });
    }
    return sent;
  };
  const receive = (bytes: Uint8Array, from: AnnouncedSource, way: RtcpWay = 'rtcp'): void =>
    session.receive(bytes, from.address, from.port, way, now);
  return { session, counters, heard, reports, byes, pass, receive, now: () => now };
}

const senderReport = (ssrc = 0xdecafbad): Buffer =>
  writeRtcp({ ssrc, cname: 'src', blocks: [], sent: { epochMs: EPOCH, rtpTimestamp: 8000, packets: 50, bytes: 8000 } });

const to = ({ address, port, way }: OutgoingRtcp): [string, number, RtcpWay] => [address, port, way];

describe('reports of a receiver', () => {
  it('begin two and a half seconds after the first packet and come every five, give or take half of that', () => {
    const { heard, pass, counters } = studio({ address: SRC.address, port: SRC.port });
    expect(pass(10_000)).toEqual([]);
    heard.source = SRC;
    const times = pass(30_000).map(({ at }) => at);
    expect(times[0]).toBe(11_000 + 100 + 2500);
    expect(times.slice(1).map((at, n) => at - (times[n] ?? 0))).toEqual([5000, 5000, 5000, 5000, 5000]);
    expect(counters.take()?.sent).toBe(6);
  });

  it('have a block about the source, a canonical name and nothing else', () => {
    const { heard, pass } = studio({ address: SRC.address, port: SRC.port });
    heard.source = SRC;
    const [first] = pass(3000);
    const [report, name, ...rest] = readRtcp(first?.bytes ?? new Uint8Array()) ?? [];
    expect(report).toMatchObject({ kind: 'rr', blocks: [block] });
    expect(name).toMatchObject({ kind: 'sdes', chunks: [{ cname: 'abc' }] });
    expect(rest).toEqual([]);
  });

  it('go on without a block when nothing comes any more, so that the way back stays open', () => {
    const { heard, pass } = studio({ address: SRC.address, port: SRC.port });
    heard.source = SRC;
    pass(3000);
    heard.fresh = false;
    const sent = pass(10_000);
    expect(sent.map(({ bytes }) => readRtcp(bytes)?.[0])).toMatchObject([{ blocks: [] }, { blocks: [] }]);
  });

  it('end with a BYE, unless there never was one', () => {
    const { session, heard, pass, now } = studio({ address: SRC.address, port: SRC.port });
    heard.source = SRC;
    expect(session.goodbye(now())).toBeUndefined();
    pass(3000);
    const last = session.goodbye(now());
    expect(readRtcp(last?.bytes ?? new Uint8Array())?.map(({ kind }) => kind)).toEqual(['rr', 'sdes', 'bye']);
  });

  it('go to nobody who has not sent: an address that the SDP alone names hears nothing', () => {
    const { heard, pass } = studio({ address: '198.51.100.7', port: 5000 });
    expect(pass(20_000)).toEqual([]);
    heard.source = SRC;
    expect(pass(20_000)).toEqual([]);
  });

  it.each<[string, LegRemote, [string, number, RtcpWay]]>([
    ['the port after that of the SDP', { address: SRC.address, port: 4000 }, [SRC.address, 4001, 'rtcp']],
    ['a=rtcp', { address: SRC.address, port: 4000, rtcp: { port: 4711 } }, [SRC.address, 4711, 'rtcp']],
    ['where RTP comes from, with rtcp-mux', { port: 9, rtcp: { mux: true } }, [SRC.address, 4000, 'rtp']],
  ])('go to %s when RTP comes from there', (_, remote, destination) => {
    const { heard, pass } = studio(remote);
    heard.source = SRC;
    expect(pass(3000).map(to)).toEqual([destination]);
  });

  it('are not sent where RTP does not come from, whatever a=rtcp says', () => {
    const rtcp = { port: 53, address: '203.0.113.9' };
    const { heard, pass } = studio({ address: SRC.address, port: SRC.port, rtcp });
    heard.source = SRC;
    expect(pass(20_000)).toEqual([]);
  });

  it('go back to where RTCP came from, by the port that it came to', () => {
    const { heard, pass, receive } = studio({ address: '198.51.100.7', port: 5000 });
    heard.source = SRC;
    receive(senderReport(), { ...SRC, port: 61_234 });
    expect(pass(3000).map(to)).toEqual([[SRC.address, 61_234, 'rtcp']]);
    receive(senderReport(), SRC, 'rtp');
    expect(pass(5000).map(to)).toEqual([[SRC.address, SRC.port, 'rtp']]);
  });

  it('move with the source, and leave an RTCP address that has nothing to do with it any more', () => {
    const { heard, pass, receive } = studio();
    heard.source = SRC;
    receive(senderReport(), { ...SRC, port: 4001 });
    expect(pass(3000)).toHaveLength(1);
    heard.source = { address: '203.0.113.9', port: 1 };
    expect(pass(20_000)).toEqual([]);
  });

  it('are not sent to whoever wants none (RFC 3556)', () => {
    const { heard, pass } = studio({ address: SRC.address, port: SRC.port, rtcp: { unwanted: true } });
    heard.source = SRC;
    expect(pass(20_000)).toEqual([]);
  });

  it('have another SSRC than the source, also when the source takes ours', () => {
    const { heard, pass } = studio({ address: SRC.address, port: SRC.port });
    heard.source = SRC;
    const own = (sent: OutgoingRtcp | undefined): number => {
      const [report] = readRtcp(sent?.bytes ?? new Uint8Array()) ?? [];
      return report?.kind === 'rr' ? report.ssrc : -1;
    };
    expect(own(pass(3000)[0])).toBe(2 ** 31);
  });
});

describe('RTCP that comes', () => {
  it('is read and counted by its types when it comes from where RTP does or from where the SDP says', () => {
    const { heard, receive, counters, reports, session } = studio({ address: '198.51.100.7', port: 5000 });
    receive(senderReport(), { address: '198.51.100.7', port: 5001 });
    heard.source = SRC;
    receive(senderReport(), SRC);
    receive(senderReport(77), SRC);
    expect(reports).toHaveLength(2);
    expect(counters.take()?.received).toMatchObject({ sr: 3, sdes: 3, rr: 0 });
    expect(session.statistics().rtcp).toEqual({ received: 3, dropped: 0, sent: 0, names: 1 });
  });

  it('is a stranger’s from anywhere else, and neither read nor answered', () => {
    const { heard, receive, counters, reports, byes, pass } = studio();
    heard.source = SRC;
    const bye = writeRtcp({ ssrc: heard.ssrc, cname: 'x', blocks: [], bye: true });
    for (const bytes of [senderReport(), bye]) receive(bytes, { address: '203.0.113.66', port: 4001 });
    expect([reports, byes]).toEqual([[], []]);
    expect(counters.take()?.dropped).toMatchObject({ malformed: 0, stranger: 2, flood: 0 });
    expect(pass(20_000)).toEqual([]);
  });

  it('is read eight times a tick at most, and a malformed one is counted', () => {
    const { heard, receive, counters, reports, pass } = studio();
    heard.source = SRC;
    receive(Buffer.from('80c900ff', 'hex'), SRC);
    for (let n = 0; n < 1000; n++) receive(senderReport(), SRC);
    expect(reports).toHaveLength(7);
    expect(counters.take()?.dropped).toMatchObject({ malformed: 1, stranger: 0, flood: 993 });
    pass(100);
    receive(senderReport(), SRC);
    expect(reports).toHaveLength(8);
  });

  it('may say goodbye, which the leg hears', () => {
    const { heard, receive, byes } = studio();
    heard.source = SRC;
    receive(writeRtcp({ ssrc: 5, cname: 'x', blocks: [], bye: true }), SRC);
    expect(byes).toEqual([5]);
  });

  it('tells the round trip when the SDP lets us ask, and the least of all answers is kept', () => {
    const { heard, session, pass, receive, now } = studio({
      address: SRC.address,
      port: SRC.port,
      rtcp: { roundTrip: true },
    });
    heard.source = SRC;
    const answer = (middle: number, delayMs: number): Buffer => {
      const delays = [{ ssrc: 2 ** 31, lastRr: middle, delay: Math.round(delayMs * 65.536) }];
      return writeRtcp({ ssrc: heard.ssrc, cname: 'x', blocks: [], delays });
    };
    const asked = pass(3000)[0];
    expect(readRtcp(asked?.bytes ?? new Uint8Array())?.map(({ kind }) => kind)).toEqual(['rr', 'sdes', 'xr']);
    const { middle } = epochToNtp(EPOCH + (asked?.at ?? 0));
    receive(answer(middle + 1, 0), SRC);
    expect(session.statistics().rttMs, 'of a question that was never asked').toBeUndefined();
    const waited = now() - (asked?.at ?? 0);
    receive(answer(middle, waited - 60), SRC);
    expect(session.statistics().rttMs).toBeCloseTo(60, 0);
    receive(answer(middle, waited - 40), SRC);
    expect(session.statistics().rttMs).toBeCloseTo(40, 0);
    receive(answer(middle, waited + 40), SRC);
    expect(session.statistics().rttMs).toBe(0);
  });
});
