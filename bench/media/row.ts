import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures } from './figures.js';
import { kernelDrops } from './kernel-drops.js';
import { MeasuredProcess } from './measured-process.js';
import { type Answered, RecordingSource } from './recording-source.js';
import type { LoadPlan, RtpLoad } from './rtp-load.js';

/** Counters of the media threads reach the main thread once a second. */
const COUNTERS_MS = 1_500;
/** Calls a second while they are set up, and while their INVITEs are timed. */
const SETUP_RATE = 100;
const PLACED_RATE = 10;
/** Calls that are recorded for a while and ended before anything is measured. */
const WARMING_CALLS = 60;
const WARMING_ROUNDS = 150;
/** Until their files are finished, and the threads that do so have started. */
const SETTLED_MS = 4_000;

/** What was asked of one row, in rounds of 20 ms: compiled code and page tables come first and do not count. */
export interface RowPlan {
  readonly name: string;
  readonly calls: number;
  readonly warmRounds: number;
  /** Where the half with signalling begins. */
  readonly halfRound: number;
  readonly rounds: number;
}

export interface RowResult {
  readonly name: string;
  readonly calls: number;
  /** µs of CPU of the whole process per packet, while nothing but media happens. */
  readonly perPacket: number;
  /** The same of the C receiver. */
  readonly baseline: number;
  readonly sent: number;
  /** Packets that were sent and are in no file. */
  readonly lost: number;
  /** Those of them that found a full socket, and those that we threw away. */
  readonly kernelDrops: number;
  readonly dropped: number;
  readonly loopDelayP99: number;
  readonly inviteP99?: number;
  readonly residentBytesPerCall: number;
  /** The most that the load was behind its pace, in ms. Where that is long, the row tells of the machine. */
  readonly loadLateMs: number;
  /** ms that streams took to open, sorted. */
  readonly opened?: readonly number[];
}

/** Starts a load of ports. */
export type Loads = (ports: readonly number[], plan: LoadPlan) => RtpLoad;

export interface Subject {
  readonly process: MeasuredProcess;
  readonly rtpPorts: readonly number[];
  readonly before: Figures;
  /** What happens in the second half. */
  readonly meanwhile: (seconds: number) => Promise<Partial<RowResult>>;
  close(): void;
}

/** A whole server with calls that an SRC has placed; in the second half it answers ten more a second. */
export async function wholeServer(calls: number, directory: string, loads: Loads, crypto?: string): Promise<Subject> {
  const { process, ready } = await MeasuredProcess.start('whole-server.js', [], {
    SIP_HOST: '127.0.0.1',
    UDP_PORTS: '0',
    TCP_PORTS: 'none',
    HTTP_PORT: '0',
    RTP_PORT_MIN: '10000',
    RTP_PORT_MAX: '32767',
    MAX_CONCURRENT_CALLS: String(calls + 100),
    WHISPER_ENABLED: 'false',
    DATA_DIR: directory,
  });
  const source = await RecordingSource.open(ready.sipPort, crypto);
  // Compiled code, and the room in which young objects die, come with the first calls and belong to none of those that are measured.
  const warming = await source.hold(WARMING_CALLS, SETUP_RATE);
  await loads(ports(warming), { rounds: WARMING_ROUNDS, marks: [] }).end();
  await source.end(warming);
  // The thread that makes checksums starts with the first calls that end, and is a cost of none of those that are measured.
  await sleep(SETTLED_MS);
  const before = await process.figures();
  const rtpPorts = ports(await source.hold(calls, SETUP_RATE));
  return {
    process,
    rtpPorts,
    before,
    meanwhile: async (seconds) => {
      // The last of them must be over before the load is.
      const latencies = await source.places(Math.floor((seconds - 2) * PLACED_RATE), PLACED_RATE);
      return { inviteP99: quantile(latencies, 0.99) };
    },
    close: () => source.close(),
  };
}

/** The same server; in the second half the whole process stands still for a while. */
export async function stalledServer(calls: number, directory: string, loads: Loads, stallMs: number): Promise<Subject> {
  const subject = await wholeServer(calls, directory, loads);
  const meanwhile = async (): Promise<Partial<RowResult>> => {
    await subject.process.stall(stallMs);
    return {};
  };
  return { ...subject, meanwhile };
}

/** The media plane alone, with or without voice activity; in the second half streams are opened in it. */
export async function barePlane(
  calls: number,
  directory: string,
  utterances: boolean,
  receiver: 'auto' | 'node' = 'auto',
): Promise<Subject> {
  const args = [directory, String(calls), utterances ? 'on' : 'off', receiver];
  const { process, ready } = await MeasuredProcess.start('bare-plane.js', args, {});
  return {
    process,
    rtpPorts: ready.rtpPorts,
    before: await process.figures(),
    meanwhile: async (seconds) => ({ opened: sorted(await process.openStreams(Math.floor((seconds - 1) * 10))) }),
    close: () => {},
  };
}

export async function measureRow(plan: RowPlan, baseline: number, subject: Subject, loads: Loads): Promise<RowResult> {
  const { process, rtpPorts, before } = subject;
  const earlier = (await process.figures()).packets;
  const load = loads(rtpPorts, { rounds: plan.rounds, marks: [plan.warmRounds, plan.halfRound] });
  try {
    const sentWarm = await load.mark();
    const warm = await process.figures();
    const sentHalf = await load.mark();
    const half = await process.figures();
    const [{ sent, lateMs }, found] = await Promise.all([
      load.end(),
      subject.meanwhile((plan.rounds - plan.halfRound) / 50),
    ]);
    const end = await process.figures();
    await sleep(COUNTERS_MS);
    const final = await process.figures();
    const dropped = final.dropped - before.dropped;
    return {
      name: plan.name,
      calls: plan.calls,
      perPacket: (half.cpuMicroseconds - warm.cpuMicroseconds) / (sentHalf - sentWarm),
      baseline,
      sent,
      lost: sent - (final.packets - earlier - dropped),
      kernelDrops: kernelDrops(rtpPorts),
      dropped,
      loopDelayP99: Math.max(half.loopDelayP99, end.loopDelayP99),
      residentBytesPerCall: (end.residentBytes - before.residentBytes) / plan.calls,
      loadLateMs: lateMs,
      ...found,
    };
  } finally {
    load.kill();
    subject.close();
    await process.kill();
  }
}

function ports(calls: readonly Answered[]): number[] {
  return calls.flatMap(({ rtpPorts }) => rtpPorts);
}

export function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

export function quantile(values: readonly number[], part: number): number {
  const ordered = sorted(values);
  return ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * part))] ?? Number.NaN;
}
