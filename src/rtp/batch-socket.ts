import { isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Libc, NativeMemory } from './libc.js';
import type { PacketReceiver, PacketSource } from './packet-source.js';
import { AF_INET, AF_INET6, addressText, SOCKADDR_BYTES, socketAddress } from './socket-address.js';
import type { SocketBook } from './socket-book.js';

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
/** A tick of 100 ms has five packets of 20 ms; the call after a stall has more. */
const BATCH = 16;
/** As many reads of a socket in a turn as Node makes, so that a flood on one does not starve the others. */
const BATCHES = 2;
/** Longer than a payload may be; what is cut off here is refused for its length. */
const PACKET_BYTES = 9216;
/** Of `struct mmsghdr`, and where its fields are. */
const HEADER_BYTES = 64;
const NAME = 0;
const NAME_BYTES = 8;
const PARTS = 16;
const PART_COUNT = 24;
const LENGTH = 56;
/** Of `struct iovec`. */
const PART_BYTES = 16;
/** Room for one address, aligned, and the words of it that tell one from another, beside the first. */
const PEER_BYTES = 32;
const V4_WORDS = [1, 2] as const;
const V6_WORDS = [2, 7] as const;

/**
 * Receives for all sockets of a thread: one system call takes up to sixteen packets of a socket, into memory that all of them share.
 * Measured, that is a third of what Node's sockets cost, which make one call, two buffers and an object with a text for every packet.
 */
export class BatchReceiver {
  readonly libc: Libc;
  readonly book: SocketBook;
  readonly #memory: NativeMemory;
  readonly #words: Int32Array;
  readonly #peersAt: number;
  readonly #packets: Uint8Array[];
  readonly #packetsAt: number;

