import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { decodePcmu } from '../../src/audio/g711.js';
import { silentLogger } from '../../src/core/logger.js';
import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../../src/core/srtp-suite.js';
import { SrtpSender } from '../../src/rtp/srtp-sender.js';
import type { ProtectionPolicy } from '../../src/session/stream-protection.js';
import { headerValue, type SipResponse } from '../../src/sip/message.js';
import { readOffer } from '../../src/sip/sdp.js';
import { createSiprecDoor } from '../../src/sip/siprec-door.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { TestCall, textOf } from '../contract/contract-kit.js';
import { eventually } from '../helpers/eventually.js';
import { FRONTS, type RunningFront, type SipFront } from '../helpers/sip-fronts.js';
import { find, mismatches, readWav } from '../rtp/media-fixture.js';
import { noise, paced, pieces } from '../rtp/rtp-sender.js';
import { RtpSender, type Studio, studio } from '../session/session-fixture.js';
import { newCallId, UdpPeer, write } from './engine-kit.js';

interface Line {
  readonly tag: number;
  readonly suite: SrtpSuiteName;
  readonly key: SrtpMasterKey;
}

function freshLine(tag: number, suite: SrtpSuiteName = 'AES_CM_128_HMAC_SHA1_80'): Line {
  const { keyBytes, saltBytes } = SRTP_SUITES[suite];
  return { tag, suite, key: { key: randomBytes(keyBytes), salt: randomBytes(saltBytes) } };
}

const inline = ({ key, salt }: SrtpMasterKey): string => Buffer.concat([key, salt]).toString('base64');
const crypto = ({ tag, suite, key }: Line): string => `a=crypto:${tag} ${suite} inline:${inline(key)}|2^31`;

/** One m-line for each entry: its profile and its further lines. */
function sdp(...streams: readonly (readonly [profile: string, ...lines: string[]])[]): { type: string; text: string } {
  const text = [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...streams.flatMap(([profile, ...lines], at) => [
      `m=audio ${40_000 + 2 * at} ${profile} 0`,
      ...lines,
      'a=sendonly',
      `a=label:${at + 1}`,
    ]),
    '',
  ].join('\r\n');
  return { type: 'application/sdp', text };
}

const mediaLines = (answer: SipResponse): string[] => textOf(answer.body).match(/^m=.*$/gm) ?? [];
const cryptoLines = (answer: SipResponse): string[] =>
  (textOf(answer.body).match(/^a=crypto.*$/gm) ?? []).map((line) => line.trim());
const portOf = (answer: SipResponse): number => readOffer(answer.body).media.streams[0]?.port ?? 0;
const REQUIRE = ['Require: siprec'];

interface Stage {
  readonly room: Studio;
  readonly src: UdpPeer;
  readonly running: RunningFront;
  ended(): Promise<CallRecord>;
}

let stage: Stage | undefined;
const senders: RtpSender[] = [];

async function setUp(front: SipFront, protection?: ProtectionPolicy): Promise<Stage> {
  const room = await studio(protection ? { protection } : {});
  const handlers = createSiprecDoor({
    recorder: room.recorder,
    metrics: room.metrics,
    logger: silentLogger,
    keepInvite: true,
  });
  const running = await front.start(handlers);
  const src = await UdpPeer.open(running.udp);
  stage = {
    room,
    running,
    src,
    ended: async () =>
      room.record(
        await eventually('the end of the call', () => room.events.find(({ type }) => type === 'call.ended')?.sessionId),
      ),
  };
  return stage;
}

afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.close()));
  await stage?.room.stop();
  await stage?.running.stop();
  await stage?.src.close();
  stage = undefined;
});

