import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeG711 } from '../../src/audio/g711.js';
import type { CallEvent } from '../../src/core/call-event.js';
import { systemClock } from '../../src/core/clock.js';
import type { DtmfPolicy } from '../../src/core/dtmf.js';
import { silentLogger } from '../../src/core/logger.js';
import type { Metrics } from '../../src/core/metrics.js';
import type { OfferedStream, RecordingMetadata, RsOffer } from '../../src/core/model.js';
import { EventBus } from '../../src/listeners/bus.js';
import type { MediaThreads, MediaThreadsOptions } from '../../src/rtp/media-pool.js';
import { SessionRecorder } from '../../src/session/session-recorder.js';
import type { PauseLimits } from '../../src/session/session-services.js';
import type { ProtectionPolicy } from '../../src/session/stream-protection.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { MemoryEventLog } from '../../src/store/event-log.js';
import type { SttJob } from '../../src/stt/dispatcher.js';
import { PCMU, startPlane, temporaryDirectory } from '../rtp/media-fixture.js';
import { paced, pieces, RtpSender } from '../rtp/rtp-sender.js';

export interface Studio {
  readonly recorder: SessionRecorder;
  readonly plane: MediaThreads;
  readonly metrics: Metrics;
  /** Everything published, in order. */
  readonly events: CallEvent[];
  readonly dataDirectory: string;
  /** The engine gives no words before this resolves. */
  words: Promise<void>;
  types(): string[];
  /** Folders of recordings on disk. */
  recordings(): string[];
  record(sessionId: string): CallRecord;
  folder(sessionId: string): string;
  stop(): Promise<void>;
}

/** A recorder with the real media plane, bus and files; the engine of words is a function that says the id of the utterance. */
export async function studio(
  options: {
    maxSessions?: number;
    media?: Partial<MediaThreadsOptions>;
    pause?: PauseLimits;
    dtmf?: DtmfPolicy;
    snapshotRequest?: boolean;
    keepsSignalling?: boolean;
    protection?: ProtectionPolicy;
  } = {},
): Promise<Studio> {
  const directory = temporaryDirectory();
  const { plane, metrics } = startPlane({
    tailMs: 50,
    utterance: { endSilenceMs: 300, minSpeechMs: 150 },
    ...(options.dtmf ? { dtmf: options.dtmf } : {}),
    ...options.media,
  });
  const bus = new EventBus({ log: new MemoryEventLog(), clock: systemClock, metrics, logger: silentLogger });
  const events: CallEvent[] = [];
  const recorder = new SessionRecorder({
    dataDirectory: directory.path,
    maxSessions: options.maxSessions ?? 10,
    services: {
      media: plane,
      cutsUtterances: true,
      ...(options.keepsSignalling === undefined ? {} : { keepsSignalling: options.keepsSignalling }),
      ...(options.snapshotRequest === undefined ? {} : { snapshotRequest: options.snapshotRequest }),
      submit: async (job: SttJob) => {
        await self.words;
        const result = { text: job.id, words: [], segments: [], model: 'echo' };
        return { ok: true, result, vendor: 'echo', model: 'echo', queuedMs: 0, ranMs: 0 };
      },
      publish: (draft) => {
        const event = bus.publish(draft);
        events.push(event);
        return event;
      },
      mediaAddress: () => '127.0.0.1',
      ...(options.dtmf ? { dtmf: options.dtmf } : {}),
      ...(options.pause ? { pause: options.pause } : {}),
      ...(options.protection ? { protection: options.protection } : {}),
      clock: systemClock,
      metrics,
      logger: silentLogger,
    },
  });
  await plane.start();
  const all = (): string[] =>
    readdirSync(directory.path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory() && /recordings\/[\d-]+$/.test(entry.parentPath))
      .map((entry) => join(entry.parentPath, entry.name));
  const folder = (id: string): string => all().find((path) => path.endsWith(id)) ?? '';
  const self: Studio = {
    recorder,
    plane,
    metrics,
    events,
    dataDirectory: directory.path,
    words: Promise.resolve(),
    types: () => events.map((event) => event.type),
    recordings: all,
    folder,
    record: (id) => JSON.parse(readFileSync(join(folder(id), 'call.json'), 'utf8')),
    stop: async () => {
      await recorder.endAll('shutdown');
      await recorder.settled();
      await plane.stop();
      directory.remove();
    },
  };
  return self;
}

export function stream(index: number, more: Partial<OfferedStream> = {}): OfferedStream {
  return {
    index,
    media: 'audio',
    profile: 'RTP/AVP',
    port: 5004 + 2 * index,
    direction: 'sendonly',
    label: String(index + 1),
    formats: [PCMU],
    rawFormats: ['0'],
    ...more,
  };
}

/** Ana sends on the stream of label 1, Ben on that of label 2. */
export const twoPeople: RecordingMetadata = {
  mode: 'complete',
  sessions: [],
  participants: [
    { id: 'pa', name: 'Ana' },
    { id: 'pb', name: 'Ben' },
  ],
  streams: [
    { id: 'ma', label: '1' },
    { id: 'mb', label: '2' },
  ],
  associations: [
    { participantId: 'pa', send: ['ma'], receive: ['mb'] },
    { participantId: 'pb', send: ['mb'], receive: ['ma'] },
  ],
  raw: '<recording/>',
};

let calls = 0;

export function offer(streams: readonly OfferedStream[] | undefined, more: Partial<RsOffer> = {}): RsOffer {
  return {
    callId: `call-${++calls}@127.0.0.1`,
    ...(streams === undefined ? {} : { media: { streams, originVersion: '1', timing: '0 0' } }),
    warnings: [],
    receivedAt: Date.now(),
    source: '127.0.0.1:5060',
    ...more,
  };
}

/** Says the samples as PCMU to a port in real time, then a second of silence so that the utterance is cut. */
export async function say(sender: RtpSender, samples: Int16Array): Promise<void> {
  const packets = pieces(encodeG711('PCMU', samples));
  await paced(packets.length, 20, (i) => sender.send(packets[i] ?? new Uint8Array()));
}

export { RtpSender };
