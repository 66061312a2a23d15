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

/** Writes `rounds` packets of 20 ms for each leg, G.711, the conversation over and over. */
export function writePacketFile(path: string, rounds: number): PacketFile {
  const voices = ['caller', 'agent'].map((name) =>
    encodeG711('PCMU', readWav(readFileSync(`${VOICES}${name}.wav`)).samples),
  );
  const packetBytes = HEADER_BYTES + PAYLOAD_BYTES;
  const packets = Buffer.alloc(rounds * voices.length * packetBytes);
  for (let round = 0; round < rounds; round++) {
    for (const [track, voice] of voices.entries()) {
      const at = (round * voices.length + track) * packetBytes;
      packets.writeUInt16BE(0x8000, at);
      packets.writeUInt16BE(round & 0xffff, at + 2);
      packets.writeUInt32BE(round * PAYLOAD_BYTES, at + 4);
      packets.writeUInt32BE(0x5000 + track, at + 8);
      const from = (round * PAYLOAD_BYTES) % (voice.length - PAYLOAD_BYTES);
      packets.set(voice.subarray(from, from + PAYLOAD_BYTES), at + HEADER_BYTES);
    }
  }
  writeFileSync(path, packets);
  return { path, packetBytes, tracks: voices.length };
}
