import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { encodeG711 } from '../../src/audio/g711.js';
import { readWav } from '../../src/audio/wav-reader.js';

/** The demo's conversation: each voice is silent while the other speaks, as on a real call. */
const VOICES = fileURLToPath(new URL('../../../demo/', import.meta.url));
const HEADER_BYTES = 12;
const PAYLOAD_BYTES = 160;

/** Packets for `rtp-load`: a track for each leg of a call. All streams of a track are the same, SSRC and all, on sockets of their own. */
export interface PacketFile {
  readonly path: string;
  readonly packetBytes: number;
  readonly tracks: number;
}

/** Writes `rounds` packets of 20 ms for each leg, G.711, the conversation over and over. @param seal protects each of them */
export function writePacketFile(
  path: string,
  rounds: number,
  seal: (packet: Uint8Array) => Uint8Array = (packet) => packet,
): PacketFile {
  const voices = ['caller', 'agent'].map((name) =>
    encodeG711('PCMU', readWav(readFileSync(`${VOICES}${name}.wav`)).samples),
  );
  const packets: Uint8Array[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [track, voice] of voices.entries()) {
      const packet = Buffer.alloc(HEADER_BYTES + PAYLOAD_BYTES);
      packet.writeUInt16BE(0x8000, 0);
      packet.writeUInt16BE(round & 0xffff, 2);
      packet.writeUInt32BE(round * PAYLOAD_BYTES, 4);
      packet.writeUInt32BE(0x5000 + track, 8);
      const from = (round * PAYLOAD_BYTES) % (voice.length - PAYLOAD_BYTES);
      packet.set(voice.subarray(from, from + PAYLOAD_BYTES), HEADER_BYTES);
      packets.push(seal(packet));
    }
  }
  writeFileSync(path, Buffer.concat(packets));
  return { path, packetBytes: packets[0]?.length ?? 0, tracks: voices.length };
}
