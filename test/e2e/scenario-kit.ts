import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import { encodeWav } from '../../src/audio/wav-file.js';
import { readWav } from '../../src/audio/wav-reader.js';
import { codeG711 } from '../../src/client/coded-audio.js';
import type { CallReport } from '../../src/client/recording-client.js';
import { RtpStream } from '../../src/client/rtp-stream.js';
import type { CallEvent } from '../../src/core/call-event.js';
import type { Gap } from '../../src/core/gap.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { type CapturedPacket, writePcap } from '../helpers/pcap-writer.js';
import { portRange } from '../helpers/port-range.js';
import type { TestServer } from '../helpers/test-server.js';

/** Sound of which no two places are alike, as G.711 carries it, and in which no sample is zero: whatever is, is a hole. */
export function voice(ms: number, seed: number): Int16Array {
  let state = seed;
  const samples = Int16Array.from({ length: ms * 8 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const sample = (state >>> 18) - 8192;
    return sample < 0 ? sample - 16 : sample + 16;
  });
  return decodeG711('PCMU', encodeG711('PCMU', samples));
}

/** Where `part` stands in `samples`, whole and sample by sample, at or after `from`; -1 when it does not. */
export function placeOf(samples: Int16Array, part: Int16Array, from = 0): number {
  for (let at = from; at + part.length <= samples.length; at++) {
    if (samples[at] === part[0] && part.every((sample, i) => samples[at + i] === sample)) return at;
  }
  return -1;
}

export function isSilent(samples: Int16Array, from = 0, to = samples.length): boolean {
  return samples.subarray(from, to).every((sample) => sample === 0);
}

/** A stretch of a leg's file, in ms. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** What of a file of `voice` is nobody's: every run of zeros. */
export function holesOf(samples: Int16Array): Span[] {
  const holes: Span[] = [];
  for (let at = 0; at < samples.length; at++) {
    const from = at;
    while (samples[at] === 0) at++;
    if (at > from) holes.push({ startMs: from / 8, endMs: at / 8 });
  }
  return holes;
}

/** One RTP source of a capture: `leg` is 0 or 1; its first packet is sent at `atMs`. */
export interface Source {
  readonly leg: number;
  readonly samples: Int16Array;
  readonly atMs?: number;
  readonly ssrc: number;
}

const MEDIA_PORT = 6000;

/** What SIPp plays: the first port of the capture to the first m-line, the one two above it to the second. */
export function capture(sources: readonly Source[]): Buffer {
  const packets: CapturedPacket[] = [];
  for (const { leg, samples, atMs = 0, ssrc } of sources) {
    const numbers = { sequence: (ssrc * 7919) & 0xffff, timestamp: (ssrc * 104_729) >>> 0 };
    const stream = new RtpStream(codeG711('PCMU', samples, 20), { ssrc, ...numbers });
    const port = MEDIA_PORT + 2 * leg;
    for (let n = 0, payload = stream.next(); payload; payload = stream.next(), n++) {
      packets.push({ atMs: atMs + 20 * n, sourcePort: port, destinationPort: port, payload });
    }
  }
  return writePcap(packets);
}

/** Other test processes run SIPp too: ten ports of our own for each. */
let ownPorts = portRange(200);

/** SIPp plays a scenario of `test/fixtures/sipp` with captures of these names. Rejects with what it says when the call fails. */
export async function sipp(
  server: TestServer,
  scenario: string,
  options: { readonly callId: string; readonly pauseMs: number; readonly captures: Readonly<Record<string, Buffer>> },
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-scenario-'));
  ownPorts += 10;
  const args = [
    ...[`127.0.0.1:${server.sip.udp}`, '-sf', resolve(`test/fixtures/sipp/${scenario}.xml`)],
    ...[
      '-m',
      '1',
      '-t',
      'u1',
      '-i',
      '127.0.0.1',
      '-mp',
      String(ownPorts),
      '-cp',
      String(ownPorts + 8),
      '-d',
      String(options.pauseMs),
    ],
    ...['-cid_str', options.callId, '-timeout', '90', '-timeout_error', '-trace_err', '-nostdin'],
  ];
  try {
    for (const [name, bytes] of Object.entries(options.captures)) writeFileSync(join(folder, name), bytes);
    const { code, output } = await run('sipp', args, folder);
    if (code !== 0) throw new Error(`sipp ended with ${code}: ${output.slice(-1500)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `sipscribe call` as a user runs it. */
export async function sipscribeCall(
  server: TestServer,
  legs: readonly [Int16Array, Int16Array],
  options: readonly string[],
): Promise<CallReport> {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-scenario-'));
  try {
    const files = legs.map((samples, index) => {
      const path = join(folder, `${index + 1}.wav`);
      writeFileSync(path, encodeWav(samples, 8000, 1));
      return path;
    });
    const to = `sip:srs@${server.sip.host}:${server.sip.udp}`;
    const args = [resolve('dist/src/cli.js'), 'call', '--to', to, ...options, '--json', ...files];
    const { code, out, output } = await run(process.execPath, args, folder);
    if (code !== 0) throw new Error(`sipscribe call ended with ${code}: ${output}`);
    return JSON.parse(out) as CallReport;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number | null; out: string; output: string }> {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd });
    let out = '';
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
      output += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.on('error', (error) => done({ code: -1, out, output: `${command} cannot be run: ${error.message}` }));
    child.on('close', (code) => done({ code, out, output }));
  });
}

/** What a finished call has left. */
export interface Recorded {
  readonly record: CallRecord;
  readonly events: readonly CallEvent[];
  /** By leg number. */
  readonly legs: readonly Int16Array[];
  readonly stereo: readonly [Int16Array, Int16Array];
  /** `state` and `pausedBy` of each `call.updated`. */
  readonly states: readonly string[];
  readonly problems: readonly string[];
  /** What the record says of the silence of each leg. */
  readonly gaps: readonly (readonly Gap[])[];
}

/** Waits for the end of a call and reads what is on disk. */
export async function recorded(server: TestServer, callId: string): Promise<Recorded> {
  const ended = await server.ended(callId, 60_000);
  const record = server.record(ended);
  const read = (name: string) => readWav(readFileSync(join(server.folder(ended), name)));
  const { samples } = read('call.wav');
  const channel = (index: number) => samples.filter((_, i) => i % 2 === index);
  const events = server.events.filter((event) => event.callId === callId);
  return {
    record,
    events,
    legs: [new Int16Array(0), ...record.legs.map(({ file = '' }) => read(file).samples)],
    stereo: [channel(0), channel(1)],
    states: events.flatMap((event) =>
      event.type === 'call.updated' ? [event.pausedBy ? `${event.state} by ${event.pausedBy}` : event.state] : [],
    ),
    gaps: record.legs.map(({ statistics }) => statistics?.gaps ?? []),
    problems: (record.assurance?.problems ?? []).map(({ problem, leg }) => `${problem} ${leg}`),
  };
}
