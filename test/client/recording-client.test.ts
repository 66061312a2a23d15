import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeG711 } from '../../src/audio/g711.js';
import { encodeWav } from '../../src/audio/wav-file.js';
import { placeRecordingCall, type RecordingCallEvent } from '../../src/client/recording-client.js';
import { headerValue, headerValues } from '../../src/sip/message.js';
import { eventually } from '../helpers/eventually.js';
import { call, legs, start, tone } from './call-fixture.js';
import { type RtpReceived, ScriptedSrs } from './scripted-srs.js';

function payloadOf(packets: readonly RtpReceived[]): Buffer {
  return Buffer.concat(packets.map(({ bytes }) => bytes.subarray(12)));
}

describe.each(['udp', 'tcp'] as const)('a recording call over %s', (transport) => {
  it('is an INVITE, an ACK, the audio of both legs bit-exact, and a BYE', async () => {
    const peer = await start(transport);
    const report = await call(peer, { callId: 'call-7@test' });
    expect(report).toMatchObject({ outcome: 'completed', callId: 'call-7@test', codec: 'PCMU' });
    expect(peer.received.map(({ message }) => (message.kind === 'request' ? message.method : message.status))).toEqual([
      'INVITE',
      'ACK',
      'BYE',
    ]);
    expect(report.responses.map(({ method, status }) => `${method} ${status}`)).toEqual([
      'INVITE 100',
      'INVITE 200',
      'BYE 200',
    ]);
    await eventually('the last packets are in', () => peer.rtp.every((packets) => packets.length === 10));
    for (const [index, leg] of legs().entries()) {
      const sent = encodeG711('PCMU', leg.audio instanceof Int16Array ? leg.audio : new Int16Array());
      expect(payloadOf(peer.rtp[index] ?? []).equals(sent)).toBe(true);
      expect(report.legs[index]).toMatchObject({
        label: leg.label,
        packets: 10,
        samples: 1600,
        remote: { address: '127.0.0.1', port: peer.mediaPorts[index] },
        payloadSha256: createHash('sha256').update(sent).digest('hex'),
      });
    }
  });
});

describe('the INVITE of the client', () => {
  it('is a SIPREC INVITE: Require, +sip.src, SDP and metadata whose labels agree', async () => {
    const peer = await start();
    await call(peer, { target: { ...peer.target, user: 'rec' } });
    const invite = peer.requests('INVITE')[0];
    if (invite === undefined) throw new Error('no INVITE');
    expect(invite.uri).toBe(`sip:rec@127.0.0.1:${peer.port}`);
    expect(headerValues(invite, 'require')).toContain('siprec');
    expect(headerValue(invite, 'contact')).toMatch(/^<sip:[^>]+>;\+sip\.src$/);
    expect(headerValue(invite, 'content-type')).toMatch(/^multipart\/mixed;boundary=/);
    const body = Buffer.from(invite.body).toString();
    expect(body).toContain('Content-Type: application/sdp\r\n');
    expect(body).toContain('Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n');
    for (const label of ['caller', 'callee']) {
      expect(body).toContain(`a=label:${label}\r\na=sendonly`);
      expect(body).toContain(`<label>${label}</label>`);
    }
    expect(body).toContain('<name xml:lang="en">Ann &lt;&amp;&gt; &quot;B&quot;</name>');
  });

  it('sends its ACK and BYE inside the dialog: tag of the answer, target of its Contact, routes reversed', async () => {
    const peer = await start();
    const routes = ['<sip:127.0.0.1:1;lr>', `<sip:127.0.0.1:${peer.port};lr>`];
    const recordRoute = routes.map((value) => ({ name: 'record-route', value }));
    peer.script = (request) => {
      if (request.method === 'INVITE') return [{ ...peer.ok(), headers: recordRoute }];
      return request.method === 'ACK' ? [] : [{ status: 200 }];
    };
    await call(peer);
    for (const method of ['ACK', 'BYE']) {
      const request = peer.requests(method)[0];
      if (request === undefined) throw new Error(`no ${method}`);
      expect(request.uri).toBe(`sip:srs@127.0.0.1:${peer.port}`);
      expect(headerValue(request, 'to')).toContain('tag=srs-tag');
      expect(headerValues(request, 'route')).toEqual([...routes].reverse());
    }
  });

  it('is sent again until something comes, and its ACK again when the 200 comes again', async () => {
    const peer = await start();
    peer.script = (request, count) => {
      if (request.method === 'INVITE') return count < 3 ? [] : [peer.ok(), peer.ok()];
      return request.method === 'ACK' ? [] : [{ status: 200 }];
    };
    await call(peer);
    expect(peer.requests('INVITE')).toHaveLength(3);
    expect(peer.requests('ACK')).toHaveLength(2);
    const [first, second, third] = peer.arrivals('INVITE');
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThan(1.5 * ((second ?? 0) - (first ?? 0)) - 20);
  });

  it('is not sent again after a provisional response', async () => {
    const peer = await start();
    peer.script = (request, count) => {
      if (request.method !== 'INVITE') return request.method === 'ACK' ? [] : [{ status: 200 }];
      if (count === 1) setTimeout(() => peer.repeat(request, peer.ok()), 300);
      return [{ status: 180 }];
    };
    const report = await call(peer);
    expect(peer.requests('INVITE')).toHaveLength(1);
    expect(report.responses.map(({ status }) => status)).toEqual([180, 200, 200]);
  });
});

