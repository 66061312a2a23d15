import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { codeG711 } from '../../src/client/coded-audio.js';
import { RtpSender } from '../../src/client/rtp-sender.js';
import { RtpStream } from '../../src/client/rtp-stream.js';
import { joinBody, writeMetadata, writeSdpOffer } from '../../src/client/siprec-offer.js';
import { UdpSocket } from '../../src/client/udp-socket.js';
import { headerValue } from '../../src/sip/message.js';
import { readOffer } from '../../src/sip/sdp.js';
import { type Credentials, TestAuthority } from '../helpers/certificates.js';
import { eventually } from '../helpers/eventually.js';
import { portRange } from '../helpers/port-range.js';
import { findSent } from '../helpers/recording-check.js';
import { ServerProcess } from '../helpers/server-process.js';
import { tone } from '../helpers/voices.js';
import { answerTo, newCallId, write } from '../sip/engine-kit.js';
import { askByOpenssl, TlsPeer } from '../sip/tls-kit.js';

const authority = new TestAuthority();
const port = portRange(2);
let sbc: Credentials;
let server: ServerProcess;

beforeAll(async () => {
  sbc = authority.issue('sbc', { subjectAltName: 'DNS:sbc1.example.com' });
  const srs = authority.issue('srs', { subjectAltName: 'IP:127.0.0.1' });
  const rtp = portRange(100);
  server = await ServerProcess.ready({
    ENABLE_TLS: 'true',
    SIP_REQUIRE_TLS: 'true',
    TLS_PORT: String(port),
    TLS_CERT_PATH: srs.certFile,
    TLS_KEY_PATH: srs.keyFile,
    TLS_CA_PATH: authority.caFile,
    TLS_PEER_NAMES: '*.example.com',
    RTP_PORT_MIN: String(rtp),
    RTP_PORT_MAX: String(rtp + 99),
    WHISPER_ENABLED: 'false',
  });
}, 90_000);
afterAll(async () => {
  await server?.dispose();
  authority.dispose();
});

it('a process with SIP_REQUIRE_TLS listens on TLS alone', async () => {
  const line = await server.logged('sipscribe is ready');
  expect(line.sip).toEqual([{ transport: 'tls', host: '127.0.0.1', port }]);
  const plain = connectTcp(port, '127.0.0.1');
  plain.on('error', () => {});
  plain.write('OPTIONS sip:srs SIP/2.0\r\nContent-Length: 0\r\n\r\n');
  let heard = '';
  plain.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  await new Promise((resolve) => plain.once('close', resolve));
  expect(heard).not.toContain('SIP/2.0');
});

it('it lets in by the certificate', async () => {
  expect((await askByOpenssl(port, undefined)).answered).toBe(false);
  expect((await askByOpenssl(port, sbc)).answered).toBe(true);
});

it('it records a call that came by TLS, sample by sample', async () => {
  const sound = [tone(440, 600), tone(1000, 600)];
  const sockets = [await UdpSocket.bindEven('127.0.0.1'), await UdpSocket.bindEven('127.0.0.1')];
  const legs = sockets.map((socket, n) => ({
    label: String(n + 1),
    port: socket.port,
    participant: { name: `P${n}`, aor: `sip:p${n}@example.com` },
  }));
  const callId = newCallId();
  const sdp = { address: '127.0.0.1', sessionId: 1, version: 1, codecs: ['PCMU'], packetTimeMs: 20 } as const;
  const offer = writeSdpOffer({ ...sdp, direction: 'sendonly', legs });
  const body = joinBody(offer, writeMetadata({ callId, startedAt: Date.now(), legs }), 'boundary');
  const peer = await TlsPeer.open(port, { cert: sbc.cert, key: sbc.key, ca: authority.ca, rejectUnauthorized: true });
  const extra = ['Require: siprec', `Content-Type: ${body.contentType}`];
  peer.send(write(peer, { callId, extra, body: Buffer.from(body.content).toString('latin1') }));
  const answer = await answerTo(peer, callId);
  const toTag = /;tag=(\w+)/.exec(headerValue(answer, 'to') ?? '')?.[1] ?? '';
  peer.send(write(peer, { method: 'ACK', callId, toTag }));
  const ports = readOffer(answer.body).media.streams.map((stream) => stream.port);
  const streams = sound.map(
    (audio, n) => new RtpStream(codeG711('PCMU', audio, 20), { ssrc: n + 1, sequence: 1, timestamp: 1 }),
  );
  const sending = streams.flatMap((stream, n) => {
    const socket = sockets[n];
    return socket === undefined ? [] : [{ stream, socket, target: { address: '127.0.0.1', port: ports[n] ?? 0 } }];
  });
  await new RtpSender(sending, 20).sendUntil(Number.POSITIVE_INFINITY, new AbortController().signal);
  peer.send(write(peer, { method: 'BYE', callId, toTag, cseq: 2 }));
  await peer.response(200, 'BYE');
  const folder = await eventually('a finished record', () => {
    const [found] = server.recordings();
    if (found === undefined) return undefined;
    const { state } = JSON.parse(readFileSync(join(found, 'call.json'), 'utf8')) as { state?: string };
    return state === 'ended' ? found : undefined;
  });
  for (const [n, audio] of sound.entries()) {
    expect(findSent(join(folder, `leg-${n + 1}.wav`), audio).offset).toBeGreaterThanOrEqual(0);
  }
  expect(server.output).not.toContain('PRIVATE KEY');
  for (const socket of sockets) socket.close();
  await peer.close();
}, 30_000);