/** Everything that a call has left on disk, as text. */
function leftOnDisk(room: Studio): string {
  return room
    .recordings()
    .flatMap((folder) => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1')))
    .join('\n');
}

/** Whether the audio of leg 1 is what was sent, sample by sample. */
function expectRecorded(room: Studio, { sessionId }: CallRecord, payload: Uint8Array): void {
  const { samples } = readWav(join(room.folder(sessionId), 'leg-1.wav'));
  const wanted = Int16Array.from(payload, (byte) => decodePcmu[byte] ?? 0);
  const at = find(samples, wanted);
  expect(at).toBeGreaterThanOrEqual(0);
  expect(mismatches(samples, wanted, at)).toBe(0);
}

for (const front of FRONTS) {
  describe(`a call with SRTP on the ${front.name} front`, () => {
    it('G3: G4: is answered with one of its lines and a key of our own, recorded sample by sample, and keeps no key', async () => {
      const { src, room, ended } = await setUp(front);
      const [first, second] = [freshLine(3, 'AES_256_CM_HMAC_SHA1_80'), freshLine(4)];
      const unusable = `a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:${inline(freshLine(2).key)} UNENCRYPTED_SRTP`;
      const call = await TestCall.place(src, sdp(['RTP/SAVP', unusable, crypto(first), crypto(second)]), REQUIRE);
      const { answer } = call;
      expect(mediaLines(answer)).toEqual([`m=audio ${portOf(answer)} RTP/SAVP 0`]);
      expect(textOf(answer.body)).toContain('a=recvonly');
      const [line = ''] = cryptoLines(answer);
      expect(cryptoLines(answer)).toHaveLength(1);
      const ours = /^a=crypto:3 AES_256_CM_HMAC_SHA1_80 inline:([A-Za-z0-9+/]{62}==)$/.exec(line)?.[1] ?? '';
      expect(Buffer.from(ours, 'base64')).toHaveLength(46);
      expect(ours).not.toBe(inline(first.key));

      const payload = noise(8_000, 21);
      const rtp = new RtpSender(portOf(answer));
      senders.push(rtp);
      const srtp = new SrtpSender(first.suite, first.key);
      const packets = pieces(payload);
      await paced(packets.length, 20, (at) => rtp.sendRaw(srtp.seal(rtp.next(packets[at] ?? new Uint8Array(0)))));
      expect((await call.send('BYE')).status).toBe(200);
      const record = await ended();
      expect(record.legs[0]?.statistics).toMatchObject({ packets: 50, lost: 0, srtp: first.suite });
      expectRecorded(room, record, payload);
      expect(record.warnings).toContainEqual({ code: 'srtp_keys_in_clear' });
      const left = leftOnDisk(room);
      expect(left).toContain('a=label:1');
      for (const secret of [inline(first.key), inline(second.key), ours])
        expect(left).not.toContain(secret.slice(0, 12));
      expect(left).not.toMatch(/inline:[A-Za-z0-9]/);
    });

    it('D16: answers each profile as it was offered, with SRTP where keys came, and refuses a stream that cannot be protected', async () => {
      const { src, ended } = await setUp(front);
      const [savpf, avp] = [freshLine(1, 'AEAD_AES_128_GCM'), freshLine(5)];
      const { answer } = await TestCall.place(
        src,
        sdp(
          ['RTP/SAVPF', crypto(savpf)],
          ['RTP/AVP', crypto(avp)],
          ['RTP/AVP'],
          ['RTP/SAVP'],
          ['RTP/SAVP', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ='],
          ['UDP/TLS/RTP/SAVPF', 'a=fingerprint:sha-256 00:11', 'a=setup:actpass'],
        ),
        REQUIRE,
      );
      const ports = readOffer(answer.body).media.streams.map(({ profile, port }) => [profile, port > 0]);
      expect(ports).toEqual([
        ['RTP/SAVPF', true],
        ['RTP/AVP', true],
        ['RTP/AVP', true],
        ['RTP/SAVP', false],
        ['RTP/SAVP', false],
        ['UDP/TLS/RTP/SAVPF', false],
      ]);
      expect(cryptoLines(answer).map((line) => line.split(' inline:')[0])).toEqual([
        'a=crypto:1 AEAD_AES_128_GCM',
        'a=crypto:5 AES_CM_128_HMAC_SHA1_80',
      ]);
      stage?.room.recorder.endAll('shutdown');
      const codes = (await ended()).warnings.filter(({ code }) => code === 'crypto_unusable');
      expect(codes).toEqual([
        { code: 'crypto_unusable', detail: 'm-line 4: none offered' },
        { code: 'crypto_unusable', detail: 'm-line 5: key' },
      ]);
    });

    it('keeps its answer when it is refreshed, takes new keys in a re-INVITE, and may become plain and protected again', async () => {
      const { src, room, ended } = await setUp(front);
      const [before, after, again] = [freshLine(1), freshLine(1), freshLine(2)];
      const call = await TestCall.place(src, sdp(['RTP/SAVP', crypto(before)]), REQUIRE);
      const payload = noise(16_000, 4);
      const packets = pieces(payload);
      const rtp = new RtpSender(portOf(call.answer));
      senders.push(rtp);
      const seals = [before, after, undefined, again].map((line) => line && new SrtpSender(line.suite, line.key));
      const [ours = ''] = cryptoLines(call.answer);
      const answers: SipResponse[] = [];
      await paced(packets.length, 20, async (at) => {
        if (at === 10) answers.push(await call.send('INVITE', sdp(['RTP/SAVP', crypto(before)])));
        if (at === 25) answers.push(await call.send('INVITE', sdp(['RTP/SAVP', crypto(after)])));
        if (at === 50) answers.push(await call.send('INVITE', sdp(['RTP/AVP'])));
        if (at === 75) answers.push(await call.send('INVITE', sdp(['RTP/SAVP', crypto(again)])));
        const seal = seals[Math.floor(at / 25)];
        const packet = rtp.next(packets[at] ?? new Uint8Array(0));
        await rtp.sendRaw(seal ? seal.seal(packet) : packet);
      });
      await call.send('BYE');
      const [refreshed, rekeyed, plain, secured] = answers;
      expect(refreshed && textOf(refreshed.body)).toBe(textOf(call.answer.body));
      expect(rekeyed && cryptoLines(rekeyed)).toEqual([ours]);
      expect(plain && cryptoLines(plain)).toEqual([]);
      expect(secured && cryptoLines(secured)[0]).toMatch(/^a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:/);
      expect(secured && cryptoLines(secured)[0]?.slice(-40)).not.toBe(ours.slice(-40));
      const record = await ended();
      expect(record.legs[0]?.statistics).toMatchObject({ packets: 100, lost: 0, dropped: { unauthenticated: 0 } });
      expectRecorded(room, record, payload);
    });

    it('offers its stream with the same line when the SRC asks for an offer, and takes the key that it answers with', async () => {
      const { src, ended } = await setUp(front);
      const [before, after] = [freshLine(1), freshLine(1)];
      const call = await TestCall.place(src, sdp(['RTP/SAVP', crypto(before)]), REQUIRE);
      const cseq = call.transmit('INVITE');
      const offer = await call.final('INVITE', cseq);
      expect(cryptoLines(offer)).toEqual(cryptoLines(call.answer));
      call.acknowledge(cseq, sdp(['RTP/SAVP', crypto(after)]));
      const rtp = new RtpSender(portOf(call.answer));
      senders.push(rtp);
      const srtp = new SrtpSender(after.suite, after.key);
      await paced(25, 20, () => rtp.sendRaw(srtp.seal(rtp.next(noise(160, 1)))));
      await call.send('BYE');
      const statistics = (await ended()).legs[0]?.statistics;
      expect(statistics?.packets).toBe(25);
      // The ACK and the first packets race; the rest is heard.
      expect(statistics?.dropped?.unauthenticated).toBeLessThan(5);
    });

    it.each([
      ['that offers none', sdp(['RTP/AVP']), 'SRTP is required'],
      ['whose keys cannot be used', sdp(['RTP/SAVP', 'a=crypto:1 NULL inline:AAAA']), 'no usable a=crypto'],
      ['without any SDP', undefined, 'SRTP is required'],
    ])('G4: refuses a call %s with 488 when SRTP is required, and says why', async (_what, body, why) => {
      const { src, room } = await setUp(front, { srtp: 'required', keysNeedTls: false });
      const callId = newCallId();
      const extra = body ? [`Content-Type: ${body.type}`, ...REQUIRE] : REQUIRE;
      src.send(write(src, { callId, extra, ...(body ? { body: body.text } : {}) }));
      const final = await src.next(
        'the refusal',
        (message) => message.kind === 'response' && message.status >= 200 && headerValue(message, 'call-id') === callId,
      );
      expect(final.kind === 'response' && final.status).toBe(488);
      expect(headerValue(final, 'warning')).toContain(why);
      expect(room.recordings()).toEqual([]);
    });

    it('takes the streams with SRTP of a call when it is required, and no others', async () => {
      const { src } = await setUp(front, { srtp: 'required', keysNeedTls: false });
      const { answer } = await TestCall.place(src, sdp(['RTP/AVP'], ['RTP/SAVP', crypto(freshLine(1))]), REQUIRE);
      expect(readOffer(answer.body).media.streams.map(({ port }) => port > 0)).toEqual([false, true]);
    });

    it('G6: takes no keys that came without TLS when that is the policy: such a stream is plain, or refused', async () => {
      const { src } = await setUp(front, { srtp: 'offered', keysNeedTls: true });
      const { answer } = await TestCall.place(
        src,
        sdp(['RTP/AVP', crypto(freshLine(1))], ['RTP/SAVP', crypto(freshLine(1))]),
        REQUIRE,
      );
      expect(readOffer(answer.body).media.streams.map(({ port }) => port > 0)).toEqual([true, false]);
      expect(cryptoLines(answer)).toEqual([]);
    });

    it('is refused stream by stream when SRTP is switched off', async () => {
      const { src } = await setUp(front, { srtp: 'off', keysNeedTls: false });
      const { answer } = await TestCall.place(
        src,
        sdp(['RTP/AVP', crypto(freshLine(1))], ['RTP/SAVP', crypto(freshLine(1))]),
        REQUIRE,
      );
      expect(readOffer(answer.body).media.streams.map(({ port }) => port > 0)).toEqual([true, false]);
      expect(cryptoLines(answer)).toEqual([]);
    });
  });
}
