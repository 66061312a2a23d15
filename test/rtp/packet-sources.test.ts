import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { BatchReceiver, BatchSocket } from '../../src/rtp/batch-socket.js';
import { loadLibc } from '../../src/rtp/libc.js';
import { type OpenPacketSource, openNodeSocket, type PacketSource } from '../../src/rtp/packet-source.js';
import { SocketBook } from '../../src/rtp/socket-book.js';
import { eventually } from '../helpers/eventually.js';
import { portRange } from '../helpers/port-range.js';
import { Heard as Listener, PCMU, startPlane, temporaryDirectory } from './media-fixture.js';

const libc = await loadLibc();
const entries = SocketBook.memory(1);

const inBatches: OpenPacketSource = async (address, port, receive) => {
  if (!libc) throw new Error('koffi is not installed');
  return new BatchSocket(new BatchReceiver(libc, new SocketBook(entries)), address, port, receive);
};

interface Heard {
  readonly bytes: Buffer;
  readonly address: string;
  readonly port: number;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function peer(type: 'udp4' | 'udp6'): Promise<Socket> {
  const socket = createSocket(type);
  closers.push(() => new Promise<void>((done) => socket.close(() => done())));
  socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1');
  await once(socket, 'listening');
  return socket;
}

const send = (socket: Socket, bytes: Uint8Array, port: number, address: string): Promise<void> =>
  new Promise((resolve, reject) => socket.send(bytes, port, address, (error) => (error ? reject(error) : resolve())));

const sockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

describe.each([
  ['Node reads', openNodeSocket],
  ['is read in batches', inBatches],
])('a port that %s', (_name, open) => {
  async function listen(address: string): Promise<{ source: PacketSource; heard: Heard[]; port: number }> {
    const heard: Heard[] = [];
    const port = portRange(2);
    const source = await open(address, port, (bytes, from, fromPort) => {
      heard.push({ bytes: Buffer.from(bytes), address: from, port: fromPort });
    });
    closers.push(() => source.close());
    return { source, heard, port };
  }

  const all = async (source: PacketSource, heard: Heard[], count: number): Promise<void> => {
    await eventually(`${count} packets`, () => {
      source.drain();
      return heard.length >= count;
    });
  };

  it('hands over every packet once, in order, whole, with its sender', async () => {
    const { source, heard, port } = await listen('127.0.0.1');
    const [one, two] = [await peer('udp4'), await peer('udp4')];
    const sizes = [172, 172, 0, 1, 92, 172, 8012, 172, ...new Array<number>(92).fill(172)];
    for (const [i, size] of sizes.entries())
      await send(i % 3 === 0 ? two : one, Buffer.alloc(size, i), port, '127.0.0.1');
    await all(source, heard, sizes.length);
    expect(heard.map(({ bytes }) => bytes.length)).toEqual(sizes);
    expect(heard.every(({ bytes }, i) => bytes.equals(Buffer.alloc(sizes[i] ?? 0, i)))).toBe(true);
    expect(heard.map((packet) => packet.port)).toEqual(
      sizes.map((_size, i) => (i % 3 === 0 ? two : one).address().port),
    );
    expect(new Set(heard.map(({ address }) => address))).toEqual(new Set(['127.0.0.1']));
  });

  it('hears IPv6, and on the address of both families IPv4 as a mapped one', async () => {
    const { source, heard, port } = await listen('::');
    await send(await peer('udp6'), Buffer.from('six'), port, '::1');
    await send(await peer('udp4'), Buffer.from('four'), port, '127.0.0.1');
    await all(source, heard, 2);
    expect(heard.map(({ address }) => address)).toEqual(['::1', '::ffff:127.0.0.1']);
  });

  it('sends from itself, to IPv4 from both families too', async () => {
    for (const [own, other, type] of [
      ['127.0.0.1', '127.0.0.1', 'udp4'],
      ['::1', '::1', 'udp6'],
      ['::', '127.0.0.1', 'udp4'],
    ] as const) {
      const { source, port } = await listen(own);
      const remote = await peer(type);
      const came = once(remote, 'message');
      source.send(Buffer.from('report'), other, remote.address().port);
      const [bytes, from] = await came;
      expect(`${bytes}`).toBe('report');
      expect(from.port).toBe(port);
      source.send(Buffer.from('nowhere'), 'not an address', 1);
    }
  });

  it('says why it cannot be had, and holds nothing then', async () => {
    const { port } = await listen('127.0.0.1');
    const before = sockets();
    await expect(open('127.0.0.1', port, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(open('192.0.2.1', port, () => {})).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    await eventually('no more sockets than before', () => sockets() === before);
  });

  it('is free as soon as it is closed, and silent from then on', async () => {
    const { source, heard, port } = await listen('127.0.0.1');
    await send(await peer('udp4'), Buffer.from('unread'), port, '127.0.0.1');
    await Promise.all([source.close(), source.close()]);
    source.drain();
    source.send(Buffer.from('late'), '127.0.0.1', port);
    expect(heard).toEqual([]);
    const again = await open('127.0.0.1', port, () => {});
    await again.close();
  });
});

describe('a port that is read in batches', () => {
  it('leaves what is beyond 32 packets, and is looked at again only when it has left something', async () => {
    let heard = 0;
    const port = portRange(2);
    const source = await inBatches('127.0.0.1', port, () => {
      heard++;
    });
    closers.push(() => source.close());
    const sender = await peer('udp4');
    for (let i = 0; i < 40; i++) await send(sender, Buffer.alloc(172), port, '127.0.0.1');
    source.drain(true);
    expect(heard).toBe(0);
    await eventually('the first of them', () => {
      if (heard === 0) source.drain();
      return heard > 0;
    });
    expect(heard).toBe(32);
    source.drain(true);
    expect(heard).toBe(40);
    await send(sender, Buffer.alloc(172), port, '127.0.0.1');
    source.drain(true);
    expect(heard).toBe(40);
  });
});

describe('media workers that receive in batches', () => {
  it('are what a plane has here by itself, and others when it is told so', async () => {
    for (const receiver of ['auto', 'node'] as const) {
      const { plane } = startPlane({ receiver });
      closers.push(() => plane.stop());
      await plane.start();
      expect(plane.workers.map(({ batches }) => batches)).toEqual([receiver === 'auto']);
    }
  });

  it('leave no socket behind when they die', async () => {
    const { plane } = startPlane({ quarantineMs: 0 });
    closers.push(() => plane.stop());
    await plane.start();
    const before = sockets();
    const directory = temporaryDirectory();
    closers.push(directory.remove);
    const call = await plane.openCall({ sessionId: 's', directory: directory.path, utterances: false }, new Listener());
    for (const leg of [1, 2, 3]) await call.openLeg({ leg, formats: [PCMU], active: true });
    const open = sockets();
    expect(open).toBeGreaterThanOrEqual(before + 6);
    await plane.workers[0]?.kill();
    await call.finish();
    await eventually('no more sockets than before', () => sockets() <= before);
  });
});

describe('the book of sockets', () => {
  it('knows what is open, reuses what was freed, and tells when it is full', () => {
    const memory = new Int32Array(new SharedArrayBuffer(12));
    const book = new SocketBook(memory);
    for (const socket of [0, 7, 9]) book.note(socket);
    expect(book.full).toBe(true);
    book.forget(7);
    expect(book.full).toBe(false);
    book.note(12);
    book.forget(99);
    expect(new SocketBook(memory).takeAll().sort((a, b) => a - b)).toEqual([0, 9, 12]);
    expect(book.takeAll()).toEqual([]);
  });
});
