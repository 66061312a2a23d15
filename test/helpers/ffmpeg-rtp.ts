import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { emptyRtpHeader, parseRtp } from '../../src/rtp/rtp-packet.js';
import { eventually } from './eventually.js';

/** A packet as ffmpeg sent it. */
export interface SentPacket {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payload: Uint8Array;
}

/**
 * Has ffmpeg encode, packetise and send RTP to a loopback socket, as fast as it can, and returns what arrived. `copy` is a second output
 * of the same encoder: the same frames in a file, for ffmpeg's own decoder.
 */
export async function rtpByFfmpeg(
  input: readonly string[],
  encoding: readonly string[],
  copy?: { readonly format: string; readonly path: string },
): Promise<SentPacket[]> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setRecvBufferSize(4 << 20);
  const packets: SentPacket[] = [];
  const header = emptyRtpHeader();
  socket.on('message', (bytes) => {
    // RTCP goes to another port; what is here is RTP.
    if (!parseRtp(bytes, header)) throw new Error('ffmpeg sent what is no RTP');
    const { payloadType, sequence, timestamp, payloadOffset, payloadLength } = header;
    const payload = Uint8Array.from(bytes.subarray(payloadOffset, payloadOffset + payloadLength));
    packets.push({ payloadType, sequence, timestamp, payload });
  });
  const { port } = socket.address();
  const url = `rtp://127.0.0.1:${port}`;
  const output = copy ? ['-f', 'tee', `[f=rtp]${url}|[f=${copy.format}]${copy.path}`] : ['-f', 'rtp', url];
  const child = spawn('ffmpeg', ['-v', 'error', '-y', ...input, '-map', '0:a', ...encoding, ...output], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number];
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
  let seen = -1;
  await eventually('the packets of ffmpeg', () => {
    const still = packets.length === seen;
    seen = packets.length;
    return still;
  });
  socket.close();
  const first = packets[0];
  const last = packets.at(-1);
  // A full socket buffer would lose packets, and a comparison would blame the decoder.
  if (!first || !last || ((last.sequence - first.sequence) & 0xffff) + 1 !== packets.length) {
    throw new Error('not every packet of ffmpeg arrived');
  }
  return packets;
}

/** The 16-bit samples of an ffmpeg run that writes them to its standard output. */
export function samplesByFfmpeg(args: readonly string[], input?: Uint8Array): Int16Array {
  const out = execFileSync('ffmpeg', ['-v', 'error', ...args, '-f', 's16le', '-'], {
    maxBuffer: 1 << 28,
    ...(input ? { input } : {}),
  });
  return new Int16Array(Uint8Array.from(out).buffer);
}

/** Signal to difference, in dB, over the samples that both have. Infinity when nothing differs. */
export function signalToDifference(wanted: Int16Array, got: Int16Array): number {
  let signal = 0;
  let difference = 0;
  for (let i = 0; i < Math.min(wanted.length, got.length); i++) {
    signal += (wanted[i] as number) ** 2;
    difference += ((wanted[i] as number) - (got[i] as number)) ** 2;
  }
  return 10 * Math.log10(signal / difference);
}

/** Fails with the first sample that differs. (`toEqual` takes seconds for as many samples as these.) */
export function expectSame(got: Int16Array, wanted: Int16Array): void {
  for (let i = 0; i < Math.max(got.length, wanted.length); i++) {
    if (got[i] !== wanted[i]) throw new Error(`sample ${i} of ${wanted.length} is ${got[i]} and not ${wanted[i]}`);
  }
}