  constructor(libc: Libc, book: SocketBook) {
    this.libc = libc;
    this.book = book;
    const parts = BATCH * HEADER_BYTES;
    this.#peersAt = parts + BATCH * PART_BYTES;
    this.#packetsAt = this.#peersAt + BATCH * PEER_BYTES;
    this.#memory = libc.allocate(this.#packetsAt + BATCH * PACKET_BYTES);
    const { address, buffer } = this.#memory;
    new Uint8Array(buffer).fill(0);
    this.#words = new Int32Array(buffer, 0, this.#packetsAt >> 2);
    const view = new DataView(buffer);
    const point = (at: number, to: number): void => view.setBigUint64(at, address + BigInt(to), true);
    for (let i = 0; i < BATCH; i++) {
      point(i * HEADER_BYTES + NAME, this.#peersAt + i * PEER_BYTES);
      view.setUint32(i * HEADER_BYTES + NAME_BYTES, SOCKADDR_BYTES, true);
      point(i * HEADER_BYTES + PARTS, parts + i * PART_BYTES);
      view.setBigUint64(i * HEADER_BYTES + PART_COUNT, 1n, true);
      point(parts + i * PART_BYTES, this.#packetsAt + i * PACKET_BYTES);
      view.setBigUint64(parts + i * PART_BYTES + 8, BigInt(PACKET_BYTES), true);
    }
    this.#packets = Array.from({ length: BATCH }, () => new Uint8Array(buffer, this.#packetsAt, 0));
  }

  /** Fills the batch from a socket. Returns how many packets came. */
  receive(socket: number): number {
    const got = this.libc.recvmmsg(socket, this.#memory.handle, BATCH, MSG_DONTWAIT, null);
    // The kernel has written how long each address was over the room for it.
    for (let i = 0; i < got; i++) this.#words[(i * HEADER_BYTES + NAME_BYTES) >> 2] = SOCKADDR_BYTES;
    return got;
  }

  /** A packet of the batch: a view of memory that the next batch overwrites. */
  packet(i: number): Uint8Array {
    const length = this.#words[(i * HEADER_BYTES + LENGTH) >> 2] as number;
    const last = this.#packets[i] as Uint8Array;
    // Packets of a stream are mostly of one length, and so are streams.
    if (last.length === length) return last;
    const view = new Uint8Array(this.#memory.buffer, this.#packetsAt + i * PACKET_BYTES, length);
    this.#packets[i] = view;
    return view;
  }

  /** Who sent a packet of the batch, as the system says it; good until the next batch. */
  peerBytes(i: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, this.#peersAt + i * PEER_BYTES, SOCKADDR_BYTES);
  }

  /** Whether it came from whom `peer` tells, of which so many words count. Makes it so. */
  samePeer(i: number, peer: Int32Array, from: number, to: number): boolean {
    const at = (this.#peersAt + i * PEER_BYTES) >> 2;
    let same = peer[0] === this.#words[at];
    for (let word = from; word < to; word++) if (peer[word] !== this.#words[at + word]) same = false;
    if (!same) peer.set(this.#words.subarray(at, at + peer.length));
    return same;
  }
}

/** A UDP port of which packets are fetched in batches. To be drained on a tick; nothing wakes the thread when they come. */
export class BatchSocket implements PacketSource {
  readonly port: number;
  readonly #receiver: BatchReceiver;
  readonly #socket: number;
  readonly #family: number;
  readonly #receive: PacketReceiver;
  /** Who sent the last packet, as the system says it: mostly who sends the next, so that no text is made of it again. */
  #peer: Int32Array | undefined;
  #peerAddress = '';
  #peerPort = 0;
  /** Whether the last drain was not the end. */
  #more = false;
  #closed = false;

  /** Binds the port. Throws the system's error as Node's sockets do: `code` is `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`. */
  constructor(receiver: BatchReceiver, address: string, port: number, receive: PacketReceiver) {
    const { libc, book } = receiver;
    this.#receiver = receiver;
    this.#receive = receive;
    this.port = port;
    this.#family = isIPv6(address) ? AF_INET6 : AF_INET;
    const own = socketAddress(this.#family, address, port);
    if (!own) throw systemError('bind', 'EINVAL');
    this.#socket = libc.socket(this.#family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (this.#socket < 0) throw systemError('socket', getSystemErrorName(-libc.errno()));
    book.note(this.#socket);
    if (libc.bind(this.#socket, own, own.length) === 0) return;
    const code = getSystemErrorName(-libc.errno());
    this.#free();
    throw systemError('bind', code);
  }

  drain(rest = false): void {
    if (rest && !this.#more) return;
    const receiver = this.#receiver;
    this.#more = false;
    for (let batch = 0; batch < BATCHES && !this.#closed; batch++) {
      const got = receiver.receive(this.#socket);
      for (let i = 0; i < got; i++) {
        this.#recognise(i);
        this.#receive(receiver.packet(i), this.#peerAddress, this.#peerPort);
      }
      if (got < BATCH) return;
    }
    this.#more = true;
  }

  send(bytes: Uint8Array, address: string, port: number): void {
    const to = socketAddress(this.#family, address, port);
    if (to && !this.#closed) this.#receiver.libc.sendto(this.#socket, bytes, bytes.length, MSG_DONTWAIT, to, to.length);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#free();
  }

  #free(): void {
    this.#receiver.book.forget(this.#socket);
    this.#receiver.libc.close(this.#socket);
  }

  #recognise(packet: number): void {
    // After family and port comes the address of IPv4; that of IPv6 comes a word later, and its zone.
    const [from, to] = this.#family === AF_INET ? V4_WORDS : V6_WORDS;
    // Most sockets for RTCP never hear anything.
    this.#peer ??= new Int32Array(SOCKADDR_BYTES >> 2);
    if (this.#receiver.samePeer(packet, this.#peer, from, to)) return;
    const bytes = this.#receiver.peerBytes(packet);
    this.#peerAddress = addressText(bytes);
    this.#peerPort = ((bytes[2] as number) << 8) | (bytes[3] as number);
  }
}

function systemError(call: string, code: string): Error {
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call });
}