describe('a call that does not come about', () => {
  it.each([
    [403, 'Forbidden'],
    [488, 'Not Acceptable Here'],
    [503, 'Service Unavailable'],
    [603, 'Decline'],
  ])('is an error with the status %i, acknowledged in the transaction of the INVITE', async (status, reason) => {
    const peer = await start();
    peer.script = (request) => (request.method === 'INVITE' ? [{ status, reason }] : []);
    const failure: unknown = await call(peer).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'SRS_SIP_REJECTED',
      facts: { status },
      message: expect.stringContaining(reason),
    });
    const ack = await eventually('the refusal is acknowledged', () => peer.requests('ACK')[0]);
    const invite = peer.requests('INVITE')[0];
    if (invite === undefined) throw new Error('no INVITE');
    expect(headerValue(ack, 'via')).toBe(headerValue(invite, 'via'));
    expect(headerValue(ack, 'to')).toContain('tag=srs-tag');
    expect(peer.requests('BYE')).toHaveLength(0);
  });

  it('is a timeout when nobody answers, over UDP and where no TCP port is open', async () => {
    const peer = await start();
    peer.script = () => [];
    await expect(call(peer, { timers: { t1Ms: 5 } })).rejects.toMatchObject({ code: 'SRS_SIP_TIMEOUT' });
    expect(peer.requests('INVITE').length).toBeGreaterThan(3);
    const closed = await ScriptedSrs.start('tcp');
    const target = closed.target;
    await closed.stop();
    await expect(placeRecordingCall({ target, legs: legs() })).rejects.toMatchObject({ code: 'SRS_SIP_TIMEOUT' });
  });

  it('is ended at once when no stream was taken, and an error', async () => {
    const peer = await start();
    peer.script = (request) => {
      if (request.method === 'INVITE') return [peer.ok('inactive', [0, 0])];
      return request.method === 'ACK' ? [] : [{ status: 200 }];
    };
    await expect(call(peer)).rejects.toMatchObject({ code: 'SRS_SDP_NOT_ACCEPTABLE' });
    expect(peer.requests('BYE')).toHaveLength(1);
  });

  it('is ended when the answer holds no SDP that can be read', async () => {
    const peer = await start();
    peer.script = (request) => {
      if (request.method === 'INVITE') return [{ status: 200, sdp: 'this is no SDP' }];
      return request.method === 'ACK' ? [] : [{ status: 200 }];
    };
    await expect(call(peer)).rejects.toMatchObject({ code: expect.stringMatching(/^SRS_SDP/) });
    expect(peer.requests('BYE')).toHaveLength(1);
  });

  it('breaks when the TCP connection breaks', async () => {
    const peer = await start('tcp');
    peer.script = () => {
      peer.cut();
      return [];
    };
    await expect(call(peer)).rejects.toMatchObject({
      code: 'SRS_SIP_TIMEOUT',
      message: expect.stringContaining('connection'),
    });
  });
});

