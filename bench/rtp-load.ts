import { createSocket } from 'node:dgram';

/**
 * A child process that sends G.711 streams: `node rtp-load.js FIRST_PORT STREAMS SECONDS`. Stream n goes to FIRST_PORT + 2n, 50 packets of
 * 160 samples a second, spread over the 20 ms. The two streams of a call take turns of 3 s: one is loud while the other is silent.
 * Prints the number of packets sent.
 */
const [firstPort = 0, streams = 0, seconds = 0] = process.argv.slice(2).map(Number);
const sockets = Array.from({ length: 16 }, () => createSocket('udp4'));
const packets = Array.from({ length: streams }, (_, stream) => {
  const packet = Buffer.alloc(172);
  packet[0] = 0x80;
  packet.writeUInt32BE(0x5000 + stream, 8);
  return packet;
});

const SLICES = 10;
const TURN_PACKETS = 150;
const LOUD = Uint8Array.from({ length: 160 }, (_, at) => (at * 7) & 0xff);
const SILENT = new Uint8Array(160).fill(0xff);
const start = performance.now();
const slices = seconds * 50 * SLICES;
let slice = 0;
let sent = 0;

function sendDue(): void {
  const due = Math.min(slices, Math.floor(((performance.now() - start) / 20) * SLICES));
  for (; slice < due; slice++) {
    const round = Math.floor(slice / SLICES);
    for (let stream = slice % SLICES; stream < streams; stream += SLICES) {
      const packet = packets[stream];
      if (!packet) continue;
      packet.writeUInt16BE(round & 0xffff, 2);
      packet.writeUInt32BE((round * 160) >>> 0, 4);
      packet.set((Math.floor(round / TURN_PACKETS) + stream) % 2 === 0 ? LOUD : SILENT, 12);
      // The buffer is used again for the next packet of this stream, 20 ms later; libuv sends at once or copies nothing.
      sockets[stream % sockets.length]?.send(packet, firstPort + 2 * stream, '127.0.0.1');
      sent++;
    }
  }
  if (slice < slices) setTimeout(sendDue, 2);
  else setTimeout(finish, 100);
}

function finish(): void {
  for (const socket of sockets) socket.close();
  process.stdout.write(`${sent}\n`);
}

sendDue();
