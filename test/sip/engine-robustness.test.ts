import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { headerValue, type SipMessage } from '../../src/sip/message.js';
import { eventually } from '../helpers/eventually.js';
import {
  atRest,
  establish,
  type Fixture,
  newBranch,
  newCallId,
  QUICK,
  startServer,
  TcpPeer,
  UdpPeer,
  write,
  writeResponse,
} from './engine-kit.js';

let fixture: Fixture;
afterEach(() => fixture.server.stop());

/** Numbers that are the same on every run (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const SPLICES = ['\r\n', '\r\n\r\n', '\0', ';', ',', '<', '>', '"', ':', ' ', '\t', '\u00ff', '%', '4294967296', '-1'];

function mutate(text: string, pick: (below: number) => number): Buffer {
  let bytes = Buffer.from(text);
  for (let rounds = 1 + pick(4); rounds > 0; rounds--) {
    const at = pick(bytes.length + 1);
    const to = Math.min(bytes.length, at + pick(30));
    const splice = Buffer.from(SPLICES[pick(SPLICES.length)] ?? '');
    const change = pick(5);
    if (change === 0) bytes = bytes.subarray(0, at);
    else if (change === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
    else if (change === 2) bytes = Buffer.concat([bytes.subarray(0, at), splice, bytes.subarray(at)]);
    else if (change === 3) bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at, to), bytes.subarray(to)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([pick(256)]), bytes.subarray(at + 1)]);
  }
  return bytes;
}

describe('the server under bad input', () => {
  it('survives thousands of mutated datagrams, and a neighbouring dialog goes on', async () => {
    fixture = await startServer();
    const good = await UdpPeer.open(fixture.udp);
    const bad = await UdpPeer.open(fixture.udp);
    const call = await establish(good);
    const victim = await establish(bad, { fromTag: 'victim' });
    const pick = seeded(20_260_101);
    let cseq = 1;
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 100; i++) {
        const method = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'UPDATE', 'INFO'][pick(7)] ?? 'INVITE';
        const shape = pick(3) === 0 ? { ...victim, fromTag: 'victim', cseq: 2 + round } : { callId: newCallId() };
        bad.send(mutate(write(bad, { ...shape, method, body: 'v=0\r\n', extra: ['Require: siprec'] }), pick));
      }
      cseq += 100;
      good.send(write(good, { ...call, method: 'INFO', cseq }));
      await good.response(200, 'INFO');
      bad.received.length = 0;
    }
    expect(fixture.calls[0]?.ends).toEqual([]);
    good.send(write(good, { ...call, method: 'BYE', cseq: cseq + 1 }));
    await good.response(200, 'BYE');
    await Promise.all([good.close(), bad.close()]);
    // Sessions that mutants opened end for want of an ACK, and their BYEs time out.
    await atRest(fixture);
    expect(fixture.calls.filter(({ ends }) => ends.length > 1)).toEqual([]);
  });

  it('answers a torn datagram with 400 and says nothing to garbage, ACKs and responses', async () => {
    fixture = await startServer();
    const peer = await UdpPeer.open(fixture.udp);
    const whole = write(peer, { body: 'v=0\r\n' });
    peer.send(whole.slice(0, -2));
    const reply = await peer.response(400, 'INVITE');
    expect(headerValue(reply, 'warning')).toContain('Content-Length');
    for (const silent of [
      '',
      '\r\n\r\n',
      'hello',
      'ACK sip:h SIP/2.0\r\n\r\n',
      'SIP/2.0 200 OK\r\n\r\n',
      whole.slice(0, 60),
    ]) {
      peer.send(silent);
    }
    peer.send(write(peer, { method: 'OPTIONS' }));
    await peer.response(200, 'OPTIONS');
    expect(peer.received).toEqual([]);
    await peer.close();
  });

  it('refuses a stream without Content-Length, closes it, and serves the next connection', async () => {
    fixture = await startServer();
    const peer = await TcpPeer.open(fixture.tcp);
    peer.send(write(peer, { method: 'OPTIONS' }).replace(/Content-Length: 0\r\n/, ''));
    expect((await peer.final()).status).toBe(400);
    await eventually('the connection is closed', () => peer.closed);
    const large = await TcpPeer.open(fixture.tcp);
    large.send(write(large).replace(/Content-Length: 0/, 'Content-Length: 70000'));
    expect((await large.final()).status).toBe(513);
    await eventually('the connection is closed', () => large.closed && fixture.server.counts.connections === 0);
    const next = await TcpPeer.open(fixture.tcp);
    await establish(next);
    await next.close();
  });

  it('closes connections over the limit and those that stay idle', async () => {
    fixture = await startServer({ maxConnections: 2, idleConnectionMs: 300 });
    const peers = [await TcpPeer.open(fixture.tcp), await TcpPeer.open(fixture.tcp)];
    await eventually('both are counted', () => fixture.server.counts.connections === 2);
    const third = await TcpPeer.open(fixture.tcp);
    await eventually('the third is closed', () => third.closed);
    await eventually('the idle ones are closed', () => peers.every(({ closed }) => closed));
  });

  it('keeps an idle connection as long as a call needs it: its peer may listen nowhere', async () => {
    fixture = await startServer({ idleConnectionMs: 100 });
    const peer = await TcpPeer.open(fixture.tcp);
    const call = await establish(peer);
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    // Whoever came later and says nothing is gone twice before the first one is asked again.
    for (let i = 0; i < 3; i++) {
      const silent = await TcpPeer.open(fixture.tcp);
      await eventually('the silent one is closed', () => silent.closed);
    }
    expect(peer.closed).toBe(false);
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 2 }));
    await peer.response(200, 'BYE');
    await eventually('the connection is closed after the call', () => peer.closed);
  });

  it('cuts off a peer that does not read its answers', async () => {
    fixture = await startServer();
    const peer = await TcpPeer.open(fixture.tcp);
    peer.socket.pause();
    const burst = Array.from({ length: 200 }, () =>
      write(peer, { method: 'OPTIONS', extra: [`Via: ${'SIP/2.0/TCP h,'.repeat(500)}`] }),
    );
    let rounds = 0;
    await eventually('the connection is cut', () => {
      if (fixture.server.counts.connections === 0) return true;
      if (rounds++ < 100) peer.send(burst.join(''));
      return false;
    });
    await peer.close();
  });

  it('reaches the peer by a new connection when the old one is gone', async () => {
    fixture = await startServer();
    const callee = await startServer();
    const peer = await TcpPeer.open(fixture.tcp);
    await establish(peer, { contact: `<sip:src@127.0.0.1:${callee.tcp};transport=tcp>` });
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    await peer.close();
    await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
    await fixture.calls[0]?.control.bye();
    // The other server knows no such dialog and says 481, which ends it as well as a 200.
    expect(await callee.metrics.render()).toContain('siprec_sip_requests_total{method="BYE"} 1');
    expect(fixture.server.counts.dialogs).toBe(0);
    await callee.server.stop();
  });
});

describe('a peer that listens nowhere and whose connection is gone', () => {
  it('hears our BYE on another connection that it has made', async () => {
    fixture = await startServer();
    const peer = await TcpPeer.open(fixture.tcp);
    await establish(peer);
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    await peer.close();
    await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
    const older = await TcpPeer.open(fixture.tcp);
    const latest = await TcpPeer.open(fixture.tcp);
    await eventually('both are accepted', () => fixture.server.counts.connections === 2);
    const ended = fixture.calls[0]?.control.bye();
    latest.send(writeResponse(await latest.request('BYE'), 200));
    await ended;
    expect(older.received).toEqual([]);
    await atRest(fixture);
    await older.close();
    await latest.close();
  });

  it('hears the BYEs of all its calls there, though one attempt to reach it stands for all', async () => {
    fixture = await startServer();
    const peer = await TcpPeer.open(fixture.tcp);
    for (let i = 0; i < 3; i++) await establish(peer);
    await eventually('the ACKs arrive', () => fixture.calls.every(({ acks }) => acks.length === 1));
    await peer.close();
    await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
    const again = await TcpPeer.open(fixture.tcp);
    await eventually('it is accepted', () => fixture.server.counts.connections === 1);
    const ended = fixture.calls.map(({ control }) => control.bye());
    for (let i = 0; i < 3; i++) again.send(writeResponse(await again.request('BYE'), 200));
    await Promise.all(ended);
    await atRest(fixture);
    await again.close();
  });

  it('is not taken for its neighbour behind the same NAT, who names another host in Via', async () => {
    fixture = await startServer();
    const peer = await TcpPeer.open(fixture.tcp);
    for (let i = 0; i < 2; i++) await establish(peer);
    await eventually('the ACKs arrive', () => fixture.calls.every(({ acks }) => acks.length === 1));
    await peer.close();
    const neighbour = await TcpPeer.open(fixture.tcp);
    neighbour.send(write(neighbour, { method: 'OPTIONS' }).replace('TCP 127.0.0.1:', 'TCP 10.0.0.2:'));
    await neighbour.response(200, 'OPTIONS');
    await fixture.calls[0]?.control.bye();
    const again = await TcpPeer.open(fixture.tcp);
    again.send(write(again, { method: 'OPTIONS' }));
    await again.response(200, 'OPTIONS');
    const ended = fixture.calls[1]?.control.bye();
    again.send(writeResponse(await again.request('BYE'), 200));
    await ended;
    expect(neighbour.received).toEqual([]);
    await again.close();
    await neighbour.close();
  });

  it('is given up when only others are connected', async () => {
    fixture = await startServer();
    const peer = await TcpPeer.open(fixture.tcp);
    await establish(peer);
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    await peer.close();
    await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
    const other = connect({ port: fixture.tcp, host: '127.0.0.1', localAddress: '127.0.0.9' });
    let heard = '';
    other.on('data', (bytes) => {
      heard += bytes.toString('latin1');
    });
    await eventually('it is accepted', () => fixture.server.counts.connections === 1);
    await fixture.calls[0]?.control.bye();
    expect(heard).toBe('');
    other.destroy();
  });
});

describe('what the server leaves behind', () => {
  it('is nothing after fifty calls that end in every way', async () => {
    fixture = await startServer();
    const peer = await UdpPeer.open(fixture.udp);
    for (let i = 0; i < 50; i++) {
      if (i % 5 === 4) {
        fixture.onInvite = () => ({ status: 488 });
        const parts = { callId: newCallId(), branch: newBranch() };
        peer.send(write(peer, parts));
        const match = (m: SipMessage) => m.kind === 'response' && m.status === 488;
        await peer.next('the refusal', (m) => match(m) && headerValue(m, 'call-id') === parts.callId);
        peer.send(write(peer, { ...parts, method: 'ACK' }));
        fixture.onInvite = () => ({ status: 200 });
        continue;
      }
      const call = await establish(peer);
      if (i % 5 === 3) void fixture.calls.at(-1)?.control.bye();
      else peer.send(write(peer, { ...call, method: 'BYE', cseq: 2 }));
    }
    await atRest(fixture);
    expect(fixture.calls.filter(({ ends }) => ends.length === 1)).toHaveLength(40);
    await peer.close();
  });

  it('is no socket and no timer after a stop with open dialogs: the process ends by itself', async () => {
    fixture = await startServer();
    const { stdout } = await promisify(execFile)(process.execPath, ['test/fixtures/sip-server-exit.mjs'], {
      timeout: 15_000,
    });
    expect(JSON.parse(stdout)).toEqual({ counts: { transactions: 0, dialogs: 0, connections: 0 } });
  });

  it('is not more transactions than its limit: what is over it hears 503 and leaves nothing', async () => {
    fixture = await startServer({ maxTransactions: 1 });
    const peer = await UdpPeer.open(fixture.udp);
    peer.send(write(peer, { method: 'OPTIONS' }));
    await peer.response(200);
    peer.send(write(peer, { method: 'OPTIONS' }));
    await peer.response(503);
    expect(fixture.server.counts.transactions).toBe(1);
    await atRest(fixture);
    await peer.close();
  });

  it('repeats a lost BYE also while the server stops', async () => {
    fixture = await startServer();
    const peer = await UdpPeer.open(fixture.udp);
    await establish(peer);
    await eventually('the answer is acknowledged', () => fixture.calls[0]?.acks.length === 1);
    void fixture.calls[0]?.control.bye('shutdown');
    const stopped = fixture.server.stop();
    const lost = await peer.request('BYE');
    const again = await peer.request('BYE');
    expect(again).toEqual(lost);
    peer.send(writeResponse(again, 200));
    await stopped;
    await peer.close();
  });

  it('tells nobody when the server stops, and lets a waiting BYE go', async () => {
    fixture = await startServer({ timers: { ...QUICK, t1Ms: 500 } });
    const [udp, tcp] = [await UdpPeer.open(fixture.udp), await TcpPeer.open(fixture.tcp)];
    await establish(udp);
    await establish(tcp);
    await eventually('both are acknowledged', () => fixture.calls.every(({ acks }) => acks.length === 1));
    const hanging = fixture.calls[0]?.control.bye();
    await udp.request('BYE');
    await Promise.all([fixture.server.stop(), fixture.server.stop()]);
    await hanging;
    await Promise.all([udp.close(), tcp.close()]);
    expect(fixture.server.counts).toEqual({ transactions: 0, dialogs: 0, connections: 0 });
    expect(fixture.calls.map(({ ends }) => ends.map(({ reason }) => reason))).toEqual([['local'], []]);
  });

  it('fails to start when a port is taken, and holds nothing then', async () => {
    fixture = await startServer();
    await expect(startServer({ udpPorts: [0, fixture.udp] })).rejects.toThrow('EADDRINUSE');
    await expect(startServer({ tcpPorts: [fixture.tcp] })).rejects.toThrow('EADDRINUSE');
  });

  it('is no session when the answer cannot be written', async () => {
    fixture = await startServer();
    const peer = await UdpPeer.open(fixture.udp);
    fixture.onInvite = () => ({ status: 200, headers: { 'X-Odd': 'a\r\nb' } });
    peer.send(write(peer));
    await peer.response(500, 'INVITE');
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['transport']);
    expect(fixture.server.counts.dialogs).toBe(0);
    await peer.close();
  });
});