describe('the audio of a call', () => {
  it('keeps the time: the last packet leaves when its turn is, however late timers are', async () => {
    const peer = await start();
    const report = await call(peer, { legs: legs(2000) });
    const [first, second] = peer.rtp;
    await eventually('all packets are in', () => first.length === 100 && second.length === 100);
    // A sender that waits 20 ms after each packet is late by its overhead times the packets before. A busy machine may hold some packets
    // up; then those behind them catch up, so the least late of the last twenty tells.
    const began = first[0]?.at ?? 0;
    const lateness = first.map(({ at }, n) => at - began - 20 * n);
    expect(Math.min(...lateness.slice(-20))).toBeLessThan(50);
    expect((first.at(-1)?.at ?? 0) - began).toBeGreaterThan(1900);
    expect((report.audioEndedAt ?? 0) - (report.audioStartedAt ?? 0)).toBeGreaterThanOrEqual(1990);
  });

  it('is not sent to an SRS that answers without its codec, and the call is hung up', async () => {
    const peer = await start();
    // The script answers PCMU and PCMA, whatever is offered.
    await expect(call(peer, { codec: ['L16', 'PCMU'] })).rejects.toMatchObject({ code: 'SRS_SDP_NOT_ACCEPTABLE' });
    expect(peer.requests('BYE')).toHaveLength(1);
    expect(peer.rtp.flat()).toEqual([]);
  });

  it('is numbered as RFC 3550 wants it, with the marker on the first packet only', async () => {
    const peer = await start();
    await call(peer, { codec: 'PCMA', packetTimeMs: 40 });
    await eventually('all packets are in', () => peer.rtp.every((packets) => packets.length === 5));
    for (const packets of peer.rtp) {
      const read = packets.map(({ bytes }) => ({
        type: (bytes[1] ?? 0) & 0x7f,
        marker: (bytes[1] ?? 0) >> 7,
        sequence: bytes.readUInt16BE(2),
        timestamp: bytes.readUInt32BE(4),
        ssrc: bytes.readUInt32BE(8),
      }));
      expect(read.map(({ marker }) => marker)).toEqual([1, 0, 0, 0, 0]);
      const origin = read[0] ?? { sequence: 0, timestamp: 0, ssrc: 0 };
      for (const [index, packet] of read.entries()) {
        expect(packet).toMatchObject({ type: 8, ssrc: origin.ssrc, sequence: (origin.sequence + index) & 0xffff });
        expect(packet.timestamp).toBe((origin.timestamp + index * 320) >>> 0);
      }
    }
    expect(peer.rtp[0][0]?.bytes.readUInt32BE(8)).not.toBe(peer.rtp[1][0]?.bytes.readUInt32BE(8));
  });

  it('goes on as silence for the leg that says less', async () => {
    const peer = await start();
    const [long, short] = [tone(200, 440), tone(60, 660)];
    const [first, second] = legs();
    if (first === undefined || second === undefined) throw new Error('two legs');
    await call(peer, {
      legs: [
        { ...first, audio: long },
        { ...second, audio: short },
      ],
    });
    await eventually('all packets are in', () => peer.rtp.every((packets) => packets.length === 10));
    expect(payloadOf(peer.rtp[1]).subarray(480)).toEqual(Buffer.alloc(1120, 0xff));
  });

  it('is sent only where a stream was taken', async () => {
    const peer = await start();
    peer.script = (request) => {
      if (request.method === 'INVITE') return [peer.ok('recvonly', [0, peer.mediaPorts[1]])];
      return request.method === 'ACK' ? [] : [{ status: 200 }];
    };
    const report = await call(peer);
    await eventually('the taken stream is in', () => peer.rtp[1].length === 10);
    expect(peer.rtp[0]).toHaveLength(0);
    expect(report.legs[0]?.remote).toBeUndefined();
  });

  it('comes from WAV files of another rate, resampled and mixed', async () => {
    const peer = await start();
    const folder = mkdtempSync(join(tmpdir(), 'sipscribe-call-'));
    const path = join(folder, 'stereo.wav');
    const stereo = Int16Array.from({ length: 16_000 * 2 }, (_, i) => (i % 2 === 0 ? 1000 : 3000));
    writeFileSync(path, encodeWav(stereo.subarray(0, 6400), 16_000, 2));
    const [first, second] = legs();
    if (first === undefined || second === undefined) throw new Error('two legs');
    const report = await call(peer, {
      legs: [
        { ...first, audio: path },
        { ...second, audio: path },
      ],
    });
    rmSync(folder, { recursive: true });
    expect(report.legs.map(({ samples }) => samples)).toEqual([1600, 1600]);
    await expect(call(peer, { legs: [{ ...first, audio: '/no/such.wav' }] })).rejects.toMatchObject({
      code: 'SRS_WAV_MALFORMED',
      message: expect.stringContaining('/no/such.wav'),
    });
  });
});

describe('a call that is held', () => {
  it('sends nothing while it is on hold and goes on with the time that has passed', async () => {
    const peer = await start();
    const events: RecordingCallEvent['type'][] = [];
    const report = await call(peer, {
      legs: legs(400),
      hold: { atMs: 200, forMs: 300 },
      onEvent: ({ type }) => events.push(type),
    });
    expect(events.filter((type) => type !== 'response')).toEqual([
      'answered',
      'held',
      'resumed',
      'audio_sent',
      'ended',
    ]);
    const offers = peer.requests('INVITE').map(({ body }) => Buffer.from(body).toString());
    expect(offers.map((offer) => /a=(sendonly|inactive)/.exec(offer)?.[1])).toEqual([
      'sendonly',
      'inactive',
      'sendonly',
    ]);
    expect(offers.map((offer) => /^o=\S+ \d+ (\d+)/m.exec(offer)?.[1])).toEqual(['1', '2', '3']);
    expect(peer.requests('ACK')).toHaveLength(3);
    await eventually('all packets are in', () => peer.rtp.every((packets) => packets.length === 20));
    const [before, after] = [peer.rtp[0][9], peer.rtp[0][10]];
    if (before === undefined || after === undefined) throw new Error('packets are missing');
    expect(after.at - before.at).toBeGreaterThanOrEqual(300);
    expect((after.bytes.readUInt16BE(2) - before.bytes.readUInt16BE(2)) & 0xffff).toBe(1);
    const jump = (after.bytes.readUInt32BE(4) - before.bytes.readUInt32BE(4)) >>> 0;
    expect(jump % 160).toBe(0);
    expect(Math.abs(jump / 8 - (after.at - before.at))).toBeLessThan(150);
    expect((after.bytes[1] ?? 0) >> 7).toBe(1);
    expect(report.outcome).toBe('completed');
  });
});
