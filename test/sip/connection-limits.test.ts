import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { establish, type Fixture, startServer, TcpPeer, write } from './engine-kit.js';

let fixture: Fixture;
const open: Socket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await fixture.server.stop();
});

/** A connection from any address of 127.0.0.0/8, so that one machine is several peers. */
async function from(localAddress: string): Promise<{ readonly socket: Socket; closed: boolean }> {
  const socket = connect({ port: fixture.tcp, host: '127.0.0.1', localAddress });
  const state = { socket, closed: false };
  open.push(socket);
  socket.on('error', () => {});
  socket.on('close', () => {
    state.closed = true;
  });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return state;
}

const refused = async (reason: string): Promise<number> =>
  Number(
    new RegExp(`connections_refused_total\\{reason="${reason}"\\} (\\d+)`).exec(await fixture.metrics.render())?.[1],
  );

describe('connections of strangers', () => {
  it('are closed before they take a place, and counted', async () => {
    fixture = await startServer({ peers: ['127.0.0.1'], maxConnections: 1 });
    const strangers = await Promise.all(Array.from({ length: 5 }, () => from('127.0.0.7')));
    await eventually('all are closed', () => strangers.every(({ closed }) => closed));
    expect(fixture.server.counts.connections).toBe(0);
    expect([await refused('forbidden'), await refused('full')]).toEqual([5, 0]);
    const friend = await TcpPeer.open(fixture.tcp);
    await establish(friend);
    await friend.close();
  });
});

describe('connections from one address', () => {
  it('are held up to a limit, while other addresses come in', async () => {
    fixture = await startServer({ peerConnections: 3 });
    const greedy = await Promise.all(Array.from({ length: 5 }, () => from('127.0.0.7')));
    await eventually('two are closed', () => greedy.filter(({ closed }) => closed).length === 2);
    expect(await refused('peer_full')).toBe(2);
    const honest = await TcpPeer.open(fixture.tcp);
    await establish(honest);
    expect(fixture.server.counts.connections).toBe(4);
    for (const { socket } of greedy) socket.destroy();
    await eventually('the places are free', () => fixture.server.counts.connections === 1);
    const later = await from('127.0.0.7');
    await eventually('the next one is held', () => fixture.server.counts.connections === 2);
    expect(later.closed).toBe(false);
    await honest.close();
  });

  it('count together over all ports, and with those of others against the whole', async () => {
    fixture = await startServer({ tcpPorts: [0, 0], peerConnections: 2, maxConnections: 3 });
    const second = fixture.server.addresses.filter(({ transport }) => transport === 'tcp')[1]?.port ?? 0;
    await from('127.0.0.7');
    const other = connect({ port: second, host: '127.0.0.1', localAddress: '127.0.0.7' });
    open.push(other);
    await eventually('both are held', () => fixture.server.counts.connections === 2);
    const third = await from('127.0.0.7');
    await eventually('the third is closed', () => third.closed);
    await from('127.0.0.8');
    await eventually('three are held', () => fixture.server.counts.connections === 3);
    const over = await from('127.0.0.9');
    await eventually('the one over the whole is closed', () => over.closed);
    expect([await refused('peer_full'), await refused('full')]).toEqual([1, 1]);
  });

  it('that come and go by the thousand leave nothing', async () => {
    fixture = await startServer();
    for (let round = 0; round < 20; round++) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => from('127.0.0.7')));
      for (const [n, { socket }] of batch.entries()) {
        if (n % 2 === 0) socket.resetAndDestroy();
        else socket.end('INVITE sip:torn SIP/2.0\r\nVia: ');
      }
      await eventually('all are gone', () => fixture.server.counts.connections === 0);
    }
    open.length = 0;
    const peer = await TcpPeer.open(fixture.tcp);
    await establish(peer);
    await peer.close();
  });
});

describe('a slow message', () => {
  it('is cut off with its connection however it drips, and idle connections beside it stay', async () => {
    fixture = await startServer({ slowMessageMs: 300 });
    const idle = await TcpPeer.open(fixture.tcp);
    const dripping = await TcpPeer.open(fixture.tcp);
    const text = write(dripping, { extra: [`X-Long: ${'x'.repeat(20_000)}`] });
    let at = 0;
    await eventually('the connection is cut', () => {
      if (!dripping.closed && at < text.length) dripping.send(text[at++] ?? '');
      return dripping.closed;
    });
    expect(at).toBeLessThan(text.length);
    expect(await refused('slow')).toBe(1);
    expect(fixture.calls).toEqual([]);
    idle.send(write(idle, { method: 'OPTIONS' }));
    await idle.response(200);
    await idle.close();
  });

  it('is none of a peer whose packets end in the middle of messages that do come', async () => {
    fixture = await startServer({ slowMessageMs: 600 });
    const peer = await TcpPeer.open(fixture.tcp);
    const started = performance.now();
    let answers = 0;
    let rest = '';
    // The buffer of the server is never empty, for twice the limit.
    while (performance.now() - started < 1_300) {
      const next = write(peer, { method: 'OPTIONS' });
      peer.send(rest + next.slice(0, 100));
      rest = next.slice(100);
      peer.send(rest.slice(0, -10));
      rest = rest.slice(-10);
      await new Promise((resolve) => setTimeout(resolve, 20));
      answers++;
    }
    peer.send(rest);
    await eventually('all are answered', () => peer.received.length === answers);
    expect(peer.closed).toBe(false);
    await peer.close();
  });
});

describe('connections of ours', () => {
  it('to peers that went before their answers are made up to a limit, and end with the server', async () => {
    fixture = await startServer();
    let reached = 0;
    const doors = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const door = createServer((socket) => {
          reached++;
          socket.on('error', () => {});
          socket.resume();
        }).listen(0, '127.0.0.1');
        await once(door, 'listening');
        return door;
      }),
    );
    const ports = doors.map((door) => (door.address() as AddressInfo).port);
    let decide = (): void => {};
    const decided = new Promise<void>((resolve) => {
      decide = resolve;
    });
    fixture.onInvite = () => decided.then(() => ({ status: 486 }));
    const peer = await TcpPeer.open(fixture.tcp);
    for (const port of ports) peer.send(write(peer).replace(`:${peer.port};branch`, `:${port};branch`));
    await eventually('all have come', () => fixture.calls.length === ports.length);
    await peer.close();
    await eventually('the peer is gone', () => fixture.server.counts.connections === 0);
    decide();
    await eventually('the limit is reached', () => reached === 256);
    expect(fixture.server.counts.connections).toBe(256);
    await fixture.server.stop();
    expect(fixture.server.counts.connections).toBe(0);
    expect(reached).toBe(256);
    await Promise.all(doors.map((door) => new Promise((resolve) => door.close(resolve))));
  });
});
