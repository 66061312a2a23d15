import { expect } from 'vitest';
import { headerValue, headerValues, parseSipMessage, type SipResponse } from '../../../src/sip/message.js';
import { tagOf } from '../../../src/sip/name-address.js';
import { eventually } from '../../helpers/eventually.js';
import { cseqMethod, type Fixture, type Peer, TcpPeer, UdpPeer, write } from '../engine-kit.js';
import type { TortureMessage } from './torture-message.js';

let serial = 0;

/** Sends one message over its own socket and checks all that comes back; a call that it made is ended. */
export async function endure(fixture: Fixture, message: TortureMessage): Promise<void> {
  const peer = message.transport === 'UDP' ? await UdpPeer.open(fixture.udp) : await TcpPeer.open(fixture.tcp);
  try {
    const bytes = message.build({ transport: message.transport, port: peer.port, serial: ++serial });
    peer.send(bytes);
    for (const status of message.answers) {
      const answer = await peer.final();
      expect(answer.status).toBe(status);
      checkAnswer(answer, bytes, message);
      if (status === 200 && cseqMethod(answer) === 'INVITE') await end(peer, answer);
      else if (cseqMethod(answer) === 'INVITE') peer.send(acknowledge(peer, answer, bytes));
    }
    if (peer instanceof TcpPeer && message.closes) await eventually('the stream ends', () => peer.closed);
    await probe(fixture, peer, message);
    const others = peer.received.filter((m) => m.kind === 'response' && m.status > 100);
    const unexpected = others.filter((m) => m.kind === 'response' && !message.answers.includes(m.status));
    expect(unexpected).toEqual([]);
    if (message.answers.length === 0) expect(peer.received).toEqual([]);
  } finally {
    await peer.close();
  }
}

/** Everything sent before was worked off when a probe behind it is answered. */
async function probe(fixture: Fixture, peer: Peer, message: TortureMessage): Promise<void> {
  // An unfinished message swallows what follows on its stream, and a closed stream takes nothing.
  const fresh = message.transport === 'TCP' && (message.closes || message.answers.length === 0);
  const prober = fresh ? await TcpPeer.open(fixture.tcp) : peer;
  const callId = `probe-${process.pid}-${++serial}`;
  prober.send(write(prober, { method: 'OPTIONS', callId }));
  await prober.next('the probe is answered', (m) => m.kind === 'response' && headerValue(m, 'call-id') === callId);
  if (fresh) await prober.close();
}

/** RFC 3261 §8.2.6.2: what a response copies from its request. */
function checkAnswer(answer: SipResponse, bytes: Buffer, { headers = {} }: TortureMessage): void {
  const head = bytes.toString('utf8');
  for (const [name, pattern] of [
    ['call-id', /^(?:call-id|i)\s*:/im],
    ['cseq', /^cseq\s*:/im],
    ['from', /^(?:from|f)\s*:/im],
    ['to', /^(?:to|t)\s*:/im],
  ] as const) {
    expect([name, headerValue(answer, name) !== undefined]).toEqual([name, pattern.test(head)]);
  }
  expect(headerValues(answer, 'via').length).toBeGreaterThan(0);
  const to = headerValue(answer, 'to');
  // A To that ends nowhere can take no tag that a parser would find.
  if (to !== undefined && !/^"[^"]*$/.test(to)) expect(tagOf(to)).toBeDefined();
  expect(headerValue(answer, 'content-length')).toBe(String(answer.body.length));
  for (const [name, pattern] of Object.entries(headers)) expect(headerValue(answer, name)).toMatch(pattern);
}

/** Acknowledges the 200 and ends the call as its maker would. */
async function end(peer: Peer, answer: SipResponse): Promise<void> {
  peer.send(inDialog(peer, answer, 'ACK', 0));
  peer.send(inDialog(peer, answer, 'BYE', 1));
  const bye = await peer.final('BYE');
  expect(bye.status).toBe(200);
  // The 200 may have been repeated before the ACK came.
  for (let at = peer.received.length - 1; at >= 0; at--) {
    const seen = peer.received[at];
    if (seen?.kind === 'response' && seen.status === 200 && cseqMethod(seen) === 'INVITE') peer.received.splice(at, 1);
  }
}

function inDialog(peer: Peer, answer: SipResponse, method: string, later: number): string {
  const cseq = Number(/^\d+/.exec(headerValue(answer, 'cseq') ?? '')?.[0]) + later;
  return [
    `${method} sip:srs@127.0.0.1 SIP/2.0`,
    `Via: SIP/2.0/${peer.transport} 127.0.0.1:${peer.port};branch=z9hG4bK.${method}.${++serial}`,
    `From: ${headerValue(answer, 'from')}`,
    `To: ${headerValue(answer, 'to')}`,
    `Call-ID: ${headerValue(answer, 'call-id')}`,
    `CSeq: ${cseq} ${method}`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

/** The ACK to a failure goes with the branch of its INVITE; what cannot be read had no transaction. */
function acknowledge(peer: Peer, answer: SipResponse, bytes: Buffer): string {
  const request = (() => {
    try {
      return parseSipMessage(bytes);
    } catch {
      return undefined;
    }
  })();
  const via = request && headerValues(request, 'via')[0];
  const line = inDialog(peer, answer, 'ACK', 0);
  return via === undefined ? line : line.replace(/^Via:.*$/m, `Via: ${via}`);
}
