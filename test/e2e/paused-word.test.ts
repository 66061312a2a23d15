import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import { readWav } from '../../src/audio/wav-reader.js';
import { TestCall } from '../contract/contract-kit.js';
import { eventually } from '../helpers/eventually.js';
import { spoken } from '../helpers/spoken.js';
import { startTestServer } from '../helpers/test-server.js';
import { paced, pieces, RtpSender } from '../rtp/rtp-sender.js';
import { UdpPeer } from '../sip/engine-kit.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  delete process.env.KEPT_AUDIO;
});

const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 40002 RTP/AVP 0',
  'a=label:1',
  'a=sendonly',
  '',
].join('\r\n');

/** What is said before, during and after the pause: each under a whistle of its own, in Hz, that tells it from the others. */
const WHISTLE = { before: 2300, during: 2700, after: 3100 };
const LOUDNESS = 7000;

function said(words: string, whistle: number): Uint8Array[] {
  const voice = spoken(words);
  const mixed = voice.map((sample, i) => sample * 0.5 + LOUDNESS * Math.sin((2 * Math.PI * whistle * i) / 8000));
  return pieces(encodeG711('PCMU', mixed));
}

/** The loudest 40 ms of a tone: its amplitude by Goertzel's algorithm. */
function loudest(samples: Int16Array, sampleRate: number, tone: number): number {
  const window = sampleRate / 25;
  const factor = 2 * Math.cos((2 * Math.PI * tone) / sampleRate);
  let most = 0;
  for (let at = 0; at + window <= samples.length; at += window / 2) {
    let [last, before] = [0, 0];
    for (let i = at; i < at + window; i++) [last, before] = [(samples[i] ?? 0) + factor * last - before, last];
    most = Math.max(most, (2 * Math.sqrt(last * last + before * before - factor * last * before)) / window);
  }
  return most;
}

describe('a word that is said in a pause', () => {
  it('never reaches the engine, nor any file, while those before and after it do', async () => {
    const kept = mkdtempSync(join(tmpdir(), 'sipscribe-kept-'));
    closers.push(() => rmSync(kept, { recursive: true, force: true }));
    process.env.KEPT_AUDIO = kept;
    const server = await startTestServer({
      WHISPER_BINARY_PATH: resolve('test/fixtures/whisper-cli/keeps-audio.sh'),
      WHISPER_MODEL: 'small',
    });
    closers.push(() => server.stop());
    const peer = await UdpPeer.open(server.sip.udp);
    closers.push(() => peer.close());
    const call = await TestCall.place(peer, { type: 'application/sdp', text: SDP }, ['Require: siprec']);
    const port = /m=audio (\d+)/.exec(Buffer.from(call.answer.body).toString())?.[1];
    const sender = new RtpSender(Number(port));
    closers.push(() => sender.close());
    const say = async (packets: readonly Uint8Array[]): Promise<void> =>
      paced(packets.length, 20, (i) => sender.send(packets[i] ?? new Uint8Array()));
    const id = server.app.recorder.list()[0]?.sessionId;
    const order = async (verb: 'pause' | 'resume'): Promise<void> => {
      const { status } = await fetch(`${server.http}/api/calls/${id}/${verb}`, { method: 'POST' });
      expect(status).toBe(200);
    };

    const secret = said('four five three two, one eight', WHISTLE.during);
    // Whoever looks for it would find it.
    expect(loudest(decodeG711('PCMU', Buffer.concat(secret)), 8000, WHISTLE.during)).toBeGreaterThan(LOUDNESS / 2);

    await say(said('my card number is', WHISTLE.before));
    await order('pause');
    await say(secret);
    await order('resume');
    await say(said('thank you very much indeed', WHISTLE.after));
    expect((await call.send('BYE')).status).toBe(200);
    const ended = await server.ended(call.callId, 30_000);

    const heard = await eventually('two utterances', () => {
      const names = readdirSync(kept);
      return names.length >= 2 && names.map((name) => readWav(readFileSync(join(kept, name))));
    });
    expect(heard.map(({ sampleRate }) => sampleRate)).toEqual(heard.map(() => 16_000));
    const files = ['leg-1.wav', 'call.wav'].map((name) => readWav(readFileSync(join(server.folder(ended), name))));
    for (const audio of [heard, files]) {
      const most = (tone: number): number =>
        Math.max(...audio.map(({ samples, sampleRate }) => loudest(samples, sampleRate, tone)));
      expect(most(WHISTLE.before)).toBeGreaterThan(LOUDNESS / 2);
      expect(most(WHISTLE.after)).toBeGreaterThan(LOUDNESS / 2);
      expect(most(WHISTLE.during)).toBeLessThan(LOUDNESS / 5);
    }
    expect(server.record(ended).pauses).toHaveLength(1);
  });
});
